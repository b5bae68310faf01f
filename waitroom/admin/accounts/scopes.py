"""Scopes of API keys: the calls that a program may make, and the rooms in which it may. Pure."""

from dataclasses import dataclass
from typing import Literal, get_args

from waitroom.admin.accounts.refusals import ClosedToKeys, KeyNarrowed, ScopeLacking

Scope = Literal["figures", "stock", "steer", "rooms", "orders"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

# The rights that come with each scope, as the screen and the command line say them.
SCOPES_MAY: dict[Scope, str] = {
    "figures": "Read rooms, with their figures, charts, logs, reports and records of actions.",
    "stock": "Read and change goods and stock, and report stock and sales from a shop.",
    "steer": "Pause and resume rooms, and set their rate, seats and message.",
    "rooms": "Make, change and end rooms, with all their rules, lanes and looks.",
    "orders": "Read orders with their customers, cancel them, and refund money.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rule of one operators' route.

    Operators need the role `role` or one above it; sellers may call it where `sellers` says so. A
    key needs one of `scopes`; a route without scopes is closed to keys. With `fresh`, a person must
    have proved lately who they are. With `before_factor`, it is open to one who still has to set up
    a second factor.
    """

    role: str
    sellers: bool
    scopes: tuple[Scope, ...]
    fresh: bool = False
    before_factor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The rights of one API key. `rooms` are those to which it is narrowed, None for all."""

    key_id: int
    name: str
    scopes: tuple[Scope, ...]
    rooms: tuple[str, ...] | None

    def require(self, *scopes: Scope) -> None:
        """Raise `ScopeLacking` unless the key has one of these scopes.

        Raises `ClosedToKeys` where there is none that would do.
        """
        if not scopes:
            raise ClosedToKeys
        if not set(scopes) & set(self.scopes):
            raise ScopeLacking(
                f"This needs the scope {' or '.join(scopes)}, and the key {self.name} has "
                f"{', '.join(self.scopes)}. An admin can make a key that has it.",
                scopes_needed=list(scopes),
                scopes=list(self.scopes),
            )

    def require_room(self, room: str | None) -> None:
        """Raise `KeyNarrowed` unless the key works in this room; None is a call beyond rooms."""
        if self.rooms is not None and room not in self.rooms:
            raise KeyNarrowed(
                f"The key {self.name} works in {', '.join(self.rooms)} alone, and this call is not "
                "about one of them.",
                rooms=list(self.rooms),
            )
