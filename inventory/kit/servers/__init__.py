"""PostgreSQL on several servers: a primary, and standbys of which one takes its place.

A URL that names several hosts (`postgresql://a,b/waitroom`) is one service. Each new connection
goes to the host that takes writes, whichever it is at that moment (`servers.py`). A host that is
silent costs a moment and holds nobody up.

# The old primary

A primary that was cut off or frozen while its standby was promoted may come back and still take
writes. Promotion begins a new timeline, so of two hosts that take writes the one with the later
timeline is the primary. A process that has seen a timeline never connects to an earlier one of the
same cluster again, and lets go of all connections it has there.

# Only what is replicated is told

With synchronous replication a commit is answered when a standby has it. Until then no other session
sees it, so nothing is told of it. A cancelled statement breaks that: PostgreSQL ends the wait, and
what may be lost becomes visible. A statement whose reply takes too long is therefore never
cancelled; its connection is broken off, and it ends by itself (`Uncancelled`).

# A loan takes no turn

`lending.py` lends the connections of a pool. Where the loop is busy, each turn that a loan would
take makes those wait who pay.
"""
