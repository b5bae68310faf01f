"""Places that are moved, left for a while, given more time or taken away, on PostgreSQL."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from inventory.kit.database import Pool, connection, load_queries
from waitroom.line.ticket import Ticket

SQL = load_queries("waitroom.store")
# The one spelling of a link's key.
_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LONG_AGO = datetime.fromtimestamp(0, UTC)

Signal = Literal["unpaid", "declined", "at_once", "sessions"]


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
class NetworkOnFile:
    """Figures of a network's sessions in a room.

    `network` is a keyed hash in hex, and `signals` are what it stands out by. `since` is its first
    claim, `inside` its open sessions, `at_once` its calls that were claimed within a second, `held`
    the units in its open baskets. `paid` and `unpaid` are baskets that ended, `declined` payments.
    """

    network: str
    signals: list[Signal]
    since: datetime
    sessions: int
    inside: int
    at_once: int
    held: int
    paid: int
    unpaid: int
    declined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRevoked:
    """A place that is taken away now, with who did it and why; `action_id` grows with each act."""

    action_id: int
    line: str
    number: int
    at: datetime
    who: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkBehind:
    """A network that an operator put behind by hand; `network` is its keyed hash in hex."""

    network: str
    at: datetime
    who: str
    reason: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MailedPlace:
    """The place that a link in a message opens, with the id of the ticket that owns it now."""

    line_id: int
    entered: bool
    number: int
    ticket_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOfCopy:
    """A line as an older copy of the database has it: its last number, and last entry to a draw."""

    line_id: int
    line: str
    last_number: int
    last_entry: int


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

    async def rooms_to_restore(self) -> list[str]:
        """Return the rooms whose sale is not over, by name."""
        async with connection(self._pool) as borrowed:
            return [row["room"] for row in await borrowed.fetch(SQL["rooms_to_restore"])]

    async def note_restored(self, room: str, *, who: str, reason: str) -> list[LineOfCopy]:
        """Note that a room was brought back from an older copy, and pause it; return its lines."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["note_restored"], room, who, reason)
        return [LineOfCopy(**dict(row)) for row in rows]

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

    async def ask_for_mail(
        self,
        ticket: Ticket,
        *,
        email: str,
        address_key: str,
        language: str,
        near: bool,
        times_max: int,
    ) -> str:
        """Leave an address for a message at this place's turn.

        The verdict is asked, called, inside, over, other_ticket, drawn, room_ended or
        too_many_changes.
        """
        place = (ticket.line_id, ticket.entered, ticket.number, ticket.ticket_id)
        values = (*place, email, address_key, language, near, times_max)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["ask_for_mail"], *values))

    async def stop_mail(self, ticket: Ticket) -> str:
        """Forget the address of a place. The verdict is stopped or drawn."""
        values = (ticket.line_id, ticket.entered, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["stop_call_mail"], *values))

    async def mail_of(self, ticket: Ticket) -> str:
        """Return the address that a place has left, "" for none."""
        values = (ticket.line_id, ticket.entered, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            return await borrowed.fetchval(SQL["read_call_mail"], *values) or ""

    async def mailed_place(self, room: str, key: str) -> MailedPlace | None:
        """Return the place that a link's key opens, None for a link that is over."""
        if not _KEY.fullmatch(key):
            return None
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["find_mailed_place"], room, UUID(key))
        return None if row is None else MailedPlace(**dict(row))

    async def stop_mail_by_key(self, room: str, key: str) -> bool:
        """Forget the address of the place that a link's key opens; say whether there is one."""
        found = await self.mailed_place(room, key)
        if found is None:
            return False
        ticket = Ticket(
            line_id=found.line_id,
            entered=found.entered,
            number=found.number,
            ticket_id=found.ticket_id,
        )
        await self.stop_mail(ticket)
        return True

    async def profiles(self, room: str) -> list[Profile]:
        """Return what a room offers."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_profiles"], room)
        return [Profile(**dict(row)) for row in rows]

    async def suspicions(self, room_id: int, most: int) -> list[NetworkOnFile]:
        """Return the networks that stand out in a room, the most striking first."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["suspicions"], room_id, most)
        return [NetworkOnFile(**dict(row)) for row in rows]

    async def of_network(self, room_id: int, network: bytes, most: int) -> list[tuple[str, int]]:
        """Return the places of a network's open sessions, each by its line and number."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["places_of_network"], room_id, network, most)
        return [(row["line"], row["number"]) for row in rows]

    async def revoke(self, room: str, line: str, number: int, *, who: str, reason: str) -> str:
        """Take a place from its holder: revoked, unknown, over, payment_running or archived."""
        values = (room, line, number, who, reason)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["revoke_place"], *values))

    async def give_back(self, room: str, line: str, number: int, *, who: str, reason: str) -> str:
        """Give a place back that was taken away.

        The verdict is given_back, unknown, not_revoked, line_over, room_ended or archived.
        """
        values = (room, line, number, who, reason)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["give_place_back"], *values))

    async def revoked(self, room_id: int, *, before: int | None, most: int) -> list[PlaceRevoked]:
        """Return the places that are taken away now, the latest first, from before an act on."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["places_revoked"], room_id, before, most)
        return [PlaceRevoked(**dict(row)) for row in rows]

    async def put_behind(
        self, room: str, network: bytes, *, is_behind: bool, who: str, reason: str
    ) -> str:
        """Put a network behind, or lift that: set, unknown, room_ended, archived or too_many."""
        values = (room, network, is_behind, who, reason)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["put_network_behind"], *values))

    async def networks_behind(self, room_id: int) -> list[NetworkBehind]:
        """Return the networks that operators put behind, the latest first."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["networks_behind"], room_id)
        return [NetworkBehind(**dict(row)) for row in rows]
