"""Lines and places on PostgreSQL, as a web worker reads and writes them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import asyncpg
import msgspec

from inventory.kit.database import (
    ENGINE_ERRORS,
    SHOPPER_TIMEOUT_S,
    Pool,
    ask,
    borrow,
    connection,
    load_queries,
)
from inventory.kit.problem import EngineDown
from waitroom.line.admission import AdmissionState
from waitroom.line.ticket import Ticket
from waitroom.store.place_store import ChangedPlace, PlaceCursor, PlaceNote
from waitroom.store.room_rows import UNREADABLE, RoomOnFile, RoomsOnFile, rooms_on_file
from waitroom.store.room_store import rooms_one_by_one

SQL = load_queries("waitroom.store")

JOIN_ATTEMPTS_MAX = 3
# Broken when one person of a batch has their one place already.
ONE_PLACE_CONSTRAINT = "one_place_for_each"
RETRY_PAUSE_S = 0.1
# A join may be repeated for this long under its key: a phone that slept asks again when it wakes.
JOIN_KEYS_KEPT_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The outcome of one batch of joins: numbers from `first`, the first `called` of them called.

    Where a draw is ahead the tickets are `entered`, and the numbers are those of entries.
    `claim_until` is the deadline of the calls, `claim_seconds` the same in seconds from now; `seq`
    the log's entry of this batch; `refusal` a code in place of all else.
    """

    entered: bool
    first: int
    called: int
    gate: int
    tail: int
    claim_until: datetime | None
    claim_seconds: float | None
    seq: int
    refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePerPerson:
    """A person who may have one place, and the ticket that they are to get.

    `person_key` is a hash of who they are; `consumes` the key of what this place uses up besides,
    such as an invitation.
    """

    person_key: bytes
    ticket_id: bytes
    consumes: bytes | None = None


class PersonHasPlace(Exception):
    """One person of the batch has their one place already, so the whole batch got none."""


class KeyHasNumber(Exception):
    """One join key of the batch has its number already, so the whole batch got none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinKeys:
    """The join keys of a batch, None where a person is known, and the ids of their tickets."""

    keys: Sequence[bytes | None]
    ids: Sequence[bytes]


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one claim; session and deadline are set when it is `claimed`.

    `fresh` is false for a claim that was made before; `seconds_left` are the session's.
    """

    verdict: str
    fresh: bool
    session_id: int
    expires_at: datetime | None
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOnFile:
    """One place as the database has it, which may be newer than the state document."""

    # None for a number that waits, and for an entry.
    state: AdmissionState | None
    # The ticket that owns the place, None where the database need not know it.
    ticket_id: bytes | None
    # A missed admission whose shopper is back, so it will be called again.
    came_back: bool
    # True for a number that was called at least once.
    passed: bool
    # An operator took the place away.
    revoked: bool
    # An entry that gave its place up before the draw.
    has_left: bool
    # The name of the profile that gives this place more time.
    profile: str | None
    # True while the shopper of a missed call may come back, which ends at `grace_until`.
    in_grace: bool
    grace_until: datetime | None
    # None: the ticket does not stay in line for returns. Empty: it stays without an address.
    returns_email: str | None = field(repr=False)
    # True for a call for returned units, with the longer claim window.
    for_returns: bool
    # Whether units are set aside for it. `named` is the SKU that one of them is of, or that a
    # number waits for which was passed by (`awaits`); it `may_be_had` if it is on sale and not all
    # sold.
    promised: bool | None
    named: str | None
    awaits: bool
    may_be_had: bool
    # The line's gate and tail at this reading.
    gate: int
    tail: int
    # The version of the document that was the latest at this reading.
    version: int
    # The call's deadline, on the wall clock and as seconds from this reading.
    claim_until: datetime | None
    claim_seconds: float | None


