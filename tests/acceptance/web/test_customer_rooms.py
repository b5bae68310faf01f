"""Rooms with one place for each customer, whoever they say they are to the identity provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from joserfc.jwk import OctKey
from provider import AUDIENCE, Provider, sign
from support import Shopper, authorization, execute, open_room, tick

from waitroom.line.invitation import Invitation
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Services = Callable[..., Awaitable[Service]]
Clients = Callable[[Service], Awaitable[Client]]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as made:
        made.add_key("k1")
        yield made


@pytest.fixture
async def known(services: Services, provider: Provider) -> Service:
    """Return a service whose customers the test's provider knows."""
    return await services(customer_issuer=provider.issuer, customer_audience=AUDIENCE)


@pytest.fixture
async def shop(known: Service, clients: Clients) -> Client:
    return await clients(known)


async def customer_room(service: Service, room: str = "drop", **rules: Any) -> None:
    skus = {f"mug-{room}": 5}
    await open_room(service, room, **{"skus": skus, "seats_max": 0, "join_by": "customer", **rules})


async def join(
    client: Client, token: str = "", room: str = "drop", body: Any = None, **headers: str
) -> Any:
    bearer = authorization(token) if token else {}
    answer = await client.post(f"/rooms/{room}/tickets", json=body, headers={**bearer, **headers})
    return answer.status, await answer.json()


async def tail(service: Service) -> int:
    (row,) = await execute(service, "SELECT sum(tail) AS tail FROM line")
    return int(row["tail"])


async def invitation_to(service: Service, lane: str) -> str:
    entrance = service.entrance
    batch = await entrance.invitations.invite(
        "drop", lane=lane, count=1, note="", until=None, who="test"
    )
    return entrance.seal.sign(Invitation(batch=batch, index=1))


async def test_a_customer_has_one_place_from_whatever_device_and_in_whatever_way(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)

    first = await join(shop, provider.token())
    # Another sign-in of the same customer is another token.
    in_body = await join(shop, body={"customer_token": provider.token(session_id="other")})
    by_key = await join(shop, provider.token(), **{"Idempotency-Key": "another-tab"})
    form = await shop.post(
        "/rooms/drop/join", data={"customer_token": provider.token()}, allow_redirects=False
    )
    other = await join(shop, provider.token("bob"))

    assert [status for status, _ in (first, in_body, by_key, other)] == [201, 200, 200, 201]
    assert len({body["ticket"] for _, body in (first, in_body, by_key)}) == 1
    assert form.status == 303
    assert first[1]["ticket"] in form.headers["Set-Cookie"]
    assert other[1]["number"] == 2
    assert await tail(known) == 2


async def test_without_a_sign_in_nobody_gets_in(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)

    nobody = await join(shop)
    bad = await join(shop, provider.token(aud="another-shop"))
    forged = await join(shop, sign(provider.claims(), OctKey.import_key("f" * 32), "HS256"))
    page = await shop.post(
        "/rooms/drop/join", headers={"Accept": "text/html"}, allow_redirects=False
    )

    assert (nobody[0], nobody[1]["code"]) == (401, "customer_sign_in_needed")
    for status, body in (bad, forged):
        assert (status, body["code"]) == (401, "customer_token_invalid")
    assert page.status == 401
    assert "sign in" in await page.text()
    assert await tail(known) == 0


