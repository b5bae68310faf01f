"""Whoever asks when they were told to is in time for their call, whatever was published before it.

The world here is told apart from the class under test: it keeps every document there ever was, and
lets each be answered for as long as it may be. Then no number of any call may have been told to
ask later than the moment from which its claim window counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from waitroom.line.forecast.prospects import Prospects
from waitroom.line.wait import (
    POLL_MAX_S,
    POLL_MIN_S,
    STALE_S,
    PollPromises,
    WaitRow,
    row_at,
    wait_table,
)

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
# A tick's document is out within this time after the tick's call.
TICK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One tick of a leader: so long after the one before, it calls so many and publishes this."""

    passed_s: float
    calls: int
    table: list[WaitRow]
    # Somebody else leads from this tick on, and remembers nothing.
    new_leader: bool = False


@dataclass(slots=True, kw_only=True)
class Document:
    at: datetime
    head: int
    table: list[WaitRow]
    replaced_at: datetime | None = None

    def told(self, number: int, *, now: datetime) -> datetime:
        """Return the latest moment at which this document told a number to ask again."""
        replaced_at = self.replaced_at or now + timedelta(seconds=TICK_S)
        poll_s = row_at(self.table, number - self.head).poll_s
        return replaced_at + timedelta(seconds=STALE_S + poll_s)


@dataclass(slots=True)
class World:
    at: datetime = START
    head: int = 0
    promises: PollPromises = field(default_factory=lambda: PollPromises(since=START))
    documents: list[Document] = field(default_factory=list)

    def tick(self, tick: Tick) -> Iterator[tuple[int, datetime, datetime]]:
        """Take a step; yield each called number, when it was told to ask, and what is counted."""
        self.at += timedelta(seconds=tick.passed_s)
        if tick.new_leader:
            self.promises = PollPromises(since=self.at)
        first, last = self.head + 1, self.head + tick.calls
        if tick.calls:
            heard_by = self.promises.heard_by(first, last, now=self.at)
            for number in range(first, last + 1):
                for document in self.documents:
                    yield number, document.told(number, now=self.at), heard_by
        self.head = last
        if self.documents:
            self.documents[-1].replaced_at = self.at
        self.documents.append(Document(at=self.at, head=self.head, table=tick.table))
        self.promises.note(at=self.at, head=self.head, table=tick.table)


published = st.builds(
    wait_table,
    waiting=st.integers(0, 20_000),
    prospects=st.builds(
        Prospects,
        per_second=st.one_of(st.none(), st.floats(0, 200, allow_nan=False)),
        calls_left=st.one_of(st.just(inf), st.floats(0, 5_000)),
        steady=st.booleans(),
        units=st.one_of(st.none(), st.integers(0, 5_000).map(float)),
    ),
    calling=st.booleans(),
)


@st.composite
def any_table(draw: st.DrawFn) -> list[WaitRow]:
    """Return a table in which nothing is in order but the places."""
    places = sorted(draw(st.sets(st.integers(1, 120), min_size=1, max_size=12)))
    tenths = st.integers(round(POLL_MIN_S * 10), round(POLL_MAX_S * 10))
    return [_row(place, draw(tenths) / 10) for place in places]


tables = st.one_of(published, any_table())
ticks = st.builds(
    Tick,
    passed_s=st.one_of(st.floats(0.05, 3.0), st.floats(3.0, 60.0)),
    calls=st.one_of(st.just(0), st.integers(1, 25)),
    table=tables,
)
ticks_of_several_leaders = st.builds(
    Tick,
    passed_s=st.one_of(st.floats(0.05, 3.0), st.floats(3.0, 60.0)),
    calls=st.one_of(st.just(0), st.integers(1, 25)),
    table=tables,
    new_leader=st.booleans(),
)


def slow_line(waiting: int) -> list[WaitRow]:
    """Return the table of a line that hardly moves, so that its end asks seldom."""
    return [_row(1, POLL_MIN_S), _row(waiting, POLL_MAX_S)]


def _row(place: int, poll_s: float) -> WaitRow:
    return WaitRow(place=place, wait_low_s=None, wait_high_s=None, chance=1.0, poll_s=poll_s)


# A busy machine is no finding.
@settings(deadline=None)
@given(story=st.lists(ticks, min_size=1, max_size=15))
@example(
    # Those in the middle of a call were told to take longer than the first and the last of it.
    story=[
        Tick(passed_s=1.0, calls=0, table=[_row(1, 2.0), _row(20, 30.0), _row(40, 2.0)]),
        Tick(passed_s=1.0, calls=40, table=[_row(1, 2.0)]),
    ]
)
@example(
    # A restock: ten seconds of a line that hardly moves, then everybody is called at once.
    story=[
        *(Tick(passed_s=1.0, calls=n % 10 == 0, table=slow_line(60)) for n in range(10)),
        *(Tick(passed_s=1.0, calls=20, table=slow_line(60)) for _ in range(3)),
    ]
)
def test_every_number_of_a_call_is_waited_for_until_it_was_told_to_ask(story: list[Tick]) -> None:
    world = World()

    for tick in story:
        for number, told, heard_by in world.tick(tick):
            # What lies in the past was obeyed already, and found the number not yet called.
            assert told <= heard_by or told <= world.at, f"number {number}"


@settings(deadline=None)
@given(story=st.lists(ticks_of_several_leaders, min_size=1, max_size=15))
def test_a_change_of_leaders_costs_nobody_a_call(story: list[Tick]) -> None:
    world = World()

    for tick in story:
        for number, told, heard_by in world.tick(tick):
            assert told <= heard_by or told <= world.at, f"number {number}"


@settings(deadline=None)
@given(story=st.lists(ticks, min_size=2, max_size=30))
def test_what_is_remembered_stays_small(story: list[Tick]) -> None:
    world = World()

    for tick in story:
        for _ in world.tick(tick):
            pass

    remembered = len(world.promises._documents)  # noqa: SLF001 - its size is what is asked
    recent = [d for d in world.documents if d.at > world.at - _believed_for()]
    assert remembered <= len(recent) + 1


@pytest.mark.parametrize("away_s", [40, 180])
def test_a_leader_that_could_publish_nothing_yet_assumes_the_longest_from_now(
    away_s: float,
) -> None:
    """It took office, and the database went away before its first document was out.

    What its predecessor published is answered until then, and told some to ask in half a minute.
    """
    world = World()
    for _ in range(5):
        list(world.tick(Tick(passed_s=1.0, calls=0, table=slow_line(5000))))
    world.at += timedelta(seconds=1)
    world.promises = PollPromises(since=world.at)

    called = list(world.tick(Tick(passed_s=away_s, calls=100, table=slow_line(5000))))

    assert called
    for number, told, heard_by in called:
        assert told <= heard_by or told <= world.at, f"number {number}"


def _believed_for() -> timedelta:
    return timedelta(seconds=POLL_MAX_S + 2 * STALE_S)
