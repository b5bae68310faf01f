"""A web worker's copy of the rooms: their rules, and each room's state document."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import msgspec
import structlog

from inventory.catalogue import ROOM
from inventory.kit.batcher import Batcher
from inventory.kit.database import work_for
from inventory.kit.holders.marks import Shows, no_one
from inventory.kit.language.language import phrase
from inventory.kit.loops import rest, tell_failure
from inventory.kit.problem import Busy, EngineDown, NotFound, Refusal
from waitroom.desk.joining.join_desk import JoinDesk
from waitroom.line.rules import LineRules, RoomRules
from waitroom.line.state import LineState, RoomState, decode_state
from waitroom.line.ticket import Ticket, TicketSeal
from waitroom.log.draw import Permutation
from waitroom.refusals import LineOver, NoTicket, TicketMoved
from waitroom.store.line_store import LineStore
from waitroom.store.memory import Memory
from waitroom.store.place_store import PlaceCursor, PlaceNote
from waitroom.store.room_rows import RoomOnFile

log = structlog.get_logger()

STATES_EVERY_S = 0.5
ROOMS_EVERY_S = 2.0
# The last document of an ended room hardly changes any more.
ENDED_EVERY_S = 10.0
# A document that has stood this long may be out of date; the board then asks PostgreSQL as well.
STALE_S = 3.0
# Changed places are read in pages: the worker serves others between two of them.
PLACES_PAGE = 1000
# Unknown rooms are looked up in the database together, at most once in this time.
LOOK_UP_EVERY_S = 0.1
# Archived rooms are read when somebody asks for one, and kept for this long, at most so many.
ARCHIVED_FRESH_S = 10.0
ARCHIVED_MAX = 50
# Before any moment of the steady clock.
NEVER = float("-inf")


_MAY_BE_A_ROOM = re.compile(ROOM)
_NOTHING = PlaceNote()


@dataclass(slots=True, kw_only=True)
class LineView:
    """One line in one worker: its join desk, and the order of its entries once they are drawn."""

    rules: LineRules
    desk: JoinDesk
    _order: Permutation | None = None

    def number_of(self, entry: int) -> int | None:
        """Return the number that the draw gave an entry, None before the draw."""
        key, count = self.rules.draw_key, self.rules.drawn_count
        if key is None or count is None:
            return None
        if self._order is None:
            self._order = Permutation(key, count)
        return self._order.number_of(entry) if entry <= count else None


@dataclass(slots=True, kw_only=True)
class RoomView:
    """One room in one worker.

    `lines` are those that can be joined, by id, the main one first; `former_lines` the ids of the
    lines from before a reset. `log_seq` is the last entry of the room's log when its rules were
    read. `raw` is the state document and `state` the same decoded, None until
    one has arrived; `etag` changes with it. `heard_at` is when it arrived, on the steady clock (s).
    """

    rules: RoomRules
    lines: dict[int, LineView]
    former_lines: frozenset[int]
    networks_behind: frozenset[bytes] = frozenset()
    log_seq: int = 0
    raw: bytes = b""
    etag: str = ""
    state: RoomState | None = None
    heard_at: float = 0.0

    @property
    def room(self) -> str:
        return self.rules.room

    @property
    def main_line(self) -> LineView:
        return next(iter(self.lines.values()))

    @property
    def line_id(self) -> int:
        """Return the id of the main line."""
        return self.main_line.rules.line_id

    @property
    def is_final(self) -> bool:
        """Say whether the room has ended and its document says so."""
        ended = self.state is not None and self.state.status == "ended"
        return ended and self.rules.status == "ended"

    @property
    def line(self) -> LineState | None:
        """Return the state of the main line."""
        return self.state.lines[0] if self.state else None

    def line_of(self, ticket: Ticket) -> LineState | None:
        """Return what the document says of a ticket's line, None if it does not know the line."""
        name = self.name_of(ticket)
        for line in self.state.lines if self.state else ():
            if line.line == name:
                return line
        return None

    def name_of(self, ticket: Ticket) -> str:
        """Return the name of the line that a ticket stands in."""
        return self.lines[ticket.line_id].rules.line

    def lane(self, lane: str) -> LineView | None:
        """Return the line of a lane, None if this worker knows no such lane."""
        return next((line for line in self.lines.values() if line.rules.lane == lane), None)

    def accept(self, raw: bytes) -> None:
        """Keep a document, unless it is older than the one at hand or cannot be decoded."""
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


