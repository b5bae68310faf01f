"""The called shoppers: come or not, look, hold, pay or give up, as their dice decide. Pure."""

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from waitroom.line.admission import AdmissionState
from waitroom.rehearse.play.admitted import Admitted
from waitroom.rehearse.play.agenda import Agenda
from waitroom.rehearse.play.books import Books
from waitroom.rehearse.play.dice import log_normal
from waitroom.rehearse.scenario.scenario import Rules, Scenario, Shopping, Stock

# The gateway's time for a payment on a good day, and the pause before people try again.
GATEWAY_S = 2.0
AGAIN_S = 20.0
# After a payment was declined its hold lasts this long at least, and this many payments are tried.
DECLINED_S, PAYMENTS_MAX = 60.0, 3
BOT_CLAIM_S = 0.2
NEVER = float("inf")


def claims_at(a: Admitted, shopping: Shopping, *, heard_at: float) -> float | None:
    """Return when a called shopper claims, which may be too late; None for one who never does."""
    if a.bot:
        return heard_at + BOT_CLAIM_S
    if heard_at >= a.gone_at:
        return None
    again = min(a.times_called, 2) - 1
    if a.dice.shows[again] >= shopping.no_show_share:
        # A shopper who came back is watching, so they claim at least as fast as the median.
        z = min(a.dice.claim_z, 0.0) if again else a.dice.claim_z
        return heard_at + log_normal(shopping.claim_s, shopping.claim_spread, z)
    if again == 0 and a.dice.back < shopping.back_share:
        return a.claim_until + a.dice.back_time * shopping.back_s
    return None


def looks_s(a: Admitted, shopping: Shopping) -> float:
    """Return how long a shopper looks before choosing."""
    if a.bot:
        return BOT_CLAIM_S
    return log_normal(shopping.browse_s, shopping.browse_spread, a.dice.browse_z)


def wanted_units(a: Admitted, scenario: Scenario, shopping: Shopping, rules: Rules) -> int:
    if a.bot:
        return scenario.bots.bot_units
    steps = list(accumulate(shopping.quantity_shares))
    wanted = min(bisect_right(steps, a.dice.quantity * steps[-1]), len(steps) - 1) + 1
    return min(wanted, rules.order_units_max or wanted)


def choice_of(a: Admitted, stock: Stock, shopping: Shopping, there: Callable[[int], int]) -> int:
    """Return the SKU to ask for: the first choice, or else another SKU that is left.

    `there` tells how many units of a SKU this shopper could hold.
    """
    if len(stock.skus) == 1:
        return 0
    first = stock.first_choice(a.dice.choice)
    if there(first) or (not a.bot and a.dice.flexible >= shopping.flexible_share):
        return first
    return max(range(len(stock.skus)), key=lambda i: (there(i), i == first))


