"""One room as a tick reads it: rules, stock and lines, all from one moment. Pure values."""

from dataclasses import dataclass, field
from datetime import datetime

# The lane of networks that have as many places as the room gives to one. It is called only while
# no shopper waits in another lane.
BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallingRules:
    """The rules by which a room calls, as they stand at this tick.

    policy: `expected`, `guaranteed` or `rate`.
    disappointed_max: the share of called shoppers who may find nothing, under `expected`.
    seats_max: how many admissions may be called or inside at once.
    calls_per_minute: a limit on calls, None for no limit.
    batch_max: a limit on the calls of one tick.
    units_promised: how many units each call promises, under `guaranteed`.
    claim_window_s, session_s, hold_s: the deadlines of a call, a session and a hold.
    units_max: the most units that one session can hold, None where no limit applies.
    """

    policy: str = "expected"
    disappointed_max: float = 0.01
    seats_max: int = 100
    calls_per_minute: int | None = None
    batch_max: int = 500
    units_promised: int = 1
    claim_window_s: float = 120.0
    session_s: float = 600.0
    hold_s: float = 300.0
    units_max: int | None = None

    @property
    def admits(self) -> bool:
        """Whether the operators let anyone in: there are seats, and the pace is not zero."""
        return self.seats_max > 0 and self.calls_per_minute != 0

    @property
    def for_shoppers(self) -> tuple[float, float, float, int | None]:
        """The rules that bear on what called shoppers do."""
        return self.claim_window_s, self.session_s, self.hold_s, self.units_max


