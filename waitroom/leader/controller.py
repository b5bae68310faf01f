"""The admission controller: one of them leads, and each room has a task of its own.

    standby ── nobody else has beaten within the lease ──► leading
    leading ── a later leader took office, or this one resigned ──► standby

A leading controller runs three kinds of task. One beats, so that the shoppers' clock goes on. One
looks which rooms there are. And one for each room ticks once a second: an error, a lock or a slow
answer in one room never delays another.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from inventory.kit.database import work_for
from inventory.kit.loops import rest, tell_failure
from inventory.kit.problem import Refusal
from inventory.kit.traces.spans import root_span
from waitroom.leader.drawing import Drawing
from waitroom.leader.health_watch import HealthWatch
from waitroom.leader.measures import FAILURES, LEADING, TICK
from waitroom.leader.room_lead import OfficeLost, Parts, RoomLead
from waitroom.store.memory import Memory
from waitroom.store.office_store import OfficeStore
from waitroom.store.series.series_store import SeriesStore

log = structlog.get_logger()

TICK_S = 1.0
# A standby looks more often, so that the line goes on within five seconds of a leader's death.
STANDBY_S = 0.5
# A standby takes office when the leader has not been heard of for this long: several of its beats,
# so that one slow statement does not cost an office.
LEASE_S = 3.5
PAUSE_MIN_S = 0.05
# A tick that takes longer waits for a lock or for a reply that was lost. It is given up and begun
# again, with a fresh snapshot: called shoppers wait for it.
TICK_MAX_S = 4.0
# A leader that cannot say that it resigns leaves its office to the lease.
RESIGN_MAX_S = 1.0


class Controller:
    """Lead if no other controller does: call shoppers and publish each room's state."""

    def __init__(
        self,
        *,
        store: OfficeStore,
        series: SeriesStore,
        memory: Memory,
        drawing: Drawing,
        lease_s: float = LEASE_S,
    ) -> None:
        self.me = secrets.token_hex(4)
        self.term = 0
        self.leading = False
        self._store = store
        self._parts = Parts(
            store=store, series=series, memory=memory, drawing=drawing, watch=HealthWatch(memory)
        )
        self._lease_s = lease_s
        self._leads: dict[int, RoomLead] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Beat and lead until `stopping` is set, then let a standby take office at once."""
        try:
            # The beat has a task of its own: however long a tick takes, the clock goes on.
            await asyncio.gather(
                self._each_second("beat", self.beat, stopping),
                self._each_second("rooms", lambda: self._tend_tasks(stopping), stopping),
            )
        finally:
            await self._let_go()
            await self._resign()

    async def tick(self) -> None:
        """Beat; if in office, take every room one step further and learn from it."""
        await self.beat()
        if not self.leading:
            return
        leads = await self._find_leads()
        await asyncio.gather(*(self._step(lead) for lead in leads))
        await asyncio.gather(*(lead.settle() for lead in leads))

    async def beat(self) -> None:
        """Say that this controller lives; take office if no other controller has it."""
        leader, term = await self._store.beat(self.me, self.term, lease_s=self._lease_s)
        if leader != self.me:
            if self.leading:
                log.warning("office_lost", term=self.term)
            self.leading = False
            LEADING.set(0)
            return
        if not self.leading or term != self.term:
            log.info("office_taken", term=term, leader=self.me)
            await self._let_go()
        self.leading, self.term = True, term
        LEADING.set(1)

    async def _each_second(
        self,
        part: str,
        step: Callable[[], Awaitable[None]],
        stopping: asyncio.Event,
        **facts: int,
    ) -> None:
        """Take a step once a second until `stopping` is set; a step that fails is tried again.

        A standby takes two a second.

        `facts` go into the log beside the failure.
        """
        loop = asyncio.get_running_loop()
        while not stopping.is_set():
            started = loop.time()
            try:
                async with asyncio.timeout(TICK_MAX_S):
                    await step()
            except Exception as error:  # noqa: BLE001 - the next second is another try
                FAILURES.labels(part).inc()
                tell_failure("tick_failed", error, part=part, **facts)
            pace_s = TICK_S if self.leading else STANDBY_S
            rest_s = max(pace_s - (loop.time() - started), PAUSE_MIN_S)
            await rest(stopping, rest_s)

    async def _tend_tasks(self, stopping: asyncio.Event) -> None:
        """Give each room to be led a task; end the tasks of the others."""
        leads = await self._find_leads() if self.leading else []
        for lead in leads:
            task = self._tasks.get(lead.room_id)
            if task is None or task.done():
                self._tasks[lead.room_id] = asyncio.create_task(
                    self._lead(lead, stopping), name=f"room {lead.room_id}"
                )
        led = {lead.room_id for lead in leads}
        for room_id in self._tasks.keys() - led:
            await _cancel(self._tasks.pop(room_id))

    async def _lead(self, lead: RoomLead, stopping: asyncio.Event) -> None:
        await self._each_second("room", lambda: self._step(lead), stopping, room_id=lead.room_id)

    async def _step(self, lead: RoomLead) -> None:
        if not self.leading:
            return
        # Apart from the room's shoppers, so that a crowd leaves its leader a connection.
        work_for(f"leader of {lead.room_id}")
        try:
            with TICK.time(), root_span("tick", **{"waitroom.room_id": lead.room_id}):
                await lead.tick(term=self.term)
        except OfficeLost:
            self.leading = False
            LEADING.set(0)
        except (Refusal, asyncpg.PostgresError) as error:
            FAILURES.labels("room").inc()
            log.warning("room_tick_failed", room_id=lead.room_id, error=error)

    async def _find_leads(self) -> list[RoomLead]:
        """Return the leads of all rooms that need one; forget the others."""
        rooms = await self._store.rooms_to_lead()
        for room_id in self._leads.keys() - set(rooms):
            await self._leads.pop(room_id).close()
        for room_id in rooms:
            if room_id not in self._leads:
                self._leads[room_id] = RoomLead(room_id, self._parts)
        return list(self._leads.values())

    async def _let_go(self) -> None:
        """End all rooms' tasks and forget what was observed: another may have led meanwhile."""
        tasks, self._tasks = self._tasks, {}
        leads, self._leads = self._leads, {}
        for task in tasks.values():
            await _cancel(task)
        for lead in leads.values():
            await lead.close()

    async def _resign(self) -> None:
        """Let a standby take office at once instead of after the lease."""
        try:
            if self.leading:
                async with asyncio.timeout(RESIGN_MAX_S):
                    await self._store.resign(self.me, self.term)
        except (Refusal, asyncpg.PostgresError, TimeoutError) as error:
            log.warning("resigning_failed", error=error)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
