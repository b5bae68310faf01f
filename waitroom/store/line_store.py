"""What a web worker asks of lines and places, on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from inventory.kit.database import ENGINE_ERRORS, Connection, Pool, connection, load_queries
from inventory.kit.problem import EngineDown
from waitroom.line.ticket import Ticket
from waitroom.store.room_rows import UNREADABLE, RoomsOnFile, rooms_on_file

SQL = load_queries("waitroom.store")

JOIN_ATTEMPTS_MAX = 3
# What the database says when one of a batch has the one place that is due to them.
SOLE_PLACE_CONSTRAINT = "one_place_for_each"
RETRY_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What one tick of joins was given: numbers from `first`, of which `called` are called.

    Where a draw is ahead they are `entered`, and the numbers are those of entries.
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
class Sole:
    """Who may have one place alone: the hash of who it is, and the ticket that is to be theirs.

    `spends` is what else this place uses up, such as an invitation.
    """

    key: bytes
    ticket_id: bytes
    spends: bytes | None = None


class SolePlaceTaken(Exception):
    """Somebody in the batch has their place already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The verdict on one claim; session and deadline are set when it is `claimed`."""

    verdict: str
    fresh: bool
    session_id: int
    expires_at: datetime | None
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one number stands, read from the books and not from the state document."""

    state: str | None
    ticket_id: bytes | None
    came_back: bool
    aside: bool
    passed: bool
    revoked: bool
    has_left: bool
    profile: str | None
    in_grace: bool
    grace_until: datetime | None
    returns_email: str | None = field(repr=False)
    for_returns: bool
    gate: int
    tail: int
    claim_until: datetime | None
    claim_seconds: float | None


class LineStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def join(
        self, line_id: int, joins: int, root: bytes, *, sole: Sequence[Sole | None] = ()
    ) -> Joined:
        """Take the next places for `joins` tickets whose Merkle root is `root`.

        `sole` says of each who may have one place alone; `SolePlaceTaken` is raised if one of them
        has it, and nobody is given anything. When a reply was lost the batch is looked for by its
        root before it is sent again, so no number is wasted and none is given twice. Raises
        `EngineDown`.
        """
        again = False
        keys, ids = _keys_and_ids(sole)
        for attempt in range(JOIN_ATTEMPTS_MAX):
            try:
                async with self._pool.acquire() as borrowed:
                    row = await borrowed.fetchrow(
                        SQL["join_line"], line_id, joins, root, again, keys, ids
                    )
                break
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != SOLE_PLACE_CONSTRAINT:
                    raise
                raise SolePlaceTaken from error
            except ENGINE_ERRORS as error:
                if attempt == JOIN_ATTEMPTS_MAX - 1:
                    raise EngineDown from error
                again = True
                await asyncio.sleep(RETRY_PAUSE_S * (attempt + 1))
        assert row is not None
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

    async def claim(self, tickets: Sequence[Ticket]) -> list[Claimed]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["claim_numbers"],
                [ticket.line_id for ticket in tickets],
                [ticket.number for ticket in tickets],
                [ticket.ticket_id for ticket in tickets],
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

    async def standings(self, tickets: Sequence[Ticket]) -> list[Standing]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["read_admissions"],
                [ticket.line_id for ticket in tickets],
                [ticket.number for ticket in tickets],
                [ticket.ticket_id for ticket in tickets],
                [ticket.entered for ticket in tickets],
            )
        return [Standing(**dict(row)) for row in rows]

    async def leave(self, ticket: Ticket) -> str:
        query = SQL["leave_entry" if ticket.entered else "leave_line"]
        values = (ticket.line_id, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(query, *values))

    async def stay_for_returns(self, ticket: Ticket, *, email: str) -> str:
        """Keep a ticket in line for returns; the verdict is waits, bought, left or other_ticket."""
        values = (ticket.line_id, ticket.number, ticket.ticket_id, email)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["stay_for_returns"], *values))

    async def leave_returns(self, ticket: Ticket) -> None:
        """Take a ticket out of the line for returns, and forget its address."""
        values = (ticket.line_id, ticket.number, ticket.ticket_id)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["leave_returns"], *values)

    async def rooms(self) -> RoomsOnFile:
        """Return every room with its lines; a room that cannot be read leaves the others."""
        async with connection(self._pool) as borrowed:
            try:
                return rooms_on_file(await borrowed.fetch(SQL["list_rooms"], None))
            except UNREADABLE:
                # asyncpg could not read a value, and says neither which nor of what room.
                return await _rooms_one_by_one(borrowed)

    async def places(self, since: datetime) -> list[asyncpg.Record]:
        """Return the places about which something was remembered after `since`."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_places"], since)

    async def states(self) -> dict[str, bytes]:
        """Return every room's state document as last published."""
        async with connection(self._pool) as borrowed:
            return {row["room"]: row["body"] for row in await borrowed.fetch(SQL["read_states"])}

    async def sole_places(self, room_id: int, keys: Sequence[bytes]) -> dict[bytes, Ticket]:
        """Return the tickets of those of these keys that have their one place."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["find_sole_places"], room_id, keys)
        return {
            row["key"]: Ticket(
                line_id=row["line_id"],
                number=row["number"],
                ticket_id=row["ticket_id"],
                entered=row["entered"],
            )
            for row in rows
        }

    async def log_head(self, room: str) -> tuple[int, bytes]:
        """Return the last sequence number of a room's log and the chain's hash there."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_log_head"], room)
        return (row["seq"], row["hash"]) if row else (0, b"")

    async def log(self, room: str, *, after: int, limit: int) -> list[dict[str, Any]]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_log"], room, after, limit)
        return [dict(row) for row in rows]


async def _rooms_one_by_one(borrowed: Connection) -> RoomsOnFile:
    found = RoomsOnFile(rooms=[], unreadable={})
    for row in await borrowed.fetch(SQL["name_rooms"]):
        try:
            one = rooms_on_file(await borrowed.fetch(SQL["list_rooms"], row["room"]))
        except UNREADABLE as error:
            found.unreadable[row["room"]] = repr(error)
        else:
            found.rooms.extend(one.rooms)
            found.unreadable.update(one.unreadable)
    return found


def _keys_and_ids(
    sole: Sequence[Sole | None],
) -> tuple[list[bytes | None] | None, list[bytes | None] | None]:
    """Return what `join_line` takes: a round of what is looked up, and one of what is used up."""
    if not sole:
        return None, None
    keys = [None if one is None else one.key for one in sole]
    ids = [None if one is None else one.ticket_id for one in sole]
    spends = [None if one is None else one.spends for one in sole]
    return (keys + spends, ids * 2) if any(spends) else (keys, ids)