class Board:
    """Every room that this worker serves, kept up to date by `run`.

    Reading the board costs no engine call. When an engine is away the board keeps its last copy.
    """

    def __init__(
        self,
        *,
        store: LineStore,
        memory: Memory,
        seal: TicketSeal,
    ) -> None:
        self.rooms: dict[str, RoomView] = {}
        self.synced_at = NEVER
        self._store = store
        self._memory = memory
        self.seal = seal
        self._unreadable: dict[str, str] = {}
        # Archived rooms that were asked for lately, each with the moment until which it is fresh.
        self._archived: dict[str, tuple[float, RoomView]] = {}
        # Few places have a note, and every ticket asks for its own.
        self._notes: dict[tuple[int, bool, int], PlaceNote] = {}
        self._followed: set[int] = set()
        self._ended_read_at = NEVER
        # The transaction from which the next reading of changed places begins.
        self._places_read = 0
        self._looked_up_at = NEVER
        self._look_ups: Batcher[str, RoomView] = Batcher("rooms", self._look_up)

    def room(self, room: str) -> RoomView:
        """Return a room of which this worker has heard; raises `NotFound`."""
        view = self.rooms.get(room)
        if view is None:
            raise _no_room(room)
        return view

    async def find(self, room: str) -> RoomView:
        """Return a room, also one that was made a moment ago.

        The database is asked about a room that this worker does not know, so `NotFound` is sure.
        Raises `Busy` when it is not: the database does not answer, or the room cannot be read. What
        the task does from here on counts among the room's work.
        """
        view = self.rooms.get(room) or self._archived_room(room)
        if view is None:
            if not _MAY_BE_A_ROOM.fullmatch(room):
                raise _no_room(room)
            view = await self._look_ups.submit(room)
        work_for(view.room)
        return view

    async def _look_up(self, names: Sequence[str]) -> list[RoomView | Refusal]:
        """Look unknown rooms up, so that a flood of made-up names costs few questions."""
        await asyncio.sleep(self._looked_up_at + LOOK_UP_EVERY_S - time.monotonic())
        self._looked_up_at = time.monotonic()
        existing = await self._store.existing(list(set(names)))
        if not existing <= self.rooms.keys():
            await self.refresh(rooms=True)
        for name in existing - self.rooms.keys():
            await self._read_archived(name)
        return [
            self.rooms.get(name)
            or self._archived_room(name)
            or (Busy() if name in existing else _no_room(name))
            for name in names
        ]

    def _archived_room(self, room: str) -> RoomView | None:
        fresh_until, view = self._archived.get(room, (NEVER, None))
        return view if time.monotonic() < fresh_until else None

    async def _read_archived(self, room: str) -> None:
        """Read a room that the board does not follow, for a moment: an archived one."""
        found = await self._store.room(room)
        if found is None:
            return
        rules, raw = found
        lines = {line.line_id: self._line_view(line, {}, rules.rules) for line in rules.lines}
        view = RoomView(rules=rules.rules, lines=lines, former_lines=rules.former_lines)
        if raw is not None:
            view.accept(raw)
        self._archived.pop(room, None)
        self._archived[room] = (time.monotonic() + ARCHIVED_FRESH_S, view)
        while len(self._archived) > ARCHIVED_MAX:
            del self._archived[next(iter(self._archived))]

    async def every_room(self) -> list[RoomView]:
        """Return all rooms, by name; raises `EngineDown` while none could be read yet."""
        if self.synced_at == NEVER:
            await self.refresh(rooms=True)
        if self.synced_at == NEVER:
            raise EngineDown
        return sorted(self.rooms.values(), key=lambda view: view.room)

    def ticket_of(self, view: RoomView, token: str, shows: Shows = no_one) -> Ticket:
        """Return the ticket of one of this room's lines.

        `shows` says whether its bearer is the one that it is bound to. After the draw an entry's
        ticket counts as a ticket for its number. Raises `NoTicket`, `TicketBound` or `TicketMoved`.
        """
        ticket = self.seal.open(token, shows)
        if ticket.line_id in view.former_lines:
            raise LineOver
        if ticket.line_id not in view.lines:
            raise NoTicket(
                phrase("This ticket belongs to another room or line. Please take a number here.")
            )
        self._check_owner(ticket)
        drawn = self.drawn(view, ticket)
        if drawn is not ticket:
            self._check_owner(drawn)
        return self.as_chosen(drawn)

    def drawn(self, view: RoomView, ticket: Ticket) -> Ticket:
        """Return the numbered ticket that an entry's has become, or the ticket itself."""
        if not ticket.entered:
            return ticket
        number = view.lines[ticket.line_id].number_of(ticket.number)
        return (
            ticket
            if number is None
            else msgspec.structs.replace(ticket, number=number, entered=False)
        )

    def as_chosen(self, ticket: Ticket) -> Ticket:
        """Return a ticket with the SKU that its shopper named last."""
        chosen = self.note_of(ticket).chosen
        return ticket if chosen is None else msgspec.structs.replace(ticket, sku=chosen)

    def note_of(self, ticket: Ticket) -> PlaceNote:
        """Return the note of a ticket's place; most places have an empty one."""
        return self._notes.get((ticket.line_id, ticket.entered, ticket.number), _NOTHING)

    def _check_owner(self, ticket: Ticket) -> None:
        owner = self.note_of(ticket).owner
        if owner is not None and owner != ticket.ticket_id:
            raise TicketMoved

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep up with the leader until `stopping` is set."""
        while not stopping.is_set():
            await self.refresh()
            await rest(stopping, STATES_EVERY_S)

    async def refresh(self, *, rooms: bool = False) -> None:
        """Read what is new, the rules too if `rooms`. Without an engine the old copy stays."""
        try:
            if rooms or time.monotonic() - self.synced_at > ROOMS_EVERY_S:
                await self._refresh_rooms()
            await self._refresh_states()
        except (Refusal, asyncpg.PostgresError, RuntimeError) as error:
            tell_failure("board_not_refreshed", error)

    async def _refresh_rooms(self) -> None:
        ended = {room: v.log_seq for room, v in self.rooms.items() if v.rules.status == "ended"}
        found = await self._store.rooms(ended)
        for room in found.rooms:
            self._keep(room)
        there = found.unchanged.union(room.rules.room for room in found.rooms)
        for gone in self.rooms.keys() - there:
            del self.rooms[gone]
        self._forget_places()
        if found.unreadable != self._unreadable:
            log.error("rooms_set_aside", unreadable=found.unreadable)
            self._unreadable = found.unreadable
        await self.refresh_places()
        self.synced_at = time.monotonic()

    def _keep(self, room: RoomOnFile) -> None:
        known = self.rooms.get(room.rules.room)
        kept = known.lines if known else {}
        lines = {line.line_id: self._line_view(line, kept, room.rules) for line in room.lines}
        if known is not None and known.line_id == room.lines[0].line_id:
            known.rules, known.lines = room.rules, lines
            known.former_lines, known.log_seq = room.former_lines, room.log_seq
            known.networks_behind = room.networks_behind
        else:
            self.rooms[room.rules.room] = RoomView(
                rules=room.rules,
                lines=lines,
                former_lines=room.former_lines,
                networks_behind=room.networks_behind,
                log_seq=room.log_seq,
            )

    async def refresh_places(self) -> None:
        """Read which places have changed since the last reading."""
        horizon = await self._store.places_horizon()
        if horizon < self._places_read:
            # The database was restored from an older copy: its transactions count from there.
            self._places_read = 0
        after = PlaceCursor(changed_in=self._places_read)
        while page := await self._store.changed_places(after, limit=PLACES_PAGE):
            for changed in page:
                after, note = changed.cursor, changed.note
                place = (after.line_id, after.entered, after.number)
                # Two readings may overlap, and the one that began first may end last.
                if note.changed_at > self._notes.get(place, _NOTHING).changed_at:
                    self._notes[place] = note
            if len(page) < PLACES_PAGE:
                break
        # Two readings at once may end in either order; the earlier horizon reads a little twice.
        self._places_read = horizon

    def _forget_places(self) -> None:
        """Drop the notes of lines that are no longer followed: archived, or replaced by a reset."""
        followed = {line_id for view in self.rooms.values() for line_id in view.lines}
        if gone := self._followed - followed:
            self._notes = {place: n for place, n in self._notes.items() if place[0] not in gone}
        self._followed = followed

    def _line_view(self, rules: LineRules, kept: dict[int, LineView], room: RoomRules) -> LineView:
        known = kept.get(rules.line_id)
        if known is not None:
            known.rules = rules
            return known
        desk = JoinDesk(
            rules.line_id,
            rules.line,
            room=room.room,
            room_id=room.room_id,
            store=self._store,
        )
        return LineView(rules=rules, desk=desk)

    async def _refresh_states(self) -> None:
        every = time.monotonic() - self._ended_read_at > ENDED_EVERY_S
        rooms = [room for room, view in self.rooms.items() if every or not view.is_final]
        self._accept(await self._memory.states(rooms))
        if every:
            self._ended_read_at = time.monotonic()
        horizon = time.monotonic() - STALE_S
        # A room that has ended is published no more.
        if any(view.heard_at < horizon and not view.is_final for view in self.rooms.values()):
            # Valkey is away or has lost the documents. PostgreSQL has each of them too.
            self._accept(await self._store.states())

    def _accept(self, documents: Mapping[str, bytes]) -> None:
        """Keep the documents of the rooms that are still followed: one may be archived by now."""
        for room, raw in documents.items():
            if (view := self.rooms.get(room)) is not None:
                view.accept(raw)

    async def close(self) -> None:
        """Answer every request that is queued."""
        await self._look_ups.close()
        for view in self.rooms.values():
            for line in view.lines.values():
                await line.desk.close()


def _no_room(room: str) -> NotFound:
    return NotFound(phrase("There is no room “{room}”."), room=room)
