"""The admission controller: read, decide, write, sleep. One of them leads."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import groupby

import asyncpg
import structlog

from inventory.kit.problem import Refusal
from waitroom.leader.drawing import Drawing
from waitroom.leader.health_watch import HealthWatch
from waitroom.leader.room_lead import OfficeLost, RoomLead
from waitroom.store.memory import Memory
from waitroom.store.office_store import OfficeStore

log = structlog.get_logger()

TICK_S = 1.0
# A standby takes office when the leader has not been heard of for this long: several of its beats,
# so that one slow statement does not cost an office.
LEASE_S = 5.0
PAUSE_MIN_S = 0.05


class Controller:
    """Lead if nobody else does: call the next shoppers and publish the state, once a second."""

    def __init__(
        self, *, store: OfficeStore, memory: Memory, drawing: Drawing, lease_s: float = LEASE_S
    ) -> None:
        self.me = secrets.token_hex(4)
        self.term = 0
        self.leading = False
        self._store = store
        self._memory = memory
        self._drawing = drawing
        self._watch = HealthWatch(memory)
        self._lease_s = lease_s
        self._rooms: dict[int, RoomLead] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Beat and lead until `stopping` is set, then let a standby take office at once."""
        # The beat has a task of its own: however long a tick takes, the shoppers' clock goes on.
        await asyncio.gather(
            self._every_tick(self.beat, stopping), self._every_tick(self._lead, stopping)
        )
        await self._resign()

    async def _every_tick(
        self, step: Callable[[], Awaitable[None]], stopping: asyncio.Event
    ) -> None:
        loop = asyncio.get_running_loop()
        while not stopping.is_set():
            started = loop.time()
            try:
                await step()
            except (Refusal, asyncpg.PostgresError) as error:
                log.warning("tick_failed", error=repr(error))
            rest_s = max(TICK_S - (loop.time() - started), PAUSE_MIN_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), rest_s)

    async def _resign(self) -> None:
        """Let a standby take office at once and not only after the lease."""
        try:
            if self.leading:
                await self._store.resign(self.me, self.term)
        except (Refusal, asyncpg.PostgresError) as error:
            log.warning("resigning_failed", error=repr(error))

    async def tick(self) -> None:
        """Beat; if in office, take every room one step further."""
        await self.beat()
        await self._lead()

    async def beat(self) -> None:
        """Say that this controller lives; take office if nobody else has it."""
        leader, term = await self._store.beat(self.me, self.term, lease_s=self._lease_s)
        if leader != self.me:
            if self.leading:
                log.warning("office_lost", term=self.term)
            self.leading = False
            return
        if not self.leading or term != self.term:
            log.info("office_taken", term=term, leader=self.me)
            self._rooms.clear()
        self.leading, self.term = True, term

    async def _lead(self) -> None:
        if not self.leading:
            return
        rows = await self._store.snapshot()
        for room_id, lines in groupby(rows, key=lambda row: row["room_id"]):
            try:
                await self._lead_room(room_id, list(lines))
            except OfficeLost:
                self.leading = False
                return
            except (Refusal, asyncpg.PostgresError) as error:
                # One room's trouble is not the others'.
                log.warning("room_tick_failed", room_id=room_id, error=repr(error))

    async def _lead_room(self, room_id: int, lines: list[asyncpg.Record]) -> None:
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = RoomLead(
                store=self._store, memory=self._memory, drawing=self._drawing, watch=self._watch
            )
        await room.tick(lines, term=self.term)
