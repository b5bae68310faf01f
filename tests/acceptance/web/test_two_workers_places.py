"""A place never rises between two answers, though one worker lags behind the other."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from aiohttp.test_utils import TestClient
from support import Shopper, authorization, join_together, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Services = Callable[..., Awaitable[Service]]


async def test_a_place_never_rises_between_two_answers_of_any_workers(
    services: Services, clients: Clients
) -> None:
    ahead, behind = await services(), await services()
    await open_room(ahead, skus={"mug": 50}, seats_max=0, policy="rate")
    one, other = await clients(ahead), await clients(behind)
    tickets = [
        (await (await one.post("/rooms/drop/tickets", headers=key)).json())["ticket"]
        for key in ({"Idempotency-Key": str(uuid4())} for _ in range(30))
    ]
    own = authorization(tickets[-1])
    await tick(ahead)
    await behind.board.refresh(rooms=True)

    async def look(client: Client, path: str, seen: int) -> dict[str, Any]:
        answer = await client.get(f"/rooms/drop/{path}?version={seen}", headers=own)
        assert answer.status == 200, await answer.text()
        told: dict[str, Any] = await answer.json()
        return told

    places, seen = [], 0
    for seats in (5, 12, 20):
        await ahead.rooms.change("drop", f'{{"seats_max": {seats}}}', who="test")
        await tick(ahead)
        await ahead.board.refresh()
        # The second worker hears of nothing; its document is the first one.
        for client in (one, other, one, other):
            told = await look(client, "tickets/me", seen)
            assert told["version"] >= seen
            seen = max(seen, told["version"])
            places.append(told["place"])
        again = await other.post(f"/rooms/drop/tickets?version={seen}", headers=own)
        told = await again.json()
        places.append(told["place"])
        assert (again.status, told["version"] >= seen) == (200, True)

    assert places == sorted(places, reverse=True)
    assert places[-1] < places[0]
    # A document older than the one that a client names is not sent at all.
    etag = f'"{ahead.board.room("drop").state.version}"'  # type: ignore[union-attr]
    stale = await other.get("/rooms/drop/state", headers={"If-None-Match": etag})
    assert stale.status == 304
    for odd in ('"x"', "*", '"' + "9" * 5000 + '"', 'W/"1"', '"-1"'):
        answer = await other.get("/rooms/drop/state", headers={"If-None-Match": odd})
        assert answer.status in {200, 304}


async def test_a_page_without_javascript_shows_no_place_that_rises(
    services: Services, clients: Clients
) -> None:
    ahead, behind = await services(), await services()
    await open_room(ahead, skus={"mug": 50}, seats_max=0, policy="rate")
    one, other = await clients(ahead), await clients(behind)
    await join_together([Shopper(one) for _ in range(29)])
    await tick(ahead)
    cookies: dict[str, str] = {}

    async def load(client: Client, method: str = "GET", path: str = "") -> tuple[int, str]:
        """Send what a browser would, follow its redirect, and return the page's place."""
        sent = {"Accept": "text/html", "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
        answer = await client.request(
            method, f"/rooms/drop{path}", headers=sent, allow_redirects=False
        )
        cookies.update({name: morsel.value for name, morsel in answer.cookies.items()})
        if answer.status == 303:
            return await load(client)
        assert answer.status == 200
        found = re.search(r'id="place"[^>]*>([^<]*)<', await answer.text())
        assert found
        return (0 if found[1] == "Next" else int(found[1]) if found[1].isdigit() else 99, found[1])

    places = []
    await load(one)
    places.append(await load(one, "POST", "/join"))
    await tick(ahead)
    await behind.board.refresh(rooms=True)
    for seats in (5, 12, 20):
        await ahead.rooms.change("drop", f'{{"seats_max": {seats}}}', who="test")
        await tick(ahead)
        await ahead.board.refresh()
        # A reload may meet any worker; the second one still has the first document.
        places += [await load(client) for client in (one, other, one, other)]
    # The script of the page names no version at first: the same cookie keeps its place.
    own = {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
    told = await (await other.get("/rooms/drop/tickets/me", headers=own)).json()
    places.append((told["place"], str(told["place"])))

    shown = [place for place, _ in places]
    assert shown == sorted(shown, reverse=True), places
    assert shown[-1] < shown[0], places
    # A value that is no version is nobody's place.
    for odd in ("x", "-1", "9" * 5000, "²", ""):
        cookies["waitroom_seen"] = odd
        assert (await load(other))[0] >= shown[-1]


async def test_a_number_that_is_newer_than_the_document_is_told_the_next_version(
    services: Services, clients: Clients
) -> None:
    ahead, behind = await services(), await services()
    await open_room(ahead, skus={"mug": 50}, seats_max=0, policy="rate")
    one = await clients(ahead)
    await tick(ahead)
    await ahead.board.refresh()
    await behind.board.refresh(rooms=True)
    joined = await (await one.post("/rooms/drop/tickets")).json()

    own = authorization(joined["ticket"])
    told = await (await one.get("/rooms/drop/tickets/me", headers=own)).json()

    # The gate may have moved since the last document: only the next one is as new as this answer.
    assert told["version"] == joined["version"] + 1
    assert (told["status"], told["place"]) == ("waiting", 1)
