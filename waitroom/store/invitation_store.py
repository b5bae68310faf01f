"""Invitations on PostgreSQL: a row for each batch, and what a worker remembers of those in use."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from inventory.kit.batcher import Batcher
from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import BadRequest, NotFound, Refusal
from inventory.refusals import RoomArchived
from waitroom.line.ticket import Ticket
from waitroom.refusals import PlaceRevoked

SQL = load_queries("waitroom.store")

# A batch is read again after this long, so a revocation takes effect within that time.
FRESH_S = 5.0
BATCHES_KEPT_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of invitations, as a worker checks it; `ends_at` is on its own steady clock."""

    room: str
    lane: str
    count: int
    revoked: bool
    ends_at: float

    def has_run_out(self) -> bool:
        return time.monotonic() >= self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOnFile:
    """A batch of invitations, as operators see it."""

    # Its number.
    batch: int
    lane: str
    # How many invitations it has, and how many of them were used.
    count: int
    used: int
    note: str
    # The invitations are good until then, or for good.
    until: datetime | None
    revoked_at: datetime | None
    # The operator who made it.
    who: str
    created_at: datetime


class InvitationStore:
    def __init__(self, pool: Pool, *, fresh_s: float = FRESH_S) -> None:
        self._pool = pool
        self._fresh_s = fresh_s
        self._kept: dict[int, tuple[float, Batch | None]] = {}
        self._reads: Batcher[int, Batch | None] = Batcher("invitations", self._read)

    async def batch(self, batch_id: int) -> Batch | None:
        """Return a batch as it was at most `fresh_s` ago; None if there is none."""
        kept = self._kept.get(batch_id)
        if kept is not None and time.monotonic() < kept[0] + self._fresh_s:
            return kept[1]
        return await self._reads.submit(batch_id)

    async def _read(self, batch_ids: Sequence[int]) -> list[Batch | Refusal | None]:
        asked = time.monotonic()
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_invitation_batches"], list(set(batch_ids)))
        found = {row["batch_id"]: _batch(row, asked) for row in rows}
        for batch_id in batch_ids:
            # The oldest go first, and one that is read again is young again.
            self._kept.pop(batch_id, None)
            self._kept[batch_id] = asked, found.get(batch_id)
        while len(self._kept) > BATCHES_KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return [found.get(batch_id) for batch_id in batch_ids]

    async def is_used(self, room_id: int, key: bytes) -> bool:
        """Say whether a place was taken by this key."""
        async with connection(self._pool) as borrowed:
            return bool(await borrowed.fetch(SQL["find_person_places"], room_id, [key]))

    async def free(self, room_id: int, key: bytes, *, given: Ticket, now: Ticket) -> None:
        """Release the place of this key, whose ticket `given` is over, for another one.

        `now` is what the ticket has become in the draw. Raises `PlaceRevoked`.
        """
        values = (room_id, key, given.ticket_id, now.line_id, now.number)
        async with connection(self._pool) as borrowed:
            if await borrowed.fetchval(SQL["free_person_place"], *values) == "revoked":
                raise PlaceRevoked

    # For operators.

    async def invite(
        self, room: str, *, lane: str, count: int, note: str, until: datetime | None, who: str
    ) -> int:
        """Make a batch of `count` invitations and return its number."""
        async with connection(self._pool) as borrowed:
            try:
                values = (room, lane, count, note, until, who)
                made = await borrowed.fetchval(SQL["invite"], *values)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                raise BadRequest("Invitations are good until a moment that lies ahead.") from error
        if made is None:
            raise NotFound(f"There is no room {room!r} with a lane {lane!r}.")
        return int(made)

    async def page(self, room: str, *, before: int | None, limit: int) -> list[BatchOnFile]:
        """Return a room's newest batches before this one, with how many of each were used."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_invitation_batches"], room, before, limit)
            if not rows and await borrowed.fetchrow(SQL["read_room"], room) is None:
                raise NotFound(f"There is no room {room!r}.")
        return [BatchOnFile(**row) for row in rows]

    async def revoke(self, room: str, batch_id: int, *, who: str) -> int:
        """Take the unused invitations of a batch back; return how many there were."""
        async with connection(self._pool) as borrowed:
            try:
                unused = await borrowed.fetchval(SQL["revoke_invitations"], room, batch_id, who)
            except asyncpg.CheckViolationError as error:
                raise RoomArchived from error
        if unused is None:
            raise NotFound(f"There is no batch {batch_id} in a room {room!r}.")
        self._kept.pop(batch_id, None)
        return int(unused)

    async def close(self) -> None:
        await self._reads.close()


def _batch(row: asyncpg.Record, asked: float) -> Batch:
    # Counted from before the question, so that our clock never gives more time than PostgreSQL's.
    left = row["seconds_left"]
    return Batch(
        room=row["room"],
        lane=row["lane"],
        count=row["count"],
        revoked=row["revoked"],
        ends_at=float("inf") if left is None else asked + left,
    )
