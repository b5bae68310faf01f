"""The operators' API for rooms: look, steer, send a crowd."""

import asyncio
import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime

import msgspec
from aiohttp import web
from msgspec import UNSET

from inventory.kit.doors.described import Answer, described
from inventory.kit.doors.texts import is_visible
from inventory.kit.http import json_response, read_body
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import RoomArchived, Taken
from waitroom.admin.accounts.actions import ActionFilter, ActionStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.scopes import Scope
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.audit.listing import ActionList, action_body
from waitroom.admin.bodies import (
    CROWD_ORDER,
    NEW_ROOM,
    PUBLIC_VALUE,
    RESET,
    ROOM_CHANGE,
    STATUS_CHANGE,
    CrowdOrder,
    NewRoom,
    PublicValue,
    Reset,
    RoomChange,
    StatusChange,
)
from waitroom.admin.rooms.answers import (
    ArchiveBody,
    FreshFigures,
    NamedRoom,
    OperatorRoom,
    OperatorRooms,
    Rates,
    ResetRoom,
    RoomDraws,
    RoomSettings,
    draw_body,
    status_for_operators,
)
from waitroom.admin.rooms.crowd import CrowdReport, Crowds
from waitroom.desk.board import Board
from waitroom.refusals import (
    CrowdRunning,
    DrawIsDue,
    NoCrowds,
    NoDrawWaits,
    NotOpenYet,
    RoomUnreadable,
    SaleEnded,
    SaleNotEnded,
    StillOpen,
)
from waitroom.store.archive_store import ArchiveStore
from waitroom.store.draw_store import DrawStore
from waitroom.store.room_store import RoomFigures, RoomStore

ACTIONS_SHOWN = 50
# Some figures count every place and order of a room. All operators share one reading, at most once
# a second; the next begins after ten times as long as this one took.
FIGURES_FRESH_S = 1.0
FIGURES_REST = 10.0
# Rates are differences of counters over about a minute.
RATE_OVER_S = 60.0

# The rules that a program may change whose key only steers rooms.
STEERING = {"calls_per_minute", "batch_max", "seats_max", "message"}
_STATUS_OF = {"pause": "paused", "resume": "open", "open": "open"}


