"""The caller of one room: it decides the calls and writes the state document. Pure.

Production (`leader.room_lead`) and rehearsals (`rehearse.play.simulation`) drive the same object,
once a second, in this order:

    observe   count what happened since the last snapshot
    decide    return the calls of this tick; the driver carries them out
    document  return the state document; the driver publishes it
    learn     count how called shoppers fare, from a reading that the driver made
    forecast  work out waits and chances for the documents to come

A caller remembers observations and never rules: the rules come with each snapshot. The driver
guards `learn` and `forecast`, so neither a slow reading nor an error in a forecast keeps a room
from calling or publishing. Without a recent reading the policy `expected` counts on every shopper
inside to take a unit, and without a forecast the last one stands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from waitroom.line.checkout_health import HealthLimit
from waitroom.line.forecast.forecaster import Forecaster, Supply
from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.learning.journey import Reading
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.forecast.prospects import Prospects
from waitroom.line.forecast.skus import sku_states, sku_tables
from waitroom.line.forecast.told import ToldRoom
from waitroom.line.forecast.wanted import Assortment, Wanted
from waitroom.line.lanes import LaneTurns, decide_lanes, lane_of
from waitroom.line.policy import (
    POLICIES,
    AdmissionPolicy,
    Call,
    CallAllowance,
    CallResult,
    Decision,
    Expected,
    Guaranteed,
    PolicyInput,
)
from waitroom.line.snapshot import LineSnapshot, RoomSnapshot, Stock
from waitroom.line.state import LineState, RoomState, shown_status
from waitroom.line.wait import Circumstances, PollPromises, WaitNote, wait_table

UNLIMITED = 10**9
# A reading older than this says too little about the shoppers inside to call by.
READING_MAX_S = 30.0
# Waits and chances that were worked out longer ago are marked as old in the document.
FORECAST_MAX_S = 15.0
# The table where no waits are worked out: everybody asks promptly.
NO_PROSPECTS = Prospects(per_second=None)
_NO_STOCK = Stock()


def _no_promises() -> PollPromises:
    return PollPromises(since=datetime.fromtimestamp(0, UTC))


@dataclass(slots=True, kw_only=True)
class _LineMemory:
    """The observations of one line."""

    promises: PollPromises = field(default_factory=_no_promises)
    forecaster: Forecaster = field(default_factory=Forecaster)


@dataclass(slots=True)
class Caller:
    """One room's caller. Losing it loses figures, and no promise.

    figures: whether waits and chances are worked out. demand_of: makes the learner.
    """

    policies: Mapping[str, AdmissionPolicy] = field(default_factory=lambda: POLICIES)
    figures: bool = True
    demand_of: Callable[[], Demand] = Demand
    # The reason of the last decision: the name of the narrowest bound on its calls.
    bound: str = ""
    outlook: Outlook | None = None
    _allowance: CallAllowance = field(default_factory=CallAllowance)
    _turns: LaneTurns = field(default_factory=LaneTurns)
    _supply: Supply = field(default_factory=Supply)
    _assortment: Assortment = field(default_factory=Assortment)
    # What shoppers want of the room's SKUs; None where there are not several.
    _wanted: Wanted | None = None
    _wait_note: WaitNote = field(default_factory=WaitNote)
    _told: ToldRoom = field(default_factory=ToldRoom)
    _lines: dict[int, _LineMemory] = field(default_factory=dict)
    _demand: Demand | None = None
    _before: RoomSnapshot | None = None
    # The room as it was at the last reading.
    _read: RoomSnapshot | None = None
    # Admissions called again since the last snapshot, and since the last reading.
    _again: int = 0
    _again_since_reading: int = 0
    _held_to: float | None = None  # Calls a second, while checkout's health limits them.
    _forecast_at: datetime | None = None

    def observe(self, room: RoomSnapshot) -> int:
        """Count what happened since the last snapshot; return the calls that were made.

        Arrivals below the gate were called as they joined and count like any other call. While
        people wait, the line moves as fast as seats come free, or as a rate allows; the calls that
        fill empty seats at the start say nothing about that and are not counted as pace.
        """
        # The memory of a line goes with the line, or a restarted one would keep its old pace.
        now_here = {line.line_id for line in room.lines}
        self._lines = {id_: kept for id_, kept in self._lines.items() if id_ in now_here}
        before, self._before = self._before, room
        again, self._again = self._again, 0
        if before is None or before.lines[0].line_id != room.lines[0].line_id:
            return 0
        moved = room.moved_since(before)
        calls = sum(moved.values()) + again
        self._allowance.spend(calls)
        # While the shoppers' clock stands still, the line does too: that says nothing of its pace.
        if self.figures and room.status == "open" and room.waiting and room.clock_goes:
            freed = max(before.seats_taken + calls - room.seats_taken, 0)
            passed_s = (room.now - before.now).total_seconds()
            for line in room.lines:
                if line.line_id in self._lines:
                    part = room.part_of(line)
                    self._lines[line.line_id].forecaster.see(
                        room.shopper_s,
                        head=line.head,
                        calls=moved.get(line.line_id, 0) + again * part,
                        freed=freed * part,
                        bound=self.bound,
                        passed_s=passed_s,
                    )
        return calls

    def decide(self, room: RoomSnapshot, *, checkout: HealthLimit) -> list[Call]:
        """Return the calls of this tick, one for each line that has any.

        `checkout` is how many calls the checkout can bear. While the shoppers' clock stands still
        no shopper could hear of a call, and none is made.
        """
        if not room.clock_goes:
            return []
        rules, lanes = room.rules, [lane_of(line) for line in room.lines]
        allowed = self._allowance.refill(
            now=room.now.timestamp(), calls_per_minute=rules.calls_per_minute
        )
        stock, line = room.stock or _NO_STOCK, room.lines[0]
        seen = PolicyInput(
            open=room.calls,
            seats_max=rules.seats_max,
            seats_taken=room.seats_taken,
            batch_max=rules.batch_max,
            calls_allowed=UNLIMITED if allowed is None else allowed,
            has_stock=room.stock is not None,
            units_available=stock.free,
            units_promised_each=room.units_each,
            gate=line.gate,
            tail=line.tail,
            came_back=line.came_back,
            for_returns=room.for_returns,
            returns_max=room.returns_max,
            demand=self.outlook_for(room),
            disappointed_max=rules.disappointed_max,
            checkout_calls=checkout.calls,
        )
        decisions = decide_lanes(self.policies[rules.policy], seen, lanes, self._turns)
        self.bound = decisions[line.line_id].reason
        self._held_to = checkout.per_second if self.bound == "checkout" else None
        calls = (self._call_of(one, decisions[one.line_id], room) for one in room.lines)
        return [call for call in calls if call is not None]

    def _call_of(self, line: LineSnapshot, decision: Decision, room: RoomSnapshot) -> Call | None:
        if decision.gate == line.gate and not decision.again:
            return None
        last = max(min(decision.gate, line.tail), line.head + 1)
        promises = self._memory_of(line, room).promises
        return Call(
            line_id=line.line_id,
            gate_read=line.gate,
            decision=decision,
            heard_by=promises.heard_by(line.head + 1, last, now=room.now),
        )

    def note(self, result: CallResult) -> None:
        """Count what a call did, as soon as it is done: a tick may fail before the next."""
        self._again += result.called_again
        self._again_since_reading += result.called_again

    def outlook_for(self, room: RoomSnapshot) -> Outlook | None:
        """Return the outlook of the last reading, brought up to this snapshot.

        Calls made since the reading are added, or this tick would make them again. Units that came
        free since then are free now, so they no longer count as units that are coming back.
        """
        if self.outlook is None or self._read is None or room.stock is None:
            return None
        if (room.now - self._read.now).total_seconds() > READING_MAX_S:
            return None
        if room.rules.for_shoppers != self._read.rules.for_shoppers:
            # The figures were learned under other rules, and could not be brought under these.
            return None
        calls = sum(room.moved_since(self._read).values()) + self._again_since_reading
        then = self._read.stock or _NO_STOCK
        return self.outlook.with_calls(calls).with_units_freed(room.stock.free - then.free)

    def document(self, room: RoomSnapshot, results: Mapping[int, CallResult]) -> RoomState:
        """Return the state document of this tick, `results` telling where called lines stand."""
        # After a restore from a backup the versions go on where the clock is, not where they were.
        version = max(room.version + 1, int(room.now.timestamp()))
        lines = [self._line_state(line, results.get(line.line_id), room) for line in room.lines]
        note = self._why_longer(room, lines[0]) if self.figures else None
        if self.figures:
            lines = self._told.tell(lines, at=room.shopper_s, note=note)
        stock = room.stock or _NO_STOCK
        drawing = room.lines[0].draw.due
        return RoomState(
            version=version,
            room=room.room,
            status=shown_status(
                room.status, sold_out=room.is_sold_out, doors_open=room.doors_open, drawing=drawing
            ),
            message=room.message,
            message_at=room.message_at,
            updated_at=room.now,
            opens_at=room.opens_at,
            available=stock.free,
            held=stock.held,
            promised=stock.promised,
            has_stock=room.stock is not None,
            admits=room.rules.admits,
            calling_per_min=self._calling_per_min(),
            wait_note=note,
            figures_at=self._forecast_at if self._forecast_is_old(room) else None,
            skus=sku_states(self._wanted),
            lines=lines,
        )

    def _line_state(
        self, line: LineSnapshot, result: CallResult | None, room: RoomSnapshot
    ) -> LineState:
        at = result or CallResult(gate=line.gate, tail=line.tail)
        prospects = NO_PROSPECTS
        if self.figures:
            prospects = self._memory_of(line, room).forecaster.prospects
        table = wait_table(
            waiting=at.tail - at.head, prospects=prospects, calling=room.is_calling(line)
        )
        return LineState(
            line=line.line,
            lane=line.lane,
            head=at.head,
            tail=at.tail,
            entries=line.entries,
            table=table,
            skus=sku_tables(self._wanted, prospects, waiting=at.tail - at.head),
        )

    def published(self, room: RoomSnapshot, document: RoomState, *, at: datetime) -> None:
        """Remember what a document told its readers, once it is out."""
        for line, state in zip(room.lines, document.lines, strict=True):
            memory = self._memory_of(line, room)
            memory.promises.note(at=at, head=state.head, table=state.table)
            if self.figures:
                memory.forecaster.tell(
                    room.shopper_s,
                    head=state.head,
                    places=(row.place for row in state.table),
                    calling=room.is_calling(line),
                )

    @property
    def has_read(self) -> bool:
        """Whether the caller knows all admissions of the room, as after a first reading."""
        return self._demand is not None

    def begin(self, room: RoomSnapshot) -> None:
        """Bring what is known under the rules of this tick; to be called before `decide`.

        A room that has called no shopper yet has nothing to read.
        """
        if self._demand is None:
            if not room.seats_taken and not any(line.head for line in room.lines):
                self.learn(Reading(room=room))
        elif self._read is not None and room.rules.for_shoppers != self._read.rules.for_shoppers:
            self._follow(room)
            self.outlook = self._demand.outlook(room.shopper_s)
            self._read = replace(self._read, rules=room.rules)

    def _follow(self, room: RoomSnapshot) -> Demand:
        """Return what is known of shoppers, under the rules of this tick."""
        if self._demand is None:
            self._demand = self.demand_of()
        rules = room.rules
        self._demand.follow(
            claim_window_s=rules.claim_window_s,
            session_s=rules.session_s,
            hold_s=rules.hold_s,
            units_max=rules.units_max,
            promised=rules.units_promised if rules.policy == Guaranteed.name else 0,
        )
        return self._demand

    def learn(self, reading: Reading) -> None:
        """Count how called shoppers fare, and work out what to expect of them."""
        room = reading.room
        if room.stock is None:
            return
        again = self._again_since_reading
        demand = self._follow(room)
        demand.observe(
            room.shopper_s,
            reading.changed,
            reading.closed,
            dropped=reading.dropped,
            units_free=room.stock.free,
            shelves=reading.shelves,
        )
        self._assortment.take(reading.shelves, reading.chosen)
        outlook = demand.outlook(room.shopper_s)
        wanted = self._wanted = self._assortment.look(room, outlook, demand.tastes)
        depletion = None if wanted is None else wanted.gross(outlook)
        self.outlook = replace(outlook, depletion=depletion)
        # Calls may have been made while a whole crowd was counted.
        self._read, self._again_since_reading = room, self._again_since_reading - again

    def forget(self) -> None:
        """Forget how shoppers fared: a reading was lost, so the next one has to be of them all."""
        self._demand = self.outlook = self._read = self._wanted = None

    def forecast(self, room: RoomSnapshot) -> None:
        """Work out waits and chances for the documents to come.

        They follow from the room as it was read last, which may be later than `room`.
        """
        if not self.figures:
            return
        if self._read is not None and self._read.now > room.now:
            room = self._read
        stock = self._stock_prospects(room)
        for line in room.lines:
            self._memory_of(line, room).forecaster.look(
                room.shopper_s,
                stock=stock,
                share=room.part_of(line),
                held_to=self._held_to,
                ahead=room.ahead_of(line),
            )
        self._forecast_at = room.now

    def _stock_prospects(self, room: RoomSnapshot) -> Prospects | None:
        if room.stock is None:
            return None
        rules, stock = room.rules, room.stock
        return self._supply.look(
            room.shopper_s,
            outlook=self.outlook_for(room) or Outlook(),
            units_free=stock.free,
            units_held=stock.held,
            units_promised=stock.promised,
            bound=self.bound,
            seats_max=room.seats_foreseen,
            disappointed_max=rules.disappointed_max if rules.policy == Expected.name else None,
            wanted=self._wanted,
        )

    def _forecast_is_old(self, room: RoomSnapshot) -> bool:
        at = self._forecast_at
        return at is not None and (room.now - at).total_seconds() > FORECAST_MAX_S

    def _calling_per_min(self) -> float | None:
        paces = (line.forecaster.prospects.per_second for line in self._lines.values())
        known = [pace for pace in paces if pace]
        return round(sum(known) * 60, 1) if known else None

    def _why_longer(self, room: RoomSnapshot, main: LineState) -> str | None:
        """Return why waits grew lately, for as long as people need to see it."""
        number = self._wait_note.number(head=main.head, tail=main.tail)
        wait = None
        if number > main.head:
            memory = self._memory_of(room.lines[0], room)
            wait = memory.forecaster.prospects.wait(number - main.head)
        circumstances = Circumstances(
            paused=room.status == "paused",
            calls_per_minute=room.rules.calls_per_minute,
            seats_max=room.rules.seats_max,
            on_hand=(room.stock or _NO_STOCK).on_hand,
            came_back=len(room.lines[0].came_back),
            checkout_slow=self.bound == "checkout",
            wait_s=None if wait is None else wait.middle_s,
        )
        return self._wait_note.look(room.shopper_s, number, circumstances)

    def _memory_of(self, line: LineSnapshot, room: RoomSnapshot) -> _LineMemory:
        memory = self._lines.get(line.line_id)
        if memory is None:
            memory = self._lines[line.line_id] = _LineMemory()
            if room.version:
                # A predecessor's documents are unknown; those of a room without any promised none.
                memory.promises = PollPromises(since=room.now)
        return memory
