"""How long, how likely, and when to ask again: the figures of the state document. Pure."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import erfc, sqrt
from operator import attrgetter

# A shopper asks again after a share of the expected wait, within these bounds: often enough to
# be prompt, seldom enough that the load grows with the logarithm of the line.
POLL_SHARE = 0.1
POLL_MIN_S, POLL_MAX_S = 2.0, 30.0
# While nobody is called (paused, sold out) everybody asks at this pace.
POLL_IDLE_S = 10.0
# The band around place / rate. The rate of calls is no steadier than that early on.
BAND_LOW, BAND_HIGH = 0.6, 1.7
# The time over which the observed rate of calls is averaged.
RATE_MEMORY_S = 60.0
# Published once a second, fetched twice a second by the workers, cached for a second; without
# Valkey fetched from PostgreSQL every three. A document may still be answered this long after its
# successor was written.
STALE_S = 6.0
# Of ten called, six buy, until a later model knows better; the band of what is likely is wide.
BUY_SHARE = 0.6
UNITS_EACH = 1.3
# Of the units in baskets, about so many come back.
HELD_SHARE = 0.5
EVEN_ROWS = 8
KNEE_SHARES = (0.6, 0.8, 1.0, 1.25, 1.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitRow:
    """What holds at one place. Waits are None while nobody can know them."""

    place: int
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float
    poll_s: float


@dataclass(slots=True)
class CallRate:
    """Calls a second, averaged over about the last minute by the time that passed."""

    per_second: float | None = None
    _seen_s: float = 0.0

    def note(self, calls: int, *, passed_s: float) -> None:
        if passed_s <= 0:
            return
        self._seen_s = min(self._seen_s + passed_s, RATE_MEMORY_S)
        weight = min(passed_s / self._seen_s, 1.0)
        self.per_second = (1 - weight) * (self.per_second or 0.0) + weight * calls / passed_s


def places_for(waiting: int, *, knee: float) -> list[int]:
    """Return the places of the table's rows, about a dozen however long the line is.

    They lie at equal ratios from 1 to beyond the end of the line, for those who join before the
    next document, and closer around `knee`: waits are straight lines, but there the chance falls.
    """
    last = max(waiting + waiting // 4, 10)
    even = {round(last ** (step / (EVEN_ROWS - 1))) for step in range(EVEN_ROWS)}
    near = {round(knee * share) for share in KNEE_SHARES}
    return sorted(place for place in even | near | {last} if 1 <= place <= last)


def chance_at(place: int, *, units_free: int, units_held: int) -> float:
    """Estimate the chance that something is left for this place.

    Those ahead ask for a number of units with mean and variance as above; the normal
    approximation of their sum is compared with the units that are free, and with half of those
    that are in baskets, since some come back.
    """
    units = units_free + HELD_SHARE * units_held
    if units < 1:
        return 0.0
    ahead = place - 1
    mean = ahead * BUY_SHARE * UNITS_EACH
    spread = sqrt(ahead * BUY_SHARE * UNITS_EACH**2 * (1.2 - BUY_SHARE) + 1.0)
    return round(0.5 * erfc((mean + 1 - units - 0.5) / (spread * sqrt(2))), 3)


def wait_table(
    *,
    waiting: int,
    calls_per_second: float | None,
    units_free: int,
    units_held: int,
    has_stock: bool,
    calling: bool,
) -> list[WaitRow]:
    """Return the table for a line with `waiting` numbers not yet called."""
    known = calling and calls_per_second is not None and calls_per_second > 0.001
    rows = []
    knee = (units_free + HELD_SHARE * units_held) / (BUY_SHARE * UNITS_EACH) if has_stock else 0.0
    for place in places_for(waiting, knee=knee):
        wait_s = place / calls_per_second if known and calls_per_second else None
        rows.append(
            WaitRow(
                place=place,
                wait_low_s=None if wait_s is None else round(wait_s * BAND_LOW, 1),
                wait_high_s=None if wait_s is None else round(wait_s * BAND_HIGH + 1, 1),
                chance=chance_at(place, units_free=units_free, units_held=units_held)
                if has_stock
                else 1.0,
                poll_s=_poll_s(place, wait_s) if calling else POLL_IDLE_S,
            )
        )
    return rows


def _poll_s(place: int, wait_s: float | None) -> float:
    # Where no rate is known a hundred calls a second are assumed: too prompt is only costly.
    expected = place / 100 if wait_s is None else wait_s * BAND_LOW
    return round(min(max(expected * POLL_SHARE, POLL_MIN_S), POLL_MAX_S), 1)


_place_of = attrgetter("place")


def row_at(table: Sequence[WaitRow], place: int) -> WaitRow:
    """Return the row of any place: interpolated linearly between two, the outermost beyond."""
    index = bisect_left(table, place, key=_place_of)
    if index == len(table):
        return table[-1]
    if table[index].place == place or index == 0:
        return table[index]
    low, high = table[index - 1], table[index]
    share = (place - low.place) / (high.place - low.place)

    def between(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else round(a + (b - a) * share, 3)

    return WaitRow(
        place=place,
        wait_low_s=between(low.wait_low_s, high.wait_low_s),
        wait_high_s=between(low.wait_high_s, high.wait_high_s),
        chance=between(low.chance, high.chance) or 0.0,
        poll_s=between(low.poll_s, high.poll_s) or POLL_MIN_S,
    )


@dataclass(slots=True)
class PollPromises:
    """What published documents told each place about when to ask again.

    Nobody shall miss a call by obeying, so the claim window counts from the latest moment at
    which any document that may still be believed told that number to ask again. A leader that
    has just taken office does not know its predecessor's documents and assumes the longest.
    """

    since: datetime
    _documents: deque[tuple[datetime, int, list[WaitRow]]] = field(default_factory=deque)

    def note(self, *, at: datetime, head: int, table: list[WaitRow]) -> None:
        self._documents.append((at, head, table))
        horizon = at - timedelta(seconds=POLL_MAX_S + 2 * STALE_S)
        while len(self._documents) > 1 and self._documents[1][0] <= horizon:
            self._documents.popleft()

    def heard_by(self, first: int, last: int, *, now: datetime) -> datetime:
        """Return the latest moment at which a number from `first` to `last` was told to ask."""
        latest = self.since + timedelta(seconds=POLL_MAX_S + STALE_S)
        documents = list(self._documents)
        for index, (_, head, table) in enumerate(documents):
            # Each is believed until its successor spreads, the newest until this tick's does.
            following = documents[index + 1][0] if index + 1 < len(documents) else None
            end = (following or now + timedelta(seconds=1)) + timedelta(seconds=STALE_S)
            poll_s = max(row_at(table, max(n - head, 1)).poll_s for n in (first, last))
            latest = max(latest, end + timedelta(seconds=poll_s))
        return latest