class RoomsAdmin:
    def __init__(
        self,
        guard: Guard,
        *,
        rooms: RoomStore,
        archive: ArchiveStore,
        draws: DrawStore,
        board: Board,
        actions: ActionStore,
        crowds: Crowds | None,
    ) -> None:
        self._guard = guard
        self._rooms = rooms
        self._archive = archive
        self._draws = draws
        self._board = board
        self._actions = actions
        self._crowds = crowds
        self._figures: dict[str, tuple[float, FreshFigures]] = {}
        self._readings: dict[str, asyncio.Task[FreshFigures]] = {}
        self._history: dict[str, deque[tuple[float, RoomFigures]]] = {}

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/rooms/{room}"
        reads: tuple[Scope, ...] = ("figures", "steer", "rooms")
        steers: tuple[Scope, ...] = ("steer", "rooms")
        verbs = "|".join(_STATUS_OF)
        end = as_role("operator", self.close, scope="rooms", fresh=True)
        reset = as_role("admin", self.reset, scope="rooms", fresh=True)
        archive = as_role("admin", self.archive, scope="rooms", fresh=True)
        drawn = as_role("operator", self.give_public_value, scope="rooms")
        acts = as_role("viewer", self.list_actions, scope="figures")
        crowd = as_role("viewer", self.read_crowd, scope=("figures", "rooms"))
        return [
            web.get("/admin/rooms", as_role("viewer", self.list_rooms, scope=reads)),
            web.post("/admin/rooms", as_role("admin", self.create_room, scope="rooms")),
            web.get(room, as_role("viewer", self.read_room, scope=reads)),
            web.patch(room, as_role("operator", self.change_room, scope=steers)),
            web.get(f"{room}/actions", acts),
            web.get(f"{room}/crowd", crowd),
            web.post(f"{room}/crowd", as_role("operator", self.start_crowd, scope="rooms")),
            web.delete(f"{room}/crowd", as_role("operator", self.stop_crowd, scope="rooms")),
            web.post(f"{room}/reset", reset),
            web.post(f"{room}/archive", archive),
            web.post(f"{room}/close", end),
            web.post(f"{room}/public-value", drawn),
            web.post(
                f"{room}/{{verb:{verbs}}}", as_role("operator", self.set_status, scope=steers)
            ),
        ]

    @described(answer=OperatorRooms)
    async def list_rooms(self, request: web.Request, operator: Operator) -> web.Response:
        """List all rooms."""
        rooms = [
            NamedRoom(room=view.room, name=view.rules.name, status=view.rules.status)
            for view in self._board.rooms.values()
        ]
        return json_response(OperatorRooms(rooms=rooms))

    @described(body=NewRoom, answer=OperatorRoom, status=201, refusals=(Taken, NotFound))
    async def create_room(self, request: web.Request, operator: Operator) -> web.Response:
        """Make a room by the defaults, or with all rules of another, and those that are named."""
        body = await read_body(request, NEW_ROOM)
        rules, _ = _rules_of(body.rules)
        await self._rooms.create(
            body.room,
            body.name,
            rules=rules,
            who=operator.name,
            currency=None if body.currency is UNSET else body.currency,
            like=body.copied(),
        )
        await self._board.refresh(rooms=True)
        return json_response(await self.room_body(body.room), status=201)

    @described(answer=OperatorRoom, refusals=(RoomUnreadable,))
    async def read_room(self, request: web.Request, operator: Operator) -> web.Response:
        """Return a room with its rules and its figures."""
        return json_response(await self.room_body(request.match_info["room"]))

    @described(body=RoomChange, answer=OperatorRoom, refusals=(RoomArchived, SaleEnded, DrawIsDue))
    async def change_room(self, request: web.Request, operator: Operator) -> web.Response:
        """Change rules of a room. Every change goes on record, and into the public log."""
        room = request.match_info["room"]
        rules, reason = _rules_of(_within_scope(await read_body(request, ROOM_CHANGE), operator))
        if rules == "{}":
            raise BadRequest("Say at least one rule to change.")
        await self._rooms.change(room, rules, who=operator.name, reason=reason)
        await self._board.refresh(rooms=True)
        return json_response(await self.room_body(room))

    @described(
        body=StatusChange,
        body_required=False,
        answer=OperatorRoom,
        refusals=(RoomArchived, SaleEnded, NotOpenYet, DrawIsDue),
    )
    async def set_status(self, request: web.Request, operator: Operator) -> web.Response:
        """Open, pause or resume a room, by the last word of the path."""
        change = await _status_change(request)
        return await self._set_status(
            request, operator, _STATUS_OF[request.match_info["verb"]], change.reason
        )

    async def _set_status(
        self, request: web.Request, operator: Operator, status: str, reason: str
    ) -> web.Response:
        room = request.match_info["room"]
        await self._rooms.set_status(room, status, who=operator.name, reason=reason)
        await self._board.refresh(rooms=True)
        return json_response(await self.room_body(room))

    @described(
        body=StatusChange,
        body_required=False,
        answer=OperatorRoom,
        refusals=(RoomArchived, SaleEnded, NotOpenYet, DrawIsDue),
    )
    async def close(self, request: web.Request, operator: Operator) -> web.Response:
        """End the sale for good. `confirm` is the name of the room once more."""
        room, change = request.match_info["room"], await _status_change(request)
        if change.confirm != room:
            raise BadRequest(f'To end the sale, say {{"confirm": "{room}"}}.')
        return await self._set_status(request, operator, "ended", change.reason)

    @described(
        body=Reset, body_required=False, answer=ResetRoom, refusals=(RoomArchived, StillOpen)
    )
    async def reset(self, request: web.Request, operator: Operator) -> web.Response:
        """Reset the room; the operator types its name and says why."""
        room = request.match_info["room"]
        body = await read_body(request, RESET) if request.can_read_body else Reset()
        if body.confirm != room:
            raise BadRequest(
                "Everyone in line loses their place. To reset the room, send "
                f'{{"confirm": "{room}"}}.'
            )
        if not is_visible(body.reason):
            raise BadRequest("Say the reason; it goes on record.")
        taken_back = await self._rooms.reset(room, who=operator.name, reason=body.reason)
        await self._board.refresh(rooms=True)
        return json_response(
            ResetRoom(
                **msgspec.structs.asdict(await self.room_body(room)), calls_taken_back=taken_back
            )
        )

    @described(
        body=Reset,
        body_required=False,
        answer=ArchiveBody,
        also=(Answer(status=202, body=ArchiveBody, text="It is sealed, and a sweep archives it."),),
        refusals=(SaleNotEnded, StillOpen),
    )
    async def archive(self, request: web.Request, operator: Operator) -> web.Response:
        """Seal a room that is over for the sweep to archive; asked again, tell how that stands."""
        room = request.match_info["room"]
        body = await read_body(request, RESET) if request.can_read_body else Reset()
        if body.confirm != room:
            raise BadRequest(
                "What is left of the sale becomes balances, and that cannot be taken back. To "
                f'archive the room, send {{"confirm": "{room}"}}.'
            )
        await self._archive.seal(room, who=operator.name, reason=body.reason)
        await self._board.refresh(rooms=True)
        archived = await self._archive.is_archived(room)
        return json_response(
            ArchiveBody(room=room, archived=archived), status=200 if archived else 202
        )

    @described(body=PublicValue, answer=RoomDraws, refusals=(NoDrawWaits, RoomArchived))
    async def give_public_value(self, request: web.Request, operator: Operator) -> web.Response:
        """Give the draw the value that its announced source has published since the closing."""
        room = request.match_info["room"]
        value = (await read_body(request, PUBLIC_VALUE)).value
        given = await self._draws.give_value(room, value, who=operator.name)
        if given is None:
            raise NotFound(f"There is no room {room!r}.")
        draws = await self._draws.of_room(room)
        # An operator who asks again after a lost answer has given the value already.
        if not given and (not draws or any(draw.value != value for draw in draws)):
            raise NoDrawWaits
        return json_response(RoomDraws(room=room, draw=[draw_body(draw) for draw in draws]))

    async def room_body(self, room: str) -> OperatorRoom:
        """Return a room with its rules and its figures of a moment ago; raises `NotFound`."""
        rules = await self._rooms.read(room)
        view = self._board.rooms.get(room)
        draws = await self._draws.of_room(room) if rules.order_by == "draw" else []
        return OperatorRoom(
            room=room,
            name=rules.name,
            currency=rules.currency,
            status=status_for_operators(rules, draws),
            message=rules.message,
            policy=rules.policy,
            doors_at=rules.doors_at,
            opens_at=rules.opens_at,
            closes_at=rules.closes_at,
            settings=RoomSettings(
                **{name: getattr(rules, name) for name in RoomSettings.__struct_fields__}
            ),
            draw=[draw_body(draw) for draw in draws],
            figures=await self._fresh_figures(room),
            version=view.state.version if view and view.state else 0,
        )

    async def _fresh_figures(self, room: str) -> FreshFigures:
        """Return figures of a moment ago, or those of the reading that runs."""
        kept = self._figures.get(room)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        reading = self._readings.get(room)
        if reading is None:
            reading = asyncio.create_task(self._read_figures(room))
            self._readings[room] = reading
            reading.add_done_callback(lambda _: self._readings.pop(room))
            # If all waiting requests were cancelled, the failure would otherwise stay unread.
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        # An operator who goes away takes the figures from no other.
        return await asyncio.shield(reading)

    async def _read_figures(self, room: str) -> FreshFigures:
        now = time.monotonic()
        at = datetime.now(UTC)
        figures = await self._rooms.figures(room)
        history = self._history.setdefault(room, deque(maxlen=int(RATE_OVER_S) * 2))
        if history and _joined(figures) < _joined(history[-1][1]):
            # The room was reset, and figures from before it say nothing of now.
            history.clear()
        history.append((now, figures))
        while len(history) > 1 and history[0][0] < now - RATE_OVER_S:
            history.popleft()
        rates = _rates(*history[0], now, figures)
        body = FreshFigures(at=at, **asdict(figures), **rates)
        took = time.monotonic() - now
        self._figures[room] = (now + max(FIGURES_FRESH_S, FIGURES_REST * took), body)
        return body

    @described(answer=ActionList)
    async def list_actions(self, request: web.Request, operator: Operator) -> web.Response:
        """List the latest acts of operators in a room."""
        wanted = ActionFilter(room=request.match_info["room"])
        actions = await self._actions.find(wanted, limit=ACTIONS_SHOWN)
        return json_response(ActionList(actions=[action_body(action) for action in actions]))

    @described(answer=CrowdReport, refusals=(NoCrowds,))
    async def read_crowd(self, request: web.Request, operator: Operator) -> web.Response:
        """Return the report of a simulated crowd."""
        room = (await self._board.find(request.match_info["room"])).room
        return json_response(await self._crowd().report(room))

    @described(
        body=CrowdOrder,
        body_required=False,
        answer=CrowdReport,
        status=202,
        refusals=(NoCrowds, CrowdRunning),
    )
    async def start_crowd(self, request: web.Request, operator: Operator) -> web.Response:
        """Send a simulated crowd to a room of a demonstration."""
        body = await read_body(request, CROWD_ORDER) if request.can_read_body else CrowdOrder()
        room = (await self._board.find(request.match_info["room"])).room
        await self._crowd().start(room, shoppers=body.shoppers, arrive_s=body.arrive_s)
        await self._actions.record(room, operator.name, "crowd", {"shoppers": body.shoppers})
        return json_response(await self._crowd().report(room), status=202)

    @described(status=204, refusals=(NoCrowds,))
    async def stop_crowd(self, request: web.Request, operator: Operator) -> web.Response:
        """Call a simulated crowd back."""
        room = (await self._board.find(request.match_info["room"])).room
        await self._crowd().stop(room)
        return web.Response(status=204)

    def _crowd(self) -> Crowds:
        if self._crowds is None:
            raise NoCrowds
        return self._crowds


