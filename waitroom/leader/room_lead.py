"""One room, a tick at a time: what the leading controller does for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import structlog

from waitroom.leader.drawing import Drawing
from waitroom.leader.health_watch import HealthWatch
from waitroom.leader.measures import FAILURES, tell
from waitroom.line.caller import Caller
from waitroom.line.control.alerts import LOOKS_BACK, alerts
from waitroom.line.control.moment import LeaderFigures, Moment
from waitroom.line.control.waited import Waited
from waitroom.line.forecast.sell_out import sell_out
from waitroom.line.policy import CallResult
from waitroom.line.snapshot import RoomSnapshot
from waitroom.line.state import RoomState, encode_state, told_lines
from waitroom.store.memory import Memory
from waitroom.store.office_store import OfficeStore
from waitroom.store.series.series_store import SeriesStore

log = structlog.get_logger()

# The published waits and chances go into the log this often.
FORECAST_EVERY_S = 60.0
# A row of the series is written this often. To count a large room takes longer: the next row comes
# after so many times as long, so that all of it stays a small part of the engine's time.
SERIES_EVERY_S = 5.0
SERIES_REST = 50.0


class OfficeLost(Exception):
    """A later leader has taken office."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that the leads of all rooms share."""

    store: OfficeStore
    series: SeriesStore
    memory: Memory
    drawing: Drawing
    watch: HealthWatch


