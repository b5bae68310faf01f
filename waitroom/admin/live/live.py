"""The operators' API for a running room: the figures of now, its series, and a stream of both."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.doors.query import When, Whole
from inventory.kit.http import encode, json_response, read_body, read_query
from inventory.kit.problem import BadRequest, TooManyRequests
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.bodies import RULE_TRIAL, RuleTrial
from waitroom.admin.live.rehearsal import Rehearsals
from waitroom.admin.live.rehearsal_run import Report
from waitroom.admin.live.series import RoomSeries, SeriesRow, asked_for, row_body, series_body
from waitroom.admin.live.streams import Streams, send_events
from waitroom.admin.rooms.answers import OperatorRoom
from waitroom.desk.board import Board
from waitroom.line.control.alerts import FRESH, LOOKS_BACK, Alert, alerts
from waitroom.line.control.moment import Moment
from waitroom.refusals import NothingToRehearse, RehearsalBrokeOff
from waitroom.rehearse.scenario.scenario import Shopping
from waitroom.store.room_store import RoomStore
from waitroom.store.series.series_store import SeriesStore

# All screens of a process share a reading of the series for this long, and the whole body of a
# room for a second.
ROWS_FRESH_S = 4.0
BODY_FRESH_S = 0.9
ROWS_STEP_S = 5
# For how long a rehearsal plays sale after sale.
PLAY_S, PLAY_MAX_S = 6, 20

RoomBody = Callable[[str], Awaitable[OperatorRoom]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The rows of a room's last half hour, as they were at a moment of the database's clock.

    They are read again after `fresh_until`, on this process's own clock.
    """

    fresh_until: float
    rows: list[Moment]
    now: datetime


class SellOut(msgspec.Struct, frozen=True, kw_only=True):
    """When everything will be sold, by a forecast: between two moments."""

    since: datetime = msgspec.field(name="from")
    until: datetime = msgspec.field(name="to")
    as_of: datetime