class LineStore:
    """Everything that a web worker reads and writes for shoppers in line, batch by batch."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def join(
        self,
        line_id: int,
        joins: int,
        root: bytes,
        *,
        own: JoinKeys | None = None,
        persons: Sequence[OnePerPerson | None] = (),
        for_returns: bool = False,
        sku_ids: Sequence[int | None] | None = None,
    ) -> Joined:
        """Take the next places for `joins` tickets whose Merkle root is `root`.

        `persons` names, for each ticket, the person who may have only one place, if the room knows
        them. With `for_returns` places are given also while everything is sold. `sku_ids` are the
        SKUs that these shoppers came for, None where none named any. After a lost reply
        the batch is looked up by its root before it is sent again, so no number is wasted and none
        is given twice. Raises `KeyHasNumber`, `PersonHasPlace`, or `EngineDown`, after which the
        batch may have its numbers all the same.
        """
        again = False
        keys, ids = _keys_and_ids(persons)
        joining = (None, None) if own is None else (own.keys, own.ids)
        for attempt in range(JOIN_ATTEMPTS_MAX):
            try:
                async with borrow(self._pool) as borrowed:
                    row = await borrowed.fetchrow(
                        SQL["join_line"],
                        line_id,
                        joins,
                        root,
                        again,
                        keys,
                        ids,
                        *joining,
                        for_returns,
                        sku_ids,
                        timeout=SHOPPER_TIMEOUT_S,
                    )
                break
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != ONE_PLACE_CONSTRAINT:
                    raise
                raise PersonHasPlace from error
            except (*ENGINE_ERRORS, asyncpg.DeadlockDetectedError) as error:
                if attempt == JOIN_ATTEMPTS_MAX - 1:
                    raise EngineDown from error
                again = True
                await asyncio.sleep(RETRY_PAUSE_S * (attempt + 1))
        assert row is not None
        if row["refusal"] == "has_number":
            raise KeyHasNumber
        return Joined(
            entered=row["entered"],
            first=row["first_number"] or 0,
            called=row["called"] or 0,
            gate=row["gate"] or 0,
            tail=row["tail"] or 0,
            claim_until=row["claim_until"],
            claim_seconds=row["claim_seconds"],
            seq=row["seq"] or 0,
            refusal=row["refusal"],
        )

    async def key_places(self, line_id: int, keys: Sequence[bytes]) -> dict[bytes, Ticket]:
        """Return the tickets of those join keys that have one; a number that was lost is back."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["find_join_keys"], line_id, keys)
        return {row["key"]: _ticket(row, line_id) for row in rows}

    async def lose(self, line_id: int, root: bytes, own: JoinKeys) -> int:
        """Settle a batch that got no answer; return how many numbers belong to nobody for now."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["lose_joins"], line_id, root, own.keys, own.ids))

    async def forget_keys(self, batch_max: int) -> int:
        """Forget join keys that are too old to be repeated; return how many."""
        async with connection(self._pool) as borrowed:
            return int(
                await borrowed.fetchval(SQL["forget_join_keys"], batch_max, JOIN_KEYS_KEPT_S)
            )

    async def claim(
        self, tickets: Sequence[Ticket], networks: Sequence[bytes | None] = ()
    ) -> list[Claimed]:
        """Take up the calls of these tickets; a repeat finds the session of the first time.

        `networks` are the marks of the networks that the claims come from, None for one that is
        not known.
        """
        rows = await ask(
            self._pool,
            SQL["claim_numbers"],
            [ticket.line_id for ticket in tickets],
            [ticket.number for ticket in tickets],
            [ticket.ticket_id for ticket in tickets],
            list(networks) or [None] * len(tickets),
        )
        return [
            Claimed(
                verdict=row["verdict"],
                fresh=bool(row["fresh"]),
                session_id=row["session_id"] or 0,
                expires_at=row["expires_at"],
                seconds_left=max(row["seconds_left"] or 0.0, 0.0),
            )
            for row in rows
        ]

    async def places_on_file(self, tickets: Sequence[Ticket]) -> list[PlaceOnFile]:
        rows = await ask(
            self._pool,
            SQL["read_admissions"],
            [ticket.line_id for ticket in tickets],
            [ticket.number for ticket in tickets],
            [ticket.ticket_id for ticket in tickets],
            [ticket.entered for ticket in tickets],
        )
        return [_place_on_file(row) for row in rows]

    async def take_up(self, line_id: int, *, upto: int, entered: bool = False) -> int | None:
        """Let numbers, or entries, up to this one stand; see the function. Returns the last one."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetchval(SQL["take_up_numbers"], line_id, upto, entered)  # type: ignore[no-any-return]

    async def leave(self, ticket: Ticket) -> str:
        """Give a place up.

        The verdict is left, other_ticket, drawn, payment_running or room_ended.
        """
        query = SQL["leave_entry" if ticket.entered else "leave_line"]
        values = (ticket.line_id, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(query, *values))

    async def stay_for_returns(self, ticket: Ticket, *, email: str, language: str = "") -> str:
        """Keep a ticket in line for returns; the address is written to in the language.

        The verdict is waits, units_free, bought, left, other_ticket, room_ended or
        too_many_changes.
        """
        values = (ticket.line_id, ticket.number, ticket.ticket_id, email, language)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["stay_for_returns"], *values))

    async def leave_returns(self, ticket: Ticket) -> None:
        """Take a ticket out of the line for returns, and forget its address."""
        values = (ticket.line_id, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["leave_returns"], *values)

    async def rooms(self, ended: Mapping[str, int]) -> RoomsOnFile:
        """Return every room but the archived ones; a room that cannot be read leaves the others.

        Of the `ended` rooms, given with the last entry of each log, the unchanged are only named.
        """
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_unchanged"], list(ended), list(ended.values()))
            same = [row["room"] for row in rows]
            try:
                rows = await borrowed.fetch(SQL["list_rooms"], None, same)
                return replace(rooms_on_file(rows), unchanged=frozenset(same))
            except UNREADABLE:
                # asyncpg could not read a value, and says neither which nor of what room.
                return await rooms_one_by_one(borrowed)

    async def add_lane_behind(self, room_id: int) -> None:
        """Give a room its lane behind, unless it has one."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["add_lane_behind"], room_id)

    async def report_serving(self) -> None:
        """Let the shoppers' clock go on: a web worker serves shoppers."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["report_serving"])

    async def room(self, room: str) -> tuple[RoomOnFile, bytes | None] | None:
        """Return one room with its lines and its last document, archived or not."""
        async with connection(self._pool) as borrowed:
            found = rooms_on_file(await borrowed.fetch(SQL["list_rooms"], room, [])).rooms
            states = await borrowed.fetch(SQL["read_states"], room)
        return (found[0], states[0]["body"] if states else None) if found else None

    async def existing(self, rooms: Sequence[str]) -> set[str]:
        """Return those of these names that are rooms."""
        async with connection(self._pool) as borrowed:
            return {row["room"] for row in await borrowed.fetch(SQL["name_rooms"], rooms)}

    async def places_horizon(self) -> int:
        """Return the oldest transaction that still runs: whatever came before can be read now."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["places_horizon"]))

    async def changed_places(self, after: PlaceCursor, *, limit: int) -> list[ChangedPlace]:
        """Return a page of the places that changed after a cursor, in the order of cursors."""
        values = (after.changed_in, after.line_id, after.entered, after.number, limit)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_places"], *values)
        return [_changed_place(row) for row in rows]

    async def states(self) -> dict[str, bytes]:
        """Return every room's state document as last published."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_states"], None)
        return {row["room"]: row["body"] for row in rows}

    async def find_choices(self, room_id: int, skus: Sequence[str]) -> dict[str, int]:
        """Return the ids of those of these SKUs that a shopper may come for in a room."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["find_choices"], room_id, skus)
        return {row["sku"]: row["sku_id"] for row in rows}

    async def person_places(self, room_id: int, keys: Sequence[bytes]) -> dict[bytes, Ticket]:
        """Return the tickets of those keys, of persons or of what they consume, that have one."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["find_person_places"], room_id, keys)
        return {row["key"]: _ticket(row, row["line_id"]) for row in rows}


