"""Comparisons of variants on the same shoppers, with the uncertainty of each difference."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from math import sqrt
from statistics import fmean, stdev

import msgspec

from inventory.kit.doors.decoding import Json
from waitroom.rehearse.play.baseline import CLAIRVOYANT, ORACLE
from waitroom.rehearse.play.oracle import play_knowing
from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.results.result import Result, result_of, score_json
from waitroom.rehearse.results.score import TENTHS, Score
from waitroom.rehearse.scenario.variant import Variant

# Student's t at 97.5 %, by degrees of freedom from 1; beyond 30 it is near its limit.
T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
T_LIMIT, T_SLOPE = 1.96, 2.5
INTERVAL = "Means ± half of the 95 % interval by Student's t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the comparison. `kind` is how it is written: time, share or count."""

    key: str
    label: str
    kind: str


FIGURES = (
    Figure(key="to_last_s", label="last unit paid after, s", kind="time"),
    Figure(key="to_95_s", label="95 % paid after, s", kind="time"),
    Figure(key="found_nothing_of_called", label="found nothing, % of called", kind="share"),
    Figure(key="refused_of_called", label="refused at first, % of called", kind="share"),
    Figure(key="found_nothing_of_inside", label="found nothing, % of inside", kind="share"),
    Figure(key="called", label="called", kind="count"),
    Figure(key="came_in", label="came in", kind="count"),
    Figure(key="no_shows", label="never came", kind="count"),
    Figure(key="missed_choice", label="first choice gone", kind="count"),
    Figure(key="sold", label="units sold", kind="count"),
    Figure(key="bots_bought", label="units bought by bots", kind="count"),
    Figure(key="idle_unit_s", label="idle, unit-seconds", kind="count"),
    Figure(key="longest_lull_s", label="longest lull with a unit free, s", kind="time"),
    Figure(key="wait_median_s", label="wait, median, s", kind="time"),
    Figure(key="wait_p95_s", label="wait, 95th percentile, s", kind="time"),
    Figure(key="overtaken", label="overtaken", kind="count"),
    Figure(key="present_at_sold_out", label="waiting when sold out", kind="count"),
)