class LiveRoom(OperatorRoom, frozen=True, kw_only=True):
    """A room as operators see it, with what needs an act now."""

    alerts: list[Alert]
    sell_out: SellOut | None
    # The last row of its series; null before the first.
    row: SeriesRow | None


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal started from: the figures of now, and how shoppers behaved so far."""

    unsold: int
    waiting: int
    seated: int
    joins_per_min: float
    # Shoppers whose whole course is known.
    gone: int
    shopping: Shopping


class Rehearsed(Report, frozen=True, kw_only=True):
    """The outcome of a rehearsal, and what it assumed."""

    # One simulated shopper stands for so many real ones.
    scale: float
    assumed: Assumed


_FROM = When(name="from", text="The beginning of the series, by default when the doors opened.")
_TO = When(name="to", text="The end of the series, by default now.")
_SECONDS = Whole(name="seconds", text="How long to play.", default=PLAY_S, low=0, high=PLAY_MAX_S)


class LiveAdmin:
    """`room_body` returns a room as `GET /admin/rooms/{room}` has it."""

    def __init__(
        self,
        guard: Guard,
        *,
        board: Board,
        rooms: RoomStore,
        series: SeriesStore,
        room_body: RoomBody,
    ) -> None:
        self._guard = guard
        self._rooms = rooms
        self._rehearsals = Rehearsals()
        self._board = board
        self._series = series
        self._room_body = room_body
        self._streams = Streams()
        self._rows: dict[str, _Rows] = {}
        self._bodies: dict[str, tuple[float, bytes]] = {}
        self._readings: dict[str, asyncio.Task[bytes]] = {}

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get("/admin/rooms/{room}/live", as_role("viewer", self.read_now, scope="figures")),
            web.get("/admin/rooms/{room}/stream", as_role("viewer", self.stream, scope="figures")),
            web.get(
                "/admin/rooms/{room}/series", as_role("viewer", self.read_series, scope="figures")
            ),
            web.post(
                "/admin/rooms/{room}/rehearsal", as_role("operator", self.rehearse, scope="figures")
            ),
        ]

    @described(query=(_FROM, _TO), answer=RoomSeries)
    async def read_series(self, request: web.Request, operator: Operator) -> web.Response:
        """Answer with the series from `from` to `to`, by default from the doors to now."""
        room = request.match_info["room"]
        span = await self._series.span(room)
        query = read_query(request)
        asked = asked_for(span, _FROM.of(query), _TO.of(query))
        between = (span.room_id, asked.since, asked.until)
        rows = await self._series.read(*between, step_s=asked.step_s)
        return json_response(series_body(room, asked, rows, await self._series.marks(*between)))

    @described(answer=LiveRoom)
    async def read_now(self, request: web.Request, operator: Operator) -> web.Response:
        """Answer with the room, its alerts, its sell-out, and the last row of its series."""
        body = await self._now(request.match_info["room"])
        response = json_response(None)
        response.body = body
        return response

    @described(answer=str, content_type="text/event-stream", refusals=(TooManyRequests,))
    async def stream(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send the same once a second, as server-sent events."""
        room = (await self._board.find(request.match_info["room"])).room
        with self._streams.one_of(operator.name):
            return await send_events(request, lambda: self._now(room))

    @described(
        query=(_SECONDS,),
        body=RuleTrial,
        answer=Rehearsed,
        refusals=(NothingToRehearse, RehearsalBrokeOff),
    )
    async def rehearse(self, request: web.Request, operator: Operator) -> web.Response:
        """Answer with what a change of rules would do; nothing is changed.

        Raises `NothingToRehearse` where too little is known of the room's shoppers.
        """
        room = request.match_info["room"]
        trial = await read_body(request, RULE_TRIAL)
        if trial == RuleTrial():
            raise BadRequest("Say at least one rule to try.")
        rules, figures = await self._rooms.read(room), await self._rooms.figures(room)
        habits = await self._series.habits(rules.room_id)
        seconds = _SECONDS.of(read_query(request))
        report, played = await self._rehearsals.try_out(
            rules, trial, figures=figures, habits=habits, seconds=seconds
        )
        return json_response(
            Rehearsed(
                **msgspec.structs.asdict(report),
                scale=played.scale,
                assumed=Assumed(
                    unsold=figures.on_hand - figures.sold,
                    waiting=figures.waiting,
                    seated=figures.seats_taken,
                    joins_per_min=round(habits.joins_per_min, 1),
                    gone=len(habits.gone),
                    shopping=played.scenario.shopping,
                ),
            )
        )

    async def _now(self, room: str) -> bytes:
        """Return a body of a moment ago, or that of the reading that runs."""
        fresh_until, body = self._bodies.get(room, (0.0, b""))
        if time.monotonic() < fresh_until:
            return body
        reading = self._readings.get(room)
        if reading is None:
            reading = asyncio.create_task(self._read_now(room))
            self._readings[room] = reading
            reading.add_done_callback(lambda _: self._readings.pop(room))
            # If all waiting requests were cancelled, the failure would otherwise stay unread.
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        # An operator who goes away takes the figures from no other.
        return await asyncio.shield(reading)

    async def _read_now(self, room: str) -> bytes:
        shown = await self._room_body(room)
        last = await self._last_rows(room)
        rows, now = last.rows, last.now
        figures = shown.figures
        # A row of before the last opening, pause or end says nothing of now.
        told = rows if rows and rows[-1].status == shown.status else ()
        found = alerts(
            told, now=now, leads=bool(figures.leader), leader_silent_s=figures.leader_age_s
        )
        body = encode(
            LiveRoom(
                **msgspec.structs.asdict(shown),
                alerts=found,
                sell_out=_sell_out(told[-1]) if told and told[-1].at >= now - FRESH else None,
                row=row_body(rows) if rows else None,
            )
        )
        self._bodies[room] = (time.monotonic() + BODY_FRESH_S, body)
        return body

    async def _last_rows(self, room: str) -> _Rows:
        """Return the rows of the last half hour, as they were a moment ago."""
        kept = self._rows.get(room)
        if kept is not None and time.monotonic() < kept.fresh_until:
            return kept
        span = await self._series.span(room)
        since = span.now - LOOKS_BACK
        rows = await self._series.read(span.room_id, since, span.now, step_s=ROWS_STEP_S)
        found = _Rows(fresh_until=time.monotonic() + ROWS_FRESH_S, rows=rows, now=span.now)
        self._rows[room] = found
        return found


def _sell_out(last: Moment) -> SellOut | None:
    """Return when everything will be sold, by the leader's last forecast."""
    if last.sell_out_low_s is None or last.sell_out_high_s is None:
        return None
    return SellOut(
        since=last.at + timedelta(seconds=last.sell_out_low_s),
        until=last.at + timedelta(seconds=last.sell_out_high_s),
        as_of=last.at,
    )
