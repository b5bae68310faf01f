"""Whose request begins first, who waits, and who is told to come again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from waitroom.run.listening import precedence
from waitroom.run.listening.precedence import (
    INSIDE_A_TURN,
    OTHERS_A_TURN_MAX,
    OTHERS_A_TURN_MIN,
    TURN_S,
    WAIT_MAX_S,
    Precedence,
    Rank,
    is_inside,
)


@dataclass(slots=True)
class Loop:
    """A loop whose turns and whose time the test makes; `worked_s` is what each turn takes."""

    now: float = 0.0
    worked: float = 0.0
    worked_s: float = TURN_S / 2
    ready: list[Callable[[], None]] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.ready.append(callback)

    def turn(self) -> None:
        self.worked += self.worked_s
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()


@dataclass(slots=True)
class Waiter:
    """One request; `told` has what became of all requests, in order."""

    name: str
    told: list[str]
    waiting: bytes = b"GET"

    def begin(self) -> None:
        self.told.append(self.name)
        self.waiting = b""

    def refuse(self) -> None:
        self.told.append(f"{self.name} refused")
        self.waiting = b""


@dataclass(slots=True)
class Door:
    loop: Loop
    precedence: Precedence
    told: list[str] = field(default_factory=list)

    def come(self, name: str, rank: Rank = Rank.OTHER) -> Waiter:
        waiter = Waiter(name, self.told)
        self.precedence.ask(waiter, rank)
        return waiter

    def turns(self, many: int) -> None:
        for _ in range(many):
            self.loop.turn()


@dataclass(slots=True)
class Newcomers:
    """Who waits outside; the lists have how many did whenever some were turned away or let in."""

    many: int = 0
    told: list[int] = field(default_factory=list)
    let_in: list[int] = field(default_factory=list)

    def waiting(self) -> int:
        return self.many

    def turn_away(self) -> None:
        self.told.append(self.many)

    def take_in(self) -> None:
        self.let_in.append(self.many)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    loop = Loop()
    monkeypatch.setattr(precedence, "thread_time", lambda: loop.worked)
    return Door(loop, Precedence(cast(Any, loop)))


def test_an_idle_process_begins_at_once_and_lets_its_loop_rest(door: Door) -> None:
    for index in range(3):
        door.come(str(index))
        assert door.told[-1] == str(index)
        door.turns(2)

    assert not door.loop.ready


def test_one_who_is_inside_waits_for_nobody_who_is_not(door: Door) -> None:
    for index in range(500):
        door.come(str(index))

    door.come("pays", Rank.INSIDE)

    assert door.told[-1] == "pays"
    assert len(door.told) <= 1 + OTHERS_A_TURN_MAX


def test_all_others_get_their_turn_in_the_order_in_which_they_came(door: Door) -> None:
    names = [str(index) for index in range(300)]
    for name in names:
        door.come(name)

    door.turns(300)

    assert door.told == names
    assert not door.loop.ready


@pytest.mark.parametrize(
    ("worked_s", "begin"), [(TURN_S / 2, OTHERS_A_TURN_MAX), (TURN_S * 2, OTHERS_A_TURN_MIN)]
)
def test_the_dearer_requests_are_the_fewer_begin_in_a_turn(
    door: Door, worked_s: float, begin: int
) -> None:
    door.loop.worked_s = worked_s
    for index in range(5000):
        door.come(str(index))
    door.turns(100)
    before = len(door.told)

    door.turns(1)

    assert len(door.told) - before == begin


def test_who_only_says_to_be_inside_leaves_the_others_a_share_of_every_turn(door: Door) -> None:
    for index in range(1000):
        door.come(f"flood {index}", Rank.INSIDE)
    for index in range(20):
        door.come(f"honest {index}")

    door.turns(20)

    assert sum(name.startswith("honest") for name in door.told) == 20
    assert sum(name.startswith("flood") for name in door.told) <= INSIDE_A_TURN * 21


def test_who_waits_too_long_is_told_to_come_again_and_the_next_are_served_when_it_is_calm(
    door: Door,
) -> None:
    door.loop.worked_s = TURN_S * 2
    for index in range(10):
        door.come(str(index))

    door.loop.now += WAIT_MAX_S[Rank.OTHER]
    door.turns(3)
    door.come("later")

    assert door.told == ["0", *(f"{index} refused" for index in range(1, 10)), "later"]


def test_no_more_wait_than_there_is_room_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "WAITING_MAX", 5)

    for index in range(20):
        door.come(str(index))

    assert len(door.precedence) == 5
    assert sum(name.endswith("refused") for name in door.told) == 20 - 5 - len(
        [name for name in door.told if not name.endswith("refused")]
    )


def test_a_client_who_does_not_wait_as_told_comes_behind_those_who_do(door: Door) -> None:
    door.loop.worked_s = TURN_S * 2
    door.come("first")
    for index in range(5):
        door.come(f"early {index}", Rank.EARLY)
    for index in range(5):
        door.come(f"obedient {index}")

    door.turns(20)

    assert [name.split()[0] for name in door.told] == ["first", *["obedient"] * 5, *["early"] * 5]


def test_a_client_that_hung_up_takes_nobodys_turn(door: Door) -> None:
    door.loop.worked_s = TURN_S * 2
    waiters = [door.come(str(index)) for index in range(10)]
    for waiter in waiters[1:9]:
        waiter.waiting = b""

    door.turns(1)

    assert door.told == ["0", "9"]


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        (b"POST /checkout/holds HTTP/1.1", True),
        (b"GET /checkout HTTP/1.1", True),
        (b"POST /rooms/drop/claims HTTP/1.1", True),
        (b"POST /rooms/drop/enter HTTP/1.1", True),
        (b"GET /check/drop HTTP/1.1", True),
        (b"GET /admin/rooms HTTP/1.1", True),
        (b"GET /healthz HTTP/1.1", True),
        (b"GET /static/js/checkout.js HTTP/1.1\r\nCookie: waitroom_session_drop=x", True),
        (b"GET /rooms/drop/state HTTP/1.1", False),
        (b"POST /rooms/drop/tickets HTTP/1.1", False),
        (b"GET /rooms/drop/tickets/me HTTP/1.1", False),
        (b"GET /rooms/drop HTTP/1.1\r\nReferer: /rooms/drop/claims", False),
        (b"GET /rooms/drop?next=/checkout HTTP/1.1", False),
        (b"GET / HTTP/1.1", False),
        (b"/checkout", False),
        (b"G", False),
    ],
)
def test_the_first_bytes_tell_whose_request_it_is(line: bytes, inside: bool) -> None:  # noqa: FBT001
    assert is_inside(line + b"\r\n\r\n") is inside


def test_no_more_wait_than_begin_in_time_and_newcomers_hear_it_at_the_door(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One begins in each turn, so a hundred in a second and fifty in time; two come.
    monkeypatch.setattr(precedence, "TURN_S", 0.0)
    monkeypatch.setattr(precedence, "WAITING_ALWAYS", 4)
    newcomers = door.precedence.entrance = Newcomers()
    refused_at_once = 0
    for number in range(400):
        for half in ("a", "b"):
            before = len(door.told)
            door.come(f"{number}{half}")
            refused_at_once += door.told[before:] == [f"{number}{half} refused"]
        door.loop.now += 0.01
        door.turns(1)

    refused = sum(name.endswith("refused") for name in door.told)
    assert len(door.precedence) <= WAIT_MAX_S[Rank.OTHER] * 100 + 1
    assert len(door.told) - refused >= 399
    assert len(newcomers.told) > 150
    # Once it is known how many begin, nobody waits half a second for a refusal.
    assert refused - refused_at_once < 10 < refused


def test_newcomers_who_could_not_be_served_in_time_are_turned_away_though_nobody_waits_inside(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hundred come in and begin in a second; outside a storm piles up.
    monkeypatch.setattr(precedence, "WAITING_ALWAYS", 4)
    newcomers = door.precedence.entrance = Newcomers()
    for number in range(100):
        newcomers.many = number
        door.precedence.let_in()
        door.come("one")
        door.loop.now += 0.01
        door.turns(1)

    assert len(door.precedence) == 0
    assert WAIT_MAX_S[Rank.OTHER] * 100 <= newcomers.told[0] < 60
    assert len(newcomers.told) > 30
    # Until then they are let in as fast as they can be.
    assert newcomers.let_in == list(range(precedence.NEWCOMERS_MANY, newcomers.told[0]))


def test_a_process_that_stood_still_for_a_moment_refuses_nobody_whom_it_can_serve(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One begins in each turn, and a thousand in a second; as many come.
    monkeypatch.setattr(precedence, "TURN_S", 0.0)
    monkeypatch.setattr(precedence, "WAITING_ALWAYS", 4)
    monkeypatch.setattr(precedence, "WAITING_MAX", 10_000)

    def go_on(many: int) -> None:
        for _ in range(many):
            door.come("one")
            door.loop.now += 0.001
            door.turns(1)

    for _ in range(50):
        door.come("one")
    go_on(500)
    # It stands still for a fifth of a second, in which two hundred come.
    door.loop.now += 0.2
    door.turns(1)
    for _ in range(200):
        door.come("one")
    go_on(500)

    assert "one refused" not in door.told