async def _status_change(request: web.Request) -> StatusChange:
    return await read_body(request, STATUS_CHANGE) if request.can_read_body else StatusChange()


def _within_scope(change: RoomChange, operator: Operator) -> RoomChange:
    """Return a change as it is, if it has only rules that its actor may change."""
    named = {*msgspec.to_builtins(change)} - {"reason"}
    if named - STEERING:
        operator.require_scope("rooms")
    return change


def _rules_of(change: RoomChange) -> tuple[str, str]:
    """Return the rules to change, as a JSON object, and the reason."""
    values = msgspec.to_builtins(change)
    reason = values.pop("reason", "")
    return msgspec.json.encode(values).decode(), reason


def _joined(figures: RoomFigures) -> int:
    # Entries become numbers at the draw, and are no new arrivals then.
    return max(figures.tail, figures.entries)


def _rates(then_s: float, then: RoomFigures, now_s: float, now: RoomFigures) -> Rates:
    minutes = max(now_s - then_s, 1.0) / 60
    claims = now.claimed + now.ended - then.claimed - then.ended
    return {
        "joins_per_min": round((_joined(now) - _joined(then)) / minutes, 1),
        "calls_per_min": round((now.head - then.head) / minutes, 1),
        "claims_per_min": round(max(claims, 0) / minutes, 1),
    }
