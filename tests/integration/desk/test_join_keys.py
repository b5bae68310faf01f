"""One join key is one number: at two workers, with slow or lost answers, without Valkey."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from lost_replies import LosesReplies
from support import (
    as_owner,
    execute,
    log_is_whole,
    open_room,
    shift_clock,
    tick,
)

from inventory.kit.problem import EngineDown, Refusal
from waitroom.desk.joining import join_desk
from waitroom.desk.joining.join_desk import JoinDesk, JoinRequest, Place
from waitroom.run.app import Service
from waitroom.store.line_store import JOIN_ATTEMPTS_MAX, JoinKeys, KeyHasNumber, LineStore

OpenService = Callable[..., Awaitable[Service]]
SLOW_S = 0.5
KEYS = 100


async def two_workers(services: OpenService, **room: Any) -> tuple[Service, Service]:
    first, second = await services(), await services()
    await open_room(first, **{"seats_max": 0, **room})
    await second.board.refresh(rooms=True)
    return first, second


def desk_of(service: Service) -> JoinDesk:
    view = service.board.room("drop")
    return view.lines[view.line_id].desk


def forgetful_desk(service: Service) -> tuple[JoinDesk, LosesReplies]:
    """Return a desk whose answers can be made to get lost."""
    view, pool = service.board.room("drop"), LosesReplies(service.pool)
    desk = JoinDesk(
        view.line_id,
        "main-1",
        room="drop",
        room_id=view.rules.room_id,
        store=LineStore(pool),  # type: ignore[arg-type]
    )
    return desk, pool


async def join(desk: JoinDesk, *keys: str | None) -> list[Place | BaseException]:
    """Join once with each key, all in one batch."""
    asked = [desk.batcher.submit(JoinRequest(key=key)) for key in keys]
    return await asyncio.gather(*asked, return_exceptions=True)


async def lose(desk: JoinDesk, pool: LosesReplies, *keys: str | None) -> None:
    """Let a batch be committed whose answers get lost, until its worker has settled it."""
    pool.losses = JOIN_ATTEMPTS_MAX
    assert all(isinstance(one, EngineDown) for one in await join(desk, *keys))
    assert desk._settling is not None  # noqa: SLF001 - nothing else tells it
    await desk._settling  # noqa: SLF001


def numbers(places: list[Place | BaseException]) -> list[int]:
    assert all(isinstance(place, Place) for place in places), places
    return [place.ticket.number for place in places if isinstance(place, Place)]


async def tail(service: Service) -> int:
    return int((await execute(service, "SELECT tail FROM line"))[0]["tail"])


@asynccontextmanager
async def slow_database(service: Service) -> AsyncIterator[None]:
    """Let every join wait for half a second, as behind a stalled commit."""
    async with as_owner(service.pool) as connection:
        await connection.execute("SELECT FROM log_head FOR UPDATE")
        asked = asyncio.create_task(asyncio.sleep(SLOW_S))
        yield
        await asked


async def test_a_double_click_gets_one_number_however_slow_the_database_is(
    services: OpenService,
) -> None:
    pair = await two_workers(services)
    keys = [f"key-{i}" for i in range(KEYS)]

    async with slow_database(pair[0]):
        asked = [asyncio.create_task(join(desk_of(one), *keys)) for one in pair]
    first, second = await asyncio.gather(*asked)

    assert numbers(first) == numbers(second)
    assert sorted(numbers(first)) == list(range(1, KEYS + 1))
    assert await tail(pair[0]) == KEYS


async def test_a_key_keeps_its_number_when_valkey_has_forgotten_or_is_away(
    services: OpenService,
) -> None:
    pair = await two_workers(services)
    first = await join(desk_of(pair[0]), "mine", "yours")
    await pair[0].memory._client.flushall()  # noqa: SLF001 - an operator's command
    after_a_flush = await join(desk_of(pair[1]), "yours", "mine", "new")
    await pair[1].memory.close()
    pair[1].memory._away_until = float("inf")  # noqa: SLF001 - as if it answered no more

    while_away = await join(desk_of(pair[1]), "mine", "new", "another")

    assert numbers(first) == [1, 2]
    assert numbers(after_a_flush) == [2, 1, 3]
    assert numbers(while_away) == [1, 3, 4]
    assert await tail(pair[0]) == 4


async def test_a_batch_whose_answers_were_lost_keeps_its_numbers_for_its_keys(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_desk, "SETTLE_EVERY_S", 0.01)
    await open_room(service, seats_max=0)
    desk, pool = forgetful_desk(service)

    await lose(desk, pool, "a", None, "b")
    places = await join(desk_of(service), "b", "c")

    assert numbers(places) == [3, 4]
    assert not places[0].fresh  # type: ignore[union-attr]
    assert await tail(service) == 4
    rows = await execute(service, "SELECT number, end_reason FROM admission ORDER BY number")
    assert [(row["number"], row["end_reason"]) for row in rows] == [
        (1, "answer_lost"),
        (2, "answer_lost"),
    ]
    await desk.close()


async def test_a_number_that_belongs_to_nobody_takes_no_call_and_no_promise(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_desk, "SETTLE_EVERY_S", 0.01)
    await open_room(service, skus={"mug": 3}, policy="guaranteed", seats_max=3)
    await tick(service)
    desk, pool = forgetful_desk(service)

    await lose(desk, pool, "a", "b", "c", None)
    await join(desk_of(service), "d", "e", "f")
    await tick(service)
    called = await execute(service, "SELECT number FROM admission WHERE state = 'called'")

    assert sorted(row["number"] for row in called) == [5, 6, 7]
    # Its key asks after all, and is called before anyone new.
    assert numbers(await join(desk_of(service), "a")) == [1]
    (found,) = await execute(service, "SELECT came_back_at FROM admission WHERE number = 1")
    assert found["came_back_at"] is not None
    assert await service.ledger.breaches() == []
    assert await log_is_whole(service)
    await desk.close()


async def test_an_entry_that_belongs_to_nobody_is_not_drawn_unless_its_key_asks(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_desk, "SETTLE_EVERY_S", 0.01)
    await open_room(service, status="scheduled", order_by="draw", seats_max=0)
    await tick(service)
    desk, pool = forgetful_desk(service)

    await lose(desk, pool, "a", "b")
    again = await join(desk_of(service), "b")

    assert numbers(again) == [2]
    rows = await execute(service, "SELECT has_left FROM place WHERE entered ORDER BY number")
    assert [row["has_left"] for row in rows] == [True, False]
    await desk.close()


async def test_a_lost_entry_whose_key_asks_after_the_draw_takes_no_number_of_anothers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_desk, "SETTLE_EVERY_S", 0.01)
    await open_room(service, skus={"mug": 50}, status="scheduled", order_by="draw", seats_max=50)
    await tick(service)
    desk, pool = forgetful_desk(service)
    await lose(desk, pool, "a", "b", "c", "d")
    await join(desk_of(service), *(f"other-{i}" for i in range(12)))
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    # All others miss their call, so the numbers that the entries had are free of any ticket.
    await shift_clock(service, 4000)
    await service.office.end_due(100)

    await join(desk_of(service), "a", "b", "c", "d")

    sql = "SELECT state, ticket_id, came_back_at FROM admission WHERE state <> 'left'"
    rows = await execute(service, sql)
    assert [tuple(row) for row in rows] == [("missed", None, None)] * 12
    await desk.close()


async def test_a_batch_that_its_worker_gave_up_cannot_arrive_any_more(service: Service) -> None:
    await open_room(service, seats_max=0)
    line_id, root = service.board.room("drop").line_id, os.urandom(32)
    own = JoinKeys(keys=[os.urandom(16)], ids=[os.urandom(16)])

    lost = await service.lines.lose(line_id, root, own)

    assert lost == 0
    with pytest.raises(KeyHasNumber):
        await service.lines.join(line_id, 1, root, own=own)
    assert await tail(service) == 0


async def test_one_batch_that_arrives_twice_is_given_numbers_once(service: Service) -> None:
    await open_room(service, seats_max=0)
    line_id, root = service.board.room("drop").line_id, os.urandom(32)
    ids = [os.urandom(16) for _ in range(3)]
    own = JoinKeys(keys=ids, ids=ids)
    await service.lines.join(line_id, 3, root, own=own)

    with pytest.raises(KeyHasNumber):
        await service.lines.join(line_id, 3, root, own=own)

    assert await tail(service) == 3


async def test_keys_are_forgotten_when_joins_are_too_old_to_be_repeated(service: Service) -> None:
    await open_room(service, seats_max=0)
    await join(desk_of(service), "old", "young")
    await execute(
        service,
        "UPDATE join_key SET given_at = given_at - interval '2 hours' WHERE number = 1",
    )

    forgotten = await service.lines.forget_keys(100)

    assert forgotten == 1
    assert [r["number"] for r in await execute(service, "SELECT number FROM join_key")] == [2]


async def test_a_refused_batch_leaves_its_keys_free(service: Service) -> None:
    await open_room(service, status="scheduled", seats_max=0)
    (refused,) = await join(desk_of(service), "mine")
    await service.rooms.set_status("drop", "open", who="test")

    places = await join(desk_of(service), "mine")

    assert isinstance(refused, Refusal)
    assert numbers(places) == [1]


async def test_a_calm_stream_of_joins_shares_the_entries_of_the_log(service: Service) -> None:
    await open_room(service, seats_max=0)
    desk = desk_of(service)
    joins = []

    for _ in range(60):
        joins.append(desk.batcher.submit(JoinRequest(key=None)))
        await asyncio.sleep(0.02)
    places = await asyncio.gather(*joins)

    assert [place.ticket.number for place in places] == list(range(1, 61))
    (joined,) = await execute(
        service, "SELECT count(*) AS entries FROM log_entry WHERE body LIKE '%\"joined\"%'"
    )
    assert joined["entries"] <= 45
    assert await log_is_whole(service)
