"""Every route of the operators, and who is let in at it."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import PASSWORD, admitted, authorization, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Header = dict[str, str]

LADDER = ["viewer", "operator", "admin"]
PRINCIPALS = ["nobody", *LADDER, "seller"]
# The first account asks for a code of its own.
OPEN_TO_ALL = {
    ("GET", "/admin/login"),
    ("POST", "/admin/login"),
    ("GET", "/admin/login/provider"),
    ("GET", "/admin/login/provider/back"),
    ("POST", "/admin/login/options"),
    ("POST", "/admin/login/passkey"),
    ("GET", "/admin/login/second"),
    ("POST", "/admin/login/second"),
    ("POST", "/admin/login/second/options"),
    ("POST", "/admin/login/second/passkey"),
    ("POST", "/admin/logout"),
    ("GET", "/admin/first"),
    ("POST", "/admin/first"),
}
# The role that a route asks for. A new route is not reachable by accident: it fails the test
# until it stands here.
ROUTES = {
    ("GET", "/admin/new"): "admin",
    ("GET", "/admin/screens/{room}/live"): "viewer",
    ("GET", "/admin/screens/{room}/rules"): "viewer",
    ("GET", "/admin/screens/{room}/line"): "viewer",
    ("GET", "/admin/screens/{room}/look"): "viewer",
    ("GET", "/admin/rooms/{room}/look"): "viewer",
    ("PUT", "/admin/rooms/{room}/look"): "operator",
    ("POST", "/admin/rooms/{room}/look/publish"): "operator",
    ("GET", "/admin/rooms/{room}/preview"): "viewer",
    ("GET", "/admin/preview/{scheme}/{style}.css"): "viewer",
    ("GET", "/admin/rooms/{room}/look/{hash}.css"): "viewer",
    ("GET", "/admin/rooms/{room}/live"): "viewer",
    ("GET", "/admin/rooms/{room}/stream"): "viewer",
    ("GET", "/admin/rooms/{room}/series"): "viewer",
    ("POST", "/admin/rooms/{room}/rehearsal"): "operator",
    ("GET", "/admin/screens/{room}/suspicions"): "viewer",
    ("GET", "/admin/screens/{room}/audit"): "viewer",
    ("GET", "/admin/audit"): "viewer",
    ("GET", "/admin/audit.csv"): "viewer",
    ("GET", "/admin/rooms/{room}/audit.csv"): "viewer",
    ("DELETE", "/admin/operators/{name}/provider"): "admin",
    ("GET", "/admin/security"): "admin",
    ("GET", "/admin/security.csv"): "admin",
    ("GET", "/admin/people"): "admin",
    ("GET", "/admin/first/room"): "admin",
    ("POST", "/admin/first/room"): "admin",
    ("GET", "/admin/first/rooms/{room}"): "operator",
    ("GET", "/admin/first/rooms/{room}/product"): "operator",
    ("POST", "/admin/first/rooms/{room}/product"): "operator",
    ("GET", "/admin/first/rooms/{room}/opening"): "operator",
    ("POST", "/admin/first/rooms/{room}/opening"): "operator",
    ("GET", "/admin/first/rooms/{room}/preview"): "operator",
    ("POST", "/admin/first/rooms/{room}/open"): "operator",
    ("GET", "/admin/first/rooms/{room}/share"): "operator",
    ("GET", "/admin/rooms/{room}/qr.{ending}"): "viewer",
    ("GET", "/admin/actions"): "admin",
    ("GET", "/admin/breaches"): "viewer",
    ("GET", "/admin/breaches/orders"): "viewer",
    ("GET", "/admin/rooms"): "viewer",
    ("POST", "/admin/rooms"): "admin",
    ("GET", "/admin/rooms/{room}"): "viewer",
    ("PATCH", "/admin/rooms/{room}"): "operator",
    ("GET", "/admin/rooms/{room}/actions"): "viewer",
    ("GET", "/admin/rooms/{room}/fairness"): "viewer",
    ("GET", "/admin/rooms/{room}/crowd"): "viewer",
    ("POST", "/admin/rooms/{room}/crowd"): "operator",
    ("GET", "/admin/rooms/{room}/log.jsonl"): "viewer",
    ("GET", "/admin/rooms/{room}/places/{line}/{number}"): "viewer",
    ("GET", "/admin/rooms/{room}/suspicions"): "viewer",
    ("POST", "/admin/rooms/{room}/revocations"): "operator",
    ("GET", "/admin/rooms/{room}/revocations"): "viewer",
    ("POST", "/admin/rooms/{room}/revocations/undo"): "operator",
    ("GET", "/admin/rooms/{room}/networks-behind"): "viewer",
    ("POST", "/admin/rooms/{room}/networks-behind"): "operator",
    ("DELETE", "/admin/rooms/{room}/networks-behind/{network}"): "operator",
    ("DELETE", "/admin/rooms/{room}/places/{line}/{number}"): "operator",
    ("DELETE", "/admin/rooms/{room}/crowd"): "operator",
    ("POST", "/admin/rooms/{room}/reset"): "admin",
    ("POST", "/admin/rooms/{room}/archive"): "admin",
    ("POST", "/admin/rooms/{room}/public-value"): "operator",
    ("PUT", "/admin/rooms/{room}/stock"): "operator",
    ("POST", "/admin/rooms/{room}/{verb}"): "operator",
    ("POST", "/admin/rooms/{room}/close"): "operator",
    ("GET", "/admin/rooms/{room}/lanes"): "viewer",
    ("PUT", "/admin/rooms/{room}/lanes/{lane}"): "operator",
    ("GET", "/admin/rooms/{room}/sellers"): "viewer",
    ("PUT", "/admin/rooms/{room}/sellers/{seller}"): "operator",
    ("GET", "/admin/rooms/{room}/invitations"): "viewer",
    ("POST", "/admin/rooms/{room}/invitations"): "operator",
    ("DELETE", "/admin/rooms/{room}/invitations/{batch}"): "operator",
    ("GET", "/admin/rooms/{room}/profiles"): "viewer",
    ("PUT", "/admin/rooms/{room}/profiles/{profile}"): "operator",
    ("GET", "/admin/rooms/{room}/gate"): "viewer",
    ("PUT", "/admin/rooms/{room}/gate"): "operator",
    ("GET", "/admin/rooms/{room}/file"): "viewer",
    ("PUT", "/admin/rooms/{room}/file"): "operator",
    ("GET", "/admin/rooms/{room}/gate/known-user"): "viewer",
    ("PUT", "/admin/rooms/{room}/gate/known-user"): "operator",
    ("DELETE", "/admin/rooms/{room}/gate/known-user"): "operator",
    ("POST", "/admin/rooms/{room}/gate/known-user/secret"): "admin",
    ("DELETE", "/admin/rooms/{room}/sessions/{session}"): "operator",
    ("GET", "/admin/keys"): "admin",
    ("POST", "/admin/keys"): "admin",
    ("POST", "/admin/keys/{key}/end"): "admin",
    ("GET", "/admin/operators"): "admin",
    ("POST", "/admin/operators"): "admin",
    ("PATCH", "/admin/operators/{name}"): "admin",
    ("DELETE", "/admin/operators/{name}/sessions"): "admin",
    ("DELETE", "/admin/operators/{name}/factors"): "admin",
    ("GET", "/admin/orders/{order_id}/refunds"): "viewer",
    ("POST", "/admin/orders/{order_id}/refunds"): "operator",
    ("POST", "/admin/orders/{order_id}/cancel"): "operator",
    ("GET", "/admin/webhooks"): "viewer",
    ("POST", "/admin/webhooks"): "admin",
    ("GET", "/admin/webhooks/{endpoint}"): "viewer",
    ("PATCH", "/admin/webhooks/{endpoint}"): "admin",
    ("DELETE", "/admin/webhooks/{endpoint}"): "admin",
    ("POST", "/admin/webhooks/{endpoint}/rotate"): "admin",
    ("POST", "/admin/webhooks/{endpoint}/test"): "operator",
    ("POST", "/admin/webhooks/{endpoint}/replay"): "operator",
    ("GET", "/admin/webhooks/{endpoint}/deliveries"): "viewer",
    ("POST", "/admin/deliveries/{delivery}/replay"): "operator",
}
# Those at which sellers are let in besides; what they find there is theirs alone.
SELLERS_TOO = {
    ("GET", "/admin/screens/{room}/goods"): "viewer",
    ("POST", "/admin/password"): "viewer",
    ("GET", "/admin/account"): "viewer",
    ("GET", "/admin/account/sessions"): "viewer",
    ("DELETE", "/admin/account/sessions"): "viewer",
    ("DELETE", "/admin/account/sessions/{session}"): "viewer",
    ("GET", "/admin/account/factors"): "viewer",
    ("POST", "/admin/account/authenticator"): "viewer",
    ("GET", "/admin/account/authenticator.svg"): "viewer",
    ("POST", "/admin/account/authenticator/confirm"): "viewer",
    ("DELETE", "/admin/account/authenticator"): "viewer",
    ("POST", "/admin/account/passkeys/options"): "viewer",
    ("POST", "/admin/account/passkeys"): "viewer",
    ("DELETE", "/admin/account/passkeys/{passkey}"): "viewer",
    ("POST", "/admin/account/recovery-codes"): "viewer",
    ("GET", "/admin/confirm"): "viewer",
    ("POST", "/admin/confirm"): "viewer",
    ("GET", "/admin/proofs"): "viewer",
    ("POST", "/admin/proofs"): "viewer",
    ("POST", "/admin/proofs/options"): "viewer",
    ("GET", "/admin"): "viewer",
    ("GET", "/admin/screens/{room}"): "viewer",
    ("GET", "/admin/screens/{room}/analytics"): "viewer",
    ("GET", "/admin/rooms/{room}/analytics"): "viewer",
    ("GET", "/admin/screens/{room}/orders"): "viewer",
    ("GET", "/admin/orders/{order_id}"): "viewer",
    ("GET", "/admin/rooms/{room}/orders"): "viewer",
    ("GET", "/admin/rooms/{room}/orders.csv"): "viewer",
    ("GET", "/admin/rooms/{room}/products"): "viewer",
    ("POST", "/admin/rooms/{room}/products"): "operator",
    ("GET", "/admin/products/{product}"): "viewer",
    ("PATCH", "/admin/products/{product}"): "operator",
    ("DELETE", "/admin/products/{product}"): "operator",
    ("GET", "/admin/rooms/{room}/skus"): "viewer",
    ("POST", "/admin/rooms/{room}/skus"): "operator",
    ("GET", "/admin/skus/{sku}"): "viewer",
    ("PATCH", "/admin/skus/{sku}"): "operator",
    ("DELETE", "/admin/skus/{sku}"): "operator",
    ("GET", "/admin/skus/{sku}/changes"): "viewer",
    ("GET", "/admin/skus/{sku}/movements"): "viewer",
    ("POST", "/admin/skus/{sku}/movements"): "operator",
    ("GET", "/admin/rooms/{room}/stock"): "viewer",
    ("POST", "/admin/rooms/{room}/catalogue"): "operator",
    ("POST", "/admin/rooms/{room}/pictures"): "operator",
    ("GET", "/admin/rooms/{room}/catalogue.csv"): "viewer",
}


def registered(client: Client) -> set[tuple[str, str]]:
    return {
        (route.method, resource.canonical)
        for resource in client.app.router.resources()
        if resource.canonical.startswith("/admin")
        for route in resource
        if route.method != "HEAD"
    }


async def test_every_route_of_the_operators_has_a_role(client: Client) -> None:
    known = OPEN_TO_ALL | ROUTES.keys() | SELLERS_TOO.keys()

    assert registered(client) == known
    assert not ROUTES.keys() & SELLERS_TOO.keys()


async def test_who_gets_in_where(service: Service, client: Client) -> None:
    headers: dict[str, Header] = {"nobody": {}}
    for role in PRINCIPALS[1:]:
        headers[role] = await sign_in(service, client, role)

    mistakes = []
    for (method, path), wanted in sorted((ROUTES | SELLERS_TOO).items()):
        # There is nothing by these names, so whoever gets in finds that nothing is there.
        named = path.replace("{hash}", "0" * 16).replace("{verb}", "pause")
        named = named.replace("{passkey}", "0")
        asked = re.sub(r"\{\w+\}", "nothing", named)
        for who in PRINCIPALS:
            answer = await client.request(method, asked, headers=headers[who])
            if who == "nobody":
                right = answer.status == 401
            elif who == "seller":
                right = (answer.status != 403) is ((method, path) in SELLERS_TOO)
            else:
                right = (answer.status != 403) is (LADDER.index(who) >= LADDER.index(wanted))
            if not right or (who != "nobody" and answer.status in {401, 405, 500}):
                mistakes.append((method, path, who, answer.status))

    assert mistakes == []


async def test_a_session_that_is_made_up_is_nobodys(client: Client) -> None:
    for cookie in ("waitroom_operator=x", "waitroom_operator=", "waitroom_operator=" + "a" * 43):
        answer = await client.get("/admin/operators", headers={"Cookie": cookie})

        assert answer.status == 401


async def test_a_browser_that_is_not_signed_in_is_led_to_the_sign_in(client: Client) -> None:
    answer = await client.get("/admin", headers={"Accept": "text/html"}, allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (303, "/admin/login")


@pytest.mark.parametrize("role", ["viewer", "admin", "seller"])
async def test_an_operator_who_signs_in_is_led_to_the_rooms(
    service: Service, client: Client, role: str
) -> None:
    await service.operators.add(role, role=role, password=PASSWORD)

    answer = await client.post(
        "/admin/login", data={"name": role, "password": PASSWORD}, allow_redirects=False
    )

    assert answer.headers["Location"] == "/admin"
    cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    assert (await client.get("/admin", headers={**cookie, "Accept": "text/html"})).status == 200


# A room in which two sellers sell, and orders of both.


async def market(service: Service, client: Client) -> dict[str, Header]:
    """Let ann sell mugs and bob sell totes in one room; one order has a mug, one a tote."""
    await open_room(service, skus={}, policy="rate")
    headers = {name: await sign_in(service, client, "seller", name=name) for name in ("ann", "bob")}
    headers["boss"] = await sign_in(service, client, "admin", name="boss")
    for name, sku in (("ann", "mug"), ("bob", "tote")):
        added = await client.post(
            "/admin/rooms/drop/products",
            json={"product": f"{sku}s", "name": f"{sku.title()}s"},
            headers=headers[name],
        )
        assert added.status == 201, await added.text()
        added = await client.post(
            "/admin/rooms/drop/skus",
            json={"sku": sku, "product": f"{sku}s", "name": sku.title(), "price_minor": 900},
            headers=headers[name],
        )
        assert added.status == 201, await added.text()
        moved = await client.post(
            f"/admin/skus/{sku}/movements",
            json={"kind": "received", "quantity": 5},
            headers={**headers[name], "Idempotency-Key": sku},
        )
        assert moved.status == 200, await moved.text()
        await service.rooms.admit("drop", name, admitted=True, who="op")
    await service.board.refresh(rooms=True)
    await tick(service)
    return headers


async def order(client: Client, **quantities: int) -> str:
    shopper = await admitted(client)
    held = await (await shopper.hold(**quantities)).json()
    paid = await shopper.pay(held["hold_id"])
    body = await paid.json()
    assert paid.status == 201, body
    return str(body["order_id"])


async def test_a_seller_sees_and_changes_their_own_and_nothing_else(
    service: Service, client: Client
) -> None:
    headers = await market(service, client)
    mug_order, tote_order = await order(client, mug=1), await order(client, tote=1)
    as_ann = headers["ann"]
    keyed = {**as_ann, "Idempotency-Key": "one"}
    asked = {
        ("GET", "/admin/products/{product}"): None,
        ("PATCH", "/admin/products/{product}"): {"name": "Mine"},
        ("GET", "/admin/skus/{sku}"): None,
        ("PATCH", "/admin/skus/{sku}"): {"name": "Mine"},
        ("GET", "/admin/skus/{sku}/changes"): None,
        ("GET", "/admin/skus/{sku}/movements"): None,
        ("POST", "/admin/skus/{sku}/movements"): {"kind": "received", "quantity": 1},
        ("GET", "/admin/orders/{order_id}"): None,
        ("DELETE", "/admin/skus/{sku}"): None,
        ("DELETE", "/admin/products/{product}"): None,
    }
    shared = ("{room}", "/admin/account/")
    named = {
        key for key in SELLERS_TOO if "{" in key[1] and not any(one in key[1] for one in shared)
    }
    assert asked.keys() == named, "each route that names a thing is asked here about a foreign one"

    own = {}
    for (method, path), body in asked.items():
        theirs = path.format(product="totes", sku="tote", order_id=tote_order)
        mine = path.format(product="mugs", sku="mug", order_id=mug_order)
        unknown = path.format(product="none", sku="none", order_id=uuid4())
        theirs_told = await client.request(method, theirs, json=body, headers=keyed)
        nothing = await client.request(method, unknown, json=body, headers=keyed)
        own[method, path] = (await client.request(method, mine, json=body, headers=keyed)).status
        # Details and lists name what was asked for, or nothing.
        told, heard = await theirs_told.json(), await nothing.json()
        same = (theirs_told.status, told.get("code")) == (nothing.status, heard.get("code"))
        assert same, (method, path, told, heard)
        assert theirs_told.status == 404 or told == heard, (method, path, told)

    # What was sold cannot be deleted, by nobody; all else of one's own is there to be changed.
    assert {key: status for key, status in own.items() if key[0] != "DELETE"} == {
        key: 200 for key in own if key[0] != "DELETE"
    }
    assert 404 not in own.values()
    (tote,) = await execute(service, "SELECT * FROM sku WHERE sku = 'tote'")
    assert tote["name"] != "Mine"


AS_TEXT = ("catalogue.csv", "orders.csv", "analytics")


async def test_lists_show_a_seller_their_own_and_an_admin_all(
    service: Service, client: Client
) -> None:
    headers = await market(service, client)
    await asyncio.gather(order(client, mug=1), order(client, tote=2))
    await order(client, mug=1, tote=1)

    async def read(path: str, who: str) -> Any:
        answer = await client.get(f"/admin/rooms/drop/{path}", headers=headers[who])
        assert answer.status == 200, await answer.text()
        return await (answer.text() if path in AS_TEXT else answer.json())

    seen = {}
    for who in ("ann", "bob", "boss"):
        products = [p["product"] for p in (await read("products", who))["products"]]
        skus = [s["sku"] for s in (await read("skus", who))["skus"]]
        stock = [s["sku"] for s in (await read("stock", who))["stock"]]
        orders = (await read("orders", who))["orders"]
        sold = sorted({item["sku"] for o in orders for item in o["items"]})
        seen[who] = (products, skus, stock, len(orders), sold)
        for path in AS_TEXT:
            text = (await read(path, who)).lower()
            assert ("mug" in text, "tote" in text) == (who != "bob", who != "ann"), (who, path)

    assert seen["ann"] == (["mugs"], ["mug"], ["mug"], 2, ["mug"])
    assert seen["bob"] == (["totes"], ["tote"], ["tote"], 2, ["tote"])
    both = ["mug", "tote"]
    assert seen["boss"] == (["mugs", "totes"], both, both, 3, both)


async def test_a_seller_takes_no_product_of_anothers_into_their_own_name(
    service: Service, client: Client
) -> None:
    headers = await market(service, client)

    same = await client.post(
        "/admin/rooms/drop/products",
        json={"product": "totes", "name": "Mine now"},
        headers=headers["ann"],
    )
    beside = await client.post(
        "/admin/rooms/drop/skus",
        json={"sku": "fake", "product": "totes", "name": "Fake", "price_minor": 1},
        headers=headers["ann"],
    )
    loaded = await client.post(
        "/admin/rooms/drop/catalogue",
        data="sku,product,name,price_minor\ntote,totes,Mine now,1\n",
        headers={**headers["ann"], "Content-Type": "text/csv", "Idempotency-Key": "k"},
    )

    assert same.status in {400, 409}
    assert beside.status == 404
    assert loaded.status < 500
    (tote,) = await execute(service, "SELECT name, price_minor FROM sku WHERE sku = 'tote'")
    assert (tote["name"], tote["price_minor"]) == ("Tote", 900)
    assert await execute(service, "SELECT FROM sku WHERE sku = 'fake'") == []


async def test_a_shoppers_tokens_open_nothing_of_the_operators(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)

    for token in (shopper.ticket, shopper.session):
        for headers in (authorization(token), {"Cookie": f"waitroom_operator={token}"}):
            assert (await client.get("/admin/rooms", headers=headers)).status == 401


async def test_the_sign_in_leads_back_to_a_screen_and_to_nothing_else(
    service: Service, client: Client
) -> None:
    await service.operators.add("ada", role="admin", password=PASSWORD)
    asked = "/admin/screens/drop/orders?q=a%26b"

    turned = await client.get(asked, headers={"Accept": "text/html"}, allow_redirects=False)
    page = await (await client.get(turned.headers["Location"])).text()

    assert f'name="to" value="{asked}"' in page
    for to, place in (
        (asked, asked),
        ("/admin/screens/drop/orders#x", "/admin/screens/drop/orders#x"),
        ("//evil.example/admin/", "/admin"), ("/admin//evil.example", "/admin"),
        ("/admin/../rooms/drop", "/admin"), ("https://evil.example/admin/x", "/admin"),
        ("/admin/login", "/admin"), ("/admin/\\evil\n", "/admin"), ("", "/admin"),
    ):  # fmt: skip
        form = {"name": "ada", "password": PASSWORD, "to": to}
        answer = await client.post("/admin/login", data=form, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, place), to
