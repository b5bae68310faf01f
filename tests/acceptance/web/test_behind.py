"""Many places of one address: its further ones stand behind, and no one else notices."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import execute, open_room, size, tick

from waitroom.log.audit import audit
from waitroom.log.verify.finding import Verdict
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Services = Callable[..., Awaitable[Service]]

# `make endure` sends the crowd and the attack that the docs tell of.
HONEST = size("CROWD", 200)
JOINS = size("JOINS", 100)
IS_LARGE = JOINS == 10_000
STRANGER = "203.0.113.66"


class Visitor:
    """A shopper who comes through a proxy, from an address that others have too."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._headers = {"X-Forwarded-For": address}
        self.key = str(uuid4())
        self.place: dict[str, Any] = {}
        self.statuses: list[int] = []

    async def ask(self, method: str, path: str, **headers: str) -> dict[str, Any]:
        sent = {**self._headers, "Accept": "application/json", **headers}
        async with self._client.request(method, path, headers=sent) as answer:
            self.statuses.append(answer.status)
            return dict(await answer.json())

    async def join(self) -> "Visitor":
        body = await self.ask("POST", "/rooms/drop/tickets", **{"Idempotency-Key": self.key})
        if "ticket" in body:
            self.place = body
        return self

    async def me(self) -> dict[str, Any]:
        bearer = f"Bearer {self.place['ticket']}"
        return await self.ask("GET", "/rooms/drop/tickets/me", Authorization=bearer)

    async def come_and_look(self) -> None:
        """Load the page, join with a double click, and look twice."""
        async with self._client.get("/rooms/drop", headers=self._headers) as answer:
            self.statuses.append(answer.status)
        await asyncio.gather(self.join(), self.join())
        await self.ask("GET", "/rooms/drop/state")
        await self.me()


async def together(visitors: list[Visitor]) -> list[Visitor]:
    return list(await asyncio.gather(*(visitor.join() for visitor in visitors)))


async def findings_of(service: Service) -> dict[str, Verdict]:
    rows = await execute(service, "SELECT seq, body, hash FROM log_entry ORDER BY seq")
    served = [{"seq": row["seq"], "body": row["body"], "hash": row["hash"].hex()} for row in rows]
    return {finding.check: finding.verdict for finding in audit(served)}


async def test_an_honest_crowd_behind_four_addresses_is_neither_refused_nor_behind(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0, proof_of_work="never")
    await tick(service)
    crowd = [Visitor(client, f"198.51.100.{n % 4}") for n in range(HONEST)]

    for start in range(0, HONEST, 500):
        await asyncio.gather(*(one.come_and_look() for one in crowd[start : start + 500]))

    assert Counter(status for one in crowd for status in one.statuses if status >= 400) == {}
    assert len({one.place["number"] for one in crowd}) == HONEST
    assert [one.place for one in crowd if one.place.get("behind")] == []


async def test_a_network_that_an_operator_put_behind_is_called_last_from_then_on(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0, proof_of_work="never", policy="rate")
    await tick(service)
    headers = await sign_in(service, client, "operator")
    path = "/admin/rooms/drop/networks-behind"
    early = await Visitor(client, STRANGER).join()

    odd = [
        await client.post(path, json={"reason": "x", **named}, headers=headers)
        for named in ({}, {"address": "127.0.0.1"}, {"address": "shop.example"}, {"network": "x"})
    ]
    put = await client.post(
        path, json={"address": STRANGER, "reason": "A bot farm."}, headers=headers
    )
    put_body = await put.json()
    late = await Visitor(client, STRANGER).join()
    other = await Visitor(client, "198.51.100.9").join()
    listed = await (await client.get(path, headers=headers)).json()
    lift = await client.delete(
        f"{path}/{put_body['network']}", json={"reason": "A school."}, headers=headers
    )
    last = await Visitor(client, STRANGER).join()

    assert [answer.status for answer in odd] == [400, 400, 400, 422]
    assert (put.status, lift.status) == (200, 200)
    assert [bool(one.place.get("behind")) for one in (early, late, other, last)] == [
        False, True, False, False,
    ]  # fmt: skip
    ((told),) = listed["networks"]
    assert (told["network"], told["reason"]) == (put_body["network"], "A bot farm.")
    # The address is known nowhere, and the log tells the number of such networks.
    entries = await execute(
        service, "SELECT body FROM log_entry WHERE body LIKE '%networks_behind%'"
    )
    assert ["[0,1]" in row["body"].replace(" ", "") for row in entries] == [True, False]
    assert STRANGER not in str([row["body"] for row in entries]) + str(listed)
    assert Verdict.FAILS not in (await findings_of(service)).values()


