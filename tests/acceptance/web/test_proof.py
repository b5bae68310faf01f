"""Under pressure a join proves by work, by waiting or by an outside check that it is one of few."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import eventually, execute, open_room, tick

from waitroom.client.http_client import HttpClient
from waitroom.client.proving import solved
from waitroom.client.shopper_client import ShopperClient
from waitroom.desk.proving.stamps import WAIT_S
from waitroom.load.behaviour import Behaviour
from waitroom.load.crowd import Crowd
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Pages = Callable[..., Awaitable[Page]]
Services = Callable[..., Awaitable[Service]]

# The network of these shoppers, by the word of a proxy. The machine itself is under no pressure.
HERE = "192.0.2.9"
PROXIED = {"trusted_proxies": ["127.0.0.1"]}


@pytest.fixture
async def service(services: Services) -> Service:
    return await services(**PROXIED)


async def open_pressed(
    service: Service, places: int = 40, room: str = "drop", **rules: Any
) -> None:
    """Open a room of which one network has just taken this number of places."""
    usual: dict[str, Any] = {"skus": {}, "seats_max": 0, "proof_of_work": "pressure"}
    await open_room(service, room, **{**usual, **rules})
    press(service, places, room)


def press(service: Service, places: int, room: str = "drop") -> None:
    line_id = service.board.room(room).line_id
    for _ in range(places):
        service.networks.gave(room, HERE, line_id=line_id)


async def join(
    client: Client, room: str = "drop", *, key: str = "", **body: str
) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": key or str(uuid4()), "X-Forwarded-For": HERE}
    answer = await client.post(f"/rooms/{room}/tickets", headers=headers, json=body)
    return answer.status, await answer.json()


async def test_a_pressed_network_solves_a_challenge_for_each_place(
    service: Service, client: Client
) -> None:
    await open_pressed(service)
    key = str(uuid4())

    status, asked = await join(client, key=key)
    proof = await solved(asked["challenge"])
    given, place = await join(client, key=key, proof=proof)
    # The answer may have been lost, so the same join may come again. Another one may not.
    again, same = await join(client, key=key, proof=proof)
    replayed, refusal = await join(client, proof=proof)

    assert (status, asked["code"]) == (428, "proof_needed")
    assert (given, again) == (201, 200)
    assert place["ticket"] == same["ticket"]
    assert (replayed, refusal["code"]) == (428, "proof_needed")
    (line,) = await execute(service, "SELECT tail FROM line")
    assert line["tail"] == 1


async def test_an_address_that_works_for_nothing_gets_what_an_office_takes(
    service: Service, client: Client
) -> None:
    await open_pressed(service, 0)

    statuses = [(await join(client))[0] for _ in range(40)]

    assert statuses == [201] * 30 + [428] * 10


async def test_a_flood_of_joins_that_solve_nothing_has_a_bound(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitroom.desk.proving.proofs.CHALLENGES_PER_S", 3)
    still = SimpleNamespace(time=time.time, monotonic=lambda: 1000.0)
    monkeypatch.setattr("waitroom.desk.proving.proofs.time", still)
    await open_pressed(service)

    answers = [await join(client) for _ in range(5)]

    assert [status for status, _ in answers] == [428] * 3 + [503] * 2


async def test_nothing_is_asked_in_quiet_times_nor_where_the_rules_say_never(
    service: Service, client: Client
) -> None:
    await open_pressed(service, 28)
    await open_pressed(service, 400, "calm", proof_of_work="never")
    await open_pressed(service, 0, "strict", proof_of_work="always")

    for _ in range(400):
        service.networks.gave("drop", "127.0.0.1", line_id=service.board.room("drop").line_id)

    assert not service.tickets.proofs.asks(service.board.room("drop"), "127.0.0.1")
    assert (await join(client))[0] == 201
    assert (await join(client, "calm"))[0] == 201
    assert (await join(client, "strict"))[1]["challenge"]["parameters"]["data"]["level"] == 1


async def test_a_proof_of_another_room_and_one_that_is_too_easy_are_refused(
    service: Service, client: Client
) -> None:
    await open_pressed(service)
    await open_pressed(service, room="other")
    foreign = await solved((await join(client, "other"))[1]["challenge"])
    easy = await solved((await join(client))[1]["challenge"])

    assert (await join(client, proof=foreign))[0] == 428
    press(service, 300)
    status, asked = await join(client, proof=easy)
    assert status == 428
    assert asked["challenge"]["parameters"]["data"]["level"] > 2
    # It was not spent: once the pressure is gone it would do.
    assert (await join(client, "other", proof=foreign))[0] == 201


async def test_a_proof_is_spent_at_all_workers_and_at_each_alone_while_valkey_is_away(
    services: Services, clients: Clients
) -> None:
    first, second = await services(**PROXIED), await services(**PROXIED)
    await open_pressed(first)
    await second.board.refresh(rooms=True)
    press(second, 40)
    one, other = await clients(first), await clients(second)
    proof = await solved((await join(one))[1]["challenge"])

    assert (await join(one, proof=proof))[0] == 201
    assert (await join(other, proof=proof))[0] == 428

    away = await services(valkey_url="redis://127.0.0.1:1", **PROXIED)
    await away.board.refresh(rooms=True)
    press(away, 40)
    alone = await clients(away)
    proof = await solved((await join(alone))[1]["challenge"])
    assert (await join(alone, proof=proof))[0] == 201
    assert (await join(alone, proof=proof))[0] == 428


async def test_entries_of_a_draw_are_proved_too(service: Service, client: Client) -> None:
    await open_pressed(service, status="scheduled", order_by="draw")
    await tick(service)

    status, asked = await join(client)
    given, entry = await join(client, proof=await solved(asked["challenge"]))

    assert (status, asked["code"]) == (428, "proof_needed")
    assert (given, entry["entry"]) == (201, 1)


async def test_waiting_takes_the_place_of_the_work_a_few_times_a_minute(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_pressed(service)
    keys = [str(uuid4()) for _ in range(8)]
    stamps = [(await join(client, key=key))[1]["stamp"] for key in keys]

    early, told = await join(client, key=keys[0], proof=stamps[0])
    late = time.time() + WAIT_S + 1
    later = SimpleNamespace(time=lambda: late, monotonic=time.monotonic)
    monkeypatch.setattr("waitroom.desk.proving.proofs.time", later)
    strangers, _ = await join(client, proof=stamps[0])
    given = [
        (await join(client, key=key, proof=stamp)) for key, stamp in zip(keys, stamps, strict=True)
    ]

    assert early == 428
    assert (told["stamp"], 1 <= told["wait_s"] <= WAIT_S + 1) == (stamps[0], True)
    assert strangers == 428
    assert [status for status, _ in given] == [201] * 6 + [428] * 2
    # The stamp stays good, and the refusal says when to come again.
    assert given[-1][1]["stamp"] == stamps[-1]
    assert given[-1][1]["wait_s"] >= 10


async def test_a_room_in_which_many_networks_press_asks_all(
    service: Service, client: Client
) -> None:
    await open_pressed(service, 0)
    view = service.board.room("drop")
    for network in range(20):
        for _ in range(30):
            service.networks.gave("drop", f"198.51.100.{network}", line_id=view.line_id)
        assert (await join(client))[0] == 201
        service.tickets.proofs.asks(view, f"198.51.100.{network}")

    status, asked = await join(client)

    assert (status, asked["challenge"]["parameters"]["data"]["level"]) == (428, 2)


async def test_the_client_and_simulated_shoppers_do_the_work(
    service: Service, client: Client
) -> None:
    await open_pressed(service, 0, proof_of_work="always")
    url = str(client.make_url("/"))
    async with HttpClient(url) as http:
        place = await ShopperClient(http, "drop").join()
    crowd = Crowd(url, "drop", Behaviour(shoppers=3, arrive_s=0, double_click_share=1))
    running = asyncio.create_task(crowd.run())

    async def all_there() -> bool:
        return all(journey.number for journey in crowd.journeys)

    await eventually(all_there)
    crowd.stop()
    await running

    assert place.number == 1
    assert sorted(journey.number or 0 for journey in crowd.journeys) == [2, 3, 4]


@pytest.mark.parametrize("script", [True, False])
async def test_a_browser_under_pressure_works_by_itself_or_waits(
    service: Service,
    site: Site,
    pages: Pages,
    monkeypatch: pytest.MonkeyPatch,
    *,
    script: bool,
) -> None:
    monkeypatch.setattr("waitroom.desk.proving.stamps.WAIT_S", 60 if script else 2)
    page = await pages(java_script_enabled=script)
    await open_room(service, skus={"mug": 3}, seats_max=0, proof_of_work="always")
    await all_know(site)

    await page.goto(f"{site.url}/rooms/drop?sku=mug")
    if not script:
        await page.locator("#join").click()
        told = page.locator("#stamp-wait")
        await expect(told).to_contain_text("waits")
        await expect(page.locator("#join")).to_be_hidden()
        # The page looks again by itself.
        await expect(told).to_contain_text("Thank you")
        await expect(page.locator("#comes-for")).to_contain_text("Mug")
        await page.locator("#join").click()

    await expect(page.locator("#number")).to_have_text("1")
    await expect(page.locator("#stamp-wait")).to_have_count(0)
    kept = {cookie["name"] for cookie in await page.context.cookies()}
    assert "waitroom_stamp" not in kept


async def test_a_browser_that_cannot_work_uses_its_stamp_by_itself(
    service: Service, site: Site, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitroom.desk.proving.proofs.WAIT_S", 1)
    monkeypatch.setattr("waitroom.desk.proving.stamps.WAIT_S", 1)
    page = await pages()
    await page.route("**/proof-worker.js", lambda route: route.fulfill(body="", status=200))
    await open_room(service, skus={}, seats_max=0, proof_of_work="always")
    await all_know(site)

    await page.goto(f"{site.url}/rooms/drop")

    await expect(page.locator("#notice")).to_contain_text("short calculation")
    await expect(page.locator("#number")).to_have_text("1")
    await expect(page.locator("#notice")).not_to_contain_text("short calculation")
