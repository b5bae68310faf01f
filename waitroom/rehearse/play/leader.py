"""The leading controller of a rehearsal: production's caller, shown a rehearsed room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from waitroom.line.caller import Caller
from waitroom.line.checkout_health import CheckoutHealth
from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.learning.journey import Reading
from waitroom.line.policy import POLICIES, AdmissionPolicy, Call, CallResult, Expected
from waitroom.line.snapshot import CallingRules, RoomSnapshot, Shelf
from waitroom.line.state import LineState, RoomState
from waitroom.line.wait import row_at
from waitroom.rehearse.play.books import Books
from waitroom.rehearse.scenario.scenario import Rules, Stock

TICK_S = 1.0
OPENING = datetime(2000, 1, 1, tzinfo=UTC)
LINE_ID = 1


def moment(at_s: float) -> datetime:
    return OPENING + timedelta(seconds=at_s)


@dataclass(slots=True)
class Leader:
    """Drive the caller once a second, as `waitroom.leader.room_lead` does.

    Without `figures` no waits and chances are worked out, which costs most of a tick. `demand_of`
    makes the learner, where it is not production's own.
    """

    policy: AdmissionPolicy
    figures: bool = True
    demand_of: Callable[[], Demand] | None = None
    caller: Caller = field(init=False)
    health: CheckoutHealth = field(default_factory=CheckoutHealth)
    told: LineState | None = None

    def __post_init__(self) -> None:
        policies: Mapping[str, AdmissionPolicy] = {**POLICIES, self.policy.name: self.policy}
        self.caller = Caller(
            policies=policies, figures=self.figures, demand_of=self.demand_of or Demand
        )

    def decide(self, room: RoomSnapshot, *, checkout_p95_s: float | None) -> list[Call]:
        """Observe, then decide; `checkout_p95_s` is how long checkout takes to answer."""
        calls = self.caller.observe(room)
        self.health.observe(room.shopper_s, p95_s=checkout_p95_s, error_share=None, called=calls)
        self.caller.begin(room)
        return self.caller.decide(room, checkout=self.health.limit(room.shopper_s))

    def publish(self, room: RoomSnapshot, results: Mapping[int, CallResult]) -> RoomState:
        """Return the document of this tick, with the heads as they are after the calls."""
        document = self.caller.document(room, results)
        self.caller.published(room, document, at=room.now)
        self.told = document.lines[0]
        return document

    def learn(self, reading: Reading) -> None:
        """Learn and forecast, where what is called or published depends on it."""
        if self.figures or self.policy.name == Expected.name or self.demand_of is not None:
            self.caller.learn(reading)
            self.caller.forecast(reading.room)

    def poll_s(self, number: int) -> float:
        """Return how long the last document told a number to wait before it asks again."""
        if self.told is None:
            return 0.0
        return row_at(self.told.table, max(number - self.told.head, 1)).poll_s


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


def shelves_of(stock: Stock, books: Books) -> tuple[Shelf, ...]:
    """Return the SKUs as production's leader would read them; their ids begin with 1."""
    return tuple(
        Shelf(
            sku_id=index,
            sku=sku.sku,
            free=max(shelf.units - shelf.by_name, 0),
            held=shelf.held + shelf.by_name,
            sold=shelf.sold,
            wished=shelf.wished,
        )
        for index, (sku, shelf) in enumerate(zip(stock.skus, books.shelves, strict=True), 1)
    )
