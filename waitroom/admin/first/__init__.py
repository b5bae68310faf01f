"""The first sale, step by step: account, room, product, opening, preview, share.

`waitroom up` on an empty database leads here, and later sales can be made here too. Every step is a
form that works without JavaScript, and each writes what it asked for at once, so that a person who
stops in the middle goes on where they were.

A stranger can reach a fresh installation before its owner. While there is no operator, the first
account therefore needs a code that `waitroom up` prints on its terminal
(`OperatorStore.offer_first`).
"""