async def test_a_page_says_what_its_room_asks_for(
    services: Services, clients: Clients, provider: Provider
) -> None:
    sign_in = "https://shop.example/sign-in?from=queue"
    service = await services(
        customer_issuer=provider.issuer, customer_audience=AUDIENCE, customer_sign_in_url=sign_in
    )
    client = await clients(service)
    await customer_room(service)
    await customer_room(service, "vips", join_by="invitation")
    await tick(service)

    async def page(room: str, **headers: str) -> str:
        answer = await client.get(f"/rooms/{room}", headers={"Accept": "text/html", **headers})
        return await answer.text()

    # A shopper who came from a product's page signs in elsewhere, and comes back to the room.
    first = await client.get("/rooms/drop?sku=mug-drop", headers={"Accept": "text/html"})
    kept = "; ".join(one.OutputString([]) for one in first.cookies.values())
    chosen = await page("drop", Cookie=kept, **authorization(provider.token()))
    customers, guests = await page("drop"), await page("vips")
    signed_in = await page("drop", **authorization(provider.token()))
    invited = await page("vips", Cookie="waitroom_invitation_vips=kept")

    assert 'href="https://shop.example/sign-in?from=queue&amp;room=drop"' in customers
    assert "for customers who have signed in" in customers
    assert 'data-sku="mug-drop"' in chosen
    assert "data-sku" not in signed_in
    assert "Open the link in your invitation" in guests
    for asks in (customers, guests):
        assert 'data-asks="1"' in asks
    for brings in (signed_in, invited):
        assert 'data-asks="1"' not in brings
        assert "Take a number" in brings


async def test_where_no_provider_is_set_up_nobody_can_join(
    service: Service, client: Client, provider: Provider
) -> None:
    await customer_room(service)

    status, body = await join(client, provider.token())

    assert (status, body["code"]) == (404, "customers_not_configured")


