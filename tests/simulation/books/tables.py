"""The tables, the clock, and how a query finds the function that answers it."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

Row = dict[str, Any]

EPOCH = datetime.fromtimestamp(1_900_000_000, UTC)
# The shoppers' clock goes on for so long after the last heartbeat or report (s).
GOES_ON_S = 3.0
NEVER = float("-inf")
# What a session may have of a SKU.
LIMIT = 3


@dataclass(slots=True)
class Entry:
    seq: int
    kind: str
    facts: Row
    body: str
    hash: bytes


@dataclass(slots=True, kw_only=True)
class Room:
    room_id: int
    rules: Row
    log: list[Entry] = field(default_factory=list)
    version: int = 0
    body: bytes = b""
    is_final: bool = False
    # What `room_stock` has of it.
    on_hand: int = 0
    held: int = 0
    sold: int = 0
    promised: int = 0

    @property
    def open(self) -> bool:
        return bool(self.rules["status"] == "open")

    @property
    def free(self) -> int:
        return self.on_hand - self.held - self.sold - self.promised


@dataclass(slots=True, kw_only=True)
class Line:
    line_id: int
    room_id: int
    line: str
    lane: str
    gate: int = 0
    tail: int = 0
    entries: int = 0
    draw: "Draw | None" = None
    # Entries that left before the draw, with their tickets' ids.
    left: dict[int, bytes] = field(default_factory=dict)

    @property
    def head(self) -> int:
        return min(self.gate, self.tail)


@dataclass(slots=True, kw_only=True)
class JoinKey:
    number: int
    ticket_id: bytes
    entered: bool = False
    state: str = "given"


@dataclass(slots=True, kw_only=True)
class Admission:
    admission_id: int
    room_id: int
    line_id: int
    number: int
    state: str
    ticket_id: bytes | None = None
    promised: int = 0
    # Moments of the shoppers' clock (s).
    called_at: float | None = None
    passed_at: float | None = None
    claim_until: float | None = None
    claimed_at: float | None = None
    expires_at: float | None = None
    came_back_at: float | None = None
    ended_at: float | None = None
    end_reason: str | None = None

    @property
    def had_its_turn(self) -> bool:
        return self.called_at is not None or self.passed_at is not None


@dataclass(slots=True, kw_only=True)
class Sku:
    sku: str
    room_id: int
    limit: int
    price_minor: int
    on_hand: int = 0
    held: int = 0
    sold: int = 0


@dataclass(slots=True, kw_only=True)
class HoldRow:
    hold_id: UUID
    session_id: int
    room_id: int
    key: UUID
    body_hash: bytes
    lines: dict[str, int]
    expires_at: float
    state: str = "held"
    paying: bool = False
    unpaid_until: float = 0.0
    payment_until: float | None = None


@dataclass(slots=True, kw_only=True)
class Purchase:
    order_id: UUID
    session_id: int
    room_id: int
    hold_id: UUID
    key: UUID
    body_hash: bytes
    reference: str
    gateway: str
    token: str
    total_minor: int
    # Of the shoppers' clock.
    pay_by: float
    # Of the wall clock.
    changed_at: float
    driven_until: float
    driven_by: UUID | None
    created_at: float = 0.0
    drives: int = 0
    state: str = "authorizing"
    detail: str = ""
    sold_at: float | None = None
    paid_at: float | None = None
    said: list[str] = field(default_factory=list)
    refunded_minor: int = 0
    refunding_minor: int = 0
    # Units of each SKU: paid back or being paid back, and on the shelf again.
    refunded: Counter[str] = field(default_factory=Counter)
    returned: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class RefundRow:
    refund_id: UUID
    order_id: UUID
    key: UUID
    body_hash: bytes
    amount_minor: int
    lines: dict[str, int]
    restock: bool
    who: str
    reason: str
    # Of the wall clock.
    asked_at: float
    driven_until: float
    driven_by: UUID | None = None
    drives: int = 0
    state: str = "asked"
    detail: str = ""
    ended_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Draw:
    """The draw of a line. `count` is None while entries are taken, `seed` until the reveal."""

    commitment: bytes
    sealed_seed: str
    key_of_log: bytes
    count: int | None = None
    head: bytes | None = None
    signature: bytes | None = None
    fixed: bool = False
    seed: bytes | None = None
    key: bytes | None = None

    @property
    def is_due(self) -> bool:
        return self.count is not None and self.seed is None


@dataclass(slots=True)
class Holder:
    beat_at: float
    steady_since: float


class Books:
    """All tables. `clock` reads the wall clock in seconds since `EPOCH`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.leader, self.term = "", 0
        self.beat_at = self.served_at = NEVER
        # How long the shoppers' clock has stood in all (s).
        self.stopped = 0.0
        self.rooms: dict[int, Room] = {}
        self.lines: dict[int, Line] = {}
        self.join_keys: dict[tuple[int, bytes], JoinKey] = {}
        self.admissions: dict[int, Admission] = {}
        self.by_number: dict[tuple[int, int], Admission] = {}
        self.skus: dict[str, Sku] = {}
        self.holds: dict[UUID, HoldRow] = {}
        self.orders: dict[UUID, Purchase] = {}
        self.refunds: dict[UUID, RefundRow] = {}
        self.holders: dict[UUID, Holder] = {}
        self._ids = itertools.count(1)

    # The clock.

    @property
    def goes_until(self) -> float:
        """The moment of the wall clock until which the shoppers' clock goes."""
        known = [self.beat_at] if self.served_at == NEVER else [self.beat_at, self.served_at]
        return min(known) + GOES_ON_S

    def now(self) -> float:
        """Return the shoppers' time (s)."""
        return min(self.clock(), self.goes_until) - self.stopped

    def wind(self, *, beat: float, report: float, t: float) -> None:
        stood_from = min(t, self.goes_until)
        self.beat_at, self.served_at = beat, report
        stood_until = min(t, self.goes_until)
        if stood_until > stood_from > NEVER:
            self.stopped += stood_until - stood_from

    def wall(self, shopper_time: float | None) -> datetime | None:
        return None if shopper_time is None else moment(shopper_time + self.stopped)

    # Rows.

    def next_id(self) -> int:
        return next(self._ids)

    def add_room(self, room: str, **rules: Any) -> Room:
        room_id = self.next_id()
        made = Room(room_id=room_id, rules={**RULES, "room_id": room_id, "room": room, **rules})
        made.rules["name"] = room.title()
        self.rooms[room_id] = made
        self.add_line(room_id, "main")
        return made

    def add_line(self, room_id: int, lane: str) -> Line:
        line_id = self.next_id()
        line = Line(line_id=line_id, room_id=room_id, line=f"{lane}-1", lane=lane)
        self.lines[line_id] = line
        return line

    def receive(self, room: Room, sku: str, units: int) -> None:
        found = self.skus.get(sku)
        if found is None:
            found = Sku(sku=sku, room_id=room.room_id, limit=LIMIT, price_minor=1000)
            self.skus[sku] = found
        found.on_hand += units
        room.on_hand += units

    def lines_of(self, room_id: int) -> list[Line]:
        """Return a room's lines, the main one first."""
        found = (line for line in self.lines.values() if line.room_id == room_id)
        return sorted(found, key=lambda line: (line.lane != "main", line.line_id))

    def admit(self, line: Line, number: int, **values: Any) -> Admission | None:
        """Add an admission, unless the number has one."""
        if (line.line_id, number) in self.by_number:
            return None
        made = Admission(
            admission_id=self.next_id(),
            room_id=line.room_id,
            line_id=line.line_id,
            number=number,
            **values,
        )
        self.admissions[made.admission_id] = self.by_number[line.line_id, number] = made
        return made

    def seats(self, room_id: int) -> int:
        return sum(
            a.room_id == room_id and a.state in {"called", "claimed"}
            for a in self.admissions.values()
        )

    def log(self, room: Room, kind: str, **facts: Any) -> int:
        seq = len(room.log) + 1
        body = json.dumps(
            {"seq": seq, "kind": kind, "at": moment(self.clock()).isoformat(), **facts}
        )
        before = room.log[-1].hash if room.log else bytes(32)
        digest = hashlib.sha256(before + body.encode()).digest()
        room.log.append(Entry(seq, kind, facts, body, digest))
        return seq


