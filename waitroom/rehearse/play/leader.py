"""The leading controller of a rehearsal: its memory between ticks, with production's own parts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from waitroom.line.checkout_health import CheckoutHealth
from waitroom.line.forecast.demand import Demand
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.forecast.prospects import Forecaster, Prospects, Supply
from waitroom.line.policy import (
    AdmissionPolicy,
    CallAllowance,
    Decision,
    Expected,
    RoomSnapshot,
    decide,
)
from waitroom.line.wait import PollPromises, WaitRow, row_at, wait_table
from waitroom.rehearse.scenario.scenario import Rules

if TYPE_CHECKING:
    from waitroom.rehearse.play.simulation import Simulation

UNLIMITED = 10**9
OPENING = datetime(2000, 1, 1, tzinfo=UTC)
TICK_S = 1.0
# The leader reads how those inside fare each second, and less often where they are many. Where only
# the published figures depend on it, it is enough to do so now and then.
LEARN_EACH_S, LEARN_FOR_FIGURES_S = 500, 5
# What a table is made of where nobody looks at its figures: everybody asks promptly.
NO_PROSPECTS = Prospects(per_second=None)


def moment(at_s: float) -> datetime:
    return OPENING + timedelta(seconds=at_s)


def _nobody_yet() -> PollPromises:
    # Nobody was promised anything before the first document.
    return PollPromises(since=datetime.fromtimestamp(0, UTC))


@dataclass(slots=True)
class Leader:
    """Look, learn, decide, publish: once a second, in the order of the controller.

    Without `figures` no waits and chances are worked out, which costs most of a tick.
    """

    rules: Rules
    policy: AdmissionPolicy
    demand: Demand
    figures: bool = True
    allowance: CallAllowance = field(default_factory=CallAllowance)
    supply: Supply = field(default_factory=Supply)
    forecaster: Forecaster = field(default_factory=Forecaster)
    health: CheckoutHealth = field(default_factory=CheckoutHealth)
    promises: PollPromises = field(default_factory=_nobody_yet)
    outlook: Outlook | None = None
    table: list[WaitRow] = field(default_factory=list)
    table_head: int = 0
    decision: Decision = field(default=Decision(gate=0, again=(), reason=""))
    called_again: int = 0
    _learn_at: float = 0.0
    _learned: Outlook = field(default_factory=Outlook)
    _called_since: int = 0
    _seen: tuple[int, int] | None = None

    def observe(self, sim: "Simulation") -> None:
        """Learn from what happened since the last tick."""
        seen, self._seen = self._seen, (sim.head, sim.shop.seats)
        if seen is not None:
            calls = max(sim.head - seen[0], 0) + self.called_again
            self._called_since += calls
            self.allowance.spend(calls)
            self.health.observe(sim.now, p95_s=sim.checkout_p95_s, error_share=None, called=calls)
            if self.figures and sim.open and sim.tail > sim.head:
                freed = max(seen[1] + calls - sim.shop.seats, 0)
                self.forecaster.see(
                    sim.now,
                    head=sim.head,
                    calls=calls,
                    freed=freed,
                    bound=self.decision.reason,
                    passed_s=TICK_S,
                )
        if self.figures or self._learns:
            self._learn(sim)

    @property
    def _learns(self) -> bool:
        """Whether what is called depends on what was learned."""
        return self.policy.name == Expected.name

    def _learn(self, sim: "Simulation") -> None:
        if sim.now >= self._learn_at:
            over, sim.shop.over = sim.shop.over, []
            inside = sim.shop.open.values()
            self.demand.observe(
                sim.now,
                [a.journey() for a in inside],
                [a.journey() for a in over],
                units_free=sim.books.free,
            )
            often = max(len(inside) // LEARN_EACH_S, 1)
            self._learn_at = sim.now + (often if self._learns else LEARN_FOR_FIGURES_S)
            self._called_since = 0
            self._learned = self.demand.outlook(sim.now)
        self.outlook = self._learned.with_calls(self._called_since)

    def decide(self, sim: "Simulation") -> Decision:
        allowed = self.allowance.refill(now=sim.now, calls_per_minute=self.rules.calls_per_minute)
        room = RoomSnapshot(
            open=sim.open and not sim.sold_out,
            seats_max=self.rules.seats_max,
            seats_taken=sim.shop.seats,
            batch_max=self.rules.batch_max,
            calls_allowed=UNLIMITED if allowed is None else allowed,
            has_stock=True,
            units_available=sim.books.free,
            units_promised_each=self.rules.units_promised,
            gate=sim.gate,
            tail=sim.tail,
            came_back=tuple(sim.came_back[: self.rules.batch_max]),
            demand=self.outlook,
            disappointed_max=self.rules.disappointed_max,
            checkout_calls=self.health.limit(sim.now).calls,
        )
        self.decision = decide(self.policy, room)
        return self.decision

    def heard_by(self, first: int, last: int, *, now: float) -> float:
        """Return when the last of some numbers was told to ask again, at the earliest now."""
        heard = self.promises.heard_by(first, last, now=moment(now))
        return max((heard - OPENING).total_seconds(), now)

    def poll_s(self, number: int) -> float:
        """Return how long the last document told a number to wait before it asks again."""
        return row_at(self.table, max(number - self.table_head, 1)).poll_s if self.table else 0.0

    def publish(self, sim: "Simulation", *, free: int, held: int) -> None:
        """Make the document of this tick: stock as it was read, head as it is after the call."""
        waiting, calling = sim.tail - sim.head, sim.open and not sim.sold_out
        if not self.figures:
            self.table = wait_table(waiting=waiting, prospects=NO_PROSPECTS, calling=calling)
        else:
            stock = self.supply.look(
                sim.now,
                outlook=self.outlook or Outlook(),
                units_free=free,
                units_held=held,
                units_promised=sim.books.promised,
                bound=self.decision.reason,
                disappointed_max=self.rules.disappointed_max if self._learns else None,
            )
            limit = self.health.limit(sim.now)
            held_to = limit.per_second if self.decision.reason == "checkout" else None
            prospects = self.forecaster.look(sim.now, stock=stock, held_to=held_to)
            self.table = wait_table(waiting=waiting, prospects=prospects, calling=calling)
            self.forecaster.tell(
                sim.now, head=sim.head, places=(r.place for r in self.table), calling=calling
            )
        self.table_head = sim.head
        self.promises.note(at=moment(sim.now), head=sim.head, table=self.table)


def learner(rules: Rules) -> Demand:
    return Demand(
        claim_window_s=rules.claim_window_s,
        session_s=rules.session_s,
        hold_s=rules.hold_s,
        units_max=rules.order_units_max,
    )
