"""The tools of an assistant: reading rooms, and steering them in two steps."""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from msgspec import UNSET
from pydantic import BaseModel

from waitroom.assistant.confirmation import CONFIRM_WITHIN_S, Confirmations
from waitroom.client.answers import Room
from waitroom.client.bodies import Steering
from waitroom.client.operator_client import OperatorClient
from waitroom.client.problem import NoAnswer, Problem

Value = TypeVar("Value")

INSTRUCTIONS = """Waiting rooms of a sale: shoppers wait in line, are called, enter and buy.
Read before you steer. Each steering tool takes two calls. The first changes nothing: it returns
what would change, and a confirmation. Show that to the person and ask. Only when they agree, call
the tool again with the same arguments and the confirmation."""
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
STEERS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


class RoomLine(BaseModel):
    """A room in the list."""

    room: str
    name: str
    status: str


class RoomNow(BaseModel):
    """A room with the figures of its sale as of a moment ago."""

    room: str
    name: str
    status: str
    message: str
    seats_max: int
    # None: as many as the other rules allow.
    calls_per_minute: int | None
    batch_max: int
    opens_at: datetime | None
    closes_at: datetime | None
    waiting: int
    entries_in_the_draw: int
    called: int
    inside: int
    calls_missed: int
    joins_per_minute: float
    calls_made_per_minute: float
    units_available: int
    units_held: int
    units_sold: int
    at: datetime


class OrdersNow(BaseModel):
    """The orders of a room by what became of them; money in minor units of `currency`."""

    room: str
    paid: int
    declined: int
    authorizing: int
    revenue_minor: int
    currency: str | None


class Step(BaseModel):
    """The outcome of a call that steers.

    `done` is false for a plan: then `confirmation` does it within `confirm_within_s` seconds.
    """

    done: bool
    says: str
    confirmation: str = ""
    confirm_within_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """An act of steering: its words, its values, and the calls that carry it out."""

    name: str
    room: str
    change: Steering
    says: Callable[[Room], str]
    do: Callable[[], Awaitable[Room]]


