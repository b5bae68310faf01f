"""The accuracy of the published figures: the waits' bands, and the chances by tenths. Pure.

`reports.fairness.forecast` asks the same questions of a real sale. A rehearsal also knows what a
shopper would have found who never came, or was passed by, and what was left beside a SKU that was
gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log

from waitroom.rehearse.play.sample import Sample

TENTHS = 10
# Below this a wait counts as equal: a band of 1 to 3 seconds is not wide.
GRAIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenth:
    """One tenth: `count` shoppers were told about `told`; a share `found` found something."""

    count: int
    told: float
    found: float


@dataclass(slots=True, kw_only=True)
class Score:
    """Counts that can be added up over several sales.

    `told` is the number of bands given to shoppers who were called later; `inside`
    of them held the real wait, and the others were called `sooner` or `later`. `never` is the
    number of bands given to shoppers who were never called: no band can be right for them. `tenths`
    has, for each tenth of chances, their count, their sum, and how many shoppers found something.
    `squares` is the sum of the squared errors of the chances (Brier).
    """

    told: int = 0
    inside: int = 0
    sooner: int = 0
    later: int = 0
    never: int = 0
    widths: float = 0.0
    tenths: list[tuple[int, float, int]] = field(default_factory=lambda: [(0, 0.0, 0)] * TENTHS)
    squares: float = 0.0

    @property
    def coverage(self) -> float | None:
        """The share of bands that held the real wait."""
        return self.inside / self.told if self.told else None

    @property
    def width(self) -> float | None:
        """The geometric mean of latest over earliest wait: 2 says “30 to 60 minutes”."""
        return exp(self.widths / self.told) if self.told else None

    @property
    def chances(self) -> int:
        return sum(count for count, _, _ in self.tenths)

    @property
    def brier(self) -> float | None:
        return self.squares / self.chances if self.chances else None

    @property
    def miscalibration(self) -> float | None:
        """The mean distance between chance told and share found, weighted by count."""
        if not self.chances:
            return None
        return sum(abs(told - found) for _, told, found in self.tenths) / self.chances

    def reliability(self) -> list[Tenth | None]:
        """Return the tenths from 0-10 % to 90-100 %; None for a tenth that was never published."""
        return [
            Tenth(count=count, told=told / count, found=found / count) if count else None
            for count, told, found in self.tenths
        ]

    def add(self, other: "Score") -> None:
        for name in ("told", "inside", "sooner", "later", "never", "widths", "squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.tenths = [
            (a + x, b + y, c + z)
            for (a, b, c), (x, y, z) in zip(self.tenths, other.tenths, strict=True)
        ]

    def count_wait(self, sample: Sample, wait_s: float) -> None:
        if sample.wait_low_s is None or sample.wait_high_s is None:
            return
        self.told += 1
        self.widths += log((sample.wait_high_s + GRAIN_S) / (sample.wait_low_s + GRAIN_S))
        if wait_s < sample.wait_low_s:
            self.sooner += 1
        elif wait_s > sample.wait_high_s:
            self.later += 1
        else:
            self.inside += 1

    def count_chance(self, chance: float, *, found: bool) -> None:
        tenth = min(int(chance * TENTHS), TENTHS - 1)
        count, told, of_them = self.tenths[tenth]
        self.tenths[tenth] = (count + 1, told + chance, of_them + found)
        self.squares += (chance - found) ** 2


def sku_score(
    samples: Iterable[Sample],
    *,
    called: Mapping[int, float],
    left_for: Mapping[int, frozenset[int]],
    over: bool,
) -> Score:
    """Compare the published chances of single SKUs with the outcome, as `score` does."""
    total = Score()
    for sample in samples:
        if sample.sku is None or sample.sku_chance is None:
            continue
        if sample.number in left_for:
            found = sample.sku in left_for[sample.number]
            total.count_chance(sample.sku_chance, found=found)
        elif over and sample.number not in called:
            total.count_chance(sample.sku_chance, found=False)
    return total


def score(
    samples: Iterable[Sample],
    *,
    called_at: Mapping[int, float],
    left_for: Mapping[int, bool],
    over: bool,
) -> Score:
    """Compare the published figures with the outcome.

    `called_at` has the first call of each called number. A number that was neither called nor
    passed by is known to find nothing only when the sale is `over`. A called number without an
    outcome yet is left out.
    """
    total = Score()
    for sample in samples:
        at = called_at.get(sample.number)
        if at is not None:
            total.count_wait(sample, at - sample.at)
        elif over:
            total.never += sample.wait_low_s is not None
        if sample.number in left_for:
            total.count_chance(sample.chance, found=left_for[sample.number])
        elif over and at is None:
            total.count_chance(sample.chance, found=False)
    return total
