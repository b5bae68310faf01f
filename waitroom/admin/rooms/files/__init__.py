"""Rooms as files: the rules of a room as one document that can be kept, compared and applied.

A document has the keys that its author cares about, and says nothing of all others. Applying it
compares these keys with the room, changes the ones that differ in one transaction, and tells each
change. Applied again, it changes nothing. A refusal of any part leaves everything as it was.

The document has rules and goods, and no states: rooms are opened and ended by people and schedules.
"""
