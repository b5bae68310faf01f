"""The figures of one rehearsed sale. Pure."""

from bisect import bisect_left
from dataclasses import asdict, dataclass
from math import ceil

from inventory.kit.doors.decoding import Json
from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.results.score import Score, score, sku_score

SOLD_SHARE = 0.95
MINUTE_S = 60
SOON_MINUTES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One sale. Times are seconds from the opening, or None for an event that never happened.

    `to_last_s` is when the last unit was paid. `idle_unit_s` counts unit-seconds: units neither
    held nor sold while people waited. `longest_lull_s` is the longest time for which a unit was
    free for new calls, people waited, and none was called. `called` counts people; `calls` also
    counts each repeated call. `found_nothing` counts shoppers who asked and left without ever being
    able to hold anything. `missed_choice` counts shoppers who wanted one SKU and could have held
    another. `no_shows` never took up any call. `overtaken` counts shoppers who had come back or
    been refused and waited while a higher number was served. Waits run from joining to the first
    call, for the shoppers who then came in.
    """

    sold: int
    units: int
    over: bool
    to_95_s: float | None
    to_last_s: float | None
    idle_unit_s: float
    longest_lull_s: float
    called: int
    calls: int
    came_in: int
    asked: int
    refused: int
    found_nothing: int
    missed_choice: int
    no_shows: int
    overtaken: int
    bots_bought: int
    wait_median_s: float | None
    wait_p95_s: float | None
    waiting_at_sold_out: int | None
    present_at_sold_out: int | None
    calls_by_minute: list[int]
    sold_by_minute: list[int]
    head_by_tick: list[int]
    score: Score
    sku_score: Score

    @property
    def found_nothing_of_called(self) -> float:
        return self.found_nothing / max(self.called, 1)

    @property
    def called_soon(self) -> int:
        """The calls of the first ten minutes."""
        return sum(self.calls_by_minute[:SOON_MINUTES])

    @property
    def refused_of_called(self) -> float:
        """The share of the called who found nothing when they first asked, served later or not."""
        return self.refused / max(self.called, 1)

    @property
    def found_nothing_of_inside(self) -> float:
        return self.found_nothing / max(self.came_in, 1)

    def to_json(self) -> Json:
        """Return plain values for JSON, including the shares and the score's figures."""
        values = asdict(self) | {
            "found_nothing_of_called": self.found_nothing_of_called,
            "refused_of_called": self.refused_of_called,
            "found_nothing_of_inside": self.found_nothing_of_inside,
        }
        head = values.pop("head_by_tick")[::MINUTE_S]
        return values | {
            "head_by_minute": head,
            "score": score_json(self.score),
            "sku_score": score_json(self.sku_score),
        }

    def head_times(self, heads: list[float]) -> list[float | None]:
        """Return the second at which the head reached each of these numbers, if it did."""
        ticks = [bisect_left(self.head_by_tick, head) for head in heads]
        return [float(t) if t < len(self.head_by_tick) else None for t in ticks]


def score_json(held: Score) -> Json:
    """Return the figures of a score as plain values for JSON."""
    tenths = [None if tenth is None else asdict(tenth) for tenth in held.reliability()]
    return {
        "bands": held.told,
        "coverage": held.coverage,
        "sooner": held.sooner,
        "later": held.later,
        "never_called": held.never,
        "width": held.width,
        "chances": held.chances,
        "brier": held.brier,
        "miscalibration": held.miscalibration,
        "reliability": tenths,
    }


def result_of(sim: Simulation) -> Result:
    """Count up a finished simulation."""
    everybody = list(sim.admitted.values())
    inside = [a for a in everybody if a.claimed_at is not None]
    paid = [a.paid_at for a in everybody if a.paid_at is not None]
    nothing = sum(a.refused and a.held_at is None for a in everybody)
    waits = sorted(a.first_called_at - a.arrived_at for a in inside)
    waiting, present = sim.waiting_at_sold_out or (None, None)
    return Result(
        sold=sim.books.sold,
        units=sim.books.on_hand,
        over=sim.over,
        to_95_s=_time_to(sim, SOLD_SHARE),
        to_last_s=max(paid) if sim.sold_out and paid else None,
        idle_unit_s=sim.idle_unit_s,
        longest_lull_s=sim.longest_lull_s,
        called=len(everybody),
        calls=sum(a.times_called for a in everybody),
        came_in=len(inside),
        asked=sum(a.asked_at is not None for a in everybody),
        refused=sum(a.refused for a in everybody),
        found_nothing=nothing,
        missed_choice=sum(a.missed_choice and a.held_at is None for a in everybody),
        no_shows=len(everybody) - len(inside),
        overtaken=sum(a.overtaken for a in everybody),
        bots_bought=sum(a.bought for a in everybody if a.bot),
        wait_median_s=percentile(waits, 0.5),
        wait_p95_s=percentile(waits, 0.95),
        waiting_at_sold_out=waiting,
        present_at_sold_out=present,
        calls_by_minute=_per_minute(sim.called_by_tick),
        sold_by_minute=sim.sold_by_tick[::MINUTE_S],
        head_by_tick=sim.head_by_tick,
        score=score(
            sim.sampler.samples,
            called_at={a.number: a.first_called_at for a in everybody},
            left_for=sim.sampler.left_for,
            over=sim.sold_out,
        ),
        sku_score=sku_score(
            sim.sampler.samples,
            called={a.number: a.first_called_at for a in everybody},
            left_for=sim.sampler.sku_left_for,
            over=sim.sold_out,
        ),
    )


def percentile(ordered: list[float], share: float) -> float | None:
    """Return the nearest-rank percentile."""
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else None


def _time_to(sim: Simulation, share: float) -> float | None:
    tick = bisect_left(sim.sold_by_tick, share * sim.books.on_hand)
    return float(tick) if tick < len(sim.sold_by_tick) else None


def _per_minute(ticks: list[int]) -> list[int]:
    return [sum(ticks[start : start + MINUTE_S]) for start in range(0, len(ticks), MINUTE_S)]