async def test_one_customer_in_a_hurry_at_two_workers_gets_one_place(
    services: Services, clients: Clients, provider: Provider
) -> None:
    settings = {"customer_issuer": provider.issuer, "customer_audience": AUDIENCE}
    first, second = await services(**settings), await services(**settings)
    one, other = await clients(first), await clients(second)
    await customer_room(first)
    await second.board.refresh(rooms=True)
    crowd = [provider.token(name) for name in ("ann", "bob", "cid")] * 16

    answers = await asyncio.gather(
        *(join((one, other)[i // 3 % 2], token) for i, token in enumerate(crowd))
    )

    assert {status for status, _ in answers} == {200, 201}
    for start in range(3):
        assert len({body["ticket"] for _, body in answers[start::3]}) == 1
    assert await tail(first) == 3


async def test_a_customer_who_left_may_join_again_behind_all_others(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    shopper = Shopper(shop)
    shopper.ticket = (await join(shop, provider.token()))[1]["ticket"]
    await join(shop, provider.token("bob"))
    await shopper.leave()

    again = await join(shop, provider.token())
    once_more = await join(shop, provider.token())
    # The browser still sends its old ticket, as bearer token, and who it is in the body.
    with_ticket = await join(shop, shopper.ticket, body={"customer_token": provider.token()})
    with_ticket_alone = await join(shop, shopper.ticket)

    assert (again[0], again[1]["number"]) == (201, 3)
    assert (once_more[0], once_more[1]["ticket"]) == (200, again[1]["ticket"])
    assert with_ticket[1]["ticket"] == again[1]["ticket"]
    assert (with_ticket_alone[0], with_ticket_alone[1]["code"]) == (401, "customer_sign_in_needed")


async def test_a_customer_whose_place_was_taken_away_gets_no_other(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    await join(shop, provider.token())
    await execute(known, "SELECT revoke_place('drop', 'main-1', 1, 'test', 'a bot')")

    status, body = await join(shop, provider.token())

    assert (status, body["code"]) == (403, "place_revoked")
    assert await tail(known) == 1


async def test_who_has_a_ticket_keeps_it_without_signing_in_again(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    _, had = await join(shop, provider.token())

    status, body = await join(shop, had["ticket"])

    assert (status, body["ticket"]) == (200, had["ticket"])


async def test_a_customer_is_known_in_each_room_by_another_hash_and_by_no_name(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    await customer_room(known, "other")

    places = [await join(shop, provider.token(), room=room) for room in ("drop", "other")]

    assert [status for status, _ in places] == [201, 201]
    keys = [row["key"] for row in await execute(known, "SELECT key FROM person_place")]
    assert len(set(keys)) == 2
    for table in ("person_place", "log_entry", "line"):
        assert "ann" not in str(await execute(known, f"SELECT t::text FROM {table} t"))


async def test_a_customers_invitation_decides_the_line_and_is_spent_with_the_place(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    await execute(known, "SELECT set_lane('drop', 'vip', 0.5, 'test')")
    await known.board.refresh(rooms=True)
    token = await invitation_to(known, "vip")
    body = {"invitation": token}

    nobody = await join(shop, body=body)
    ann = await join(shop, provider.token(), body=body)
    again = await join(shop, provider.token())
    bob = await join(shop, provider.token("bob"), body=body)
    bobs_browser = await join(
        shop, provider.token("bob"), Cookie=f"waitroom_invitation_drop={token}"
    )

    assert (nobody[0], nobody[1]["code"]) == (401, "customer_sign_in_needed")
    assert (ann[0], ann[1]["line"]) == (201, "vip-1")
    assert (again[0], again[1]["ticket"]) == (200, ann[1]["ticket"])
    assert (bob[0], bob[1]["code"]) == (410, "invitation_used")
    assert (bobs_browser[0], bobs_browser[1]["line"]) == (201, "main-1")
    (batch,) = await known.entrance.invitations.page("drop", before=None, limit=1)
    assert batch.used == 1


async def test_a_customer_who_gave_an_invited_place_up_joins_again_in_the_main_line(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    await execute(known, "SELECT set_lane('drop', 'vip', 0.5, 'test')")
    await known.board.refresh(rooms=True)
    token = await invitation_to(known, "vip")
    kept = {"Cookie": f"waitroom_invitation_drop={token}"}
    shopper = Shopper(shop)
    shopper.ticket = (await join(shop, provider.token(), **kept))[1]["ticket"]
    await shopper.leave()

    named = await join(shop, provider.token(), body={"invitation": token})
    again = await join(shop, provider.token(), **kept)

    assert (named[0], named[1]["code"]) == (410, "invitation_used")
    assert (again[0], again[1]["line"]) == (201, "main-1")


async def test_a_customer_in_the_main_line_may_leave_it_for_an_invitation(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known)
    await execute(known, "SELECT set_lane('drop', 'vip', 0.5, 'test')")
    await known.board.refresh(rooms=True)
    token = await invitation_to(known, "vip")
    shopper = Shopper(shop)
    shopper.ticket = (await join(shop, provider.token()))[1]["ticket"]

    kept = await join(shop, provider.token(), body={"invitation": token})
    await shopper.leave()
    moved = await join(shop, provider.token(), body={"invitation": token})

    # Nobody loses a place by opening a link.
    assert (kept[0], kept[1]["line"]) == (200, "main-1")
    assert (moved[0], moved[1]["line"]) == (201, "vip-1")


async def test_a_place_in_a_lane_that_a_worker_has_not_heard_of_is_waited_for(
    services: Services, clients: Clients, provider: Provider
) -> None:
    settings = {"customer_issuer": provider.issuer, "customer_audience": AUDIENCE}
    first, second = await services(**settings), await services(**settings)
    one, other = await clients(first), await clients(second)
    await customer_room(first)
    await second.board.refresh(rooms=True)
    await execute(first, "SELECT set_lane('drop', 'vip', 0.5, 'test')")
    await first.board.refresh(rooms=True)
    had = await join(one, provider.token(), body={"invitation": await invitation_to(first, "vip")})

    early, body = await join(other, provider.token())
    await second.board.refresh(rooms=True)
    later = await join(other, provider.token())

    assert (early, body["code"]) == (503, "busy")
    assert (later[0], later[1]["ticket"]) == (200, had[1]["ticket"])


async def test_entries_for_a_draw_are_one_for_each_customer(
    known: Service, shop: Client, provider: Provider
) -> None:
    await customer_room(known, status="scheduled", order_by="draw")
    await tick(known)
    names = ("ann", "bob", "cid") * 2
    entered = [await join(shop, provider.token(name)) for name in names]
    await known.rooms.set_status("drop", "open", who="test")
    await tick(known, 4)
    await known.board.refresh(rooms=True)

    drawn = [await join(shop, provider.token(name)) for name in names]

    assert [status for status, _ in entered] == [201] * 3 + [200] * 3
    numbers = [body["number"] for _, body in drawn]
    assert sorted(numbers[:3]) == [1, 2, 3]
    assert numbers[:3] == numbers[3:]
