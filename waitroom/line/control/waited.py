"""How long the numbers called in the last minute had waited. Pure: time comes in.

Numbers that were given together wait together, so a long line takes memory for its batches and not
for its shoppers. A number whose joining is not known, since another leader saw it, is left out.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from waitroom.line.snapshot import LineSnapshot

# The waits of calls of about the last minute are told.
TOLD_FOR_S = 60.0
# Joins of one line that follow each other within this time count as one.
TOGETHER_S = 2.0
BATCHES_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Numbers of a line that were given together, at a moment in seconds."""

    at: float
    first: int
    last: int


@dataclass(slots=True)
class Waited:
    """The waits of one room. Losing it loses figures of a minute, and no promise."""

    _waiting: dict[int, deque[Given]] = field(default_factory=dict)
    _tails: dict[int, int] = field(default_factory=dict)
    # (moment of the call, wait, numbers)
    _waits: deque[tuple[float, float, int]] = field(default_factory=deque)

    @property
    def batches(self) -> int:
        """Return how many batches of waiting numbers are remembered."""
        return sum(len(waiting) for waiting in self._waiting.values())

    def learn(self, joins: Mapping[int, Iterable[Given]], lines: Iterable[LineSnapshot]) -> None:
        """Take over, by line, the numbers that wait already, up to the tails of these lines."""
        self._waiting = {id_: deque(given, maxlen=BATCHES_MAX) for id_, given in joins.items()}
        # Numbers may have been given since these lines were read.
        self._tails = {
            line.line_id: max(
                [line.tail, *(given.last for given in self._waiting.get(line.line_id, ()))]
            )
            for line in lines
        }

    def see(self, now: float, lines: Iterable[LineSnapshot]) -> None:
        """Note which numbers were given and called since the last look."""
        here = {line.line_id: line for line in lines}
        self._waiting = {id_: kept for id_, kept in self._waiting.items() if id_ in here}
        self._tails = {id_: tail for id_, tail in self._tails.items() if id_ in here}
        for line in here.values():
            self._join(now, line)
            self._call(now, line)
        while self._waits and self._waits[0][0] <= now - TOLD_FOR_S:
            self._waits.popleft()

    def _join(self, now: float, line: LineSnapshot) -> None:
        tail = self._tails.get(line.line_id)
        self._tails[line.line_id] = line.tail
        if tail is None or line.tail <= tail:
            return
        waiting = self._waiting.setdefault(line.line_id, deque(maxlen=BATCHES_MAX))
        last = waiting[-1] if waiting else None
        if last is not None and last.last == tail and now - last.at < TOGETHER_S:
            waiting[-1] = Given(at=last.at, first=last.first, last=line.tail)
        else:
            waiting.append(Given(at=now, first=tail + 1, last=line.tail))

    def _call(self, now: float, line: LineSnapshot) -> None:
        waiting = self._waiting.get(line.line_id)
        while waiting and waiting[0].first <= line.head:
            batch = waiting.popleft()
            reached = min(batch.last, line.head)
            self._waits.append((now, max(now - batch.at, 0.0), reached - batch.first + 1))
            if reached < batch.last:
                waiting.appendleft(Given(at=batch.at, first=reached + 1, last=batch.last))

    def percentile(self, part: float) -> float | None:
        """Return the nearest-rank percentile of the last minute's waits, None without any."""
        ordered = sorted((wait, count) for _, wait, count in self._waits)
        sums = list(accumulate(count for _, count in ordered))
        if not sums:
            return None
        wanted = part * sums[-1]
        return next(wait for (wait, _), upto in zip(ordered, sums, strict=True) if upto >= wanted)
