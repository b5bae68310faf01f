"""The leading controller of a rehearsal: production's caller, shown a rehearsed room."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from waitroom.line.caller import Caller
from waitroom.line.checkout_health import CheckoutHealth
from waitroom.line.forecast.journey import Reading
from waitroom.line.policy import POLICIES, AdmissionPolicy, Call, CallResult
from waitroom.line.snapshot import CallingRules, LineSnapshot, RoomSnapshot, Stock
from waitroom.line.state import LineState
from waitroom.line.wait import row_at
from waitroom.rehearse.scenario.scenario import Rules

if TYPE_CHECKING:
    from waitroom.rehearse.play.simulation import Simulation

TICK_S = 1.0
OPENING = datetime(2000, 1, 1, tzinfo=UTC)
LINE_ID = 1


def moment(at_s: float) -> datetime:
    return OPENING + timedelta(seconds=at_s)


@dataclass(slots=True)
class Leader:
    """Drive the caller once a second, as `waitroom.leader.room_lead` does.

    Without `figures` no waits and chances are worked out, which costs most of a tick.
    """

    policy: AdmissionPolicy
    figures: bool = True
    caller: Caller = field(init=False)
    health: CheckoutHealth = field(default_factory=CheckoutHealth)
    told: LineState | None = None

    def __post_init__(self) -> None:
        policies: Mapping[str, AdmissionPolicy] = {**POLICIES, self.policy.name: self.policy}
        self.caller = Caller(policies=policies, figures=self.figures)

    def decide(self, room: RoomSnapshot, *, checkout_p95_s: float | None) -> list[Call]:
        """Observe, then decide; `checkout_p95_s` is how long checkout takes to answer."""
        calls = self.caller.observe(room)
        self.health.observe(room.shopper_s, p95_s=checkout_p95_s, error_share=None, called=calls)
        self.caller.begin(room)
        return self.caller.decide(room, checkout=self.health.limit(room.shopper_s))

    def publish(self, room: RoomSnapshot, result: CallResult | None) -> None:
        """Make the document of this tick, with the head as it is after the calls."""
        results = {} if result is None else {LINE_ID: result}
        document = self.caller.document(room, results)
        self.caller.published(room, document, at=room.now)
        self.told = document.lines[0]

    def learn(self, reading: Reading) -> None:
        """Learn and forecast, where what is called or published depends on it."""
        if self.figures or self.policy.name == "expected":
            self.caller.learn(reading)
            self.caller.forecast(reading.room)

    def poll_s(self, number: int) -> float:
        """Return how long the last document told a number to wait before it asks again."""
        if self.told is None:
            return 0.0
        return row_at(self.told.table, max(number - self.told.head, 1)).poll_s


def snapshot_of(sim: "Simulation", *, version: int) -> RoomSnapshot:
    """Return the rehearsed room as production's leader would read it."""
    rules, books = sim.rules, sim.books
    line = LineSnapshot(
        line_id=LINE_ID,
        gate=sim.gate,
        tail=sim.tail,
        came_back=tuple(sim.came_back[: rules.batch_max]),
    )
    stock = Stock(on_hand=books.on_hand, promised=books.promised, held=books.held, sold=books.sold)
    return RoomSnapshot(
        room_id=1,
        room="rehearsal",
        now=moment(sim.now),
        shopper_s=sim.now,
        status="open" if sim.open and not sim.sold_out else "paused",
        version=version,
        rules=rules_of(rules, policy=sim.leader.policy.name),
        stock=replace(stock, kept=max(stock.free - books.free, 0)),
        seats_taken=sim.shop.seats,
        lines=(line,),
    )


def rules_of(rules: Rules, *, policy: str) -> CallingRules:
    return CallingRules(
        policy=policy,
        disappointed_max=rules.disappointed_max,
        seats_max=rules.seats_max,
        calls_per_minute=rules.calls_per_minute,
        batch_max=rules.batch_max,
        units_promised=rules.units_promised,
        claim_window_s=rules.claim_window_s,
        session_s=rules.session_s,
        hold_s=rules.hold_s,
        units_max=rules.order_units_max,
    )
