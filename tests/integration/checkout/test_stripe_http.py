"""A shop on Stripe over HTTP: the walk, the way to the bank, and what Stripe sends."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from paying import settle_idle
from signing_in import sign_in
from stripe_peer import APPROVED, ASKS_FIRST, BANK, DECLINED, SECRET_KEY, WEBHOOK_SECRET, Wire
from support import (
    Shopper,
    admitted,
    authorization,
    eventually,
    execute,
    open_room,
    tick,
)

from checkout.gateway import stripe_webhooks
from checkout.gateway.stripe_webhooks import Looks
from checkout.pages import STRIPE_CSP
from inventory.kit.http import BODY_BYTES_MAX
from inventory.kit.pages import CSP
from inventory.kit.problem import Busy
from waitroom.run.app import Service

pytest_plugins = ("stripe_shop",)

Client = TestClient[Any, Any]
Serve = Callable[[Service], Awaitable[Client]]
Shops = Callable[..., Awaitable[Service]]
NEWS = "/checkout/webhooks/stripe"
HTML = {"Accept": "text/html"}
CAPTURABLE = "payment_intent.amount_capturable_updated"


@pytest.fixture
async def client(shop: Service, clients: Serve) -> Client:
    return await clients(shop)


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> dict[str, str]:
    """Sign a body as Stripe does, by hand: the library would repeat its own mistakes."""
    stamp = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={mac}"}


def event(kind: str, about: dict[str, Any], *, event_id: str = "") -> bytes:
    return json.dumps(
        {
            "id": event_id or f"evt_{uuid4().hex}",
            "object": "event",
            "type": kind,
            "data": {"object": about},
            "livemode": False,
        }
    ).encode()


def news(intent_id: str, kind: str = CAPTURABLE, *, event_id: str = "") -> bytes:
    return event(kind, {"id": intent_id, "object": "payment_intent"}, event_id=event_id)


async def tell(client: Client, body: bytes) -> int:
    return (await client.post(NEWS, data=body, headers=signed(body))).status


async def open_sale(service: Service) -> None:
    """Open a room that calls whoever comes, with five mugs."""
    await open_room(service, policy="rate")
    await tick(service)


async def pays(client: Client, service: Service, token: str) -> tuple[Shopper, ClientResponse]:
    """Let a shopper in, hold two mugs of five, and pay with a token."""
    await open_sale(service)
    shopper = await admitted(client)
    held = await (await shopper.hold(mug=2)).json()
    return shopper, await shopper.pay(held["hold_id"], token=token)


async def waits_for_the_bank(
    client: Client, service: Service, wire: Wire
) -> tuple[Shopper, str, str]:
    """Return a shopper whose bank wants to see them, the order's id and the intent's."""
    shopper, paid = await pays(client, service, await wire.card(ASKS_FIRST))
    assert paid.status == 202, await paid.text()
    order_id = (await paid.json())["order_id"]
    rows = await execute(service, "SELECT intent_id FROM stripe_payment")
    return shopper, order_id, rows[0]["intent_id"]


async def status_of(client: Client, shopper: Shopper, order_id: str) -> str:
    answer = await client.get(
        f"/checkout/orders/{order_id}", headers=authorization(shopper.session)
    )
    return str((await answer.json())["status"])


async def test_a_shopper_pays_by_card_and_an_operator_gives_part_of_it_back(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, paid = await pays(client, shop, APPROVED)
    order = await paid.json()
    operator = await sign_in(shop, client)

    refunded = await client.post(
        f"/admin/orders/{order['order_id']}/refunds",
        json={"items": [{"sku": "mug", "quantity": 1}], "restock": True, "reason": "chipped"},
        headers={**operator, "Idempotency-Key": "one"},
    )

    assert (paid.status, order["status"], order["total_minor"]) == (201, "paid", 2000)
    (charge,) = await wire.charges()
    assert (charge["amount"], charge["captured"]) == (2000, True)
    assert refunded.status == 201, await refunded.text()
    back = (await wire.ask("GET", "/v1/refunds"))["data"]
    assert [(r["amount"], r["charge"]) for r in back] == [(1000, charge["id"])]
    assert await status_of(client, shopper, order["order_id"]) == "partly_refunded"
    assert await shop.ledger.breaches() == []


async def test_a_declined_card_leaves_the_hold_for_another_one(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, declined = await pays(client, shop, DECLINED)
    problem = await declined.json()
    session = await client.get("/checkout/session", headers=authorization(shopper.session))
    (held,) = (await session.json())["holds"]

    paid = await shopper.pay(held["hold_id"], token=APPROVED)

    assert (declined.status, problem["code"]) == (402, "payment_declined")
    assert problem["detail"].startswith("The payment was declined. You have not been charged.")
    assert paid.status == 201, await paid.text()
    assert len(await wire.charges()) == 1


async def test_a_shopper_whom_the_bank_wants_to_see_goes_there_and_comes_back_to_a_paid_order(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    mine = authorization(shopper.session)

    told = await client.get(f"/checkout/stripe/{order_id}", headers=mine)
    sent = await client.get(
        f"/checkout/stripe/{order_id}", headers={**mine, **HTML}, allow_redirects=False
    )
    page = await client.get(f"/checkout/orders/{order_id}", headers={**mine, **HTML})
    await wire.authenticate(intent_id, success=True)
    back = await client.get(
        f"/checkout/stripe/{order_id}/return?payment_intent_client_secret=secret",
        headers=mine,
        allow_redirects=False,
    )

    assert await told.json() == {"url": BANK + intent_id}
    assert (sent.status, sent.headers["Location"]) == (303, BANK + intent_id)
    assert f'href="/checkout/stripe/{order_id}"' in await page.text()
    assert (back.status, back.headers["Location"]) == (303, f"/checkout/orders/{order_id}")
    assert await status_of(client, shopper, order_id) == "paid"
    over = await client.get(f"/checkout/stripe/{order_id}", headers=mine)
    assert await over.json() == {"url": None}


async def test_the_way_to_the_bank_is_for_the_orders_own_shopper(
    shop: Service, client: Client, wire: Wire
) -> None:
    _, order_id, _ = await waits_for_the_bank(client, shop, wire)
    other = authorization((await admitted(client)).session)

    for path in (f"/checkout/stripe/{order_id}", f"/checkout/stripe/{order_id}/return"):
        assert (await client.get(path, headers=other)).status == 404
        assert (await client.get(path)).status == 401


async def test_who_cannot_be_told_the_way_to_the_bank_is_asked_to_come_again(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, order_id, _ = await waits_for_the_bank(client, shop, wire)

    with wire.cut("", arrives=False):
        answer = await client.get(
            f"/checkout/stripe/{order_id}", headers=authorization(shopper.session)
        )

    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


async def test_only_an_https_page_is_taken_for_the_banks(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    wire.answer(
        f"/{intent_id}",
        200,
        id=intent_id,
        object="payment_intent",
        status="requires_action",
        next_action={"type": "redirect_to_url", "redirect_to_url": {"url": "javascript:alert(1)"}},
    )

    answer = await client.get(
        f"/checkout/stripe/{order_id}", headers=authorization(shopper.session)
    )

    assert await answer.json() == {"url": None}


async def test_news_settles_an_order_that_waits(shop: Service, client: Client, wire: Wire) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    await wire.authenticate(intent_id, success=True)

    assert await tell(client, news(intent_id)) == 200

    assert await status_of(client, shopper, order_id) == "paid"


async def test_the_same_news_many_times_at_once_at_two_services_takes_the_money_once(
    shop: Service, client: Client, wire: Wire, stripe_shops: Shops, clients: Serve
) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    other = await clients(await stripe_shops())
    await wire.authenticate(intent_id, success=True)
    body = news(intent_id)

    heard = await asyncio.gather(*(tell(at, body) for at in [client, other] * 10))

    assert set(heard) == {200}
    assert await status_of(client, shopper, order_id) == "paid"
    assert [charge["captured"] for charge in await wire.charges()] == [True]
    # Each of the two may have been in the middle of it, and none did it twice.
    assert wire.count("/capture") <= 2
    assert await shop.ledger.breaches() == []


async def test_news_that_was_heard_asks_stripe_no_more(
    shop: Service, client: Client, wire: Wire
) -> None:
    _, _, intent_id = await waits_for_the_bank(client, shop, wire)
    body = news(intent_id)
    await tell(client, body)
    asked = len(wire.sent)

    assert {await tell(client, body) for _ in range(3)} == {200}

    assert len(wire.sent) == asked


async def test_news_in_any_order_leaves_a_paid_order_paid(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, paid = await pays(client, shop, APPROVED)
    order_id = (await paid.json())["order_id"]
    intent_id = (await wire.charges())[0]["payment_intent"]
    kinds = ("succeeded", "amount_capturable_updated", "payment_failed", "canceled", "succeeded")

    heard = [await tell(client, news(intent_id, f"payment_intent.{kind}")) for kind in kinds]

    assert set(heard) == {200}
    assert await status_of(client, shopper, order_id) == "paid"
    assert await shop.ledger.breaches() == []


async def test_news_is_not_believed(shop: Service, client: Client, wire: Wire) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)

    assert await tell(client, news(intent_id, "payment_intent.succeeded")) == 200
    assert await tell(client, news(intent_id, "payment_intent.canceled")) == 200

    assert await status_of(client, shopper, order_id) == "authorizing"


async def test_without_any_news_the_settling_loop_finds_out(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    await wire.authenticate(intent_id, success=True)

    assert await settle_idle(shop, shop.payments) == 1

    assert await status_of(client, shopper, order_id) == "paid"


async def test_news_of_money_for_a_closed_order_is_not_lost_with_stripes_answer(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    await wire.authenticate(intent_id, success=False)
    await tell(client, news(intent_id, "payment_intent.payment_failed"))
    declined = await status_of(client, shopper, order_id)
    # Whoever has the intent's secret can try another card past us.
    await wire.ask("POST", f"/v1/payment_intents/{intent_id}", payment_method=APPROVED)
    await wire.ask("POST", f"/v1/payment_intents/{intent_id}/confirm")
    body = news(intent_id)

    with wire.cut(intent_id, arrives=True):
        lost = await tell(client, body)
    again = await tell(client, body)

    assert (declined, lost, again) == ("declined", 503, 200)
    assert await status_of(client, shopper, order_id) == "paid"
    assert [charge["captured"] for charge in await wire.charges()] == [True]
    assert await shop.ledger.breaches() == []


async def test_news_of_a_refund_made_at_stripe_puts_it_on_the_order(
    shop: Service, client: Client, wire: Wire
) -> None:
    await pays(client, shop, APPROVED)
    intent_id = (await wire.charges())[0]["payment_intent"]
    made = await wire.ask("POST", "/v1/refunds", payment_intent=intent_id, amount="500")
    about = {"id": made["id"], "object": "charge", "payment_intent": intent_id}

    heard = [await tell(client, event("charge.refunded", about)) for _ in range(2)]

    assert heard == [200, 200]
    rows = await execute(shop, "SELECT state, refunded_minor FROM purchase")
    assert [tuple(row) for row in rows] == [("paid", 500)]
    rows = await execute(shop, "SELECT outside, state, who FROM refund")
    assert [tuple(row) for row in rows] == [(True, "done", "gateway")]
    assert await shop.orders.breaches() == []


async def test_news_of_a_refund_settles_it(shop: Service, client: Client, wire: Wire) -> None:
    _, paid = await pays(client, shop, APPROVED)
    order_id = (await paid.json())["order_id"]
    intent_id = (await wire.charges())[0]["payment_intent"]
    operator = await sign_in(shop, client)
    wire.answer("POST /v1/refunds", 200, id="re_1", object="refund", status="pending")
    asked = await client.post(
        f"/admin/orders/{order_id}/refunds",
        json={"full": True, "restock": True, "reason": "called off"},
        headers={**operator, "Idempotency-Key": "one"},
    )
    about = {"id": "re_1", "object": "refund", "payment_intent": intent_id}

    heard = await tell(client, event("refund.updated", about))

    assert (asked.status, heard) == (202, 200)
    rows = await execute(shop, "SELECT state, refunded_minor FROM purchase")
    assert [tuple(row) for row in rows] == [("refunded", 2000)]
    assert await shop.ledger.breaches() == []


async def test_what_localstripe_sends_by_itself_is_heard(
    shop: Service, client: Client, wire: Wire
) -> None:
    shopper, order_id, intent_id = await waits_for_the_bank(client, shop, wire)
    where = {"url": str(client.make_url(NEWS)), "secret": WEBHOOK_SECRET}
    async with wire.session.post(f"{wire.target}/_config/webhooks/shop", json=where) as answer:
        assert answer.status == 200
    await wire.authenticate(intent_id, success=True)

    # It only sends an event for a payment that was captured, as somebody may on Stripe's own pages.
    await wire.ask("POST", f"/v1/payment_intents/{intent_id}/capture")

    async def is_paid() -> bool:
        return await status_of(client, shopper, order_id) == "paid"

    await eventually(is_paid)


async def test_news_is_signed_by_stripe_and_about_now(client: Client) -> None:
    body = news("pi_1")
    expected = {
        (WEBHOOK_SECRET, 0): 200,
        (WEBHOOK_SECRET, -240): 200,
        (WEBHOOK_SECRET, 240): 200,
        (WEBHOOK_SECRET, -360): 400,
        (WEBHOOK_SECRET, 360): 400,
        (WEBHOOK_SECRET, 10**9): 400,
        ("whsec_of_another_shop", 0): 400,
    }

    found = {}
    for secret, apart_s in expected:
        header = signed(body, secret=secret, at=time.time() + apart_s)
        found[secret, apart_s] = (await client.post(NEWS, data=body, headers=header)).status

    assert found == expected


async def test_a_signature_that_is_none_is_refused(client: Client) -> None:
    now = int(time.time())
    bad = [
        "",
        "t=",
        "t=now,v1=00",
        "v1=00",
        f"t={now}",
        f"t={now},v1=",
        f"t={now},v0=00",
        f"t={'9' * 5000},v1=00",
        f"t={now},v1=é",
    ]

    unsigned = await client.post(NEWS, data=news("pi_1"))
    answers = [
        await client.post(NEWS, data=news("pi_1"), headers={"Stripe-Signature": header})
        for header in bad
    ]

    codes = {(a.status, (await a.json())["code"]) for a in [unsigned, *answers]}
    assert codes == {(400, "not_signed")}


async def test_a_signature_is_for_one_body(client: Client) -> None:
    answer = await client.post(NEWS, data=news("pi_2"), headers=signed(news("pi_1")))

    assert answer.status == 400


async def test_both_secrets_are_good_while_one_replaces_the_other(
    stripe_shops: Shops, clients: Serve
) -> None:
    older, newer = "whsec_older", "whsec_newer"
    client = await clients(await stripe_shops(webhook_secrets=[older, newer]))
    body = news("pi_1")

    answers = [
        await client.post(NEWS, data=body, headers=signed(body, secret=secret))
        for secret in (older, newer, WEBHOOK_SECRET)
    ]

    assert [answer.status for answer in answers] == [200, 200, 400]


async def test_signed_news_that_is_no_news_to_us_is_taken_and_nonsense_is_not(
    client: Client, wire: Wire
) -> None:
    charge = {"id": "ch_1", "object": "charge"}
    expected = {
        news("pi_of_another_shop"): 200,
        news("pi_1", "payment_intent.created"): 200,
        event("customer.created", {"id": "cus_1", "object": "customer"}): 200,
        event("charge.refunded", {**charge, "payment_intent": None}): 200,
        event("charge.refunded", {**charge, "payment_intent": {"id": "pi_1"}}): 200,
        b'{"id": "evt_1", "object": "v2.core.event", "type": "v1.charge.refunded"}': 200,
        b"[]": 200,
        b"nothing": 400,
        b"\xff\xfe": 400,
        b"": 400,
    }

    assert {body: await tell(client, body) for body in expected} == expected
    assert wire.sent == []


async def test_news_has_a_largest_size(client: Client) -> None:
    assert await tell(client, b" " * (BODY_BYTES_MAX + 1)) == 413


async def test_news_of_an_order_that_was_lost_is_taken(shop: Service, client: Client) -> None:
    await execute(shop, "INSERT INTO stripe_payment VALUES ($1, 'pi_1')", str(uuid4()))

    assert await tell(client, news("pi_1")) == 200


async def test_news_comes_again_while_the_database_is_away(shop: Service, client: Client) -> None:
    shop.pool.terminate()

    assert await tell(client, news("pi_1")) == 503


async def test_without_secrets_there_is_no_address_for_news(
    stripe_shops: Shops, clients: Serve
) -> None:
    client = await clients(await stripe_shops(webhook_secrets=[]))

    assert await tell(client, news("pi_1")) == 404


async def test_a_shop_without_stripe_has_none_of_it(service: Service, clients: Serve) -> None:
    client = await clients(service)
    await open_sale(service)
    mine = authorization((await admitted(client)).session)

    page = await client.get("/checkout", headers={**mine, **HTML})

    assert await tell(client, news("pi_1")) == 404
    assert (await client.get(f"/checkout/stripe/{uuid4()}", headers=mine)).status == 404
    assert page.headers["Content-Security-Policy"] == CSP
    assert "stripe" not in (await page.text()).lower()


async def test_only_the_checkout_of_a_shop_on_stripe_lets_stripes_script_in(
    shop: Service, client: Client
) -> None:
    await open_sale(shop)
    mine = authorization((await admitted(client)).session)

    page = await client.get("/checkout", headers={**mine, **HTML})
    other = await client.get("/rooms/drop", headers=HTML)

    text = await page.text()
    assert page.headers["Content-Security-Policy"] == STRIPE_CSP
    assert "stripe" not in other.headers["Content-Security-Policy"]
    assert 'data-key="pk_test_of_the_tests"' in text
    assert "/static/js/stripe.js" in text
    assert "tok_approve" not in text
    assert SECRET_KEY not in text
    assert set(STRIPE_CSP.split()) - set(CSP.split()) == {
        "https://js.stripe.com;",
        "https://js.stripe.com",
        "https://hooks.stripe.com",
        "https://api.stripe.com;",
        "frame-src",
    }


async def test_who_comes_while_an_order_is_looked_at_shares_the_next_look() -> None:
    order_id, looks = UUID(int=1), 0
    first, go_on = asyncio.Event(), asyncio.Event()

    async def look(_: UUID) -> None:
        nonlocal looks
        looks += 1
        first.set()
        await go_on.wait()

    at = Looks(look)
    begun = asyncio.create_task(at.at(order_id))
    await first.wait()
    others = [asyncio.create_task(at.at(order_id)) for _ in range(5)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(begun, *others)

    assert looks == 2


async def test_so_many_orders_are_looked_at_at_once_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stripe_webhooks, "LOOKS_MAX", 2)
    go_on = asyncio.Event()

    async def look(_: UUID) -> None:
        await go_on.wait()

    at = Looks(look)
    tasks = [asyncio.create_task(at.at(UUID(int=n))) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await at.at(UUID(int=3))
    go_on.set()
    await asyncio.gather(*tasks)

    await at.at(UUID(int=3))


async def test_a_look_that_takes_long_goes_on_when_nobody_waits_for_it_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stripe_webhooks, "ANSWER_WITHIN_S", 0.01)
    go_on, looked = asyncio.Event(), asyncio.Event()

    async def look(_: UUID) -> None:
        await go_on.wait()
        looked.set()

    at = Looks(look)
    with pytest.raises(Busy):
        await at.at(UUID(int=1))
    go_on.set()

    await at.close()
    assert looked.is_set()
