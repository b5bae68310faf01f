"""Fairness is counted as one would count it by hand, person by person."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.log.draw import commitment
from waitroom.reports.fairness.arrival import PARTS, waits_by_arrival
from waitroom.reports.fairness.draws import Draw, Flaw, draws_of
from waitroom.reports.fairness.forecast import Accuracy, Chances, Outcomes, Waits, judge
from waitroom.reports.fairness.overtaking import Cause, Overtaken, Overtaking, count_overtaken
from waitroom.reports.fairness.record import (
    Announced,
    Called,
    Closed,
    ClosingSigned,
    Drawn,
    Entry,
    Forecast,
    Joined,
    Other,
    PublicValue,
    Reset,
    Revoked,
    SteppedAside,
    kind_of,
    read_entry,
)
from waitroom.reports.fairness.report import Act, Books, Counts, Report, make_report
from waitroom.reports.fairness.stretch import Away, Back, Story, tell
from waitroom.reports.fairness.verdict import verdict

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def at(seq: float) -> datetime:
    """Entry after entry, a second apart; what happens between two is a half."""
    return NOON + seq * SECOND


@dataclass(slots=True)
class Wait:
    """A person's time in line: from an entry up to another, or up to the end."""

    since: float
    until: float | None = None
    cause: Cause | None = None


@dataclass(slots=True)
class Person:
    line: str
    number: int
    arrived: int
    waits: list[Wait] = field(default_factory=list)
    first_call: int | None = None
    at_once: bool = False
    again: list[int] = field(default_factory=list)
    state: str = "waiting"
    since: float = 0.0


