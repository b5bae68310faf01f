"""The wait table of the state document: wait, chance, and time to poll again by place. Pure."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from waitroom.line.forecast.prospects import Prospects

# A shopper polls again after this share of the expected wait, within these bounds: often enough to
# be prompt, seldom enough that the load grows with the logarithm of the line.
POLL_SHARE = 0.1
POLL_MIN_S, POLL_MAX_S = 2.0, 30.0
# While no calls are made (paused, sold out) everyone polls at this interval.
POLL_IDLE_S = 10.0
# A document may still be served this long after its successor was written. It is published once a
# second, fetched by the workers twice a second and cached for a second; without Valkey the workers
# fetch it from PostgreSQL every three seconds.
STALE_S = 6.0
# A place with a smaller chance than this gets no wait: stock will hardly last until its turn.
CHANCE_LEAST = 0.02
# Even at a steady pace a few calls are made at once, and then none for a while.
SLACK_S = 6.0
# A wait has grown when it is longer by this factor and this many seconds.
LONGER_SHARE, LONGER_S = 1.15, 15.0
# Waits are compared with earlier ones of up to this age, and the reason is shown for this long.
NOTE_EVERY_S, NOTE_FOR_S = 20.0, 60.0
_NEVER = datetime.fromtimestamp(0, UTC)
EVEN_ROWS = 8
KNEE_SHARES = (0.6, 0.8, 1.0, 1.25, 1.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitRow:
    """The figures of one place. Waits are None while they are unknown."""

    place: int
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float
    poll_s: float


def places_for(waiting: int, *, knee: float) -> list[int]:
    """Return the places of the table's rows, about a dozen for a line of any length.

    They have equal ratios from 1 to beyond the end of the line, for shoppers who join before the
    next document. Around `knee` they lie closer: waits are nearly straight lines, but the chance
    falls there.
    """
    last = max(waiting + waiting // 4, 10)
    even = {round(last ** (step / (EVEN_ROWS - 1))) for step in range(EVEN_ROWS)}
    near = {round(knee * share) for share in KNEE_SHARES}
    return sorted(place for place in even | near | {last} if 1 <= place <= last)


def wait_table(*, waiting: int, prospects: Prospects, calling: bool) -> list[WaitRow]:
    """Return the table for a line with `waiting` numbers not yet called."""
    rows: list[WaitRow] = []
    earliest_s = latest_s = 0.0
    for place in places_for(waiting, knee=prospects.knee):
        chance = prospects.chance(place)
        band = prospects.band(place) if calling else None
        if band is not None:
            # Bands differ in width, but no place may be told an earlier call than one ahead of it.
            earliest_s, latest_s = max(earliest_s, band[0]), max(latest_s, band[1])
        told = band is not None and chance >= CHANCE_LEAST
        rows.append(
            WaitRow(
                place=place,
                wait_low_s=round(max(earliest_s - SLACK_S, 0.0), 1) if told else None,
                wait_high_s=round(latest_s + SLACK_S, 1) if told else None,
                chance=chance,
                poll_s=_poll_s(place, earliest_s if band else None) if calling else POLL_IDLE_S,
            )
        )
    return rows


def _poll_s(place: int, earliest_s: float | None) -> float:
    # Without a known pace a hundred calls a second are assumed: polling too often is only costly.
    expected = place / 100 if earliest_s is None else earliest_s
    return round(min(max(expected * POLL_SHARE, POLL_MIN_S), POLL_MAX_S), 1)


_place_of = attrgetter("place")


def row_at(table: Sequence[WaitRow], place: int) -> WaitRow:
    """Return the row of any place: interpolated between two rows, or the nearest outer one."""
    index = bisect_left(table, place, key=_place_of)
    if index == len(table):
        return table[-1]
    if table[index].place == place or index == 0:
        return table[index]
    low, high = table[index - 1], table[index]
    share = (place - low.place) / (high.place - low.place)

    def between(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else _between(a, b, share)

    return WaitRow(
        place=place,
        wait_low_s=between(low.wait_low_s, high.wait_low_s),
        wait_high_s=between(low.wait_high_s, high.wait_high_s),
        chance=between(low.chance, high.chance) or 0.0,
        poll_s=between(low.poll_s, high.poll_s) or POLL_MIN_S,
    )


def poll_at(table: Sequence[WaitRow], place: int) -> float:
    """Return the `poll_s` of any place, as its row has it."""
    index = bisect_left(table, place, key=_place_of)
    if index == len(table):
        return table[-1].poll_s
    high = table[index]
    if high.place == place or index == 0:
        return high.poll_s
    low = table[index - 1]
    share = (place - low.place) / (high.place - low.place)
    return _between(low.poll_s, high.poll_s, share) or POLL_MIN_S


def _between(a: float, b: float, share: float) -> float:
    return round(a + (b - a) * share, 3)


@dataclass(slots=True)
class PollPromises:
    """The times to poll again that published documents gave to each place.

    No shopper may miss a call by obeying. So the claim window counts from the latest moment at
    which any document that may still be served told that number to poll again. A leader that has
    just taken office does not know its predecessor's documents and assumes the longest interval.
    """

    since: datetime
    _first_at: datetime | None = None
    _documents: deque[tuple[datetime, int, list[WaitRow]]] = field(default_factory=deque)

    def note(self, *, at: datetime, head: int, table: list[WaitRow]) -> None:
        self._documents.append((at, head, table))
        self._first_at = self._first_at or at
        horizon = at - timedelta(seconds=POLL_MAX_S + 2 * STALE_S)
        while len(self._documents) > 1 and self._documents[1][0] <= horizon:
            self._documents.popleft()

    def heard_by(self, first: int, last: int, *, now: datetime) -> datetime:
        """Return the latest moment at which a number from `first` to `last` was told to poll."""
        latest = self.since + timedelta(seconds=POLL_MAX_S + STALE_S)
        if self.since > _NEVER:
            # The documents of the leader before are served until ours spreads.
            ours = self._first_at or now + timedelta(seconds=1)
            latest = ours + timedelta(seconds=POLL_MAX_S + STALE_S)
        documents = list(self._documents)
        for index, (_, head, table) in enumerate(documents):
            # Each document is served until its successor spreads, the newest until ours does.
            following = documents[index + 1][0] if index + 1 < len(documents) else None
            end = (following or now + timedelta(seconds=1)) + timedelta(seconds=STALE_S)
            poll_s = _longest_poll_s(table, max(first - head, 1), max(last - head, 1))
            latest = max(latest, end + timedelta(seconds=poll_s))
        return latest


def _longest_poll_s(table: Sequence[WaitRow], first: int, last: int) -> float:
    """Return the longest poll interval of any place from `first` to `last`.

    Between two rows it is linear, so both ends and the rows between them are enough.
    """
    between = [row.poll_s for row in table if first < row.place < last]
    return max(row_at(table, first).poll_s, row_at(table, last).poll_s, *between)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """The circumstances of a wait at one tick; `wait_s` is the expected wait of one number."""

    paused: bool
    calls_per_minute: int | None
    seats_max: int
    on_hand: int
    came_back: int
    checkout_slow: bool
    wait_s: float | None


def why_longer(before: Circumstances, after: Circumstances) -> str | None:
    """Return why a wait grew between two ticks, as a word of the state document.

    None means that it did not grow by much, or that neither operators nor stock explain it.
    """
    if after.paused:
        return "paused"
    if before.wait_s is None or after.wait_s is None:
        return None
    if after.wait_s < before.wait_s * LONGER_SHARE + LONGER_S:
        return None
    fewer_seats = after.seats_max < before.seats_max
    causes = {
        "rate_lowered": fewer_seats or _lowered(before.calls_per_minute, after.calls_per_minute),
        "stock_fell": after.on_hand < before.on_hand,
        "slower_checkout": after.checkout_slow,
        "more_came_back": after.came_back > before.came_back,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


def _lowered(before: int | None, after: int | None) -> bool:
    return after is not None and (before is None or after < before)


@dataclass(slots=True)
class WaitNote:
    """The reason why waits grew lately, kept for as long as shoppers need to see it."""

    _before: Circumstances | None = None
    _number: int = 0
    _compared_at: float = 0.0
    _why: str | None = None
    _why_at: float = 0.0

    def number(self, *, head: int, tail: int) -> int:
        """Return the number whose wait is compared: the last in line."""
        return self._number if self._number > head else tail

    def look(self, now: float, number: int, after: Circumstances) -> str | None:
        """Compare the circumstances of a number with its earlier ones; return the current note."""
        before = self._before if number == self._number else None
        if before is None or now - self._compared_at > NOTE_EVERY_S:
            self._before, self._number, self._compared_at = after, number, now
        why = None if before is None else why_longer(before, after)
        if why is not None:
            self._why, self._why_at = why, now
        elif now - self._why_at > NOTE_FOR_S or (self._why == "paused" and not after.paused):
            self._why = None
        return self._why
