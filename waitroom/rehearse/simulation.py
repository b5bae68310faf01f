"""One sale from the opening to the last unit: a line, a leader that ticks, and a shop."""

from bisect import bisect_right
from dataclasses import dataclass

from waitroom.admission import AdmissionPolicy, AdmissionState
from waitroom.rehearse.admitted import Admitted
from waitroom.rehearse.agenda import Agenda
from waitroom.rehearse.baseline import policy_named
from waitroom.rehearse.books import Books, Shelf
from waitroom.rehearse.dice import SAMPLES, dice_of, draw_arrivals, log_normal, stream
from waitroom.rehearse.leader import TICK_S, Advise, Leader, MakeTable
from waitroom.rehearse.scenario import Scenario
from waitroom.rehearse.shop import Shop
from waitroom.wait import row_at

# How old a document may be when a shopper reads it: workers ask twice a second, caches keep it one.
DOCUMENT_LAG_S = 1.5
SAMPLE_EVERY_S, SAMPLES_EACH = 20, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a waiting number was told at a moment."""

    number: int
    at: float
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float


class Simulation:
    """A sale that can be taken step by step. The same scenario and seed give the same sale.

    `advise` may put a learner's figures into each snapshot and `make_table` may replace the table
    that is published; both see the whole simulation and must look only at what a controller can.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        policy: AdmissionPolicy | None = None,
        advise: Advise | None = None,
        make_table: MakeTable | None = None,
    ) -> None:
        self.scenario, self.seed, self.rules = scenario, seed, scenario.rules
        self.arrivals = draw_arrivals(scenario, seed)
        self.agenda = Agenda()
        shelves = [Shelf(on_hand=units) for units in scenario.stock.units_of_skus()]
        self.books = Books(shelves=shelves, on_hand=scenario.stock.units)
        self.shop = Shop(scenario, self.agenda, self.books, scenario.shopping)
        self.leader = Leader(
            scenario.rules, policy or policy_named(scenario.rules.policy), advise, make_table
        )
        self.promised_each = (
            self.rules.units_promised if self.leader.policy.name == "guaranteed" else 0
        )
        self.gate = self.tail = 0
        self.admitted: dict[int, Admitted] = {}
        self.sold_out_at: float | None = None
        self.waiting_at_sold_out: tuple[int, int] | None = None
        self.idle_unit_s = 0.0
        self.called_by_tick: list[int] = []
        self.sold_by_tick: list[int] = []
        self.samples: list[Sample] = []
        self.left_for: dict[int, bool] = {}
        self._sampled: set[int] = set()
        self._sample_rng = stream(seed, SAMPLES)
        self._shifted = False

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
    def over(self) -> bool:
        if self.now >= self.scenario.until_s:
            return True
        if self.sold_out:
            # Those who were called before may still come and find nothing.
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
        self._call_whom_the_gate_waits_for()
        self.agenda.run_until(self.now + TICK_S)
        self.tail = bisect_right(self.arrivals.at, self.now)
        if self.tail > self.head and not self.sold_out:
            self.idle_unit_s += (self.books.on_hand - self.books.held - self.books.sold) * TICK_S

    def _tick(self) -> None:
        self._shift_if_due()
        if self.now == 0:
            self.tail = bisect_right(self.arrivals.at, 0.0)
        if not self.sold_out and self.books.sold >= self.books.on_hand:
            self.sold_out_at = self.now
            self.waiting_at_sold_out = self._waiting()
        self.leader.observe(self)
        free, held = self.books.free, self.books.held
        decision = self.leader.decide(self)
        calls = self._carry_out(decision.gate, decision.again)
        self.called_by_tick.append(calls)
        self.sold_by_tick.append(self.books.sold)
        self.leader.publish(self, free=free, held=held)
        if self.now % SAMPLE_EVERY_S == 0 and self.tail > self.head and not self.sold_out:
            self._sample()

    def _carry_out(self, gate: int, again: tuple[int, ...]) -> int:
        """Do what `call_numbers` does; return how many were called."""
        head = self.head
        if gate == self.gate and not again:
            self.leader.called_again = 0
            return 0
        last = max(min(gate, self.tail), head + 1)
        heard_by = self.leader.heard_by(head + 1, last, now=self.now)
        until = heard_by + self.rules.claim_window_s
        number, called = head, 0
        while number < min(gate, self.tail):
            number += 1
            if self._left(number):
                gate += 1
                continue
            self._call(number, until=until)
            called += 1
        self.gate = max(gate, head)
        for back in again:
            self._call_again(self.admitted[back], until=until)
        self.leader.called_again = len(again)
        return called + len(again)

    def _left(self, number: int) -> bool:
        """Say whether a waiting number was given up by saying so."""
        return self.arrivals.told[number - 1] and self.arrivals.until[number - 1] <= self.now

    def _call(self, number: int, *, until: float, joins: bool = False) -> None:
        index = number - 1
        who = self.arrivals.who[index]
        a = self.admitted[number] = Admitted(
            number=number,
            who=who,
            bot=who >= self.arrivals.people,
            dice=dice_of(self.seed, who),
            arrived_at=self.arrivals.at[index],
            gone_at=self.arrivals.until[index],
            called_at=self.now,
            claim_until=until,
        )
        for back in self.came_back:
            self.admitted[back].overtaken = True
        if self.promised_each:
            self.books.promise(a, self.promised_each)
        heard_at = self.now if joins else self._heard_at(a, 0)
        self.shop.expect(a, heard_at=heard_at)
        if number in self._sampled:
            self._look_for(a, heard_at)

    def _call_again(self, a: Admitted, *, until: float) -> None:
        self.came_back.remove(a.number)
        a.state, a.claim_until = AdmissionState.CALLED, until
        a.came_back_at = a.missed_at = None
        a.times_called += 1
        if self.promised_each:
            self.books.promise(a, self.promised_each)
        self.shop.expect(a, heard_at=self._heard_at(a, 1))

    def _heard_at(self, a: Admitted, call: int) -> float:
        """Return when a shopper who obeys the documents asks next and learns of the call.

        The moments at which somebody asks are spread evenly over the interval they were told.
        """
        share = a.dice.polls[call]
        poll_s = self.leader.poll_s(a.number)
        return max(self.now + share * (poll_s + DOCUMENT_LAG_S), a.arrived_at)

    def _call_whom_the_gate_waits_for(self) -> None:
        """Let those who join below the gate within the next second be called as they join."""
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
        if self.promised_each and self.books.free < self.promised_each:
            # The stock fell since the gate was set: it goes back to whom it can keep its word.
            self.gate = number - 1
            return
        self.called_by_tick[-1] += 1
        self._call(number, until=self.now + self.rules.claim_window_s, joins=True)

    def _shift_if_due(self) -> None:
        shift = self.scenario.shift
        if self._shifted:
            return
        at, share = shift.shift_at_s, shift.shift_at_sold_share
        if (at is not None and self.now >= at) or (
            share is not None and self.books.sold >= share * self.books.on_hand
        ):
            self.shop.shopping = shift.applied_to(self.shop.shopping)
            self._shifted = True

    def _waiting(self) -> tuple[int, int]:
        """Return how many numbers wait, and behind how many of them somebody still does."""
        untils = self.arrivals.until[self.head : self.tail]
        return len(untils), sum(until > self.now for until in untils)

    def _sample(self) -> None:
        for _ in range(SAMPLES_EACH):
            number = self._sample_rng.randint(self.head + 1, self.tail)
            row = row_at(self.leader.table, number - self.head)
            self._sampled.add(number)
            self.samples.append(
                Sample(
                    number=number,
                    at=self.now,
                    wait_low_s=row.wait_low_s,
                    wait_high_s=row.wait_high_s,
                    chance=row.chance,
                )
            )

    def _look_for(self, a: Admitted, heard_at: float) -> None:
        """See, for a number that was told its chance, what its owner would find on coming.

        The chance is that something is left, so it is held against what is there, also for those
        who stay away or want nothing.
        """
        shopping = self.shop.shopping
        claims = log_normal(shopping.claim_s, shopping.claim_spread, a.dice.claim_z)
        looks = log_normal(shopping.browse_s, shopping.browse_spread, a.dice.browse_z)
        self.agenda.at(min(heard_at + claims, a.claim_until) + looks, self._look, a)

    def _look(self, a: Admitted) -> None:
        skus = range(len(self.books.shelves))
        there = a.promised > 0 or any(self.books.to_be_had(a, i) > 0 for i in skus)
        # A promise that went back because its owner stayed away would have been theirs.
        kept = self.promised_each > 0 and not a.held
        self.left_for[a.number] = there or kept or a.held > 0 or a.bought > 0
