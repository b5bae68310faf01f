"""The shapes of an analysis, and what each figure means. Pure.

A span runs from its beginning up to and without its end, in steps of one length; the last step may
be cut short. Amounts are in minor units with tax. For a seller everything is about their own SKUs:
their lines of orders and holds; what is about the line of people is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from inventory.kit.problem import BadRequest

STEPS_MAX = 400
# What is chosen by itself, in seconds: the shortest with which a span has no more steps than this.
STEPS_WANTED = 60
STEPS_S = (60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400)
STEP_S_MIN, STEP_S_MAX = 60, 31 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that is looked at."""

    since: datetime
    until: datetime
    step_s: int

    @property
    def steps(self) -> list[datetime]:
        """Return when each step begins."""
        step = timedelta(seconds=self.step_s)
        return [self.since + i * step for i in range(_count(self.since, self.until, self.step_s))]


def make_span(since: datetime, until: datetime, step_s: int | None) -> Span:
    """Return a span; raises `BadRequest` for one that is empty or has too many steps."""
    if since >= until:
        raise BadRequest("from must be earlier than to.")
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
    """What was sold in a step, or in all.

    `orders` are those paid in it, whatever became of them later, with their `units` and what was
    paid for these, `sold_minor`. `refunded_minor` is the money that went back in it, of orders paid
    in it or before; an order that was never paid is in neither. A refund counts for the SKUs whose
    units it names, in proportion to their price, and one that names none for all of its order's.
    """

    orders: int = 0
    units: int = 0
    sold_minor: int = 0
    units_refunded: int = 0
    refunded_minor: int = 0

    @property
    def net_minor(self) -> int:
        """Return the revenue: what was paid less what went back."""
        return self.sold_minor - self.refunded_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class SkuSales:
    """What was sold of one SKU; `orders` are those that contain it, so they add up to more."""

    sku: str
    name: str
    sales: Sales


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What was sold of all SKUs beyond the first ones. Orders are not counted for it."""

    skus: int = 0
    sales: Sales = Sales()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far those came who joined in the span, up to now. Each is counted once in each.

    `joined`: got a number. `called`: the number was called, once or again. `claimed`: took the call
    up. `held`: had a hold placed, also one for which they waited. `paid`: have an order that was
    paid, also if the money went back later.
    """

    joined: int
    called: int
    claimed: int
    held: int
    paid: int

    def rows(self) -> list[dict[str, str | int | float | None]]:
        """Return each step of the walk with its shares of the step before and of all who joined.

        A share of nobody is None.
        """
        names = ("joined", "called", "claimed", "held", "paid")
        counts = [getattr(self, name) for name in names]
        return [
            {
                "step": name,
                "count": count,
                "of_previous": share(count, before),
                "of_joined": share(count, self.joined),
            }
            for name, count, before in zip(names, counts, [self.joined, *counts], strict=False)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of holds placed in the span: confirmed, released, expired, or still held.

    The times run from placing to the end, in seconds: half of the holds took at most `p50_s`, nine
    of ten `p90_s`. Open holds have none yet. Holds that were written for money that came late are
    not counted: nobody placed them.
    """

    outcome: str
    count: int
    share: float | None
    p50_s: float | None
    p90_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayTimes:
    """How long it took from placing a hold to having paid, for orders paid in the span, in seconds.

    Orders whose money came late are not counted, since their first hold was over by then.
    """

    orders: int
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long those waited for their first call who joined in one step.

    `called` of the `joined` have been called so far; the percentiles, in seconds, are theirs. A
    number that left while waiting counts as called when the line got to it.
    """

    at: datetime
    joined: int = 0
    called: int = 0
    p50_s: float | None = None
    p90_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An analysis of one room. What is about the line of people is None for a seller.

    `waits` is None too when there are more entries in the log than are read for it.
    """

    span: Span
    currency: str
    steps: list[Sales]
    total: Sales
    skus: list[SkuSales]
    rest: Rest
    walk: Walk | None
    outcomes: list[Outcome]
    pay_times: PayTimes
    waits: list[Wait] | None


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def total(steps: Sequence[Sales]) -> Sales:
    """Return the sums over all steps."""
    return Sales(
        orders=sum(step.orders for step in steps),
        units=sum(step.units for step in steps),
        sold_minor=sum(step.sold_minor for step in steps),
        units_refunded=sum(step.units_refunded for step in steps),
        refunded_minor=sum(step.refunded_minor for step in steps),
    )
