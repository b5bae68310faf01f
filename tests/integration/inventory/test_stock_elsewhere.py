"""Stock that lives in another shop: promises, outcomes and figures by what that shop says."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support import execute, open_room, shift_clock, tick

from inventory.kit.problem import BadRequest, NotFound, Unprocessable
from waitroom.line.ticket import Ticket
from waitroom.refusals import NotElsewhere
from waitroom.run.app import Service
from waitroom.store.elsewhere_store import ElsewhereStore, Heard, SessionNews

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


async def open_elsewhere(service: Service, **rules: Any) -> None:
    await open_room(service, skus={}, stock_elsewhere=True, **rules)


async def say(
    service: Service,
    available: int,
    held: int = 0,
    *news: tuple[Any, ...],
    at: int | None = None,
    room: str = "drop",
) -> Heard:
    """Push figures and outcomes, each `(session, what, units, mark)`; `at` is in minutes."""
    return await ElsewhereStore(service.pool).hear(
        room,
        available=available,
        held=held,
        as_of=None if at is None else NOON + timedelta(minutes=at),
        outcomes=[
            SessionNews(
                session_id=session,
                what=what,
                units=rest[0] if rest else None,
                mark=rest[1] if rest[1:] else None,
            )
            for session, what, *rest in news
        ],
    )


async def inside(service: Service, count: int) -> list[int]:
    """Let so many shoppers join, be called and claim."""
    line_id = service.board.room("drop").line_id
    joined = await service.lines.join(line_id, count, os.urandom(32))
    await tick(service)
    claims = await service.lines.claim(
        [
            Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
            for i in range(count)
        ]
    )
    assert {claim.verdict for claim in claims} == {"claimed"}
    return [claim.session_id for claim in claims]


async def balance(service: Service) -> tuple[int, int, int, int]:
    """Return on hand, held, promised and short."""
    (row,) = await execute(service, "SELECT on_hand, held, promised, short FROM room_stock")
    assert await service.ledger.breaches() == []
    return tuple(row)


async def session(service: Service, session_id: int) -> dict[str, Any]:
    (row,) = await execute(
        service,
        "SELECT a.state, a.end_reason, a.promised, a.refused, e.held, e.bought FROM admission a "
        "LEFT JOIN outcome_elsewhere e ON e.session_id = a.admission_id WHERE admission_id = $1",
        session_id,
    )
    return dict(row)


async def called(service: Service) -> int:
    return (await service.rooms.figures("drop")).head


async def test_nobody_is_called_before_the_shop_has_spoken(service: Service) -> None:
    await open_elsewhere(service)
    await service.lines.join(service.board.room("drop").line_id, 5, os.urandom(32))
    await tick(service, 2)
    silent = await called(service)

    await say(service, 3)
    await tick(service)

    assert (silent, await called(service)) == (0, 3)


async def test_a_basket_there_keeps_the_promise_and_frees_nothing(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 2)
    first, second = await inside(service, 2)
    await service.lines.join(service.board.room("drop").line_id, 3, os.urandom(32))

    # One of the two units lies in the first one's basket; the other is still promised.
    await say(service, 1, 1, (first, "held", 1))
    await tick(service)

    assert await balance(service) == (2, 1, 1, 0)
    assert (await session(service, first))["promised"] == 0
    assert (await session(service, second))["promised"] == 1
    assert await called(service) == 2


async def test_what_was_bought_ends_the_session_and_calls_nobody_for_it(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 1)
    (first,) = await inside(service, 1)
    await service.lines.join(service.board.room("drop").line_id, 1, os.urandom(32))

    await say(service, 0, 0, (first, "bought", 1))
    await tick(service)

    assert await session(service, first) == {
        "state": "ended", "end_reason": "ordered", "promised": 0, "refused": False,
        "held": 0, "bought": 1,
    }  # fmt: skip
    assert await balance(service) == (0, 0, 0, 0)
    assert await called(service) == 1


async def test_who_leaves_there_gives_the_promise_to_the_next(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 1)
    (first,) = await inside(service, 1)
    await service.lines.join(service.board.room("drop").line_id, 1, os.urandom(32))

    await say(service, 1, 0, (first, "left"))
    await tick(service)

    assert (await session(service, first))["end_reason"] == "left"
    assert await called(service) == 2


async def test_part_of_a_promise_stands_while_less_is_held_and_is_given_once(
    service: Service,
) -> None:
    await open_elsewhere(service, units_promised=3)
    await say(service, 3)
    (first,) = await inside(service, 1)

    # The shop says how many are in the basket each time, and not how many came.
    for _ in range(3):
        await say(service, 2, 1, (first, "held", 1))

    assert (await session(service, first))["promised"] == 2
    assert await balance(service) == (3, 1, 2, 0)


async def test_a_promise_does_not_return_when_a_basket_is_put_back(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 1)
    (first,) = await inside(service, 1)
    await say(service, 0, 1, (first, "held", 1))

    await say(service, 1, 0, (first, "released"))

    assert await session(service, first) == {
        "state": "claimed", "end_reason": None, "promised": 0, "refused": False,
        "held": 0, "bought": 0,
    }  # fmt: skip
    assert await balance(service) == (1, 0, 0, 0)


async def test_stock_that_falls_below_what_is_promised_is_on_record_as_short(
    service: Service,
) -> None:
    await open_elsewhere(service)
    await say(service, 3)
    first, *_ = await inside(service, 3)
    await service.lines.join(service.board.room("drop").line_id, 1, os.urandom(32))

    await say(service, 1)
    short = await balance(service)
    await tick(service)
    while_short = await called(service)
    await say(service, 1, 0, (first, "left"))
    after = await balance(service)
    await say(service, 5)
    await tick(service)

    assert short == (1, 0, 3, 2)
    assert while_short == 3
    assert after == (1, 0, 2, 1)
    assert (await balance(service))[3] == 0
    assert await called(service) == 4


async def test_the_same_news_many_times_count_once(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 9)
    named, unnamed = await inside(service, 2)
    news = [(named, "bought", 2, "order 17"), (unnamed, "bought", 2)]

    for _ in range(3):
        await say(service, 5, 0, *news, *news)

    assert (await session(service, named))["bought"] == 2
    assert (await session(service, unnamed))["bought"] == 2


async def test_different_news_of_one_session_all_count(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 9)
    (first,) = await inside(service, 1)

    await say(
        service, 4, 1, (first, "held", 4), (first, "bought", 1, "a"), (first, "bought", 1, "b"),
        (first, "released", 1, "c"),
    )  # fmt: skip

    found = await session(service, first)
    assert (found["held"], found["bought"], found["state"]) == (1, 2, "claimed")


async def test_bought_without_a_number_is_what_was_in_the_basket(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 9)
    basket, at_once = await inside(service, 2)

    await say(service, 6, 0, (basket, "held", 2), (basket, "bought"), (at_once, "bought"))

    assert (await session(service, basket))["bought"] == 2
    assert (await session(service, at_once))["bought"] == 1
    assert (await session(service, basket))["state"] == "ended"


async def test_figures_that_come_late_are_not_taken_over(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 5, 0, at=10)

    late = await say(service, 50, 3, at=9)
    again = await say(service, 5, 0, at=10)
    newer = await say(service, 4, 0, at=11)

    assert (late.stale, late.available, late.held) == (True, 5, 0)
    assert (again.stale, newer.stale, newer.available) == (False, False, 4)


async def test_late_news_say_what_was_bought_but_not_what_is_now(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 9, at=1)
    first, second = await inside(service, 2)
    await say(service, 8, 1, (first, "held", 2), (second, "held", 1), at=5)

    await say(
        service, 9, 0, (first, "held", 1), (second, "left"), (first, "bought", 1, "a"), at=4
    )  # fmt: skip

    found = await session(service, first)
    assert (found["held"], found["bought"], found["state"]) == (2, 1, "claimed")
    assert (await session(service, second))["state"] == "claimed"


async def test_a_clock_that_is_ahead_is_refused_since_it_would_silence_the_shop(
    service: Service,
) -> None:
    await open_elsewhere(service)
    ahead = datetime.now(UTC) + timedelta(hours=1)

    with pytest.raises(Unprocessable, match="ahead"):
        await ElsewhereStore(service.pool).hear(
            "drop", available=1, held=0, as_of=ahead, outcomes=[]
        )

    assert (await say(service, 1)).available == 1


async def test_sessions_that_never_were_here_are_named_and_change_nothing(
    service: Service,
) -> None:
    await open_elsewhere(service)
    await open_room(service, "other", skus={"mug": 1})
    await say(service, 3)
    (known,) = await inside(service, 1)
    line_id = service.board.room("drop").line_id
    await service.lines.join(line_id, 1, os.urandom(32))
    await tick(service)
    (only_called,) = await execute(
        service, "SELECT admission_id FROM admission WHERE state = 'called'"
    )
    strangers = [only_called["admission_id"], 999_999]

    heard = await say(service, 2, 0, *((s, "bought", 1) for s in strangers), (known, "bought", 1))

    assert sorted(heard.unknown) == sorted(strangers)
    assert (await session(service, known))["bought"] == 1
    assert await service.ledger.breaches() == []


async def test_outcomes_of_one_room_change_no_session_of_another(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 1)
    (first,) = await inside(service, 1)
    await open_room(service, "other", skus={}, stock_elsewhere=True)

    heard = await say(service, 5, 0, (first, "left"), room="other")

    assert heard.unknown == [first]
    assert (await session(service, first))["state"] == "claimed"


async def test_a_basket_there_keeps_the_session_as_long_as_one_here_would(
    service: Service,
) -> None:
    await open_elsewhere(service, session_s=60, hold_s=300)
    await say(service, 2)
    basket, none = await inside(service, 2)
    await say(service, 1, 1, (basket, "held", 1))

    await shift_clock(service, 120)
    await service.office.end_due(100)
    kept = (await session(service, basket))["state"]
    await shift_clock(service, 240)
    await service.office.end_due(100)

    assert kept == "claimed"
    assert (await session(service, none))["state"] == "ended"
    assert (await session(service, basket))["state"] == "ended"
    assert await service.ledger.breaches() == []


async def test_sold_out_is_said_when_nothing_is_free_and_nothing_in_a_basket(
    service: Service,
) -> None:
    await open_elsewhere(service)
    await tick(service)
    unheard = service.board.room("drop").state

    await say(service, 0, 1)
    await tick(service, 2)
    in_a_basket = service.board.room("drop").state
    await say(service, 0, 0)
    await tick(service, 2)
    gone = service.board.room("drop").state
    await say(service, 1, 0)
    await tick(service, 2)
    back = service.board.room("drop").state

    assert [s.status for s in (unheard, in_a_basket, gone, back) if s] == [
        "open", "open", "sold_out", "open",
    ]  # fmt: skip


async def test_what_is_learned_of_a_session_there_is_what_it_did(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 9)
    basket, buyer, unlucky, idle = await inside(service, 4)
    (room,) = await execute(service, "SELECT room_id FROM room")

    await say(
        service, 5, 1, (basket, "held", 2), (buyer, "held", 1), (buyer, "bought"),
        (unlucky, "nothing"), (idle, "left"),
    )  # fmt: skip
    reading = await service.office.all_journeys(room["room_id"])
    assert reading is not None
    open_ = {journey.admission_id: journey for journey in reading.changed}
    ended = {journey.admission_id: journey for journey in reading.closed}

    assert open_.keys() == {basket, unlucky}
    assert (open_[basket].units_held, open_[basket].units_sold) == (2, 0)
    assert open_[basket].held_at is not None
    assert open_[basket].hold_ended_at is None
    assert (open_[unlucky].refused, open_[unlucky].held_at) == (True, None)
    assert (ended[buyer].units_sold, ended[buyer].held_at is not None) == (1, True)
    assert ended[buyer].hold_ended_at is not None
    assert (ended[idle].units_sold, ended[idle].held_at) == (0, None)


async def test_stock_lives_in_one_place(service: Service) -> None:
    await service.rooms.create("there", "There", who="test")
    await service.rooms.create("here", "Here", who="test")
    await service.rooms.change("there", '{"stock_elsewhere": true}', who="test")
    await service.stock.add("mug", room="here", name="Mug", price_minor=100)

    with pytest.raises(BadRequest, match="another shop"):
        await service.stock.add("cup", room="there", name="Cup", price_minor=100)
    with pytest.raises(BadRequest, match="SKUs of its own"):
        await service.rooms.change("here", '{"stock_elsewhere": true}', who="test")
    with pytest.raises(NotElsewhere):
        await say(service, 1, room="here")
    with pytest.raises(NotFound):
        await say(service, 1, room="nowhere")


async def test_a_sku_and_the_other_shop_are_never_there_both(service: Service) -> None:
    """Whoever comes first in adding a SKU and in letting the stock live elsewhere, wins."""
    both = 0
    for i in range(10):
        room = f"room-{i}"
        await service.rooms.create(room, room, who="test")
        done = await asyncio.gather(
            service.rooms.change(room, '{"stock_elsewhere": true}', who="test"),
            service.stock.add(f"mug-{i}", room=room, name="Mug", price_minor=100),
            return_exceptions=True,
        )
        assert [isinstance(one, BadRequest) for one in done].count(True) == 1, done
        (row,) = await execute(
            service,
            "SELECT stock_elsewhere, (SELECT count(*) FROM sku k WHERE k.room_id = m.room_id) AS n "
            "FROM room m WHERE room = $1",
            room,
        )
        both += row["stock_elsewhere"] and row["n"] > 0

    assert both == 0


async def test_stock_comes_home_with_nothing_on_hand(service: Service) -> None:
    await open_elsewhere(service)
    await say(service, 7, 2, at=1)
    with pytest.raises(BadRequest, match="until the room opens"):
        await service.rooms.change("drop", '{"stock_elsewhere": false}', who="test")
    await execute(service, "SELECT reset_room('drop', 'test', 'home')")

    await service.rooms.change("drop", '{"stock_elsewhere": false}', who="test")
    empty = await balance(service)
    await service.rooms.change("drop", '{"stock_elsewhere": true}', who="test")

    assert empty == (0, 0, 0, 0)
    # An older time than before is no late one: this is a new beginning.
    assert (await say(service, 3, at=0)).available == 3


async def test_pushes_claims_calls_and_resets_at_once_keep_the_books(
    services: Callable[..., Awaitable[Service]],
) -> None:
    here, there = await services(), await services()
    await open_elsewhere(here, seats_max=40)
    await there.board.refresh(rooms=True)
    await say(here, 50)
    ids = await inside(here, 20)

    async def push(service: Service) -> None:
        for turn in range(15):
            news = [
                (one, ("held", "bought", "released", "left", "nothing")[(one + turn) % 5], 1)
                for one in ids
            ]
            await say(service, (turn * 7) % 11, turn % 4, *news)

    async def steer() -> None:
        for _ in range(10):
            await there.lines.join(there.board.room("drop").line_id, 5, os.urandom(32))
            await here.controller.tick()
            await there.office.end_due(100)

    async def begin_anew() -> None:
        for _ in range(3):
            await execute(there, "SELECT reset_room('drop', 'test', 'now')")
            await there.board.refresh(rooms=True)
            await there.rooms.set_status("drop", "open", who="test")

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for work in (push(here), push(there), steer(), begin_anew()):
            group.create_task(work)

    await balance(here)