def moment(wall_s: float) -> datetime:
    return EPOCH + timedelta(seconds=wall_s)


def seconds(at: datetime) -> float:
    return (at - EPOCH).total_seconds()


Answer = Callable[..., Sequence[Row]]
RoomOf = Callable[..., int | None]
QUERIES: dict[str, Answer] = {}
_LOCKS: dict[str, RoomOf] = {}


def answers(*names: str, locks: RoomOf | None = None) -> Callable[[Answer], Answer]:
    """Let a function answer named queries; `locks` says which room's rows they lock."""

    def note(function: Answer) -> Answer:
        for name in names:
            QUERIES[name] = function
            if locks is not None:
                _LOCKS[name] = locks
        return function

    return note


def ask(books: Books, name: str, values: Sequence[Any]) -> Sequence[Row]:
    """Run one statement."""
    assert name in QUERIES, f"the simulation has no answer to the query {name}"
    return QUERIES[name](books, *values)


def room_locked_by(books: Books, name: str, values: Sequence[Any]) -> int | None:
    """Return the room whose rows a statement locks, None for none."""
    finds = _LOCKS.get(name)
    return None if finds is None else finds(books, *values)


RULES: Row = {
    "public": True,
    "status": "open",
    "sold_out": False,
    "message": "",
    "message_at": None,
    "opens_at": None,
    "closes_at": None,
    "doors_at": None,
    "doors_open": True,
    "order_by": "first_come",
    "public_value_source": None,
    "join_by": "open",
    "customers_only": False,
    "log_public": "live",
    "fairness_public": False,
    "language": "",
    "log_salt": UUID(int=7),
    "policy": "rate",
    "disappointed_max": 0.01,
    "seats_max": 100,
    "calls_per_minute": None,
    "batch_max": 500,
    "units_promised": 1,
    "order_units_max": 10,
    "held_share_max": 0.2,
    "stock_elsewhere": False,
    "currency": "EUR",
    "proof_of_work": "never",
    "human_check": "never",
    "human_check_away": "open",
    "claim_window_s": 120,
    "returns_window_s": 900,
    "grace_s": 1800,
    "session_s": 600,
    "hold_s": 300,
    "hold_extensions_max": 1,
    "payment_window_s": 600,
    "places_per_address_max": None,
    "pay_after_s": 0,
}
