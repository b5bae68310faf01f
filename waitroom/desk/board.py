"""What a worker knows of the rooms: their rules, and the state document as it hands it out."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import asyncpg
import msgspec
import structlog
from multidict import CIMultiDict

from inventory.kit.http import PRIVATE
from inventory.kit.problem import NotFound, Refusal
from waitroom.desk.join_desk import JoinDesk
from waitroom.line.state import LineState, RoomState, decode_state
from waitroom.line.ticket import Ticket, TicketSeal
from waitroom.log.draw import Permutation
from waitroom.refusals import LineOver, NoTicket, TicketMoved
from waitroom.store.line_store import LineStore
from waitroom.store.memory import Memory

log = structlog.get_logger()

STATES_EVERY_S = 0.5
ROOMS_EVERY_S = 2.0
# A document older than this is no longer what the leader says; PostgreSQL is asked as well.
STALE_S = 3.0
# Changes are read again from so long before the last one known, since commits come late.
CHANGES_OVERLAP = timedelta(seconds=30)
LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceNote:
    """What is remembered of a place, where anything is. A place that moved has a new `owner`."""

    owner: bytes | None = None
    aside: bool = False
    revoked: bool = False
    has_left: bool = False
    profile: str | None = None
    changed_at: datetime = LONG_AGO


_NOTHING = PlaceNote()
_NOTE_FIELDS = ("owner", "aside", "revoked", "has_left", "profile", "changed_at")


@dataclass(slots=True, kw_only=True)
class LineView:
    """One line in one worker: its desk, and the order of its entries once they are drawn."""

    rules: dict[str, Any]
    desk: JoinDesk
    _order: Permutation | None = None

    def number_of(self, entry: int) -> int | None:
        """Return the number that the draw gave an entry, None before the draw."""
        if self.rules["draw_key"] is None:
            return None
        if self._order is None:
            self._order = Permutation(self.rules["draw_key"], self.rules["drawn_count"])
        return self._order.number_of(entry) if entry <= self.rules["drawn_count"] else None


@dataclass(slots=True, kw_only=True)
class RoomView:
    """One room in one worker. `raw` is the document, `state` the same decoded.

    `rules` are the room's, with the main line's; `lines` has that line first.
    """

    rules: dict[str, Any]
    lines: dict[int, LineView]
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
        """Return the state of the main line."""
        return self.state.lines[0] if self.state else None

    def line_of(self, ticket: Ticket) -> LineState | None:
        """Return the state of the line that a ticket stands in."""
        name = self.name_of(ticket)
        lines = self.state.lines if self.state else []
        return next((line for line in lines if line.line == name), None)

    def name_of(self, ticket: Ticket) -> str:
        """Return the name of the line that a ticket stands in."""
        return str(self.lines[ticket.line_id].rules["line"])

    def lane(self, lane: str) -> LineView | None:
        return next((line for line in self.lines.values() if line.rules["lane"] == lane), None)

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
        # Few places have a note, and it is asked for with every ticket.
        self._notes: dict[tuple[int, bool, int], PlaceNote] = {}
        self._changes_since = LONG_AGO

    def room(self, room: str) -> RoomView:
        """Return a room; raises `NotFound`."""
        view = self.rooms.get(room)
        if view is None:
            raise NotFound(f"There is no room {room!r}.")
        return view

    def ticket_of(self, view: RoomView, token: str | None) -> Ticket:
        """Return the ticket if it is one of this room's lines; raises `NoTicket`.

        Once the draw is made an entry's ticket is as good as one for its number.
        """
        if token is None:
            raise NoTicket
        ticket = self.seal.open(token)
        if ticket.line_id in view.rules["former_lines"]:
            raise LineOver
        if ticket.line_id not in view.lines:
            raise NoTicket("This ticket belongs to another room or line.")
        self._check_owner(ticket)
        drawn = self.drawn(view, ticket)
        if drawn is not ticket:
            self._check_owner(drawn)
        return drawn

    def drawn(self, view: RoomView, ticket: Ticket) -> Ticket:
        """Return the numbered ticket that an entry's has become, or the ticket itself."""
        if not ticket.entered:
            return ticket
        number = view.lines[ticket.line_id].number_of(ticket.number)
        return ticket if number is None else replace(ticket, number=number, entered=False)

    def note_of(self, ticket: Ticket) -> PlaceNote:
        """Return what is remembered of a ticket's place, of most places nothing."""
        return self._notes.get((ticket.line_id, ticket.entered, ticket.number), _NOTHING)

    def _check_owner(self, ticket: Ticket) -> None:
        owner = self.note_of(ticket).owner
        if owner is not None and owner != ticket.ticket_id:
            raise TicketMoved

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
        for name, lines in groupby(rows, key=lambda row: row["room"]):
            rules = [dict(line) for line in lines]
            known = self.rooms.get(name)
            kept = known.lines if known else {}
            views = {row["line_id"]: self._line_view(row, kept) for row in rules}
            if known is not None and known.line_id == rules[0]["line_id"]:
                known.rules, known.lines = rules[0], views
            else:
                self.rooms[name] = RoomView(rules=rules[0], lines=views)
        for gone in self.rooms.keys() - {row["room"] for row in rows}:
            del self.rooms[gone]
        await self.refresh_places()
        self.synced_at = time.monotonic()

    async def refresh_places(self) -> None:
        """Read what was remembered of places since the last time."""
        for row in await self._store.places(self._changes_since):
            place = (row["line_id"], row["entered"], row["number"])
            note = PlaceNote(**{name: row[name] for name in _NOTE_FIELDS})
            # Of two readings at once the one that began earlier may come in later.
            if note.changed_at > self._notes.get(place, _NOTHING).changed_at:
                self._notes[place] = note
            self._changes_since = max(self._changes_since, note.changed_at - CHANGES_OVERLAP)

    def _line_view(self, rules: dict[str, Any], kept: dict[int, LineView]) -> LineView:
        known = kept.get(rules["line_id"])
        if known is not None:
            known.rules = rules
            return known
        desk = JoinDesk(
            rules["line_id"],
            rules["line"],
            room_id=rules["room_id"],
            store=self._store,
            memory=self._memory,
            seal=self.seal,
            memory_s=self._join_memory_s,
        )
        return LineView(rules=rules, desk=desk)

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
            for line in view.lines.values():
                await line.desk.close()
