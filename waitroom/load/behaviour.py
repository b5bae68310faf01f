"""The behaviour of a simulated crowd, and the plan of one shopper in it. Pure and seeded."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from random import Random

from waitroom.load.bodies import SkuBody

# Reading and typing times are gamma distributed: never negative, seldom tiny, with a long tail.
TIME_SHAPE = 3.0
# The tail is cut off here, so that no shopper outlives a session by accident.
TIME_TIMES_MEAN_MAX = 4.0
# A shopper gives up no sooner than after this share of the mean patience.
PATIENCE_LEAST = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """A crowd. Shares are from 0 to 1, times are in seconds before `pace` scales them.

    A `pace` of 0.05 makes shoppers twenty times as quick as given here; they still poll when the
    service tells them to. Raises `ValueError` for values out of bounds.
    """

    shoppers: int = 300
    arrive_s: float = 20.0
    # Of all shoppers, this share gives up in line after about patience_s.
    leave_share: float = 0.06
    patience_s: float = 60.0
    stay_max_s: float = 3600.0
    # Shares of the called: some never come, some come after their claim window.
    no_show_share: float = 0.06
    late_share: float = 0.02
    # Shares of the shoppers inside: some want something, and some of these pay for it.
    want_share: float = 0.92
    pay_share: float = 0.85
    second_unit_share: float = 0.3
    # Shares of the paying: a first card may be declined, and a second card may follow.
    decline_share: float = 0.08
    second_card_share: float = 0.6
    # The share that tells the service when it quits, so that seat and units are free at once.
    polite_share: float = 0.4
    double_click_share: float = 0.1
    # Mean times to notice a call, to choose, and to fill in the card.
    react_s: float = 2.0
    browse_s: float = 5.0
    pay_s: float = 5.0
    skus_tried_max: int = 4
    pace: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_share") and not 0 <= value <= 1:
                raise ValueError(f"{field.name} must be a share from 0 to 1, not {value}")
            if field.name.endswith("_s") and value < 0:
                raise ValueError(f"{field.name} cannot be negative")
        if self.shoppers < 1 or self.skus_tried_max < 1 or self.pace <= 0:
            raise ValueError("a crowd has at least one shopper, who tries a SKU at a pace above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one shopper. Times are in real seconds: the pace is applied already."""

    arrive_s: float
    patience_s: float
    no_show: bool
    late: bool
    react_s: float
    browse_s: float
    wants: bool
    quantity: int
    taste: float
    skus_tried_max: int
    pays: bool
    pay_s: float
    first_card_good: bool
    second_card: bool
    polite: bool
    double_clicks: bool


def rng_of(behaviour: Behaviour, shopper: int) -> Random:
    """Return the random numbers of one shopper: the same for a seed, whatever others do."""
    return Random(f"{behaviour.seed}:{shopper}")  # noqa: S311 - a simulation, nothing secret


def draw_plan(behaviour: Behaviour, rng: Random) -> Plan:
    """Draw one shopper's plan.

    Every number is drawn, needed or not. So changing one share changes the plans that it concerns
    and no others.
    """
    b = behaviour
    # Most come when the doors open: the density falls linearly to 0 at arrive_s.
    arrive_s = rng.triangular(0, b.arrive_s, 0)
    leaves = rng.random() < b.leave_share
    leave_s = b.patience_s * (PATIENCE_LEAST + rng.expovariate(1) * (1 - PATIENCE_LEAST))
    return Plan(
        arrive_s=arrive_s * b.pace,
        patience_s=(min(leave_s, b.stay_max_s) if leaves else b.stay_max_s) * b.pace,
        no_show=rng.random() < b.no_show_share,
        late=rng.random() < b.late_share,
        react_s=_time_s(rng, b.react_s) * b.pace,
        browse_s=_time_s(rng, b.browse_s) * b.pace,
        wants=rng.random() < b.want_share,
        quantity=2 if rng.random() < b.second_unit_share else 1,
        taste=rng.random(),
        skus_tried_max=b.skus_tried_max,
        pays=rng.random() < b.pay_share,
        pay_s=_time_s(rng, b.pay_s) * b.pace,
        first_card_good=rng.random() >= b.decline_share,
        second_card=rng.random() < b.second_card_share,
        polite=rng.random() < b.polite_share,
        double_clicks=rng.random() < b.double_click_share,
    )


def _time_s(rng: Random, mean_s: float) -> float:
    drawn = rng.gammavariate(TIME_SHAPE, 1 / TIME_SHAPE)
    return min(drawn, TIME_TIMES_MEAN_MAX) * mean_s


def choose_sku(skus: Sequence[SkuBody], tried: Collection[str], taste: float) -> SkuBody | None:
    """Return the SKU that a shopper of this taste (0 to 1) tries next, None when all are tried.

    SKUs that the catalogue shows as available go first. The others are tried as well, because the
    catalogue is a moment old and units come back.
    """
    left = [sku for sku in skus if sku.sku not in tried]
    shown = [sku for sku in left if sku.available > 0] or left
    return shown[int(taste * len(shown))] if shown else None
