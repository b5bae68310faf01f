"""Webhooks over HTTP: from a walk to a receiver, and what operators see and do."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Running
from receiver import Receiver, open_receiver, sending
from signing_in import sign_in, sign_in_on_screen
from standardwebhooks import Webhook, WebhookVerificationError
from support import PASSWORD, admitted, eventually, execute, open_room, tick
from yarl import URL

from waitroom.outgoing.outbox.endpoint_store import ENDPOINTS_MAX
from waitroom.outgoing.outbox.event import KINDS
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Headers = dict[str, str]


@pytest.fixture
async def service(services: Callable[..., Awaitable[Service]]) -> Service:
    return await services(webhooks_allow_private=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


async def add(client: Client, receiver: Receiver, admin: Headers, *kinds: str) -> dict[str, Any]:
    body = {"url": receiver.url, "description": "the shop", "kinds": list(kinds)}
    answer = await client.post("/admin/webhooks", json=body, headers=admin)
    made: dict[str, Any] = await answer.json()
    assert answer.status == 201, made
    receiver.secrets = [made["secret"]]
    return made


async def buy(client: Client) -> None:
    shopper = await admitted(client)
    hold = await (await shopper.hold(mug=1)).json()
    assert (await shopper.pay(hold["hold_id"])).status == 201


async def listed(client: Client, path: str, operator: Headers) -> Any:
    answer = await client.get(path, headers=operator)
    assert answer.status == 200
    return await answer.json()


async def test_a_walk_is_told_from_the_call_to_the_order(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    await add(
        client, receiver, admin, "ticket.called", "hold.placed", "hold.confirmed", "order.paid"
    )
    await open_room(service, skus={"mug": 5})
    await tick(service)

    await buy(client)
    async with sending(service.webhook_sender):
        await eventually(lambda: _has(receiver, 4))

    said = {received.kind: received.body["data"] for received in receiver.got}
    assert set(said) == {"ticket.called", "hold.placed", "hold.confirmed", "order.paid"}
    order = said["order.paid"]
    assert {data["room"] for data in said.values()} == {"drop"}
    assert (order["total_minor"], order["currency"], order["state"]) == (1000, "EUR", "paid")
    assert [(item["sku"], item["quantity"]) for item in order["items"]] == [("mug", 1)]
    assert said["hold.placed"]["hold_id"] == order["hold_id"]


async def _has(receiver: Receiver, count: int) -> bool:
    return len(receiver.got) >= count


async def test_money_that_goes_back_is_told_each_time(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    await add(client, receiver, admin, "order.refunded")
    await open_room(service, skus={"mug": 5})
    await tick(service)
    await buy(client)

    await execute(service, "UPDATE purchase SET refunding_minor = 400")
    await execute(service, "UPDATE purchase SET refunding_minor = 0, refunded_minor = 400")
    await execute(service, "UPDATE purchase SET refunded_minor = 1000, state = 'refunded'")
    async with sending(service.webhook_sender):
        await eventually(lambda: _has(receiver, 2))

    told = sorted((r.body["data"]["refunded_minor"], r.body["data"]) for r in receiver.got)
    assert [(total, data["refunded_now_minor"], data["state"]) for total, data in told] == [
        (400, 400, "paid"),
        (1000, 600, "refunded"),
    ]


async def test_an_order_that_comes_to_nothing_is_told_of(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    await add(client, receiver, admin, "order.cancelled")
    await open_room(service, skus={"mug": 5})
    await tick(service)
    shopper = await admitted(client)
    hold = await (await shopper.hold(mug=1)).json()
    assert (await shopper.pay(hold["hold_id"], token="tok_slow")).status == 202

    await execute(service, "UPDATE purchase SET state = 'voiding'")
    await execute(service, "UPDATE purchase SET state = 'cancelled'")
    async with sending(service.webhook_sender):
        await eventually(lambda: _has(receiver, 1))

    assert receiver.kinds() == ["order.cancelled"]


async def test_a_secret_is_shown_once_and_never_again(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    made = await add(client, receiver, admin)
    endpoint_id = made["endpoint"]["endpoint_id"]
    rotated = await client.post(f"/admin/webhooks/{endpoint_id}/rotate", headers=admin)
    new = (await rotated.json())["secret"]

    later = "".join(
        [
            str(await listed(client, "/admin/webhooks", admin)),
            str(await listed(client, f"/admin/webhooks/{endpoint_id}", admin)),
            str(await listed(client, f"/admin/webhooks/{endpoint_id}/deliveries", admin)),
        ]
    )

    assert made["secret"].startswith("whsec_")
    assert new not in {made["secret"], ""}
    assert "whsec_" not in later
    assert "salt" not in later


async def test_every_change_is_on_record(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    made = await add(client, receiver, admin, "order.paid")
    path = f"/admin/webhooks/{made['endpoint']['endpoint_id']}"

    changed = await client.patch(
        path, json={"active": False, "url": f"{receiver.url}?token=abc"}, headers=admin
    )
    refused = await client.post(f"{path}/test", headers=admin)
    await client.patch(path, json={"active": True}, headers=admin)
    await client.post(f"{path}/test", headers=admin)
    await client.post(f"{path}/rotate", headers=admin)
    deleted = await client.delete(path, headers=admin)

    assert (await changed.json())["inactive_why"] == "paused"
    assert (refused.status, (await refused.json())["code"]) == (409, "endpoint_inactive")
    assert deleted.status == 204
    body = await listed(client, "/admin/webhooks", admin)
    assert body["endpoints"] == []
    assert [action["action"] for action in body["actions"]] == [
        "webhook_deleted", "webhook_secret_rotated", "webhook_tested", "webhook_changed",
        "webhook_changed", "webhook_added",
    ]  # fmt: skip
    assert {action["who"] for action in body["actions"]} == {"admin"}
    # What may be a password in a URL is on no record.
    assert "token" not in str(body["actions"])


async def test_a_role_sees_and_does_what_it_may(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    made = await add(client, receiver, admin)
    path = f"/admin/webhooks/{made['endpoint']['endpoint_id']}"

    statuses = {}
    for role in ("viewer", "operator", "seller"):
        headers = await sign_in(service, client, role)
        statuses[role] = [
            (await client.request(method, at, json=body, headers=headers)).status
            for method, at, body in (
                ("GET", "/admin/webhooks", None),
                ("GET", f"{path}/deliveries", None),
                ("POST", f"{path}/test", None),
                ("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}),
                ("POST", "/admin/webhooks", {"url": receiver.url}),
                ("PATCH", path, {"active": False}),
                ("POST", f"{path}/rotate", None),
                ("DELETE", path, None),
            )
        ]
        if role != "seller":
            shown = (await listed(client, path, headers))["url"]
            assert shown == f"{URL(receiver.url).origin()}/…"

    assert statuses == {
        "viewer": [200, 200, 403, 403, 403, 403, 403, 403],
        "operator": [200, 200, 202, 202, 403, 403, 403, 403],
        "seller": [403] * 8,
    }


async def test_a_private_address_is_refused_when_it_is_added(
    services: Callable[..., Awaitable[Service]],
    clients: Callable[[Service], Awaitable[Client]],
    receiver: Receiver,
) -> None:
    careful = await services()
    client = await clients(careful)
    admin = await sign_in(careful, client, "admin")

    for url in (
        receiver.url,
        receiver.url.replace("http://127.0.0.1", "https://localhost"),
        "https://127.0.0.1/hook",
        "https://[::ffff:169.254.169.254]/latest",
        "https://no-such-name.invalid/hook",
    ):
        answer = await client.post("/admin/webhooks", json={"url": url}, headers=admin)
        assert (answer.status, (await answer.json())["code"]) == (422, "webhook_address_refused")

    assert await execute(careful, "SELECT * FROM webhook_endpoint") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "https://example.com", "kinds": ["order.lost"]},
        {"url": "https://example.com", "secret": "whsec_mine"},
        {"url": "https://example.com", "kinds": "order.paid"},
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused(
    service: Service, client: Client, body: dict[str, Any]
) -> None:
    admin = await sign_in(service, client, "admin")

    answer = await client.post("/admin/webhooks", json=body, headers=admin)

    assert answer.status == 422


async def test_there_is_a_bound_on_endpoints(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    for _ in range(ENDPOINTS_MAX):
        await add(client, receiver, admin)

    answer = await client.post("/admin/webhooks", json={"url": receiver.url}, headers=admin)

    assert answer.status == 400


async def test_what_is_not_there_is_not_found(service: Service, client: Client) -> None:
    admin = await sign_in(service, client, "admin")

    for method, path in (
        ("GET", "/admin/webhooks/7"),
        ("PATCH", "/admin/webhooks/7"),
        ("DELETE", "/admin/webhooks/7"),
        ("POST", "/admin/webhooks/7/rotate"),
        ("POST", "/admin/webhooks/7/test"),
        ("POST", "/admin/webhooks/7/replay"),
        ("GET", "/admin/webhooks/7/deliveries"),
        ("POST", "/admin/deliveries/7/replay"),
        ("GET", "/admin/webhooks/99999999999"),
        ("GET", "/admin/webhooks/none"),
    ):
        body = {"PATCH": {"active": True}}.get(method, {"since": "2026-01-01T00:00:00Z"})
        answer = await client.request(method, path, json=body, headers=admin)
        assert answer.status == 404, (method, path)


async def test_deliveries_are_paged_and_filtered_and_can_be_replayed(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    made = await add(client, receiver, admin)
    path = f"/admin/webhooks/{made['endpoint']['endpoint_id']}"
    receiver.answer = lambda got: web.Response(status=204 if got.body["data"]["n"] != 2 else 404)
    for n in range(5):
        await execute(service, "SELECT emit(1, 'order.paid', jsonb_build_object('n', $1::int))", n)

    async def settled() -> bool:
        page = (await listed(client, f"{path}/deliveries", admin))["deliveries"]
        return len(page) == 5 and all(d["attempts"] == 1 and not d["sending"] for d in page)

    async with sending(service.webhook_sender):
        await eventually(settled)
        first = await listed(client, f"{path}/deliveries?limit=2", admin)
        second = await listed(client, f"{path}/deliveries?limit=4&cursor={first['next']}", admin)
        waiting = await listed(client, f"{path}/deliveries?state=pending", admin)
        receiver.answer = lambda _: web.Response()
        (failed,) = waiting["deliveries"]
        replayed = await client.post(
            f"/admin/deliveries/{failed['delivery_id']}/replay", headers=admin
        )
        await eventually(lambda: _has(receiver, 6))

    ids = [d["delivery_id"] for d in first["deliveries"] + second["deliveries"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    assert second["next"] is None
    assert (failed["status"], failed["data"]) == (404, {"n": 2})
    assert replayed.status == 202
    assert receiver.got[-1].name == failed["webhook_id"]
    unknown = await client.get(f"{path}/deliveries?state=lost", headers=admin)
    assert unknown.status == 400


async def test_deliveries_are_counted_for_those_who_watch(
    service: Service, client: Client, receiver: Receiver
) -> None:
    admin = await sign_in(service, client, "admin")
    await add(client, receiver, admin)
    await execute(service, "SELECT emit(1, 'order.paid', '{}')")

    async with sending(service.webhook_sender):
        await eventually(lambda: _has(receiver, 1))

        async def counted() -> bool:
            text = await (await client.get("/metrics", headers=admin)).text()
            return 'waitroom_webhook_attempts_total{outcome="delivered"}' in text

        await eventually(counted)
    assert "waitroom_webhooks_pending" in await (await client.get("/metrics", headers=admin)).text()


async def test_the_screen_adds_tests_and_shows(
    service: Service,
    program: Callable[..., Awaitable[Running]],
    pages: Callable[..., Awaitable[Page]],
    receiver: Receiver,
    postgres_url: str,
    valkey_url: str,
) -> None:
    running = await program(
        "serve",
        WAITROOM_POSTGRES_URL=postgres_url,
        WAITROOM_VALKEY_URL=valkey_url,
        WAITROOM_WORKERS="1",
        WAITROOM_WEBHOOKS_ALLOW_PRIVATE="true",
    )
    await service.operators.add("night", role="admin", password=PASSWORD)
    page = await pages(viewport={"width": 390, "height": 844})
    await sign_in_on_screen(page, running.url, "night")
    await page.goto(f"{running.url}/admin/webhooks")
    await expect(page.locator("#no-endpoints")).to_be_visible()

    await page.locator("#add").click()
    assert await page.locator("[name=kind]").count() == len(KINDS)
    await page.locator("#url").fill("http://user@127.0.0.1/")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#endpoint-told")).to_contain_text("name or password")
    await check_page(page)
    await page.locator("#url").fill(receiver.url)
    await page.locator("#description").fill("The warehouse")
    await page.locator("[name=kind][value='order.paid']").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#secret")).to_have_value(re.compile("^whsec_"))
    secret = await page.locator("#secret").input_value()
    await page.get_by_role("button", name="I have stored it").click()
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.locator("#delivery-rows")).to_contain_text("delivered")
    await check_page(page)

    assert await page.locator("#secret").input_value() == ""
    (received,) = receiver.got
    assert Webhook(secret).verify(received.text, received.headers)["type"] == "webhook.test"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(received.text + " ", received.headers)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#endpoints .state")).to_have_text("Paused")
    await expect(page.locator("#action-rows")).to_contain_text("sent a test to the webhook")
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete it").click()
    await expect(page.locator("#no-endpoints")).to_be_visible()
