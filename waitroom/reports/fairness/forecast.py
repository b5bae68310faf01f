"""What was published about waits and chances, held against what came. Pure.

Once a minute the log takes in the table of the room's state document: for some places the
earliest and the latest wait, and the chance that something is left. Each row is a word given to
whoever stood at that place then, so it is judged by what became of that number. Rows that cannot be
judged yet are left out, and so are rows that no number stood at.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from waitroom.reports.fairness.record import Forecast
from waitroom.reports.fairness.stretch import Stretch

# Published chances are judged by fifths: how often did what was said to be so likely come true?
FIFTHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How well the published waits held.

    Of `judged` rows so many were `inside` the published band, called `sooner`, or `later`, which
    counts also whoever still waits although the band is over. `never` were never called, because
    all was sold before or the sale ended; of them no band can be right or wrong. The error is that
    of the band's middle, in seconds: for half of those called it was at most `median_error_s`.
    """

    judged: int = 0
    inside: int = 0
    sooner: int = 0
    later: int = 0
    never: int = 0
    median_error_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Rows whose published chance was from `low` to `high`: what was said, and what came of it.

    `published` is their mean chance, `came_true` the share for whom something was left.
    """

    low: float
    high: float
    rows: int
    published: float
    came_true: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    waits: Waits
    chances: list[Chances]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the numbers: their stretches, and those that were called and found nothing.

    `over` says that nobody else is called: then whoever was not called found nothing either.
    """

    lines: dict[str, list[Stretch]]
    found_nothing: Collection[tuple[str, int]]
    over: bool
    until: datetime


def judge(forecasts: Iterable[Forecast], outcomes: Outcomes) -> Accuracy:
    """Hold every published row against what became of the number it was said to."""
    judge_of = _Judge(outcomes)
    for forecast in forecasts:
        for place, low_s, high_s, chance in forecast.rows:
            number = forecast.head + place
            # The table goes beyond the end of the line, for those who might join next.
            if 1 <= place <= forecast.tail - forecast.head:
                judge_of.take(forecast, number, low_s, high_s, chance)
    return judge_of.result()


class _Judge:
    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._firsts = {name: [s.first for s in line] for name, line in outcomes.lines.items()}
        self._inside = self._sooner = self._later = self._never = 0
        self._errors: list[float] = []
        self._chances: list[tuple[float, bool]] = []

    def take(
        self,
        forecast: Forecast,
        number: int,
        low_s: float | None,
        high_s: float | None,
        chance: float | None,
    ) -> None:
        stretch = self._find(forecast.line, number)
        # Whoever gave up before the call ended the wait themselves; a reset ended it for all.
        if stretch is None or (stretch.called is None and (stretch.until or stretch.reset)):
            return
        if chance is not None:
            self._note_chance(stretch, number, chance)
        if low_s is None or high_s is None:
            return
        if stretch.called is None:
            if self._outcomes.over:
                self._never += 1
            elif self._outcomes.until > forecast.at + timedelta(seconds=high_s):
                self._later += 1
            return
        wait_s = max((stretch.called.at - forecast.at).total_seconds(), 0.0)
        self._errors.append(abs(wait_s - (low_s + high_s) / 2))
        if wait_s < low_s:
            self._sooner += 1
        elif wait_s > high_s:
            self._later += 1
        else:
            self._inside += 1

    def _find(self, name: str, number: int) -> Stretch | None:
        line: Sequence[Stretch] = self._outcomes.lines.get(name, ())
        index = bisect_right(self._firsts.get(name, ()), number) - 1
        return line[index] if index >= 0 and number <= line[index].last else None

    def _note_chance(self, stretch: Stretch, number: int, chance: float) -> None:
        if stretch.called is not None:
            found = (stretch.line, number) not in self._outcomes.found_nothing
            self._chances.append((chance, found))
        elif self._outcomes.over:
            self._chances.append((chance, False))

    def result(self) -> Accuracy:
        waits = Waits(
            judged=self._inside + self._sooner + self._later,
            inside=self._inside,
            sooner=self._sooner,
            later=self._later,
            never=self._never,
            median_error_s=median(self._errors) if self._errors else None,
        )
        return Accuracy(waits=waits, chances=_by_fifths(self._chances))


def _by_fifths(chances: Iterable[tuple[float, bool]]) -> list[Chances]:
    fifths: list[list[tuple[float, bool]]] = [[] for _ in range(FIFTHS)]
    for chance, found in chances:
        fifths[min(int(chance * FIFTHS), FIFTHS - 1)].append((chance, found))
    return [
        Chances(
            low=index / FIFTHS,
            high=(index + 1) / FIFTHS,
            rows=len(fifth),
            published=sum(chance for chance, _ in fifth) / len(fifth),
            came_true=sum(found for _, found in fifth) / len(fifth),
        )
        for index, fifth in enumerate(fifths)
        if fifth
    ]
