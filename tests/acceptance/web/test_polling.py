"""Whoever looks when they are told to comes in time; free places go to the next, by number."""

import asyncio
import random
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pollers import Poller, visitors
from programs import Running, all_know
from support import (
    Shopper,
    admitted,
    authorization,
    eventually,
    execute,
    join_together,
    open_room,
    size,
    tick,
)

from waitroom.run.app import Service

Client = TestClient[Any, Any]

WAITING = size("WAITING", 150)
PLACES = WAITING // 5
# Of the crowd over the real program; each of them looks by a clock of their own.
CROWD, CROWD_PLACES, LOOK_EVERY_S = 3 * PLACES, PLACES, 2.0
OBEDIENT = 100
SLOW_UNITS_MAX = 25
CLAIM_WINDOW_S = 1


async def look_once(shoppers: list[Shopper], *, seed: int) -> list[int]:
    """Let everybody look once, in any order, and come in if called; return who came in."""
    came = []
    for shopper in random.Random(seed).sample(shoppers, len(shoppers)):
        if (await shopper.me())["status"] == "called":
            assert (await shopper.claim()).status == 201
            came.append(shopper.number)
    return sorted(came)


async def leave(client: Client, shoppers: list[Shopper]) -> None:
    for shopper in shoppers:
        headers = authorization(shopper.session)
        assert (await client.delete("/checkout/session", headers=headers)).status == 204


async def line_behind_full_seats(
    service: Service, client: Client
) -> tuple[list[Shopper], list[Shopper]]:
    """Return those who have all seats, and those who wait for them."""
    await open_room(service, skus={"mug": 1000}, policy="guaranteed", seats_max=PLACES)
    await tick(service)
    inside = list(await asyncio.gather(*(admitted(client) for _ in range(PLACES))))
    waiting = [Shopper(client) for _ in range(WAITING)]
    await join_together(waiting)
    await tick(service)
    return inside, waiting


async def test_a_hundred_free_places_are_filled_by_the_next_look_of_the_next_hundred(
    service: Service, client: Client
) -> None:
    inside, waiting = await line_behind_full_seats(service, client)
    before = await look_once(waiting, seed=1)

    await leave(client, inside)
    await tick(service)
    came = await look_once(waiting, seed=2)
    await tick(service)
    after = await look_once(waiting[PLACES:], seed=3)

    assert before == []
    assert came == list(range(PLACES + 1, 2 * PLACES + 1))
    assert after == []
    assert await service.ledger.breaches() == []


async def test_places_that_come_free_one_by_one_skip_nobody_who_looks(
    service: Service, client: Client
) -> None:
    inside, waiting = await line_behind_full_seats(service, client)
    order = random.Random(7)
    first = PLACES + 1

    while inside:
        leaving = [inside.pop() for _ in range(min(order.randint(1, 25), len(inside)))]
        await leave(client, leaving)
        await tick(service)
        came = await look_once(waiting, seed=len(inside))
        assert came == list(range(first, first + len(leaving)))
        first += len(leaving)
        waiting = waiting[len(leaving) :]

    assert first == 2 * PLACES + 1
    assert len(waiting) == WAITING - PLACES


async def test_a_crowd_that_looks_by_its_own_clock_fills_every_free_place_in_order(
    service: Service, serving: Running
) -> None:
    await open_room(service, skus={"mug": 1000}, policy="guaranteed", seats_max=CROWD_PLACES)
    await all_know(serving)
    async with visitors(serving.url) as http:
        inside = await Poller.join_together(http, CROWD_PLACES)
        for poller in inside:
            await poller.claim()
        waiting = await Poller.join_together(http, CROWD)
        tasks = [asyncio.create_task(p.wait_by_own_clock(LOOK_EVERY_S)) for p in waiting]

        await asyncio.gather(*(poller.leave() for poller in inside))
        await asyncio.gather(*tasks[:CROWD_PLACES])
        # Another round of looks of all the others: nobody but the next hundred was called.
        await asyncio.gather(*(poller.ask() for poller in waiting[CROWD_PLACES:]))
        for task in tasks[CROWD_PLACES:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    called, others = waiting[:CROWD_PLACES], waiting[CROWD_PLACES:]
    assert {tuple(poller.claims) for poller in called} == {(201,)}
    # The first look that said so was the last look: they came in at once.
    assert all([s for s, _ in p.looks].count("called") == 1 for p in called)
    assert {status for poller in others for status, _ in poller.looks} == {"waiting"}
    rows = await execute(service, "SELECT number FROM admission WHERE state = 'claimed' ORDER BY 1")
    assert [row["number"] for row in rows] == [poller.number for poller in called]
    assert await execute(service, "SELECT FROM admission WHERE times_called > 1") == []


@pytest.mark.endure
async def test_whoever_looks_when_told_is_in_time_when_a_restock_calls_far_faster_than_promised(
    service: Service, serving: Running
) -> None:
    await open_room(
        service,
        skus={"mug": 0},
        limit=1,
        policy="guaranteed",
        seats_max=10 * OBEDIENT,
        claim_window_s=CLAIM_WINDOW_S,
        grace_s=0,
    )
    await all_know(serving)
    async with visitors(serving.url) as http:
        pollers = await Poller.join_together(http, OBEDIENT)
        tasks = [
            asyncio.create_task(_come_and_buy(poller, by_ticket=poller.number % 2 == 0))
            for poller in pollers
        ]
        units = await _let_the_line_crawl(service, pollers[-1])
        promised = await execute(service, "SELECT max(number) AS n FROM admission")

        await _receive(service, OBEDIENT - units)
        await asyncio.gather(*tasks)

    assert {tuple(poller.claims) for poller in pollers} == {(201,)}
    rows = await execute(
        service,
        "SELECT times_called, count(*) AS n, max(claimed_at - called_at) AS longest,"
        " min(claim_until - claimed_at) AS least FROM admission GROUP BY 1",
    )
    assert [(row["times_called"], row["n"]) for row in rows] == [(1, OBEDIENT)]
    # Had the window counted from the call, some who did as they were told would have missed it.
    assert rows[0]["longest"].total_seconds() > CLAIM_WINDOW_S
    assert promised[0]["n"] < OBEDIENT / 2
    assert await service.ledger.breaches() == []


async def _come_and_buy(poller: Poller, *, by_ticket: bool) -> None:
    await poller.wait(Poller.ask if by_ticket else Poller.read)
    await poller.buy("mug")


async def _let_the_line_crawl(service: Service, last: Poller) -> int:
    """Receive a unit for every tick until the last in line is told to take their time."""
    for units in range(1, SLOW_UNITS_MAX):
        await _receive(service, 1)
        version = await _version(service)

        async def ticked(version: int = version) -> bool:
            return await _version(service) > version

        await eventually(ticked)
        if last.told_s > 5 * CLAIM_WINDOW_S:
            return units
    raise AssertionError(f"the last in line is told to look again in {last.told_s} s")


async def _receive(service: Service, quantity: int) -> None:
    await service.ledger.move("mug", kind="received", quantity=quantity, who="test", reason="")


async def _version(service: Service) -> int:
    (row,) = await execute(service, "SELECT version FROM room_state")
    return int(row["version"])