def units_of_call(each: int, *, free: int, out: int) -> int:
    """Return the units that a call promises where the rules say `each`: the last may be fewer.

    `out` are the units in baskets and behind other calls, which may come back. `promise_of` in the
    database says the same.
    """
    return each if out else min(each, free) or each


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The units of a room, summed over its SKUs.

    on_hand: everything that was received and not taken away, sold units included.
    promised: units that stand behind calls. held: units in baskets. sold: units paid for.
    kept: units that no new call may count on, because refused sessions wait for them or because
        their SKU is not on sale now.
    heard: whether another shop that keeps the stock has reported it; True where it is kept here.
    """

    on_hand: int = 0
    promised: int = 0
    held: int = 0
    sold: int = 0
    kept: int = 0
    elsewhere: bool = False
    heard: bool = True

    @property
    def free(self) -> int:
        """The units on which new calls may count."""
        return max(self.on_hand - self.held - self.sold - self.promised - self.kept, 0)

    @property
    def sold_out(self) -> bool:
        """Whether nothing can come back: no unit is on the shelf, in a basket or promised."""
        if self.elsewhere:
            return self.heard and self.on_hand == 0
        return 0 < self.on_hand <= self.sold


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One SKU of a room.

    free: the units that a shopper could hold now. held: units in baskets, or set aside for shoppers
        who named the SKU and were called. sold: units paid for.
    wished: units for which refused sessions wait; what comes free is theirs first.
    """

    sku_id: int
    sku: str
    name: str = ""
    free: int = 0
    held: int = 0
    sold: int = 0
    wished: int = 0

    @property
    def units(self) -> int:
        """The units that there were or are."""
        return self.free + self.held + self.sold


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawSteps:
    """The steps of a line's draw that are taken or due.

    announced: its commitment stands. due: entries are closed and the order is not out yet.
    closing_signed: the closing was signed. value_missing: the announced public value is not known.
    """

    announced: bool = False
    due: bool = False
    closing_signed: bool = False
    value_missing: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether the leader takes a step next. A missing value is given by an operator."""
        return self.due and not (self.closing_signed and self.value_missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSnapshot:
    """One line of a room.

    gate: numbers up to it are called, also those not given yet. tail: the last number given.
    passed_by: numbers that the gate passed without a call, since what they came for was not free.
    share: the line's weight among the room's lines. entries: places that wait for a draw.
    came_back: admissions that missed their call and came back, or were passed by, in the order they
        are called again.
    first_called: when each of them was called first, in seconds of the shoppers' clock.
    for_returns: those of them who stayed for returned units.
    """

    line_id: int
    line: str = "1"
    lane: str = "main"
    share: float = 1.0
    gate: int = 0
    tail: int = 0
    passed_by: int = 0
    entries: int = 0
    came_back: tuple[int, ...] = ()
    first_called: tuple[float, ...] = ()
    for_returns: frozenset[int] = frozenset()
    draw: DrawSteps = field(default_factory=DrawSteps)

    @property
    def head(self) -> int:
        """The last number that is called and given."""
        return min(self.gate, self.tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSnapshot:
    """One room at one moment, its main line first.

    now: the database's clock. shopper_s: the same moment on the shoppers' clock, in seconds.
    clock_goes: whether the shoppers' clock goes on. It stands still while no web worker serves.
    version: of the state document published last. row_version: tells whether the rules changed
        since. seats_taken: admissions called or claimed. seats_without_units: those of them that
        have nothing on hold; counted only while shoppers wait for returned units.
    sold_out: whether the room is marked as sold out, which may lag behind `stock.sold_out`.
    stock: None for a plain gate, which protects a site and sells nothing.
    """

    room_id: int
    room: str
    now: datetime
    shopper_s: float
    clock_goes: bool = True
    status: str = "open"
    sold_out: bool = False
    message: str = ""
    message_at: datetime | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    doors_open: bool = True
    order_by: str = "first_come"
    version: int = 0
    row_version: str = ""
    rules: CallingRules = field(default_factory=CallingRules)
    stock: Stock | None = None
    seats_taken: int = 0
    seats_without_units: int = 0
    lines: tuple[LineSnapshot, ...]

    @property
    def units_each(self) -> int:
        """The units that a call promises now."""
        stock = self.stock or Stock()
        out = stock.held + stock.promised
        return units_of_call(self.rules.units_promised, free=stock.free, out=out)

    @property
    def is_sold_out(self) -> bool:
        return self.stock is not None and self.stock.sold_out

    @property
    def calls(self) -> bool:
        """Whether the room is open and no draw is due, so that shoppers may be called."""
        return self.status == "open" and not self.lines[0].draw.due

    @property
    def is_over(self) -> bool:
        """Whether the room has ended and nothing in it can change by itself any more."""
        stock = self.stock or Stock()
        at_work = self.seats_taken or stock.held or stock.promised
        drawing = any(line.draw.goes_on for line in self.lines)
        return self.status == "ended" and not (at_work or drawing)

    @property
    def for_returns(self) -> frozenset[int]:
        """The admissions of all lines that stayed for returned units."""
        return frozenset[int]().union(*(line.for_returns for line in self.lines))

    @property
    def returns_max(self) -> int | None:
        """How many of those there surely are units for; None for a gate and where calls promise.

        A promise already sets a unit aside for each call. Elsewhere each shopper inside who has
        nothing on hold may still take the units of one call.
        """
        if self.stock is None or self.rules.policy == "guaranteed":
            return None
        return max(self.stock.free // self.rules.units_promised - self.seats_without_units, 0)

    @property
    def seats_foreseen(self) -> int | None:
        """The seats, where it can be foreseen how those taken come free; None elsewhere.

        Of another shop's crowd it is not known who takes what. Under `rate` the stock does not say
        how many are called into the seats.
        """
        known = self.stock is not None and not self.stock.elsewhere
        return self.rules.seats_max if known and self.rules.policy != "rate" else None

    @property
    def waiting(self) -> int:
        """The numbers that are given and not called yet, over all lines."""
        return sum(line.tail - line.head for line in self.lines)

    @property
    def hours_are_due(self) -> bool:
        """Whether the time to open or to close has come."""
        opens = self.status == "scheduled" and _reached(self.opens_at, self.now)
        return opens or (self.status != "ended" and _reached(self.closes_at, self.now))

    def moved_since(self, before: "RoomSnapshot") -> dict[int, int]:
        """Return the calls by which the heads of the lines moved that are in both snapshots."""
        heads = {line.line_id: line.head - line.passed_by for line in before.lines}
        return {
            line.line_id: max(line.head - line.passed_by - heads[line.line_id], 0)
            for line in self.lines
            if line.line_id in heads
        }

    def is_calling(self, line: LineSnapshot) -> bool:
        """Say whether numbers of a line may be called: the room is open and has something left."""
        return self.status == "open" and not self.is_sold_out and not line.draw.due

    def part_of(self, line: LineSnapshot) -> float:
        """Return a line's share of the room's calls while its lane has its turn, from 0 to 1."""
        if line.lane == BEHIND:
            return 1.0
        return line.share / sum(other.share for other in self.lines if other.lane != BEHIND)

    def ahead_of(self, line: LineSnapshot) -> int:
        """Return how many shoppers of other lanes are called before any of this one."""
        if line.lane != BEHIND:
            return 0
        return sum(other.tail - other.head for other in self.lines if other.lane != BEHIND)


def _reached(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
