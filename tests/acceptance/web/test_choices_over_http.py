"""A shopper names what they come for: with the join or later, over HTTP and by the plain page."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from shop import hold
from support import authorization, execute, log_is_whole, open_room, tick

from waitroom.run.app import Service
from waitroom.store.place_store import PlaceStore

Client = TestClient[Any, Any]
SKUS = {"red": 2, "blue": 40}
HTML = {"Accept": "text/html", "Cookie": f"waitroom_visitor={'a' * 32}"}


async def join(client: Client, sku: str | None, key: str) -> tuple[int, dict[str, Any]]:
    body = {} if sku is None else {"sku": sku}
    headers = {"Idempotency-Key": str(uuid5(NAMESPACE_URL, key))}
    answer = await client.post("/rooms/drop/tickets", json=body, headers=headers)
    return answer.status, await answer.json()


async def choose(client: Client, ticket: str, sku: str | None) -> ClientResponse:
    return await client.put(
        "/rooms/drop/tickets/me/choice", json={"sku": sku}, headers=authorization(ticket)
    )


async def standing(client: Client, ticket: str) -> dict[str, Any]:
    answer = await client.get("/rooms/drop/tickets/me", headers=authorization(ticket))
    found: dict[str, Any] = await answer.json()
    return found


async def state_of(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = await (await client.get("/rooms/drop/state")).json()
    return found


async def settled(service: Service) -> None:
    """Let the leader read what changed, and publish it."""
    await tick(service, 3)


async def test_a_choice_goes_from_the_join_to_the_document_the_ticket_and_the_calls(
    service: Service, client: Client
) -> None:
    await open_room(service, skus=SKUS, policy="expected", limit=1, seats_max=0)
    await tick(service)
    tickets = [(await join(client, "red", f"red-{n}"))[1]["ticket"] for n in range(12)]
    blue = (await join(client, "blue", "blue"))[1]["ticket"]
    anything = (await join(client, None, "old client"))[1]["ticket"]
    await settled(service)

    state = await state_of(client)

    assert {one["sku"]: one["left"] for one in state["skus"]} == SKUS
    assert state["skus"][0]["sku"] == "red", "the most wanted comes first"
    first, last = await standing(client, tickets[0]), await standing(client, tickets[-1])
    assert first["sku"] == last["sku"] == "red"
    assert first["sku_chance"] > 0.9
    assert last["sku_chance"] < 0.2
    assert last["chance"] >= (await standing(client, blue))["sku_chance"] > 0.9
    assert "sku" not in await standing(client, anything)

    # A repeated join leaves the choice as it is.
    again = (await join(client, "blue", "red-0"))[1]["ticket"]
    assert (await standing(client, again))["sku"] == "red"

    # The two red units are held by the first; who comes for red after that is called in order.
    await service.rooms.change("drop", '{"seats_max": 50}', who="test")
    await settled(service)
    (called,) = await execute(service, "SELECT LEAST(gate, tail) AS head FROM line")
    assert called["head"] >= 13
    for ticket in tickets[:2]:
        answer = await client.post("/rooms/drop/claims", headers=authorization(ticket))
        assert answer.status == 201
    for row in await execute(service, "SELECT admission_id FROM admission WHERE number <= 2"):
        await hold(service, row["admission_id"], red=1)
    (journey,) = await execute(
        service, "SELECT named, first_sku FROM journey WHERE state = 'claimed' LIMIT 1"
    )
    assert journey["named"] == journey["first_sku"] is not None
    assert await log_is_whole(service)


async def test_a_choice_that_the_room_does_not_sell_is_refused_and_takes_no_number(
    service: Service, client: Client
) -> None:
    await open_room(service, skus=SKUS, seats_max=0)
    await open_room(service, "other", skus={"green": 1, "grey": 1})
    await tick(service)

    refusals = [
        await join(client, sku, sku) for sku in ("green", "nothing", "x" * 200, "ü", "red\0")
    ]

    assert [(status, body["code"]) for status, body in refusals] == [(422, "unknown_sku")] * 5
    (line,) = await execute(
        service, "SELECT tail FROM line JOIN room USING (room_id) WHERE room = 'drop'"
    )
    assert line["tail"] == 0


async def test_a_choice_may_be_changed_so_often_and_moves_no_place(
    service: Service, client: Client
) -> None:
    await open_room(service, skus=SKUS, seats_max=0)
    await tick(service)
    _, joined = await join(client, "red", "one")
    ticket = joined["ticket"]

    told = [await (await choose(client, ticket, sku)).json() for sku in ("blue", None, "red")]

    assert [one.get("sku") for one in told] == ["blue", None, "red"]
    assert {one["place"] for one in told} == {1}
    for other in ("green", "red\0"):
        refused = await choose(client, ticket, other)
        assert (refused.status, (await refused.json())["code"]) == (422, "unknown_sku")
    again = [(await choose(client, ticket, "red")).status for _ in range(2)]
    assert again == [200, 200], "to say the same again changes nothing"
    (place,) = await execute(service, "SELECT changes FROM place")
    assert place["changes"] == 3
    # The bound of one place's changes in all holds here too.
    place = service.board.ticket_of(service.board.room("drop"), ticket)
    store = PlaceStore(service.pool)
    verdicts = [await store.choose(place, sku) for sku in ("blue", "red") * 50]
    assert verdicts == ["chosen"] * 97 + ["too_many_changes"] + ["chosen", "too_many_changes"]


async def test_the_plain_page_takes_a_choice_with_the_join_and_tells_its_chance(
    service: Service, clients: Callable[[Service], Awaitable[Client]]
) -> None:
    await open_room(service, skus={"red": 0, "blue": 40, "green": 3}, seats_max=0)
    client = await clients(service)
    await settled(service)
    page = await (await client.get("/rooms/drop", headers=HTML)).text()
    assert "What do you come for?" in page

    joined = await client.post(
        "/rooms/drop/join", data={"sku": "green"}, headers=HTML, allow_redirects=False
    )
    assert joined.status == 303
    cookies = (f"{cookie.key}={cookie.value}" for cookie in joined.cookies.values())
    own = HTML | {"Cookie": "; ".join((HTML["Cookie"], *cookies))}
    await settled(service)
    page = await (await client.get("/rooms/drop", headers=own)).text()

    assert "You come for Green. Chance that it is left at your turn: Almost certain" in page
    assert "Blue: 40 left. Your chance: Almost certain" in page
    page = await (await client.post("/rooms/drop/choose", data={"sku": "red"}, headers=own)).text()
    assert "You come for Red. Its chance is not worked out." in page
