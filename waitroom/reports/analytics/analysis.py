"""The figures of an analysis and their meaning. Pure.

A span runs from its beginning up to its end, which it does not include, in steps of equal length;
the last step may be cut short. Amounts are in minor units with tax. A seller sees their own SKUs
alone, in orders and holds, and nothing about the line of people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from inventory.kit.problem import BadRequest

STEPS_MAX = 400
# Without a wish, the step is the shortest of these, in seconds, with at most this many steps.
STEPS_WANTED = 60
STEPS_S = (60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400)
STEP_S_MIN, STEP_S_MAX = 60, 31 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that an analysis covers, from `since` up to `until`."""

    since: datetime
    until: datetime
    step_s: int

    @property
    def steps(self) -> list[datetime]:
        """Return when each step begins."""
        step = timedelta(seconds=self.step_s)
        return [self.since + i * step for i in range(_count(self.since, self.until, self.step_s))]


def make_span(since: datetime, until: datetime, step_s: int | None) -> Span:
    """Return a span; raises `BadRequest` if it is empty or has too many steps."""
    if since >= until:
        raise BadRequest("The beginning (from) has to be earlier than the end (to).")
    if step_s is None:
        fitting = (step for step in STEPS_S if _count(since, until, step) <= STEPS_WANTED)
        step_s = next(fitting, STEP_S_MAX)
    if _count(since, until, step_s) > STEPS_MAX:
        raise BadRequest(f"At most {STEPS_MAX} steps: choose a longer step or a shorter time.")
    return Span(since=since, until=until, step_s=step_s)


def _count(since: datetime, until: datetime, step_s: int) -> int:
    return ceil((until - since) / timedelta(seconds=step_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sales:
    """The sales of one step, or of the whole span.

    `orders` were paid in it, whatever happened to them later, for `units` and `sold_minor`.
    `refunded_minor` went back in it, of orders paid in it or before. An order that was never paid
    is in neither. A refund counts for the SKUs whose units it names, in proportion to their price;
    a refund that names no units counts for all SKUs of its order.
    """

    orders: int = 0
    units: int = 0
    sold_minor: int = 0
    units_refunded: int = 0
    refunded_minor: int = 0

    @property
    def net_minor(self) -> int:
        """Return the revenue: payments less refunds."""
        return self.sold_minor - self.refunded_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class SkuSales:
    """The sales of one SKU. Orders that contain several SKUs count for each of them."""

    sku: str
    name: str
    sales: Sales


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The sales of all other SKUs together; their orders are not counted."""

    skus: int = 0
    sales: Sales = Sales()


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkStep:
    """One step of a walk, and its shares of the step before and of everybody who joined.

    A share of an empty whole is None.
    """

    step: str
    count: int
    of_previous: float | None
    of_joined: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The walk of the people who joined in the span, as far as it has come.

    `joined` received a number, `called` were called at least once, and `claimed` came in. `held`
    had a hold placed, even if they waited for it. `paid` have a paid order, even if the money went
    back later. A person counts once in each.
    """

    joined: int
    called: int
    claimed: int
    held: int
    paid: int

    def steps(self) -> list[WalkStep]:
        """Return the steps of the walk in order."""
        names = ("joined", "called", "claimed", "held", "paid")
        counts = (self.joined, self.called, self.claimed, self.held, self.paid)
        before = (self.joined, *counts)
        return [
            WalkStep(
                step=name,
                count=count,
                of_previous=share(count, previous),
                of_joined=share(count, self.joined),
            )
            for name, count, previous in zip(names, counts, before, strict=False)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOutcome:
    """The holds placed in the span that have one outcome: confirmed, released, expired, or held.

    `p50_s` and `p90_s` are percentiles of the time from placing to the end, in seconds; open holds
    have none yet. Holds that the service placed for money that came late are not counted.
    """

    outcome: str
    count: int
    share: float | None
    p50_s: float | None
    p90_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayTimes:
    """The time from placing a hold to payment, for the orders paid in the span, in seconds.

    Orders whose money came late are not counted: their first hold was over by then.
    """

    orders: int
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The waits for the first call of the people who were called in one step.

    They joined in the span, in this step or before; the percentiles of their waits are in seconds.
    `joined` are the people who joined in this step. A number that was given up counts as called
    when the line reached it.
    """

    at: datetime
    joined: int = 0
    called: int = 0
    p50_s: float | None = None
    p90_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An analysis of one room.

    `steps` are the sales of each step, `skus` those of the best-selling SKUs, `rest` of all others.
    `walk` and `waits` are None for a seller, and `waits` also if the log is too long to read.
    """

    span: Span
    currency: str
    steps: list[Sales]
    total: Sales
    skus: list[SkuSales]
    rest: Rest
    walk: Walk | None
    outcomes: list[HoldOutcome]
    pay_times: PayTimes
    waits: list[Wait] | None


def share(part: int, whole: int) -> float | None:
    """Return a part of the whole, or None if there is no whole."""
    return part / whole if whole else None


def total(steps: Sequence[Sales]) -> Sales:
    """Return the sales of all steps together."""
    return Sales(
        orders=sum(step.orders for step in steps),
        units=sum(step.units for step in steps),
        sold_minor=sum(step.sold_minor for step in steps),
        units_refunded=sum(step.units_refunded for step in steps),
        refunded_minor=sum(step.refunded_minor for step in steps),
    )
