"""The numbers that arrived or were called together, and the log's moments, in bounded memory. Pure.

A log may have millions of entries, and a report must not need memory for each. Beyond `RANGES_MAX`
ranges those that follow each other within some seconds are taken together, and the seconds double
until they fit. Numbers keep their order, and a call is never taken for an earlier one: this makes
up no overtaking within a line. Only the times of waits, the order across lines, and whether a call
came before a shopper left, are exact to these seconds and no more.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

# Of all lines together, about 200 bytes each.
RANGES_MAX = 200_000
GRAIN_MIN_S = 1.0
# Ranges further apart than three quarters of a day are not taken together, whatever it costs.
GRAIN_MAX_S = 65_536.0
# Of the log's moments, 16 bytes each.
MOMENTS_MAX = 1_000_000


class Moment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry of the log: its sequence number orders, its time measures."""

    seq: int
    at: datetime


# There may be a hundred thousand, none part of a cycle: the collector need not look.
class Range(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The numbers `first` to `last` of a line, which arrived or were called together.

    Calls that came with the arrival are `at_once`. Where calls are taken together, `moment` is the
    last one's and `began` when the first one was; else `began` is None.
    """

    first: int
    last: int
    moment: Moment
    at_once: bool = False
    began: datetime | None = None

    @property
    def since(self) -> datetime:
        """Return the time of the first of these."""
        return self.began or self.moment.at


class Grain:
    """How coarse the ranges of a room are: the greatest error of their times is `error_s`."""

    def __init__(self, ranges_max: int = RANGES_MAX) -> None:
        self.error_s = 0.0
        self._ranges_max = ranges_max
        self._count = 0

    def note(self) -> bool:
        """Count one more range; return whether there are too many."""
        self._count += 1
        return self._count > self._ranges_max

    def coarsen(self, lines: Iterable[tuple[list[Range], list[Range], Sequence[int]]]) -> None:
        """Take ranges together, in the lists themselves, until half of the memory is free.

        Of each line these are the arrivals, the calls, and the entries that keep calls apart.
        """
        lines = list(lines)
        self.error_s = max(self.error_s, GRAIN_MIN_S)
        while True:
            for arrivals, calls, apart in lines:
                arrivals[:] = _together(arrivals, self.error_s)
                calls[:] = _together(calls, self.error_s, apart)
            self._count = sum(len(arrivals) + len(calls) for arrivals, calls, _ in lines)
            if self._count <= self._ranges_max // 2:
                return
            if self.error_s >= GRAIN_MAX_S:
                # Nothing more can be taken together: the bound rises.
                self._ranges_max *= 2
                return
            self.error_s *= 2


def _together(
    ranges: Iterable[Range], within_s: float, apart: Sequence[int] | None = None
) -> list[Range]:
    """Take neighbours together that follow each other within some seconds.

    With `apart` the ranges are calls. Their moment is that of the last one, so that no call comes
    before a number's own arrival. Two calls stay apart if one of these entries lies between them or
    is the first of them. A number departed or came back there, and whether the call was before it
    depends on the call's own moment.
    """
    found: list[Range] = []
    for each in ranges:
        before = found[-1] if found else None
        if (
            before is not None
            and each.first == before.last + 1
            and each.at_once == before.at_once
            and 0 <= (each.moment.at - before.since).total_seconds() < within_s
            and not _any_between(apart or (), before.moment.seq, each.moment.seq)
        ):
            found[-1] = Range(
                first=before.first,
                last=each.last,
                moment=before.moment if apart is None else each.moment,
                at_once=each.at_once,
                began=before.since,
            )
        else:
            found.append(each)
    return found


def _any_between(seqs: Sequence[int], low: int, high: int) -> bool:
    index = bisect_left(seqs, low)
    return index < len(seqs) and seqs[index] < high


class Moments:
    """The entry of the log that came after a moment, exact until a log is very long."""

    def __init__(self, moments_max: int = MOMENTS_MAX) -> None:
        self._max = moments_max
        self._seqs = array("q")
        self._times_s = array("d")

    def add(self, seq: int, at: datetime) -> None:
        """Take the next entry's moment."""
        at_s = at.timestamp()
        if len(self._seqs) >= self._max:
            # Every other one is left out; the first and the last stay.
            del self._seqs[1:-1:2]
            del self._times_s[1:-1:2]
        self._seqs.append(seq)
        # A clock that was set back puts an entry before its neighbours; a search needs an order.
        self._times_s.append(max(at_s, self._times_s[-1]) if self._times_s else at_s)

    def seq_after(self, at: datetime) -> int:
        """Return the sequence number of the first entry after a moment."""
        index = bisect_right(self._times_s, at.timestamp())
        if index < len(self._seqs):
            return self._seqs[index]
        return self._seqs[-1] + 1 if self._seqs else 1