@dataclass(slots=True)
class Shop:
    """Everything from the call to the order. Each method is one event in one shopper's visit."""

    scenario: Scenario
    agenda: Agenda
    books: Books
    shopping: Shopping
    rules: Rules
    seats: int = 0
    came_back: list[int] = field(default_factory=list)
    open: dict[int, Admitted] = field(default_factory=dict)
    over: list[Admitted] = field(default_factory=list)
    # The open admissions to which something happened since they were read last.
    changed: dict[int, Admitted] = field(default_factory=dict)

    def expect(self, a: Admitted, *, heard_at: float) -> None:
        """Schedule how a shopper answers the call just made: in time, late, or not at all."""
        self.seats += 1
        self.open[a.number] = self.changed[a.number] = a
        self.agenda.at(a.claim_until, self.give_up_call, (a, a.times_called))
        a.claims_at = claims_at(a, self.shopping, heard_at=heard_at)
        if a.claims_at is not None:
            self.agenda.at(a.claims_at, self.claim, a)

    def give_up_call(self, call: tuple[Admitted, int]) -> None:
        """End a call whose window is over."""
        a, times_called = call
        if a.state is not AdmissionState.CALLED or a.times_called != times_called:
            return
        a.state, a.missed_at = AdmissionState.MISSED, self.agenda.now
        self._leave_seat(a)
        self.books.take_promise_back(a)
        self.hand_out()

    def claim(self, a: Admitted) -> None:
        now = self.agenda.now
        if a.state is AdmissionState.MISSED and a.came_back_at is None and a.missed_at is not None:
            if now < a.missed_at + self.rules.grace_s:
                a.came_back_at, a.gone_at = now, NEVER
                insort(self.came_back, a.number)
            return
        if a.state is not AdmissionState.CALLED:
            return
        a.state, a.claimed_at, a.gone_at = AdmissionState.CLAIMED, now, NEVER
        a.expires_at = now + self.rules.session_s
        self.changed[a.number] = a
        self.agenda.at(a.expires_at, self.run_out, a)
        a.chooses_at = now + looks_s(a, self.shopping)
        self.agenda.at(a.chooses_at, self.choose, a)

    def choose(self, a: Admitted) -> None:
        """Ask for a hold, or leave without wanting one."""
        if a.state is not AdmissionState.CLAIMED:
            return
        if a.bot or a.dice.holds < self.shopping.hold_share:
            self.ask(a)
        else:
            self.quit(a)

    def ask(self, a: Admitted) -> None:
        """Hold the wanted units, or another SKU, or fewer; finding none, leave a wish."""
        a.asked_at = self.agenda.now
        self.changed[a.number] = a
        a.wants = wanted_units(a, self.scenario, self.shopping, self.rules)
        best = self._best_of(a)
        there = self.books.to_be_had(a, best)
        if there < 1:
            a.refused = not any(self.books.to_be_had(a, i) for i in range(len(self.books.shelves)))
            a.missed_choice = not a.refused
            a.missed_shelf = best
            self.books.wish(a, best, a.wants)
            stays = log_normal(self.shopping.stay_s, self.shopping.stay_spread, a.dice.stay_z)
            self.agenda.at(self.agenda.now + stays, self.give_up_wish, a)
        elif there < a.wants and a.dice.fewer >= self.shopping.fewer_share and not a.bot:
            self.quit(a)
        else:
            for number, other, _ in self.books.shelves[best].wishes:
                if number >= a.number:
                    break
                other.overtaken = other.overtaken or other.gone_at > self.agenda.now
            self.books.hold(a, best, min(there, a.wants))
            self.start_hold(a)

    def _best_of(self, a: Admitted) -> int:
        return choice_of(
            a, self.scenario.stock, self.shopping, lambda i: self.books.to_be_had(a, i)
        )

    def start_hold(self, a: Admitted) -> None:
        """Start the hold's time, in which the shopper pays, gives up, or forgets it."""
        now = self.agenda.now
        a.held_at, a.hold_until = a.held_at or now, now + self.rules.hold_s
        self.changed[a.number] = a
        self.agenda.at(a.hold_until, self.expire_hold, a)
        if a.gone_at <= now:
            return
        takes = log_normal(self.shopping.pay_s, self.shopping.pay_spread, a.dice.pay_z)
        share = self.scenario.bots.bot_pay_share if a.bot else self.shopping.pay_share
        if a.dice.pays < share:
            self.agenda.at(now + takes, self.pay, (a, 0))
        elif not a.bot:
            self.agenda.at(now + takes, self.quit, a)

    def pay(self, attempt: tuple[Admitted, int]) -> None:
        """Start a payment; a hold that is being paid does not run out by the clock."""
        a, tries = attempt
        if not a.held or a.paying:
            return
        trouble = self.scenario.trouble
        troubled = trouble.at(self.agenda.now)
        a.paying = True
        self.changed[a.number] = a
        takes = GATEWAY_S + (trouble.delay_s if troubled else 0.0)
        fails = troubled and a.dice.fails[min(tries, 2)] < trouble.fail_share
        self.agenda.at(self.agenda.now + takes, self.decline if fails else self.sell, (a, tries))

    def decline(self, attempt: tuple[Admitted, int]) -> None:
        a, tries = attempt
        a.paying = False
        self.changed[a.number] = a
        a.hold_until = max(a.hold_until, self.agenda.now + DECLINED_S)
        self.agenda.at(a.hold_until, self.expire_hold, a)
        if tries + 1 < PAYMENTS_MAX:
            self.agenda.at(self.agenda.now + AGAIN_S, self.pay, (a, tries + 1))

    def sell(self, attempt: tuple[Admitted, int]) -> None:
        a, _ = attempt
        a.paying = False
        self.books.sell(a)
        a.paid_at = a.hold_ended_at = self.agenda.now
        self.end(a, "ordered")

    def expire_hold(self, a: Admitted) -> None:
        if not a.held or a.paying or self.agenda.now < a.hold_until:
            return
        self.books.release(a)
        a.hold_ended_at = self.agenda.now
        self.changed[a.number] = a
        if self.agenda.now >= a.expires_at:
            self.end(a, "expired")
        else:
            self.hand_out()

    def quit(self, a: Admitted) -> None:
        """Leave. Unless the shopper says so, session and hold stay open until they run out."""
        if a.state is not AdmissionState.CLAIMED or a.paying:
            return
        a.gone_at = self.agenda.now
        if a.dice.told < self.shopping.told_share:
            if a.held:
                self.books.release(a)
                a.hold_ended_at = self.agenda.now
            self.end(a, "left")

    def give_up_wish(self, a: Admitted) -> None:
        if a.wish is not None:
            self.quit(a)

    def run_out(self, a: Admitted) -> None:
        """End a session at its deadline, unless an open hold keeps it."""
        if a.state is AdmissionState.CLAIMED and not a.held:
            self.end(a, "expired")

    def end(self, a: Admitted, reason: str) -> None:
        a.state, a.ended_at, a.end_reason = AdmissionState.ENDED, self.agenda.now, reason
        a.gone_at = min(a.gone_at, self.agenda.now)
        self._leave_seat(a)
        self.books.take_promise_back(a)
        self.books.forget_wish(a)
        self.hand_out()

    def _leave_seat(self, a: Admitted) -> None:
        self.seats -= 1
        del self.open[a.number]
        self.changed.pop(a.number, None)
        self.over.append(a)

    def hand_out(self) -> None:
        """Give freed units to the sessions that were refused them."""
        for served in self.books.serve_wishes():
            self.start_hold(served)
