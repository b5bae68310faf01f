"""Places that are moved, left for a while, given more time or taken away, on PostgreSQL."""

from dataclasses import dataclass
from datetime import UTC, datetime

from inventory.kit.database import Pool, connection, load_queries
from waitroom.line.ticket import Ticket

SQL = load_queries("waitroom.store")
LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """More time for shoppers who ask: `time_factor` times the claim window and the session."""

    profile: str
    name: str
    time_factor: float
    places_max: int | None
    taken: int

    @property
    def left(self) -> int | None:
        """Return the number of places that may still have it, None for no limit."""
        return None if self.places_max is None else max(self.places_max - self.taken, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceNote:
    """The database's note of one place, apart from its number; most places have an empty one.

    `owner` is the id of the ticket that owns the place now, None where that never changed;
    `profile` the name of the profile that gives it more time.
    """

    owner: bytes | None = None
    aside: bool = False
    revoked: bool = False
    has_left: bool = False
    profile: str | None = None
    # The SKU that was named later than with the join, '' for none; None: as the ticket says.
    chosen: str | None = None
    changed_at: datetime = LONG_AGO


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCursor:
    """A point in the order of changes: by transaction, and by place within one."""

    changed_in: int
    line_id: int = 0
    entered: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPlace:
    """A place, by its number or by its entry in a draw, with its note."""

    cursor: PlaceCursor
    note: PlaceNote


class PlaceStore:
    """Verdicts are words; `drawn` says of an entry that its number has to be named instead."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def move(self, ticket: Ticket, *, to_ticket: bytes) -> str:
        """Let a place belong to another ticket.

        The verdict is moved, other_ticket, inside, over, drawn, room_ended or too_many_changes.
        """
        values = (ticket.line_id, ticket.entered, ticket.number, ticket.ticket_id, to_ticket)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["move_place"], *values))

    async def step_aside(self, ticket: Ticket) -> str:
        """Let the line go on without a number.

        The verdict is aside, inside, over, other_ticket, room_ended or too_many_changes.
        """
        values = (ticket.line_id, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["step_aside"], *values))

    async def step_back(self, ticket: Ticket) -> str:
        """Take a number back into the line.

        The verdict is waiting, missed (to be called again), over, other_ticket, room_ended, or the
        state of an admission that never stepped aside.
        """
        values = (ticket.line_id, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["step_back"], *values))

    async def give_profile(self, ticket: Ticket, profile: str) -> str:
        """Give a place more time.

        The verdict is given, none_left, unknown, over, other_ticket, drawn or room_ended.
        """
        values = (ticket.line_id, ticket.entered, ticket.number, ticket.ticket_id, profile)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["take_profile"], *values))

    async def choose(self, ticket: Ticket, sku: str | None) -> str:
        """Change what a shopper came for, None for anything.

        The verdict is chosen, unknown_sku, other_ticket, inside, over, drawn, room_ended or
        too_many_changes.
        """
        values = (ticket.line_id, ticket.entered, ticket.number, ticket.ticket_id, sku)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["choose"], *values))

    async def profiles(self, room: str) -> list[Profile]:
        """Return what a room offers."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_profiles"], room)
        return [Profile(**dict(row)) for row in rows]

    async def revoke(self, room: str, line: str, number: int, *, who: str, reason: str) -> str:
        """Take a place from its holder: revoked, unknown, over, payment_running or archived."""
        values = (room, line, number, who, reason)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["revoke_place"], *values))