class RoomLead:
    """Leads one room: calls and publishes first, then learns and forecasts.

    Reading how shoppers fare is a task of its own beside the ticks, so a slow reading keeps no
    shopper from being called. An error in any part but calling and publishing is logged, counted,
    and tried again at the next tick.
    """

    def __init__(self, room_id: int, parts: Parts) -> None:
        self.room_id = room_id
        self._parts = parts
        self._caller = Caller()
        self._study: asyncio.Task[None] | None = None
        self._forecast_logged_at = 0.0
        # None until it is known since when the numbers wait that were given before.
        self._waited: Waited | None = None
        self._series_due = 0.0
        self._rows: list[Moment] = []
        self._failing: set[str] = set()

    async def tick(self, *, term: int) -> None:
        """Take the room one step further. Raises `OfficeLost`, and what the engine refuses."""
        store = self._parts.store
        room = await store.snapshot(self.room_id)
        if room is None:
            return
        calls = self._caller.observe(room)
        if self._waited is not None:
            self._waited.see(room.now.timestamp(), room.lines)
        self._parts.watch.note(calls)
        if room.hours_are_due:
            await store.keep_hours(self.room_id)
            return
        if room.is_sold_out != room.sold_out:
            await store.note_sold_out(self.room_id)
        for line in room.lines:
            await self._guarded("draw", self._parts.drawing.step(room, line, term=term))
        results = await self._call(room, term=term)
        document = await self._publish(room, results, term=term)
        if document is not None and (self._study is None or self._study.done()):
            self._study = asyncio.create_task(self._learn_and_forecast(room, document, term))

    async def settle(self) -> None:
        """Wait until what was learned from the last tick is known."""
        if self._study is not None:
            await self._study

    async def close(self) -> None:
        if self._study is not None:
            self._study.cancel()
            await asyncio.wait([self._study])

    async def _call(self, room: RoomSnapshot, *, term: int) -> dict[int, CallResult]:
        """Decide the calls and make them; return each called line as it stands then."""
        watch, caller = self._parts.watch, self._caller
        checkout = await watch.read()
        await self._guarded("begin", _now(caller.begin, room))
        results = {}
        for call in caller.decide(room, checkout=checkout):
            result = await self._parts.store.call(call, term=term)
            if result.verdict == "stale_term":
                raise OfficeLost
            caller.note(result)
            watch.take(result.called + result.called_again)
            results[call.line_id] = result
        return results

    async def _publish(
        self, room: RoomSnapshot, results: dict[int, CallResult], *, term: int
    ) -> RoomState | None:
        """Publish the document; return it, or None where a later leader or version was first."""
        document = self._caller.document(room, results)
        body = encode_state(document)
        at = await self._parts.store.publish(room, term=term, version=document.version, body=body)
        if at is None:
            return None
        self._caller.published(room, document, at=at)
        await self._parts.memory.publish_state(room.room, document.version, body)
        return document

    async def _learn_and_forecast(self, room: RoomSnapshot, told: RoomState, term: int) -> None:
        if room.stock is not None and not await self._guarded("learn", self._learn()):
            # Changes may have been taken and not been counted.
            self._caller.forget()
        await self._guarded("forecast", _now(self._caller.forecast, room))
        await self._guarded("log", self._log_forecast(room, told, term))
        await self._guarded("series", self._note_series(room, told, term))

    async def _learn(self) -> None:
        store, caller = self._parts.store, self._caller
        if caller.has_read:
            reading = await store.changed_journeys(self.room_id)
            if reading is not None:
                caller.learn(reading)
            return
        reading = await store.all_journeys(self.room_id)
        if reading is not None:
            # To count a whole crowd takes seconds, and the beat and the ticks of all rooms go on
            # meanwhile. Until it is done, `decide` and `begin` look at nothing that it changes.
            await asyncio.to_thread(caller.learn, reading)

    async def _log_forecast(self, room: RoomSnapshot, told: RoomState, term: int) -> None:
        """Put what waiting shoppers were told into the log, now and then."""
        now = room.now.timestamp()
        if room.status != "open" or now < self._forecast_logged_at + FORECAST_EVERY_S:
            return
        self._forecast_logged_at = now
        for facts in told_lines(told.lines):
            encoded = msgspec.json.encode(facts).decode()
            await self._parts.store.note_forecast(self.room_id, term=term, facts=encoded)

    async def _note_series(self, room: RoomSnapshot, told: RoomState, term: int) -> None:
        """Write a row of the room's series if one is due."""
        started = time.monotonic()
        if started < self._series_due:
            return
        self._series_due = started + SERIES_EVERY_S
        waited = await self._waits_of(room)
        outlook, ends = self._caller.outlook_for(room), None
        if outlook is not None:
            # It takes a while, and the beat and the ticks of all rooms go on meanwhile.
            ends = await asyncio.to_thread(sell_out, outlook, room)
        p95_s, errors = self._parts.watch.figures
        figures = LeaderFigures(
            status=told.status,
            bound=self._caller.bound,
            wait_p50_s=waited.percentile(0.5),
            wait_p90_s=waited.percentile(0.9),
            answer_p95_s=p95_s,
            errors=errors,
            sell_out_low_s=None if ends is None else ends.low_s,
            sell_out_high_s=None if ends is None else ends.high_s,
        )
        asked = time.monotonic()
        written = await self._parts.series.note(self.room_id, figures, term=term)
        took = time.monotonic() - asked
        if written is not None:
            self._watch(written, room.room)
        self._series_due = started + max(SERIES_EVERY_S, SERIES_REST * took)

    def _watch(self, row: Moment, room: str) -> None:
        """Tell Prometheus the figures of this row, and the alerts that stand with it."""
        self._rows = [*(one for one in self._rows if one.at >= row.at - LOOKS_BACK), row]
        found = {one.code for one in alerts(self._rows, now=row.at, leads=True, leader_silent_s=0)}
        tell(room, row, found)

    async def _waits_of(self, room: RoomSnapshot) -> Waited:
        """Return the waits of the last minute; a new leader reads first when the waiting joined."""
        if self._waited is None:
            waited = Waited()
            joins = await self._parts.series.waiting_joins(self.room_id) if room.waiting else {}
            waited.learn(joins, room.lines)
            self._waited = waited
        return self._waited

    async def _guarded(self, part: str, step: Awaitable[None]) -> bool:
        """Take a step that no call waits for; return whether it went well."""
        try:
            await step
        except Exception as error:
            FAILURES.labels(part).inc()
            # The traceback once, and a line for each second that it goes on.
            again = part in self._failing
            self._failing.add(part)
            facts = {"room_id": self.room_id, "part": part, "error": repr(error)}
            log.warning("room_step_failed", **facts, exc_info=None if again else error)
            return False
        self._failing.discard(part)
        return True


async def _now(step: Callable[[RoomSnapshot], None], room: RoomSnapshot) -> None:
    step(room)
