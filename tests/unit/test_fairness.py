"""Fairness is counted as one would count it by hand, person by person."""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.fairness.overtaking import Cause, Overtaken, Overtaking, count_overtaken
from waitroom.fairness.record import (
    Called,
    Closed,
    Drawn,
    Entry,
    Joined,
    Other,
    Reset,
    Revoked,
    SteppedAside,
)
from waitroom.fairness.stretch import Away, Back, Story, Stretch, tell

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
            again_waited_s=tuple(self.seq - p.since for p in chosen),
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
