"""Passes of shoppers inside, and the list of passes that are revoked.

`minting` gives a session its pass, `revocations` tells sites which sessions ended before their
passes ran out. The format is `waitroom.gate.passes`.
"""
