"""Passes of shoppers whom a room let in, and the list of those that are worth nothing any more.

`minting` gives a session its pass, `revocations` tells sites which sessions ended before their
passes ran out. The format is `waitroom.gate.passes`.
"""
