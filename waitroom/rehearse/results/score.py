"""How well the published figures held: the waits' bands, and the chances by tenths. Pure.

The same questions are asked of a real sale by `reports.fairness.forecast`, which has only the
log to go by. Here it is known what somebody would have found who never came.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log

from waitroom.rehearse.results.sample import Sample

TENTHS = 10
# Of “1 to 3 seconds” nobody says that it is a wide band.
GRAIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenth:
    """Of `count` shoppers told chances of about `told`, a share `found` had something to find."""

    count: int
    told: float
    found: float


@dataclass(slots=True, kw_only=True)
class Score:
    """Counts that can be added up over several sales.

    Of `told` bands given to somebody who was called later, so many were `inside`, called `sooner`
    or `later`. `never` were given to somebody who was never called: no band can be right there.
    `tenths` holds, for each tenth of published chances, how many, their sum, and how many found
    something. `squares` is the sum of the squared errors of the chances (Brier).
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
        """Mean distance of what was told from what was found, tenths weighed by their counts."""
        if not self.chances:
            return None
        return sum(abs(told - found) for _, told, found in self.tenths) / self.chances

    def reliability(self) -> list[Tenth | None]:
        """Return the tenths from 0-10 % to 90-100 %; None where nobody was told such a chance."""
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


def score(
    samples: Iterable[Sample],
    *,
    called_at: Mapping[int, float],
    left_for: Mapping[int, bool],
    over: bool,
) -> Score:
    """Hold what was told against what came.

    `called_at` has the first call of each number that was called. Who was not called is known to
    find nothing only when the sale is `over`; who was called and has no outcome yet is left out.
    """
    total = Score()
    for sample in samples:
        at = called_at.get(sample.number)
        if at is not None:
            total.count_wait(sample, at - sample.at)
            if sample.number in left_for:
                total.count_chance(sample.chance, found=left_for[sample.number])
        elif over:
            total.never += sample.wait_low_s is not None
            total.count_chance(sample.chance, found=False)
    return total
