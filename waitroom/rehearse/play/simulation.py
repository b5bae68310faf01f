"""One sale from the opening to the last unit: a line, a leader that ticks, and a shop."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace

from waitroom.line.admission import AdmissionState
from waitroom.line.assortment.choices import Chosen
from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.learning.journey import Reading
from waitroom.line.policy import AdmissionPolicy, Call, CallResult, Decision
from waitroom.line.snapshot import LineSnapshot, RoomSnapshot, Stock
from waitroom.rehearse.play.admitted import Admitted
from waitroom.rehearse.play.agenda import Agenda
from waitroom.rehearse.play.baseline import Fixed, policy_named
from waitroom.rehearse.play.books import Books, Shelf
from waitroom.rehearse.play.dice import SAMPLES, dice_of, draw_arrivals, stream
from waitroom.rehearse.play.leader import (
    LINE_ID,
    OPENING,
    TICK_S,
    Leader,
    moment,
    rules_of,
    shelves_of,
)
from waitroom.rehearse.play.passed import PASSED_MAX, Passed
from waitroom.rehearse.play.sample import EVERY_S, Sampler
from waitroom.rehearse.play.shop import Shop
from waitroom.rehearse.scenario.course import Course
from waitroom.rehearse.scenario.scenario import Rules, Scenario

NOTHING = Decision(gate=0, again=(), reason="")
# A document may be this old when it is read: workers ask twice a second, caches keep it one.
DOCUMENT_LAG_S = 1.5


class Simulation:
    """A sale that can be taken step by step. The same scenario and seed give the same sale.

    `course` gives what was recorded in place of what would be drawn. Without `figures` waits and
    chances are not worked out, nor scored.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        policy: AdmissionPolicy | None = None,
        course: Course | None = None,
        figures: bool = True,
        demand_of: Callable[[], Demand] | None = None,
    ) -> None:
        self.scenario, self.seed, self.rules = scenario, seed, scenario.rules
        self.course = course
        self.arrivals = draw_arrivals(scenario, seed, course)
        self.agenda = Agenda()
        shelves = [Shelf(on_hand=units) for units in scenario.stock.units_of_skus()]
        self.books = Books(shelves=shelves, on_hand=scenario.stock.units)
        self.shop = Shop(scenario, self.agenda, self.books, scenario.shopping, self.rules)
        policy = policy or policy_named(self.rules.policy)
        # A policy that does not look at the stock has no chances to publish.
        figures = figures and policy.name != Fixed.name
        self.leader = Leader(policy, figures, demand_of)
        self.gate = self.tail = 0
        self.open = True
        self.admitted: dict[int, Admitted] = {}
        named = scenario.crowd.named_share > 0 and len(shelves) > 1
        shelf_of = {sku.sku: index for index, sku in enumerate(scenario.stock.skus)}
        self.sampler = Sampler(stream(seed, SAMPLES), shelf_of)
        self.passed = Passed(self.books, self._named_of, self._left, self.sampler.pass_by, named)
        self.sold_out_at: float | None = None
        self.waiting_at_sold_out: tuple[int, int] | None = None
        self.idle_unit_s = 0.0
        # For how long something is free now that nobody was called for, and the longest such time.
        self.lull_s = self.longest_lull_s = 0.0
        self.called_by_tick: list[int] = []
        self.head_by_tick: list[int] = []
        self.sold_by_tick: list[int] = []
        self.decision = NOTHING
        # When each shift of the scenario came.
        self.shifted_at: list[float] = []
        # The numbers whose choices the leader has read.
        self._read_to = 0

    @property
    def now(self) -> float:
        return self.agenda.now

    @property
    def head(self) -> int:
        return min(self.gate, self.tail)

    @property
    def came_back(self) -> list[int]:
        return self.shop.came_back

    @property
    def sold_out(self) -> bool:
        return self.sold_out_at is not None

    @property
    def promised_each(self) -> int:
        guaranteed = self.leader.policy.name == "guaranteed"
        return self.books.promised_each(self.rules.units_promised) if guaranteed else 0

    @property
    def promises_by_name(self) -> bool:
        return self.promised_each > 0 and self.passed.may_name

    @property
    def checkout_p95_s(self) -> float | None:
        """The time in which checkout answers; None while all is well."""
        trouble = self.scenario.trouble
        return trouble.checkout_p95_s or None if trouble.at(self.now) else None

    @property
    def over(self) -> bool:
        if self.now >= self.scenario.until_s:
            return True
        if self.sold_out:
            # Shoppers who were called before may still come and find nothing.
            return not self.agenda
        everybody = self.tail == len(self.arrivals.at) and self.head == self.tail
        return everybody and not self.agenda and not self.came_back

    def run(self) -> "Simulation":
        while not self.over:
            self.step()
        return self

    def step(self) -> None:
        """Take one tick, then let everything happen until the next."""
        self._tick()
        self._call_arrivals_below_the_gate()
        self.agenda.run_until(self.now + TICK_S)
        self.tail = bisect_right(self.arrivals.at, self.now)
        waits = self.tail > self.head and not self.sold_out
        lulls = waits and self.books.free > 0 and not self.called_by_tick[-1]
        self.lull_s = self.lull_s + TICK_S if lulls else 0.0
        self.longest_lull_s = max(self.longest_lull_s, self.lull_s)
        if waits:
            self.idle_unit_s += (self.books.on_hand - self.books.held - self.books.sold) * TICK_S

    def _tick(self) -> None:
        if self.course is not None:
            self._keep_to(self.course)
        self._shift_if_due()
        if self.now == 0:
            self.tail = bisect_right(self.arrivals.at, 0.0)
        if not self.sold_out and self.books.sold >= self.books.on_hand > 0:
            self.sold_out_at = self.now
            self.waiting_at_sold_out = self._waiting()
        room = self.snapshot()
        calls = self.leader.decide(room, checkout_p95_s=self.checkout_p95_s)
        self.decision = calls[0].decision if calls else NOTHING
        result = self._carry_out(calls[0]) if calls else None
        self.called_by_tick.append(result.called + result.called_again if result else 0)
        self.head_by_tick.append(self.head)
        self.sold_by_tick.append(self.books.sold)
        self.leader.publish(room, {LINE_ID: result} if result else {})
        self.leader.learn(self._read(self.snapshot()))
        if self.now % EVERY_S == 0 and self.leader.figures:
            self._sample()

    def snapshot(self) -> RoomSnapshot:
        """Return the room as production's leader would read it now."""
        rules, books = self.rules, self.books
        back = self.passed.first(self.came_back) if self.promises_by_name else self.came_back
        line = LineSnapshot(
            line_id=LINE_ID,
            gate=self.gate,
            tail=self.tail,
            passed_by=self.passed.count,
            came_back=tuple(back[: rules.batch_max]),
        )
        stock = Stock(
            on_hand=books.on_hand, promised=books.promised, held=books.held, sold=books.sold
        )
        return RoomSnapshot(
            room_id=1,
            room="rehearsal",
            now=moment(self.now),
            shopper_s=self.now,
            status="open" if self.open and not self.sold_out else "paused",
            version=len(self.called_by_tick),
            rules=rules_of(rules, policy=self.leader.policy.name),
            stock=replace(stock, kept=max(stock.free - books.free, 0)),
            seats_taken=self.shop.seats,
            lines=(line,),
        )

    def _read(self, room: RoomSnapshot) -> Reading:
        """Read how the called fare, as the leader would read it from the database."""
        over, self.shop.over = self.shop.over, []
        changed, self.shop.changed = self.shop.changed, {}
        first = self._read_to + 1
        named = self.passed.named(range(first, self.tail + 1))
        self._read_to = self.tail
        return Reading(
            room=room,
            changed=[a.journey() for a in changed.values()],
            closed=[a.journey() for a in over],
            shelves=shelves_of(self.scenario.stock, self.books),
            chosen=[Chosen(line_id=LINE_ID, entered=False, first=first, skus=named)]
            if any(named)
            else (),
        )

    def _named_of(self, number: int) -> int | None:
        """Return the shelf that a shopper names as they join."""
        who = self.arrivals.who[number - 1]
        dice = dice_of(self.seed, who)
        if who >= self.arrivals.people or dice.names >= self.scenario.crowd.named_share:
            return None
        return self.scenario.stock.first_choice(dice.choice)

    def _sample(self) -> None:
        if self.tail > self.head and self.open and not self.sold_out:
            told = self.leader.told
            assert told is not None, "the leader has published"
            unsold = self.books.on_hand - self.books.sold
            self.sampler.take(told, now=self.now, unsold=unsold)

    def _keep_to(self, course: Course) -> None:
        """Let what was recorded for this second happen: openings, rules, stock."""
        for at, is_open in course.open:
            if at <= self.now:
                self.open = is_open
        for at, rules in course.rules:
            if self.now - TICK_S < at <= self.now:
                self.set_rules(rules)
        for at, shelf, units in course.stock:
            if self.now - TICK_S < at <= self.now:
                self.books.receive(shelf, units)
                self.shop.hand_out()

    def set_rules(self, rules: Rules) -> None:
        """Go on under other rules; what stands ahead of the tail was decided by the old ones."""
        if rules.policy != self.rules.policy:
            self.leader.policy = policy_named(rules.policy)
        self.rules = self.shop.rules = rules
        self.gate = self.head

    def _carry_out(self, call: Call) -> CallResult:
        """Do what `call_numbers` does; return where the line stands then."""
        if self.promises_by_name:
            return self._carry_out_by_name(call)
        gate, again, head = call.decision.gate, call.decision.again, self.head
        heard_s = max((call.heard_by - OPENING).total_seconds(), self.now)
        until = heard_s + self.rules.claim_window_s
        number, called = head, 0
        while number < min(gate, self.tail):
            number += 1
            if self._left(number):
                gate += 1
                continue
            self._call(number, until=until)
            called += 1
        if called:
            self._note_overtaken(except_for=again)
        self.gate = max(gate, head)
        for back in again:
            self._call_again(self.admitted[back], until=until)
        result = CallResult(gate=self.gate, tail=self.tail, called=called, called_again=len(again))
        self.leader.caller.note(result)
        return result

    def _carry_out_by_name(self, call: Call) -> CallResult:
        """Do what `plan_calls` does: call those of whose SKU something is free."""
        wanted, head, again = call.decision.gate - self.head, self.head, call.decision.again
        until = max((call.heard_by - OPENING).total_seconds(), self.now) + self.rules.claim_window_s
        calls = min(self.books.free // self.promised_each, len(again) + wanted)
        back = 0
        for number in again:
            if back == calls or not self.passed.fits(number):
                continue
            back += 1
            if self.passed.take(number):
                self._call(number, until=until)
            else:
                self._call_again(self.admitted[number], until=until)
        new, self.gate = 0, head
        if calls > back:
            self.gate = reach = min(self.tail, head + wanted + PASSED_MAX)
            for number in self.passed.among(range(head + 1, reach + 1)):
                self._call(number, until=until)
                new += 1
                if new + back == calls:
                    self.gate = number
                    break
            else:
                self.gate += min(calls - back - new, wanted) if reach == self.tail else 0
        result = CallResult(gate=self.gate, tail=self.tail, called=new, called_again=back)
        self.leader.caller.note(result)
        return result

    def _note_overtaken(self, *, except_for: tuple[int, ...]) -> None:
        """Note shoppers who had come back, with lower numbers, and are passed over by new calls."""
        for back in self.came_back:
            if back not in except_for:
                self.admitted[back].overtaken = True

    def _left(self, number: int) -> bool:
        """Say whether a waiting number was given up by saying so."""
        return self.arrivals.told[number - 1] and self.arrivals.until[number - 1] <= self.now

    def next_in_line(self) -> Iterator[tuple[Admitted, float]]:
        """Yield the shoppers to call next, each with the moment at which they would hear of it."""
        until = self.now + self.rules.claim_window_s
        for number in self.came_back:
            back = replace(self.admitted[number], claim_until=until)
            back.times_called += 1
            yield back, self._heard_at(back, 1)
        for number in range(self.head + 1, len(self.arrivals.at) + 1):
            if not self._left(number):
                a = self._called(number, until=until)
                yield a, self._heard_at(a, 0)

    def _called(self, number: int, *, until: float) -> Admitted:
        """Return a number as it is when it is called now."""
        index = number - 1
        who = self.arrivals.who[index]
        dice = dice_of(self.seed, who)
        return Admitted(
            number=number,
            who=who,
            bot=who >= self.arrivals.people,
            dice=dice,
            named=self._named_of(number),
            arrived_at=self.arrivals.at[index],
            gone_at=self.arrivals.until[index],
            called_at=self.now,
            first_called_at=self.now,
            claim_until=until,
        )

    def _call(self, number: int, *, until: float, joins: bool = False) -> None:
        a = self.admitted[number] = self._called(number, until=until)
        self._promise(a)
        heard_at = self.now if joins else self._heard_at(a, 0)
        self.shop.expect(a, heard_at=heard_at)
        self.sampler.follow(self.shop, self.admitted, a, heard_at=heard_at)

    def _call_again(self, a: Admitted, *, until: float) -> None:
        self.came_back.remove(a.number)
        a.state, a.called_at, a.claim_until = AdmissionState.CALLED, self.now, until
        a.came_back_at = a.missed_at = None
        a.times_called += 1
        self._promise(a)
        self.shop.expect(a, heard_at=self._heard_at(a, 1))

    def _promise(self, a: Admitted) -> None:
        if self.promised_each:
            shelf = a.named if self.promises_by_name else None
            self.books.promise(a, self.promised_each, shelf=shelf)

    def _heard_at(self, a: Admitted, call: int) -> float:
        """Return when a shopper who obeys the documents asks next and learns of the call.

        The moments at which somebody asks are spread evenly over the interval they were told.
        """
        waits_s = a.dice.polls[call] * (self.leader.poll_s(a.number) + DOCUMENT_LAG_S)
        return max(self.now + waits_s, a.arrived_at)

    def _call_arrivals_below_the_gate(self) -> None:
        """Call shoppers who join below the gate within the next second, as they join."""
        number = self.tail + 1
        while number <= min(self.gate, len(self.arrivals.at)):
            at = self.arrivals.at[number - 1]
            if at > self.now + TICK_S:
                break
            self.agenda.at(at, self._join_below_gate, number)
            number += 1

    def _join_below_gate(self, number: int) -> None:
        self.tail = max(self.tail, number)
        if number > self.gate:
            return
        short = self.promised_each and self.books.free < self.promised_each
        if short or (self.promises_by_name and not self.passed.fits(number)):
            # The stock fell since the gate was set, so the gate goes back: promises are kept.
            self.gate = number - 1
            return
        self.called_by_tick[-1] += 1
        self._note_overtaken(except_for=())
        self._call(number, until=self.now + self.rules.claim_window_s, joins=True)

    def _shift_if_due(self) -> None:
        to_come = self.scenario.shifts[len(self.shifted_at) :]
        sold_share = self.books.sold / max(self.books.on_hand, 1)
        if to_come and to_come[0].is_due(self.now, sold_share=sold_share):
            self.shop.shopping = to_come[0].applied_to(self.shop.shopping)
            self.shifted_at.append(self.now)

    def _waiting(self) -> tuple[int, int]:
        """Return how many numbers wait, and behind how many of them somebody still does."""
        untils = self.arrivals.until[self.head : self.tail]
        return len(untils), sum(until > self.now for until in untils)
