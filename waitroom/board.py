"""What a worker knows of the rooms: their rules, and the state document as it hands it out."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec
import structlog
from multidict import CIMultiDict

from inventory.kit.http import PRIVATE
from inventory.kit.problem import NotFound, Refusal
from waitroom.join import JoinDesk
from waitroom.line_store import LineStore
from waitroom.memory import Memory
from waitroom.state import LineState, RoomState, decode_state
from waitroom.ticket import NoTicket, Ticket, TicketSeal

log = structlog.get_logger()

STATES_EVERY_S = 0.5
ROOMS_EVERY_S = 2.0
# A document older than this is no longer what the leader says; PostgreSQL is asked as well.
STALE_S = 3.0


@dataclass(slots=True, kw_only=True)
class RoomView:
    """One room in one worker. `raw` is the document, `state` the same decoded."""

    rules: dict[str, Any]
    desk: JoinDesk
    raw: bytes = b""
    etag: str = ""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    state: RoomState | None = None
    heard_at: float = 0.0

    @property
    def room(self) -> str:
        return str(self.rules["room"])

    @property
    def line_id(self) -> int:
        return int(self.rules["line_id"])

    @property
    def line(self) -> LineState | None:
        """Return the state of the line that this room's tickets stand in."""
        return self.state.lines[0] if self.state else None

    def take(self, raw: bytes) -> None:
        """Accept a document, unless a later one has been seen."""
        if raw == self.raw:
            return
        try:
            state = decode_state(raw)
        except msgspec.DecodeError:
            log.exception("state_not_understood", room=self.room)
            return
        if self.state is not None and state.version <= self.state.version:
            return
        self.raw, self.state, self.heard_at = raw, state, time.monotonic()
        self.etag = f'"{state.version}"'
        self.headers = CIMultiDict(
            {
                **PRIVATE,
                "Cache-Control": "public, max-age=1",
                "ETag": self.etag,
                "Access-Control-Allow-Origin": "*",
            }
        )


class Board:
    def __init__(
        self, *, store: LineStore, memory: Memory, seal: TicketSeal, join_memory_s: int
    ) -> None:
        self.rooms: dict[str, RoomView] = {}
        self.synced_at = 0.0
        self._store = store
        self._memory = memory
        self.seal = seal
        self._join_memory_s = join_memory_s

    def room(self, room: str) -> RoomView:
        """Return a room; raises `NotFound`."""
        view = self.rooms.get(room)
        if view is None:
            raise NotFound(f"There is no room {room!r}.")
        return view

    def ticket_of(self, view: RoomView, token: str | None) -> Ticket:
        """Return the ticket if it is one of this room's line; raises `NoTicket`."""
        if token is None:
            raise NoTicket
        ticket = self.seal.open(token)
        if ticket.line_id != view.line_id:
            raise NoTicket("This ticket belongs to another room or line.")
        return ticket

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep up with the leader until `stopping` is set."""
        while not stopping.is_set():
            await self.refresh()
            try:
                await asyncio.wait_for(stopping.wait(), STATES_EVERY_S)
            except TimeoutError:
                continue

    async def refresh(self, *, rooms: bool = False) -> None:
        """Read what is new. An engine that is away leaves everything as it was."""
        try:
            if rooms or time.monotonic() - self.synced_at > ROOMS_EVERY_S:
                await self._refresh_rooms()
            await self._refresh_states()
        except Refusal as error:
            log.warning("board_not_refreshed", error=str(error))
        except (asyncpg.PostgresError, RuntimeError):
            log.exception("board_not_refreshed")

    async def _refresh_rooms(self) -> None:
        rows = await self._store.rooms()
        for row in rows:
            rules = dict(row)
            view = self.rooms.get(rules["room"])
            if view is not None and view.line_id == rules["line_id"]:
                view.rules = rules
                continue
            self.rooms[rules["room"]] = RoomView(
                rules=rules,
                desk=JoinDesk(
                    rules["line_id"],
                    rules["line"],
                    store=self._store,
                    memory=self._memory,
                    seal=self.seal,
                    memory_s=self._join_memory_s,
                ),
            )
        for gone in self.rooms.keys() - {row["room"] for row in rows}:
            del self.rooms[gone]
        self.synced_at = time.monotonic()

    async def _refresh_states(self) -> None:
        for room, raw in (await self._memory.states(list(self.rooms))).items():
            self.rooms[room].take(raw)
        horizon = time.monotonic() - STALE_S
        if any(view.heard_at < horizon for view in self.rooms.values()):
            # Valkey is away or has lost the documents; PostgreSQL has each of them too.
            for room, raw in (await self._store.states()).items():
                if room in self.rooms:
                    self.rooms[room].take(raw)

    async def close(self) -> None:
        for view in self.rooms.values():
            await view.desk.close()