class Crowd:
    """People in lines to whom things happen, and the log and the books that tell of it."""

    def __init__(self, seed: int, *, lines: int) -> None:
        self.dice = random.Random(seed)
        self.names = [f"{lane}-1" for lane in ("main", "members", "press")[:lines]]
        self.people: dict[str, list[Person]] = {name: [] for name in self.names}
        self.entries: list[Entry] = []

    @property
    def seq(self) -> int:
        return len(self.entries) + 1

    def note(self, make: type, **facts: object) -> None:
        self.entries.append(make(seq=self.seq, at=at(self.seq), **facts))

    def standing(self, *states: str) -> list[Person]:
        return [p for line in self.people.values() for p in line if p.state in states]

    def live(self, steps: int) -> None:
        ways = [self.join, self.join, self.call, self.call, self.call, self.miss, self.come_back]
        ways += [self.call_again, self.leave, self.step_aside, self.revoke, self.skip]
        for _ in range(steps):
            self.dice.choice(ways)()

    def join(self) -> None:
        name = self.dice.choice(self.names)
        line, count = self.people[name], self.dice.randint(1, 4)
        called = self.dice.randint(0, count)
        if any(p.state == "waiting" for p in line) or self.dice.random() < 0.6:
            called = 0
        for index in range(count):
            person = Person(name, len(line) + 1, self.seq, [Wait(self.seq)])
            line.append(person)
            if index < called:
                person.at_once = True
                self._call(person)
        first = len(line) - count + 1
        self.note(Joined, line=name, first=first, last=len(line), called=called)

    def _call(self, person: Person) -> None:
        person.first_call, person.state = self.seq, "called"
        person.waits[-1].until = self.seq

    def call(self, skipped: int = 0) -> None:
        name = self.dice.choice(self.names)
        line = [p for p in self.people[name] if p.first_call is None]
        waiting = [p for p in line if p.state in {"waiting", "left", "aside"}][skipped:]
        if not waiting:
            return
        last = waiting[: self.dice.randint(1, 4)][-1].number
        first = waiting[0].number
        for person in self.people[name][first - 1 : last]:
            if person.state == "waiting":
                self._call(person)
        self.note(Called, line=name, first=first, last=last)

    def skip(self) -> None:
        """Call somebody out of turn, which no leader of ours does."""
        self.call(skipped=1)

    def miss(self) -> None:
        for person in self.standing("called")[: self.dice.randint(0, 3)]:
            person.state = "missed"

    def come_back(self) -> None:
        for person in self.standing("missed")[: self.dice.randint(0, 2)]:
            person.state, person.since = "back", self.seq - 0.5
            person.waits.append(Wait(person.since, cause=Cause.CAME_BACK))

    def call_again(self) -> None:
        back = self.standing("back", "aside")
        if not back:
            return
        name = self.dice.choice(back).line
        chosen = [p for p in back if p.line == name and self.dice.random() < 0.7]
        if not chosen:
            return
        for person in chosen:
            person.waits[-1].until = self.seq
            if person.first_call is None:
                person.first_call = self.seq
            person.again.append(self.seq)
        self.note(
            Called,
            line=name,
            first=1,
            last=0,
            again=tuple(p.number for p in chosen),
            again_since=tuple(at(p.since) for p in chosen),
        )
        for person in chosen:
            person.state = "called"

    def leave(self) -> None:
        for person in self.standing("waiting")[:1]:
            person.state, person.since = "left", self.seq - 0.5
            person.waits[-1].until = person.since

    def revoke(self) -> None:
        waiting = self.standing("waiting")
        if waiting:
            person = self.dice.choice(waiting)
            person.state, person.since = "left", self.seq
            person.waits[-1].until = self.seq
            self.note(Revoked, line=person.line, number=person.number)

    def step_aside(self) -> None:
        waiting = self.standing("waiting", "called")
        if waiting:
            person = self.dice.choice(waiting)
            if person.state == "waiting":
                person.waits[-1].until = self.seq
            person.state, person.since = "aside", self.seq
            person.waits.append(Wait(self.seq, cause=Cause.STEPPED_ASIDE))
            self.note(SteppedAside, line=person.line, number=person.number)

    def story(self) -> Story:
        away = [Away(line=p.line, number=p.number, at=at(p.since)) for p in self.standing("left")]
        back = [
            Back(line=p.line, number=p.number, at=at(p.since))
            for p in self.standing("back", "aside")
        ]
        return tell(self.entries, away=away, back=back)

    def counted_by_hand(self) -> Overtaking:
        """Look at every pair of people and every wait of the one."""
        everybody = [p for line in self.people.values() for p in line]
        totals: list[int] = []
        causes: defaultdict[Cause, list[int]] = defaultdict(list)
        for one in everybody:
            passed: Counter[Cause] = Counter()
            for other in everybody:
                for wait in one.waits:
                    for cause in self._passed_by(one, other, wait):
                        passed[cause] += 1
            if passed:
                totals.append(passed.total())
            for cause, times in passed.items():
                causes[cause].append(times)
        return Overtaking(total=summed(totals), causes={c: summed(causes[c]) for c in Cause})

    def _passed_by(self, one: Person, other: Person, wait: Wait) -> list[Cause]:
        end = wait.until if wait.until is not None else float("inf")

        def meanwhile(called: int | None) -> bool:
            return called is not None and wait.since < called < end

        if other.line != one.line:
            later = other.arrived > one.arrived and meanwhile(other.first_call)
            return [Cause.LANE] if later else []
        if other.number <= one.number:
            return []
        firsts = [other.first_call] if meanwhile(other.first_call) else []
        if wait.cause is None:
            return [Cause.UNEXPLAINED for _ in firsts]
        found = [Cause.CALLED_AT_ONCE if other.at_once else wait.cause for _ in firsts]
        again = [seq for seq in other.again if seq != other.first_call]
        return found + [wait.cause for seq in again if meanwhile(seq)]


def summed(times: list[int]) -> Overtaken:
    return Overtaken(people=len(times), times=sum(times), worst=max(times, default=0))


@given(seed=st.integers(0, 10**9), lines=st.integers(1, 3), steps=st.integers(0, 80))
def test_whoever_was_overtaken_is_counted_as_one_would_by_hand(
    seed: int, lines: int, steps: int
) -> None:
    crowd = Crowd(seed, lines=lines)
    crowd.live(steps)

    found = count_overtaken(crowd.story())

    assert found == crowd.counted_by_hand()


def test_every_cause_but_a_reset_comes_up_in_such_crowds() -> None:
    seen: Counter[Cause] = Counter()

    for seed in range(60):
        crowd = Crowd(seed, lines=1 + seed % 3)
        crowd.live(80)
        found = count_overtaken(crowd.story())
        assert found == crowd.counted_by_hand()
        seen.update({cause: overtaken.times for cause, overtaken in found.causes.items()})

    assert {cause for cause in Cause if seen[cause] > 50} == set(Cause) - {Cause.OPERATOR}


# Small stories.