def _ticket(row: asyncpg.Record, line_id: int) -> Ticket:
    return Ticket(
        line_id=line_id,
        number=row["number"],
        ticket_id=row["ticket_id"],
        entered=row["entered"],
        sku=row["sku"] or "",
    )


def _place_on_file(row: asyncpg.Record) -> PlaceOnFile:
    values = dict(row)
    state = values.pop("state")
    return PlaceOnFile(state=None if state is None else AdmissionState(state), **values)


def _changed_place(row: asyncpg.Record) -> ChangedPlace:
    values = dict(row)
    names = ("changed_in", "line_id", "entered", "number")
    cursor = PlaceCursor(**{name: values.pop(name) for name in names})
    return ChangedPlace(cursor=cursor, note=PlaceNote(**values))


def _keys_and_ids(
    persons: Sequence[OnePerPerson | None],
) -> tuple[list[bytes | None] | None, list[bytes | None] | None]:
    """Return the keys and ticket ids for `join_line`: of persons, then of what they consume."""
    if not persons:
        return None, None
    keys = [None if one is None else one.person_key for one in persons]
    ids = [None if one is None else one.ticket_id for one in persons]
    consumed = [None if one is None else one.consumes for one in persons]
    return (keys + consumed, ids * 2) if any(consumed) else (keys, ids)