# The figures held against the yardsticks: times and idle units as ratios, shares as such.
HELD_AGAINST = (
    "to_95_s",
    "to_last_s",
    "idle_unit_s",
    "refused_of_called",
    "found_nothing_of_called",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """One bin of published chances, compared with the outcome.

    `count` shoppers in `sales` sales were told a chance of `told` on average, and a share `found`
    of them had something to find.
    """

    count: int
    sales: int
    told: float
    found: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One variant's sales, in the order of the seeds."""

    variant: Variant
    results: list[Result]

    @property
    def unsold(self) -> int:
        """The number of sales in which something was left at the end."""
        return sum(result.to_last_s is None for result in self.results)

    def values(self, key: str) -> list[float] | None:
        """Return a figure of each sale, or None if some sale has no such figure.

        A sale that never sold its last unit counts with its whole length, which understates it.
        """
        until_s = self.variant.scenario.until_s
        found = []
        for result in self.results:
            value = getattr(result, key)
            if value is None and key in {"to_last_s", "to_95_s"}:
                value = until_s
            if value is None:
                return None
            found.append(float(value))
        return found

    def interval(self, key: str) -> Interval | None:
        values = self.values(key)
        return interval_of(values) if values else None

    def against(self, other: "Outcome", key: str) -> Interval | None:
        """Return the mean difference from another variant, seed by seed."""
        mine, theirs = self.values(key), other.values(key)
        if not mine or not theirs:
            return None
        return interval_of([a - b for a, b in zip(mine, theirs, strict=True)])

    def ratio(self, yardstick: "Outcome", key: str) -> Interval | None:
        """Return the ratio of a figure to a yardstick's, with the interval of a ratio of means."""
        mine, its = self.values(key), yardstick.values(key)
        if not mine or not its or not sum(its):
            return None
        return ratio_of(list(zip(mine, its, strict=True)))

    def score(self) -> Score:
        total = Score()
        for result in self.results:
            total.add(result.score)
        return total

    def sku_score(self) -> Score:
        """Return the score of the chances told of single SKUs."""
        total = Score()
        for result in self.results:
            total.add(result.sku_score)
        return total

    def coverage(self) -> Interval | None:
        """Return the share of bands that held the real wait."""
        return share_of([(result.score.inside, result.score.told) for result in self.results])

    def reliability(self) -> list[Reliability | None]:
        """Return the tenths from 0-10 % to 90-100 %; None for a tenth that was never published."""
        rows: list[Reliability | None] = []
        for index in range(TENTHS):
            sales = [result.score.tenths[index] for result in self.results]
            found = share_of([(found, count) for count, _, found in sales])
            if found is None:
                rows.append(None)
                continue
            count = sum(count for count, _, _ in sales)
            rows.append(
                Reliability(
                    count=count,
                    sales=sum(count > 0 for count, _, _ in sales),
                    told=sum(told for _, told, _ in sales) / count,
                    found=found,
                )
            )
        return rows


def interval_of(values: Sequence[float]) -> Interval:
    """Return the mean of independent values with its interval; a single value has no width."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean=mean, low=mean, high=mean)
    freedom = len(values) - 1
    t = T_975[freedom - 1] if freedom <= len(T_975) else T_LIMIT + T_SLOPE / freedom
    half = t * stdev(values) / sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def share_of(counts: Sequence[tuple[int, int]]) -> Interval | None:
    """Return a share of shoppers with its interval, from (part, whole) of each sale.

    Shoppers of one sale share its luck, so the sales are independent and the shoppers are not.
    """
    return ratio_of(counts) if sum(of for _, of in counts) else None


def ratio_of(pairs: Sequence[tuple[float, float]]) -> Interval:
    """Return the ratio of two means over the same sales, with its interval.

    It is that of a ratio estimator over clusters (Cochran, *Sampling Techniques*, 1977, chapter 6).
    """
    total = sum(of for _, of in pairs)
    ratio, size = sum(some for some, _ in pairs) / total, total / len(pairs)
    half = interval_of([(some - ratio * of) / size for some, of in pairs]).half
    return Interval(mean=ratio, low=ratio - half, high=ratio + half)


def play(variant: Variant, seed: int, *, figures: bool = True) -> Result:
    policy = variant.scenario.rules.policy
    sim = play_knowing(policy, variant.scenario, seed, figures=figures)
    if sim is None:
        sim = Simulation(variant.scenario, seed=seed, course=variant.course, figures=figures).run()
    return result_of(sim)


def compare(
    variants: Sequence[Variant],
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    figures: bool = True,
    done: Callable[[Variant, int], None] = lambda _variant, _seed: None,
) -> list[Outcome]:
    """Play every variant with every seed in `jobs` processes; call `done` after each sale.

    Without `figures` no waits and chances are computed, which is much faster.
    """
    results: dict[int, list[Result]] = {}
    for index, variant in enumerate(variants):
        results[index] = []
        for seed, result in _played(variant, seeds, jobs=jobs, figures=figures):
            results[index].append(result)
            done(variant, seed)
    return [Outcome(variant=v, results=results[i]) for i, v in enumerate(variants)]


def _played(
    variant: Variant, seeds: Sequence[int], *, jobs: int, figures: bool
) -> Iterator[tuple[int, Result]]:
    one = partial(play, variant, figures=figures)
    if jobs == 1:
        yield from ((seed, one(seed)) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from zip(seeds, pool.map(one, seeds), strict=True)


def yardsticks_of(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """Return the sales whose room knows the shoppers, by the name of the yardstick."""
    named = {outcome.variant.scenario.rules.policy: outcome for outcome in outcomes}
    return {name: named[name] for name in (ORACLE, CLAIRVOYANT) if name in named}


def to_json(outcomes: Sequence[Outcome], *, seeds: Sequence[int]) -> Json:
    """Return everything as plain values: each sale, each figure, each difference from the first."""
    first, yardsticks = outcomes[0], yardsticks_of(outcomes)
    return {
        "interval": INTERVAL,
        "seeds": list(seeds),
        "scenario": msgspec.to_builtins(first.variant.scenario),
        "variants": [
            {
                "name": outcome.variant.name,
                "rules": msgspec.to_builtins(outcome.variant.scenario.rules),
                "unsold": outcome.unsold,
                "figures": {f.key: _plain(outcome.interval(f.key)) for f in FIGURES},
                "against_first": {f.key: _plain(outcome.against(first, f.key)) for f in FIGURES}
                if outcome is not first
                else None,
                "against_yardsticks": {
                    name: {key: _plain(outcome.ratio(one, key)) for key in HELD_AGAINST}
                    for name, one in yardsticks.items()
                    if outcome is not one
                },
                "score": _score_of(outcome),
                "sku_score": score_json(outcome.sku_score()),
                "sales": [result.to_json() for result in outcome.results],
            }
            for outcome in outcomes
        ],
    }


def _score_of(outcome: Outcome) -> Json:
    """Return the fields of a single sale's score, with the intervals of its shares."""
    tenths = [None if tenth is None else asdict(tenth) for tenth in outcome.reliability()]
    covered = _plain(outcome.coverage())
    return score_json(outcome.score()) | {"coverage": covered, "reliability": tenths}


def _plain(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