def joined(seq: int, first: int, last: int, called: int = 0, line: str = "main-1") -> Joined:
    return Joined(seq=seq, at=at(seq), line=line, first=first, last=last, called=called)


def called(seq: int, first: int, last: int, line: str = "main-1", **more: Any) -> Called:
    return Called(seq=seq, at=at(seq), line=line, first=first, last=last, **more)


def told(entries: Sequence[Entry], **more: Any) -> Story:
    return tell(entries, **{"away": [], "back": [], **more})


def overtaken(entries: Sequence[Entry], **more: Any) -> dict[Cause, Overtaken]:
    found = count_overtaken(told(entries, **more)).causes
    return {cause: each for cause, each in found.items() if each.people}


def test_a_line_called_in_order_overtakes_nobody() -> None:
    entries = [joined(1, 1, 500), called(2, 1, 10), joined(3, 501, 900), called(4, 11, 700)]

    assert overtaken(entries) == {}


def test_a_million_in_line_cost_no_more_than_their_entries() -> None:
    entries = [
        joined(1, 1, 10**9),
        joined(2, 1, 10, line="members-1"),
        called(3, 1, 3, "members-1"),
    ]

    assert overtaken(entries) == {Cause.LANE: Overtaken(people=10**9, times=3 * 10**9, worst=3)}


def test_whoever_waits_still_has_been_overtaken_by_whom_was_called_before_them() -> None:
    entries = [joined(1, 1, 5), called(2, 3, 4)]

    passed = Overtaken(people=2, times=4, worst=2)
    assert overtaken(entries) == {Cause.UNEXPLAINED: passed}


def test_one_decision_calls_at_one_moment() -> None:
    entries = [
        joined(1, 1, 9),
        called(2, 1, 1),
        called(3, 2, 5, again=(1,), again_since=(at(2.5),)),
    ]

    assert overtaken(entries) == {}


def test_whoever_came_back_is_overtaken_from_then_on() -> None:
    entries = [
        joined(1, 1, 9),
        called(2, 1, 1),
        called(3, 2, 3),
        called(4, 4, 4),
        called(5, 5, 6),
        called(6, 7, 7, again=(1,), again_since=(at(3.5),)),
    ]

    assert overtaken(entries) == {Cause.CAME_BACK: Overtaken(people=1, times=3, worst=3)}


def test_since_when_somebody_was_back_is_not_made_up() -> None:
    entries = [joined(1, 1, 9), called(2, 1, 1), called(3, 2, 3), called(4, 4, 4, again=(1,))]

    assert overtaken(entries) == {}


def test_whoever_waits_to_be_called_again_is_overtaken_up_to_now() -> None:
    entries = [joined(1, 1, 9), called(2, 1, 1), called(3, 2, 3), called(4, 4, 4)]
    back = [Back(line="main-1", number=1, at=at(3.5))]

    found = overtaken(entries, back=back)

    assert found == {Cause.CAME_BACK: Overtaken(people=1, times=1, worst=1)}


def test_whoever_gave_up_is_neither_overtaken_afterwards_nor_called() -> None:
    entries = [joined(1, 1, 2), joined(2, 1, 5, line="members-1"), called(3, 1, 2, "members-1")]
    entries += [called(4, 3, 4, "members-1"), called(5, 1, 2)]
    away = [Away(line="main-1", number=1, at=at(3.5))]

    story = told(entries, away=away)

    first, second = story.lines["main-1"]
    assert (first.called, second.called and second.called.seq) == (None, 5)
    assert count_overtaken(story).total == Overtaken(people=2, times=6, worst=4)


def test_who_steps_aside_and_never_returns_was_not_called_and_not_overtaken() -> None:
    aside = SteppedAside(seq=2, at=at(2), line="main-1", number=1)
    entries = [joined(1, 1, 3), aside, called(3, 1, 3)]
    away = [Away(line="main-1", number=1, at=at(3))]

    assert overtaken(entries, away=away) == {}
    assert told(entries, away=away).lines["main-1"][0].called is None


def test_who_steps_aside_and_is_back_before_their_turn_is_called_in_it() -> None:
    aside = SteppedAside(seq=2, at=at(2), line="main-1", number=1)
    entries = [joined(1, 1, 3), aside, called(3, 1, 3)]

    (stretch,) = told(entries).lines["main-1"]

    assert stretch.called is not None
    assert overtaken(entries) == {}


