"""Rooms, lines and admissions on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from inventory.kit.database import ENGINE_ERRORS, Pool, connection
from inventory.kit.problem import BadRequest, EngineDown, NotFound
from inventory.kit.queries import load_queries
from waitroom.line.policy import Decision
from waitroom.line.ticket import Ticket
from waitroom.refusals import NotOpenYet, SaleEnded
from waitroom.store.room_rules import sentence_for

SQL = load_queries("waitroom.store")

JOIN_ATTEMPTS_MAX = 3
RETRY_PAUSE_S = 0.1
# How many ended journeys are read at once: enough to learn from, little to read.
JOURNEYS_MAX = 20_000


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    verdict: str
    gate: int
    tail: int
    called: int
    called_again: int


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

    async def rooms(self) -> list[asyncpg.Record]:
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["list_rooms"])

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

    # What the leading controller does.

    async def beat(self, me: str, term: int, *, lease_s: float) -> tuple[str, int]:
        """Say that `me` lives; return who leads and in which term."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["beat"], me, term, lease_s)
        assert row is not None
        return row["leader"], row["term"]

    async def resign(self, me: str, term: int) -> None:
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["resign"], me, term)

    async def snapshot(self) -> list[asyncpg.Record]:
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["snapshot"])

    async def call(
        self, line_id: int, *, term: int, gate_read: int, decision: Decision, heard_by: datetime
    ) -> Called:
        """Carry out a decision; the verdict is done, stale_term or gate_moved."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(
                SQL["call_numbers"],
                line_id,
                term,
                gate_read,
                decision.gate,
                list(decision.again),
                heard_by,
                decision.reason,
                msgspec.json.encode(decision.figures).decode(),
            )
        assert row is not None
        return Called(**dict(row))

    async def publish(
        self, room_id: int, *, term: int, version: int, body: bytes
    ) -> datetime | None:
        """Write the state document; return when, or None if a later leader or version was first."""
        async with connection(self._pool) as borrowed:
            values = (room_id, term, version, body)
            at: datetime | None = await borrowed.fetchval(SQL["publish_state"], *values)
        return at

    async def note_sold_out(self, room_id: int) -> None:
        """Let the room know whether everything is sold, by the books as they are now."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_sold_out"], room_id)

    async def keep_hours(self, room_id: int) -> None:
        """Open or end the room if its time has come."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["keep_hours"], room_id)

    async def journeys(self, room_id: int) -> list[asyncpg.Record]:
        """Return what came so far of all who are called or inside."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_journeys"], room_id)

    async def ended_journeys(
        self, room_id: int, ids: Sequence[int], *, after: int
    ) -> list[asyncpg.Record]:
        """Return how these journeys ended, and those above `after` that are over already."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_ended_journeys"], room_id, ids, after)

    async def past_journeys(self, room_id: int, *, within_s: float) -> list[asyncpg.Record]:
        """Return how the journeys ended that did within the last `within_s`."""
        async with connection(self._pool) as borrowed:
            return await borrowed.fetch(SQL["read_past_journeys"], room_id, within_s, JOURNEYS_MAX)

    async def note_forecast(self, room_id: int, *, term: int, facts: str) -> None:
        """Put what those who wait were told into the room's log; `facts` is a JSON object."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_forecast"], room_id, term, facts)

    async def end_due(self, batch_max: int) -> tuple[int, int]:
        """Give unclaimed calls and overdue sessions back; return how many of each."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["end_due_admissions"], batch_max)
        assert row is not None
        return row["missed"], row["ended"]

    # What operators do.

    async def create_room(self, room: str, name: str, *, who: str) -> None:
        async with connection(self._pool) as borrowed:
            try:
                await borrowed.execute(SQL["create_room"], room, name, who)
            except asyncpg.UniqueViolationError as error:
                raise BadRequest(f"There is a room {room!r} already.") from error
            except asyncpg.CheckViolationError as error:
                raise BadRequest(
                    f"{room!r} cannot name a room: use small letters, digits and hyphens."
                ) from error

    async def set_status(self, room: str, status: str, *, who: str, reason: str = "") -> str:
        """Set a room's status; return the one before."""
        async with connection(self._pool) as borrowed:
            before = await borrowed.fetchval(SQL["set_room_status"], room, status, who, reason)
        if before is None:
            raise NotFound(f"There is no room {room!r}.")
        if before == "ended" != status:
            raise SaleEnded
        if (before, status) == ("scheduled", "paused"):
            raise NotOpenYet
        return str(before)

    async def change_room(self, room: str, changes: str, *, who: str, reason: str = "") -> None:
        """Change a room's rules; `changes` is a JSON object of columns and values."""
        async with connection(self._pool) as borrowed:
            try:
                diff = await borrowed.fetchval(SQL["change_room"], room, changes, who, reason)
            except asyncpg.CheckViolationError as error:
                raise BadRequest(sentence_for(error.constraint_name)) from error
        if diff is None:
            raise NotFound(f"There is no room {room!r}.")

    async def room(self, room: str) -> asyncpg.Record:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_room"], room)
        if row is None:
            raise NotFound(f"There is no room {room!r}.")
        return row

    async def figures(self, room: str) -> dict[str, Any]:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_figures"], room)
        return dict(row) if row else {}


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
