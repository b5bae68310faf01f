"""Rooms between two databases: where each lives, and its move from one to the other.

A room moves between sales, in two transactions that are both written to their ends before either is
committed (`moving`). The source is committed first: from then on the room is sealed there and lives
nowhere until the target is committed too. If the move breaks off in between, it is begun again and
ends at the same place, since nothing changes in a sealed room. The other order would let the room
live twice for a moment, and then for as long as nobody looks.

The target makes the hashes of the public log again, and takes the room only if the last is the one
that it left with. So `waitroom verify` holds over old and new entries. No number is given twice:
lines go on from their tails.
"""
