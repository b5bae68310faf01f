"""Second factors of operators: authenticator apps, passkeys, recovery codes, and fresh proofs.

An authenticator app makes codes of six digits from a secret and the time. Each code works once, and
wrong ones are counted: after a hundred no more are looked at until a right one comes from a browser
in which the operator has signed in before. Their tries are counted apart, so that others, even with
the password, do not shut the operator out.

A passkey asks for a finger, a face or a PIN by itself. So it is a second factor after the password,
and signs in alone without one. Each signs a challenge that the database keeps for five minutes and
gives out once. Passkeys work at the public address of the service and nowhere else.

Recovery codes sign in once each, in place of the second factor. They come with the first one.

A dangerous act asks for a proof that is no older than ten minutes (`Guard.as_role`, `fresh`): the
password, a code or a passkey. A sign-in is such a proof.
"""