async def test_thousands_of_joins_from_one_address_change_no_ones_wait(
    services: Services, clients: Clients
) -> None:
    """The room gives an address 20 places, or 1,000 in `make endure`; no more come first."""
    most = 1000 if IS_LARGE else 20
    service = await services(limits_factor=1.0 if IS_LARGE else 0.02)
    client = await clients(service)
    rules = {"proof_of_work": "never", "policy": "rate", "seats_max": 100_000, "batch_max": 50}
    await open_room(service, **rules, places_per_address_max=most, status="scheduled")
    await service.rooms.set_status("drop", "open", who="test")
    # No gate stands ahead, so all of them wait.
    await execute(service, "UPDATE line SET gate = 0")
    honest = [Visitor(client, f"198.51.100.{n}") for n in range(40)]
    strangers = [Visitor(client, STRANGER) for _ in range(JOINS)]

    await together(honest[:20])
    for start in range(0, JOINS, 500):
        await together(strangers[start : start + 500])
    await together(honest[20:])

    refused = [one for one in strangers if one.statuses == [429]]
    behind = [one for one in strangers if one.place.get("behind")]
    first = [one for one in strangers if one.place and not one.place.get("behind")]
    assert len(refused) > 0.6 * JOINS
    assert behind
    assert len(first) == most
    assert [one.statuses for one in honest if one.statuses != [201]] == []
    numbers = sorted(one.place["number"] for one in honest)
    assert numbers == [*range(1, 21), *range(21 + most, 41 + most)]
    while (await honest[-1].me())["status"] == "waiting":
        assert {(await one.me())["status"] for one in behind[:5]} == {"waiting"}
        await tick(service)
    for _ in range(len(behind) // 50 + 2):
        await tick(service)
    assert (await behind[-1].me())["status"] == "called", "they are not refused, only last"
    found = await findings_of(service)
    assert found["behind"] is Verdict.HOLDS
    assert Verdict.FAILS not in found.values()


async def test_a_repeated_join_finds_its_place_on_either_side_of_the_bound(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0, places_per_address_max=2)
    before, second, beyond = [await Visitor(client, STRANGER).join() for _ in range(3)]
    again = Visitor(client, STRANGER)
    again.key = before.key
    elsewhere = Visitor(client, "198.51.100.7")
    elsewhere.key = beyond.key

    assert "behind" not in second.place
    assert (beyond.place["behind"], beyond.place["line"], beyond.place["number"]) == (
        True,
        "behind-1",
        1,
    )
    assert (await again.join()).place["ticket"] == before.place["ticket"]
    assert (await elsewhere.join()).place["ticket"] == beyond.place["ticket"]
    await tick(service)
    standing = await beyond.me()
    assert (standing["behind"], standing["status"]) == (True, "waiting")
    cookie = f"waitroom_ticket_drop={beyond.place['ticket']}"
    page = await (
        await client.get("/rooms/drop", headers={"Cookie": cookie, "Accept": "text/html"})
    ).text()
    assert '<p class="under-stub" id="behind">' in page


@pytest.mark.parametrize("most", [3, None])
async def test_a_draw_numbers_the_places_behind_after_all_others(
    service: Service, client: Client, most: int | None
) -> None:
    await open_room(
        service,
        status="scheduled",
        order_by="draw",
        policy="rate",
        seats_max=5,
        places_per_address_max=most,
    )
    await tick(service)
    stuffed = [await Visitor(client, STRANGER).join() for _ in range(8)]
    early = [one for one in stuffed if not one.place]
    assert {tuple(one.statuses) for one in early} <= {(503,)}, "the lane's draw is not announced"
    await tick(service)
    await together(early)
    honest = [await Visitor(client, f"198.51.100.{n}").join() for n in range(2)]
    behind = [one for one in stuffed if one.place.get("behind")]
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 5)
    await service.board.refresh(rooms=True)

    statuses = [(await one.me())["status"] for one in honest]
    assert len(behind) == (5 if most else 0)
    if most:
        assert statuses == ["called", "called"], "there are seats for all who are not behind"
        assert [(await one.me())["status"] for one in behind] == ["waiting"] * 5
    assert Verdict.FAILS not in (await findings_of(service)).values()
