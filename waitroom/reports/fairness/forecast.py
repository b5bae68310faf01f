"""Published waits and chances against what happened. Pure.

Once a minute the log takes in the table of the room's state document: for some places the earliest
and the latest wait, and the chance of still finding something. Each row is a forecast for the
number at that place, so it is judged by what happened to that number. Rows for places that no
number had, and rows whose number's wait is still open, are left out.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from waitroom.log.entries import Forecast, ForecastRow
from waitroom.reports.fairness.stretch import Stretch

# Chances are judged by fifths: of rows with a similar chance, how many came true?
FIFTHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAccuracy:
    """The accuracy of the published waits.

    Among the `judged` rows, `inside` were called within the published band, and `sooner` before it.
    `later` were called after it, or still wait although it is over. `never` counts the rows, not
    among the judged, whose number was never called because everything was sold or the sale ended.
    `median_error_s` is the median distance between wait and middle of the band, in seconds, over
    the rows that were called.
    """

    judged: int = 0
    inside: int = 0
    sooner: int = 0
    later: int = 0
    never: int = 0
    median_error_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceAccuracy:
    """The rows whose published chance was between `low` and `high`.

    `published` is the mean chance of these `rows`, `came_true` the share that found something left.
    """

    low: float
    high: float
    rows: int
    published: float
    came_true: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The accuracy of waits and of chances; chances by fifths, without fifths that have no row."""

    waits: WaitAccuracy
    chances: list[ChanceAccuracy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuals:
    """The fate of the numbers up to the moment `until`.

    `lines` are the stretches of each line, `found_nothing` the numbers, with their line, that were
    called and found nothing left. `over` says that no more numbers are called, so a number that was
    not called found nothing either.
    """

    lines: dict[str, list[Stretch]]
    found_nothing: Collection[tuple[str, int]]
    over: bool
    until: datetime


def judge(forecasts: Iterable[Forecast], actuals: Actuals) -> Accuracy:
    """Compare every published row with what happened to the number at its place."""
    judge_of = _Judge(actuals)
    for forecast in forecasts:
        for row in forecast.rows:
            # The table goes beyond the end of the line, for the next arrivals.
            if row.place <= forecast.tail - forecast.head:
                judge_of.add(forecast, row)
    return judge_of.result()


class _Judge:
    def __init__(self, actuals: Actuals) -> None:
        self._actuals = actuals
        self._firsts = {name: [s.first for s in line] for name, line in actuals.lines.items()}
        self._inside = self._sooner = self._later = self._never = 0
        self._errors: list[float] = []
        self._chances: list[tuple[float, bool]] = []

    def add(self, forecast: Forecast, row: ForecastRow) -> None:
        number, low_s, high_s = forecast.head + row.place, row.wait_low_s, row.wait_high_s
        stretch = self._find(forecast.line, number)
        # A shopper who gave up ended the wait themselves, and a reset ended it for everybody.
        if stretch is None or (stretch.called is None and (stretch.until or stretch.reset)):
            return
        if row.chance is not None:
            self._note_chance(stretch, number, row.chance)
        if low_s is None or high_s is None:
            return
        if stretch.called is None:
            if self._actuals.over:
                self._never += 1
            elif self._actuals.until > forecast.at + timedelta(seconds=high_s):
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
        line: Sequence[Stretch] = self._actuals.lines.get(name, ())
        index = bisect_right(self._firsts.get(name, ()), number) - 1
        return line[index] if index >= 0 and number <= line[index].last else None

    def _note_chance(self, stretch: Stretch, number: int, chance: float) -> None:
        if stretch.called is not None:
            found = (stretch.line, number) not in self._actuals.found_nothing
            self._chances.append((chance, found))
        elif self._actuals.over:
            self._chances.append((chance, False))

    def result(self) -> Accuracy:
        waits = WaitAccuracy(
            judged=self._inside + self._sooner + self._later,
            inside=self._inside,
            sooner=self._sooner,
            later=self._later,
            never=self._never,
            median_error_s=median(self._errors) if self._errors else None,
        )
        return Accuracy(waits=waits, chances=_by_fifths(self._chances))


def _by_fifths(chances: Iterable[tuple[float, bool]]) -> list[ChanceAccuracy]:
    fifths: list[list[tuple[float, bool]]] = [[] for _ in range(FIFTHS)]
    for chance, found in chances:
        fifths[min(int(chance * FIFTHS), FIFTHS - 1)].append((chance, found))
    return [
        ChanceAccuracy(
            low=index / FIFTHS,
            high=(index + 1) / FIFTHS,
            rows=len(fifth),
            published=sum(chance for chance, _ in fifth) / len(fifth),
            came_true=sum(found for _, found in fifth) / len(fifth),
        )
        for index, fifth in enumerate(fifths)
        if fifth
    ]
