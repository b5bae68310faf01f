"""The checker of the chaos runs is not blind: it notices each promise that is broken."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chaos.promises import PROMISES, broken_in, goes_on, slowest
from chaos.report import table
from chaos.told import (
    CLAIM,
    HOLD,
    JOIN,
    PAGE,
    PAY,
    STANDING,
    STATE,
    Books,
    Deadline,
    Order,
    Story,
    Told,
)

Forge = Callable[[Story, Books], Books | None]


def told(shopper: int, kind: str, at: float, answered: int = 200, /, **said: Any) -> Told:
    code = said.pop("code", "")
    return Told(
        shopper=shopper,
        step=int(at * 1000) + shopper,
        kind=kind,
        key=f"key-{shopper}-{kind}",
        due_at=at - 0.1,
        sent_at=at - 0.1,
        at=at,
        status=answered,
        code=code,
        said=said,
    )


def honest() -> tuple[Story, Books]:
    """Two shoppers buy one unit each, before and after a fault; a third one waits."""
    story = Story(fault="none", seed=1, policy="guaranteed", units=5)
    story.fault_began_at, story.fault_ended_at, story.ended_at = 10.0, 12.0, 30.0
    for shopper, began_at in ((1, 1.0), (2, 13.0)):
        name = str(shopper)
        story.answers += [
            told(shopper, JOIN, began_at, 201, line="main-1", number=shopper, ticket=name),
            told(shopper, STANDING, began_at + 1, status="called", version=3),
            told(shopper, CLAIM, began_at + 2, 201, session=name),
            told(shopper, HOLD, began_at + 3, 201, hold_id=name, units=1),
            told(shopper, PAY, began_at + 4, 201, order_id=name, units=1, status="paid"),
        ]
        story.deadlines.append(
            Deadline(shopper=shopper, kind="call", until=began_at + 12, acted_at=2.0, kept=True)
        )
    story.answers += [
        told(3, JOIN, 2.0, 201, line="main-1", number=3, ticket="3"),
        told(3, STATE, 4.0, place=3, version=4),
        told(3, STATE, 6.0, place=1, version=5),
        told(0, PAGE, 7.0),
    ]
    orders = [
        Order(order_id=name, hold_id=name, state="paid", units=1, at_gateway="captured")
        for name in ("1", "2")
    ]
    return story, Books(received=5, sold=2, orders=orders, tails={"main-1": 3})


def find(story: Story, shopper: int, kind: str) -> Told:
    return next(one for one in story.answers if (one.shopper, one.kind) == (shopper, kind))


def said(shopper: int, kind: str, /, **changed: Any) -> Forge:
    """Let a shopper be told something else."""

    def forge(story: Story, _books: Books) -> None:
        find(story, shopper, kind).said.update(changed)

    return forge


def also(shopper: int, kind: str, at: float, answered: int = 200, /, **more: Any) -> Forge:
    """Let a shopper be told something more."""

    def forge(story: Story, _books: Books) -> None:
        story.answers.append(told(shopper, kind, at, answered, **more))

    return forge


def booked(**changed: Any) -> Forge:
    def forge(_story: Story, books: Books) -> Books:
        return replace(books, **changed)

    return forge


def order(**changed: Any) -> Forge:
    """Change the first order in the books."""

    def forge(_story: Story, books: Books) -> Books:
        return replace(books, orders=[replace(books.orders[0], **changed), *books.orders[1:]])

    return forge


def unasked(_story: Story, books: Books) -> Books:
    more = Order(order_id="9", hold_id="9", state="paid", units=1, at_gateway="captured")
    return replace(books, orders=[*books.orders, more], sold=3)


def used_in_vain(story: Story, _books: Books) -> None:
    story.deadlines[0] = Deadline(
        shopper=1, kind="hold", until=20.0, acted_at=14.0, kept=False, code="hold_expired"
    )


def empty_handed(story: Story, _books: Books) -> None:
    story.found_nothing.add(2)


def left_alone(story: Story, _books: Books) -> None:
    story.undecided.append((2, "pay"))


def stopped(story: Story, _books: Books) -> None:
    story.answers = [one for one in story.answers if one.kind != CLAIM or one.at < 12]


def too_late(story: Story, _books: Books) -> None:
    story.within_s = 4.0


def not_silent(story: Story, _books: Books) -> None:
    story.silent = True
    story.answers.append(told(3, STATE, 9.0, 503))


UNITS = "units sold are units received, and those of orders told as paid"
LOST = "no order is told as paid and lost"
UNASKED = "nothing is sold or charged that nobody asked for"
OWNERS = "no number, session, hold or order has two owners"
KEYS = "a key has one answer"
IN_LINE = "a number that was told is in the line, and every number is somebody's"
PLACES = "a place never rises"
DEADLINES = "who comes when called is let in, and keeps session and hold for their time"
CALLS = "who asks when told to misses no call"
NOTHING = "in a guaranteed room nobody who is let in finds nothing"
FOUND = "a room that is there is found, and nothing fails inside"
REFUSALS = "every refusal is one that shoppers can understand"
ENDS = "every walk comes to its end"
BOOKS = "the books agree and the log verifies"
SILENT = "no request fails while versions change"
GOES_ON = "the line goes on after the fault"

FORGERIES: list[tuple[str, Forge]] = [
    (UNITS, booked(sold=6)),
    (UNITS, booked(sold=3)),
    (UNITS, booked(received=4)),
    (LOST, order(state="declined", at_gateway="declined")),
    (LOST, order(order_id="8")),
    (LOST, order(units=2)),
    (UNASKED, unasked),
    (UNASKED, order(at_gateway="voided")),
    (UNASKED, order(state="cancelled")),
    (UNASKED, order(hold_id="7")),
    (OWNERS, said(2, JOIN, number=1)),
    (OWNERS, said(2, CLAIM, session="1")),
    (OWNERS, said(2, HOLD, hold_id="1")),
    (KEYS, also(1, JOIN, 1.1, line="main-1", number=2)),
    (KEYS, also(1, CLAIM, 3.1, session="another")),
    (KEYS, also(1, HOLD, 4.1, hold_id="another")),
    (IN_LINE, booked(tails={"main-1": 2})),
    (IN_LINE, booked(tails={})),
    (IN_LINE, booked(tails={"main-1": 4})),
    (PLACES, also(3, STATE, 8.0, place=2, version=6)),
    (PLACES, also(3, STANDING, 8.0, place=2, version=6, status="waiting")),
    (DEADLINES, used_in_vain),
    (CALLS, also(3, STANDING, 9.0, status="missed")),
    (CALLS, also(2, CLAIM, 15.0, 409, code="missed")),
    (NOTHING, empty_handed),
    (FOUND, also(3, STATE, 9.0, 404, code="not_found")),
    (FOUND, also(0, PAGE, 9.0, 500)),
    (REFUSALS, also(3, STANDING, 9.0, 403, code="other_ticket")),
    (ENDS, left_alone),
    (BOOKS, booked(breaches=["on hand"])),
    (BOOKS, booked(log_says="the chain is broken")),
    (SILENT, not_silent),
    (GOES_ON, stopped),
    (GOES_ON, too_late),
]


def test_an_honest_sale_breaks_no_promise() -> None:
    story, books = honest()

    assert broken_in(story, books) == []
    assert goes_on(story) == {"join": 1.0, "claim": 3.0, "paid": 5.0}
    assert {kind: round(took, 2) for kind, took in slowest(story).items()} == dict.fromkeys(
        ("join", "claim", "paid"), 0.1
    )


@pytest.mark.parametrize(("promise", "forge"), FORGERIES)
def test_a_forged_record_breaks_the_promise_that_it_is_about(promise: str, forge: Forge) -> None:
    story, books = honest()
    story = copy.deepcopy(story)

    forged = forge(story, books) or books

    assert promise in {one.promise for one in broken_in(story, forged)}


def test_there_is_a_forgery_of_each_promise() -> None:
    assert {promise for promise, _ in FORGERIES} == set(PROMISES)


@pytest.mark.parametrize(
    "careless",
    [
        lambda story: story.careless.add(3),
        lambda story: story.answers.append(replace(told(3, STATE, 8.0), due_at=5.0)),
    ],
)
def test_who_was_late_without_need_may_miss_a_call(careless: Callable[[Story], Any]) -> None:
    story, books = honest()
    story.answers.append(told(3, STANDING, 9.0, status="missed"))

    careless(story)

    assert broken_in(story, books) == []


def test_a_kind_that_was_not_run_again_keeps_its_row() -> None:
    earlier = "| none | 3 | none | 1.6 / 1.4 / 0.8 | 0.1 / 0.1 / 0.2 | none | 2.3 |"

    made = table([], f"| other | 1 |\n{earlier}\n")

    assert made.splitlines()[2:] == [earlier]


def test_who_acts_in_the_last_moment_cannot_be_sure() -> None:
    story, books = honest()
    story.deadlines.append(
        Deadline(shopper=1, kind="hold", until=20.0, acted_at=17.0, kept=False, code="hold_expired")
    )

    assert broken_in(story, books) == []