def test_those_who_lose_their_places_by_a_reset_are_overtaken_by_an_operator() -> None:
    reset = Reset(seq=3, at=at(3), from_line="main-1", to_line="main-2")
    entries = [joined(1, 1, 10), called(2, 1, 4), reset, joined(4, 1, 7, line="main-2")]
    entries += [called(5, 1, 2, "main-2")]

    assert overtaken(entries) == {Cause.OPERATOR: Overtaken(people=6, times=12, worst=2)}


def test_a_draw_ranks_its_line_by_number_and_nobody_across_lines() -> None:
    entries: list[Entry] = [
        Closed(seq=1, at=at(1), line="main-1", count=5),
        Closed(seq=2, at=at(2), line="members-1", count=5),
        Drawn(seq=3, at=at(3), line="main-1", seed="", head="", count=5),
        joined(4, 6, 6),
        Drawn(seq=5, at=at(5), line="members-1", seed="", head="", count=5),
        called(6, 1, 5, "members-1"),
        called(7, 1, 6),
    ]

    assert overtaken(entries) == {}
    assert overtaken([*entries[:5], called(6, 3, 3), called(7, 1, 2)]) == {
        Cause.UNEXPLAINED: Overtaken(people=2, times=2, worst=1)
    }


def test_a_revoked_number_is_stepped_over() -> None:
    revoked = Revoked(seq=2, at=at(2), line="main-1", number=2)

    first, gone, last = told([joined(1, 1, 3), revoked, called(3, 1, 3)]).lines["main-1"]

    assert gone.called is None
    assert gone.until == 2
    assert first.called == last.called
    assert first.called is not None