class AssistantTools:
    """Answers an assistant with the rights of one API key."""

    def __init__(
        self, service: OperatorClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._clock = clock
        self._confirmations = Confirmations()

    def add_to(self, server: "MCPServer[object]") -> None:
        """Offer every tool to the assistants of a server."""
        for reading in (self.list_rooms, self.room_figures, self.orders_summary):
            server.tool(annotations=READS)(reading)
        for steering in (self.pause_room, self.resume_room, self.set_rate, self.set_message):
            server.tool(annotations=STEERS)(steering)

    async def list_rooms(self) -> list[RoomLine]:
        """List the rooms with their status."""
        rooms = await _told(self._service.rooms())
        return [RoomLine(room=one.room, name=one.name, status=one.status) for one in rooms]

    async def room_figures(self, room: str) -> RoomNow:
        """Read a room's status, rules and live figures: line, seats, stock and rates."""
        return _now(await _told(self._service.room(room)))

    async def orders_summary(self, room: str) -> OrdersNow:
        """Count a room's orders by what became of them, with the revenue; no customers."""
        figures = (await _told(self._service.room(room))).figures
        return OrdersNow(
            room=room,
            paid=figures.orders_paid,
            declined=figures.orders_declined,
            authorizing=figures.orders_authorizing,
            revenue_minor=figures.revenue_minor,
            currency=figures.currency,
        )

    async def pause_room(self, room: str, reason: str, confirmation: str = "") -> Step:
        """Stop calling shoppers in. Shoppers inside go on; the line keeps its order."""
        return await self._steer(
            _Act(
                name="pause_room",
                room=room,
                change=Steering(reason=reason),
                says=lambda now: (
                    f"Pause {now.name}: nobody else is called, {now.figures.waiting} go on waiting."
                ),
                do=lambda: self._service.pause(room, reason=reason),
            ),
            confirmation,
        )

    async def resume_room(self, room: str, reason: str, confirmation: str = "") -> Step:
        """Call shoppers again after a pause. A room that is scheduled opens now."""
        return await self._steer(
            _Act(
                name="resume_room",
                room=room,
                change=Steering(reason=reason),
                says=lambda now: (
                    f"Open {now.name}, which is {now.status}: {now.figures.waiting} are waiting."
                ),
                do=lambda: self._service.resume(room, reason=reason),
            ),
            confirmation,
        )

    async def set_rate(
        self,
        room: str,
        reason: str,
        seats_max: int | None = None,
        calls_per_minute: int | None = None,
        confirmation: str = "",
    ) -> Step:
        """Set how many shoppers may be inside at once, how many are called in a minute, or both."""
        if seats_max is None and calls_per_minute is None:
            raise ToolError("Say seats_max, calls_per_minute or both.")
        given = {"seats_max": seats_max, "calls_per_minute": calls_per_minute}
        change = Steering(
            reason=reason,
            seats_max=UNSET if seats_max is None else seats_max,
            calls_per_minute=UNSET if calls_per_minute is None else calls_per_minute,
        )
        return await self._steer(
            _Act(
                name="set_rate",
                room=room,
                change=change,
                says=lambda now: (
                    f"In {now.name}, set "
                    + " and ".join(
                        f"{name} from {getattr(now.settings, name)} to {value}"
                        for name, value in given.items()
                        if value is not None
                    )
                    + "."
                ),
                do=lambda: self._service.steer(room, change),
            ),
            confirmation,
        )

    async def set_message(
        self, room: str, message: str, reason: str = "", confirmation: str = ""
    ) -> Step:
        """Set the message that everybody in line reads; an empty one takes it away."""
        change = Steering(message=message, reason=reason)
        return await self._steer(
            _Act(
                name="set_message",
                room=room,
                change=change,
                says=lambda now: (
                    f"In {now.name}, tell {now.figures.waiting} in line “{message}” in place of "
                    f"“{now.message}”."
                ),
                do=lambda: self._service.steer(room, change),
            ),
            confirmation,
        )

    async def _steer(self, act: _Act, confirmation: str) -> Step:
        """Plan an act, or do it where its confirmation is good."""
        now = await _told(self._service.room(act.room))
        key = (act.name, act.room, act.change)
        standing = (now.status, now.message, now.settings)
        if confirmation:
            refusal = self._confirmations.refusal(
                confirmation, key, standing=standing, now_s=self._clock()
            )
            if refusal:
                raise ToolError(f"{refusal} Nothing was changed. Plan it again.")
            after = await _told(act.do())
            return Step(done=True, says=f"Done. {after.name} is {after.status} now.")
        code = secrets.token_hex(4)
        self._confirmations.plan(code, key, standing=standing, now_s=self._clock())
        return Step(
            done=False,
            says=f"{act.says(now)} Nothing is changed yet.",
            confirmation=code,
            confirm_within_s=CONFIRM_WITHIN_S,
        )


def serve_assistant(service: OperatorClient) -> "MCPServer[object]":
    """Return a server with every tool; its logs go to the error output."""
    server: MCPServer[object] = MCPServer(
        "waitroom", instructions=INSTRUCTIONS, log_level="WARNING"
    )
    AssistantTools(service).add_to(server)
    return server


async def _told(asking: Awaitable[Value]) -> Value:
    """Return an answer; a refusal becomes a sentence for the assistant."""
    try:
        return await asking
    except Problem as problem:
        raise ToolError(f"{problem.detail} ({problem.code})") from problem
    except NoAnswer as silence:
        raise ToolError(f"The service does not answer: {silence}") from silence


def _now(room: Room) -> RoomNow:
    figures, settings = room.figures, room.settings
    return RoomNow(
        room=room.room,
        name=room.name,
        status=room.status,
        message=room.message,
        seats_max=settings.seats_max,
        calls_per_minute=settings.calls_per_minute,
        batch_max=settings.batch_max,
        opens_at=room.opens_at,
        closes_at=room.closes_at,
        waiting=figures.waiting,
        entries_in_the_draw=figures.entries,
        called=figures.called,
        inside=figures.claimed,
        calls_missed=figures.missed,
        joins_per_minute=figures.joins_per_min,
        calls_made_per_minute=figures.calls_per_min,
        units_available=figures.available,
        units_held=figures.held,
        units_sold=figures.sold,
        at=figures.at,
    )