# Waits by arrival.


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    reached=st.integers(0, 100),
)
def test_tenths_of_arrivals_are_those_of_single_people(sizes: list[int], reached: int) -> None:
    entries: list[Entry] = []
    people: list[int] = []
    for seq, size in enumerate(sizes, start=1):
        entries.append(joined(seq, len(people) + 1, len(people) + size))
        people += [seq] * size
    calls = {number: 20 + 3 * (number // 7) for number in range(1, min(reached, len(people)) + 1)}
    for seq in sorted(set(calls.values())):
        numbers = [number for number, when in calls.items() if when == seq]
        entries.append(called(seq, numbers[0], numbers[-1]))

    parts = waits_by_arrival(told(entries).lines.values())

    by_hand: list[list[float | None]] = [[] for _ in range(PARTS)]
    for index, arrived in enumerate(people):
        part = next(p for p in range(PARTS) if index < len(people) * (p + 1) // PARTS)
        when = calls.get(index + 1)
        by_hand[part].append(None if when is None else float(when - arrived))
    assert [
        (part.part - 1, part.people, part.called, part.median_s, part.p95_s) for part in parts
    ] == [
        (index, len(waits), *ranked([w for w in waits if w is not None]))
        for index, waits in enumerate(by_hand)
        if waits
    ]


def ranked(waits: list[float]) -> tuple[int, float | None, float | None]:
    """Return how many there are, and those that half and nineteen of twenty are at or below."""
    ordered = sorted(waits)

    def below(part: float) -> float | None:
        return ordered[ceil(part * len(ordered)) - 1] if ordered else None

    return len(waits), below(0.5), below(0.95)


# Forecasts.


def forecast(seq: int, head: int, tail: int, *rows: tuple[Any, ...]) -> Forecast:
    return Forecast(seq=seq, at=at(seq), line="main-1", head=head, tail=tail, rows=rows)


def judged(
    entries: Sequence[Entry], *, until: float, over: bool = False, nothing: Sequence[int] = ()
) -> Accuracy:
    outcomes = Outcomes(
        lines=told([e for e in entries if not isinstance(e, Forecast)]).lines,
        found_nothing=frozenset(("main-1", number) for number in nothing),
        over=over,
        until=at(until),
    )
    return judge((e for e in entries if isinstance(e, Forecast)), outcomes)


def test_published_waits_are_held_against_the_calls() -> None:
    entries = [
        joined(1, 1, 50),
        forecast(2, 0, 50, (1, 5, 10, 1.0), (2, 20, 40, 1.0), (3, 1, 2, 1.0), (60, 1, 2, 1.0)),
        called(10, 1, 3),
    ]

    found = judged(entries, until=20).waits

    # They waited 8 s; the middles were 7.5, 30 and 1.5.
    assert found == Waits(judged=3, inside=1, sooner=1, later=1, median_error_s=6.5)


def test_a_wait_that_cannot_be_judged_yet_is_left_out_until_its_band_is_over() -> None:
    entries = [joined(1, 1, 50), forecast(2, 0, 50, (1, 5, 10, 1.0), (2, None, None, 0.5))]

    assert judged(entries, until=11).waits == Waits()
    assert judged(entries, until=13).waits == Waits(judged=1, later=1)
    assert judged(entries, until=13, over=True).waits == Waits(never=1)


def test_a_chance_is_held_against_whether_something_was_left() -> None:
    rows = [(place, 1, 90, 0.9) for place in (1, 2, 3)] + [(9, 1, 90, 0.1), (10, 1, 90, 1.0)]
    entries = [joined(1, 1, 10), forecast(2, 0, 10, *rows), called(5, 1, 3)]

    live = judged(entries, until=9, nothing=[3]).chances
    over = judged(entries, until=9, nothing=[3], over=True).chances

    assert live == [
        Chances(low=0.8, high=1.0, rows=3, published=pytest.approx(0.9), came_true=2 / 3)
    ]
    assert over == [
        Chances(low=0.0, high=0.2, rows=1, published=0.1, came_true=0.0),
        Chances(low=0.8, high=1.0, rows=4, published=pytest.approx(0.925), came_true=0.5),
    ]


def test_what_was_told_to_whom_gave_up_is_not_judged() -> None:
    revoked = Revoked(seq=3, at=at(3), line="main-1", number=1)
    entries = [joined(1, 1, 5), forecast(2, 0, 5, (1, 1, 2, 0.5)), revoked, called(9, 1, 5)]

    assert judged(entries, until=99, over=True) == Accuracy(waits=Waits(), chances=[])


# Draws.

SEED = b"s" * 32
HEAD = b"h" * 32


def a_draw(*, source: str | None = None) -> list[Entry]:
    said = commitment("drop", "main-1", SEED).hex()
    value = [] if source is None else ["4711"]
    entries: list[Entry] = [
        Announced(seq=1, at=at(1), line="main-1", commitment=said, public_value_source=source),
        Closed(seq=2, at=at(2), line="main-1", count=9),
        ClosingSigned(seq=3, at=at(3), line="main-1", count=9, head=HEAD.hex()),
    ]
    entries += [
        PublicValue(seq=4, at=at(4), line="main-1", source=source or "", value=each)
        for each in value
    ]
    drawn = Drawn(
        seq=5,
        at=at(5),
        line="main-1",
        seed=SEED.hex(),
        head=HEAD.hex(),
        count=9,
        value=value[0] if value else None,
    )
    return [*entries, drawn]


def the_draw(entries: Sequence[Entry], *, over: bool = False) -> Draw:
    (found,) = draws_of("drop", entries, hashes={2: HEAD}, over=over)
    return found


@pytest.mark.parametrize("source", [None, "the evening's lottery numbers"])
def test_a_draw_made_as_announced_is_kept(source: str | None) -> None:
    found = the_draw(a_draw(source=source))

    assert (found.kept, found.flaws) == (True, ())
    assert (found.count, found.head) == (9, HEAD.hex())
    assert (found.closed_at, found.drawn_at) == (at(2), at(5))


def test_a_seed_may_be_hidden_until_the_sale_is_over() -> None:
    hidden = a_draw()[:-1]

    assert the_draw(hidden).kept is None
    assert the_draw(hidden[:1], over=True).kept is None
    assert the_draw(hidden, over=True).flaws == (Flaw.NOT_REVEALED,)


def drawn_with(**changes: Any) -> list[Entry]:
    *before, drawn = a_draw()
    return [*before, msgspec.structs.replace(drawn, **changes)]


@pytest.mark.parametrize(
    ("entries", "flaw"),
    [
        (drawn_with(seed=(b"t" * 32).hex()), Flaw.OTHER_SEED),
        (drawn_with(seed="no hex"), Flaw.OTHER_SEED),
        (drawn_with(count=8), Flaw.OTHER_ENTRIES),
        (drawn_with(head=(b"g" * 32).hex()), Flaw.OTHER_ENTRIES),
        (drawn_with(value="4711"), Flaw.OTHER_VALUE),
        ([e for e in a_draw() if not isinstance(e, ClosingSigned)], Flaw.NOT_SIGNED),
        ([e for e in a_draw(source="x") if not isinstance(e, PublicValue)], Flaw.OTHER_VALUE),
        (a_draw()[1:], Flaw.NOT_ANNOUNCED),
        ([*a_draw(), *drawn_with(seq=6)[-1:]], Flaw.MADE_TWICE),
    ],
)
def test_a_draw_made_otherwise_than_announced_is_not_kept(entries: list[Entry], flaw: Flaw) -> None:
    found = the_draw(entries)

    assert found.kept is False
    assert flaw in found.flaws


# The report and what it comes to.


def books(**changes: Any) -> Books:
    values = {
        "room": "drop",
        "now": at(1000),
        "status": "open",
        "sold_out": False,
        "log_seq": 9,
        "log_hash": b"",
        "counts": Counts(called=5, claimed=5),
        "hashes": {2: HEAD},
        **changes,
    }
    return Books(**values)


def a_report(*entries: Entry, **changes: Any) -> Report:
    return make_report(entries, books(**changes))


def test_a_report_counts_people_and_acts() -> None:
    revoked = Revoked(seq=3, at=at(3), line="main-1", number=9)
    invited = read_entry(body(4, "invited", line="main-1", count=40))
    again = read_entry(body(5, "invited", line="main-1", count=2))

    found = a_report(joined(1, 1, 10), called(2, 1, 5), revoked, invited, again)

    assert (found.joined, found.called, found.waiting) == (10, 5, 4)
    assert found.acts == [
        Act(kind="invited", times=2, places=42),
        Act(kind="revoked", times=1, places=None),
    ]


def test_nothing_is_judged_before_anybody_was_called() -> None:
    assert verdict(a_report(joined(1, 1, 10), counts=Counts())) == (
        "Nobody has been called yet, so there is nothing to judge."
    )


def test_a_line_in_order_is_said_to_be_so() -> None:
    line = [joined(1, 1, 5), called(2, 1, 5)]

    assert verdict(a_report(*line)) == (
        "So far, nobody was overtaken: all 5 who were called came in the order of the line. "
        "Nobody who was called came to find that nothing was left."
    )
    assert verdict(a_report(*line, sold_out=True)).startswith("Nobody was overtaken: all 5")


def test_reasons_are_named_with_how_many_they_concern() -> None:
    members = [joined(2, 1, 3, line="members-1"), called(3, 1, 3, "members-1")]
    counts = Counts(called=3, claimed=3, found_nothing=1)

    found = a_report(joined(1, 1, 5), *members, status="ended", counts=counts)

    assert verdict(found) == (
        "Nobody was overtaken without a reason on record. 5 people were overtaken with one: "
        "5 by a lane that the operators had opened. The most that went before one person is 3. "
        "1 person of the 3 called (33.3%) came and found nothing left."
    )


def test_what_is_wrong_is_said_first() -> None:
    entries = [*drawn_with(seed=(b"t" * 32).hex()), called(6, 3, 3), called(7, 1, 2)]

    found = a_report(*entries, counts=Counts(called=3, passed_over=1))

    assert verdict(found) == (
        "So far, this line was not fair by its own rules: 2 people were overtaken without a reason "
        "on record, 1 number was passed without a call and the draw of main-1 was not made as it "
        "was announced."
    )


def test_a_draw_that_was_kept_is_told_of() -> None:
    found = a_report(*a_draw(), called(6, 1, 5))

    assert "The order of 9 who came before the opening was drawn as announced" in verdict(found)


# Entries.


def body(seq: int, kind: str, **facts: Any) -> str:
    return msgspec.json.encode(
        {"at": "2026-11-22T19:00:03.123456Z", "seq": seq, "kind": kind, **facts}
    ).decode()


def test_an_unknown_kind_and_one_without_its_facts_are_read_as_others() -> None:
    found = [read_entry(body(1, "new_kind", line=5)), read_entry(body(2, "joined", line="main-1"))]

    assert [type(entry) for entry in found] == [Other, Other]
    assert [kind_of(entry) for entry in found] == ["new_kind", "joined"]
    assert kind_of(joined(1, 1, 1)) == "joined"
    with pytest.raises(msgspec.DecodeError):
        read_entry("[]")
