"""An order goes by mail to the address given with its payment, once it is paid, and once only."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from support import KEY, Shopper, admitted, execute, open_room, settings, tick

from waitroom.outgoing.mail.attempt import ATTEMPTS_MAX
from waitroom.run.app import Service, open_service
from waitroom.run.settings import Secrets

Client = TestClient[Any, Any]
OpenClient = Callable[[Service], Awaitable[Client]]
ADDRESS = "ada@example.com"


@pytest.fixture
async def mailing(postgres_url: str, valkey_url: str) -> AsyncIterator[Service]:
    """A service that was told of a relay; none of its loops runs, so nothing is sent."""
    made = settings(postgres_url, valkey_url, mail_from="queue@shop.example", payment_wait_s=30.0)
    kept = Secrets(signing_keys=[KEY], smtp_url="smtp://127.0.0.1:1")
    async with open_service(made, kept, roles=frozenset()) as service:
        yield service


async def hold(client: Client) -> tuple[Shopper, str]:
    shopper = await admitted(client)
    return shopper, (await (await shopper.hold(mug=2)).json())["hold_id"]


async def test_an_order_is_written_about_once_and_not_before_it_is_paid(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    await open_room(mailing, skus={"mug": 9}, policy="rate")
    await tick(mailing)
    (paid, held), (_, waits), (poor, refused) = [await hold(client) for _ in range(3)]

    wrong = await paid.pay(held, email="nobody at all")
    key = str(uuid4())
    answers = [await paid.pay(held, key=key, email=f" {ADDRESS} ") for _ in range(2)]
    (begun,) = await execute(mailing, "SELECT session_id FROM hold WHERE hold_id = $1", waits)
    pending, _ = await mailing.orders.start(
        begun["session_id"], hold_id=UUID(waits), key=uuid4(), body_hash=b"b", gateway="test",
        token="tok_slow",
    )  # fmt: skip
    under_way = await mailing.orders.read(pending)
    await mailing.checkout.mail.queue(under_way, ADDRESS, language="en")
    declined = await poor.pay(refused, token="tok_decline", email=ADDRESS)

    assert (wrong.status, (await wrong.json())["detail"]) == (
        422,
        "That cannot be an e-mail address.",
    )
    assert [answer.status for answer in answers] == [201, 201]
    assert declined.status == 402
    assert len(await execute(mailing, "SELECT FROM mail")) == 2
    (mail,) = await mailing.mails.lease_due(9, lease_s=9)
    order, facts = await answers[0].json(), msgspec.json.decode(mail.facts)
    assert (mail.kind, mail.address) == ("bought", ADDRESS)
    assert facts["path"] == order["order_url"]
    assert facts["items"] == [{"name": "Mug", "quantity": 2}]
    assert (facts["number"], facts["total_minor"]) == (order["number"], 2000)
    # Where the payment comes to nothing the message does too, and its address goes.
    await execute(mailing, "UPDATE mail SET created_at = created_at - interval '1 day'")
    assert await mailing.mails.tidy(9) == 1
    over = "SELECT address, outcome FROM mail WHERE state = 'failed'"
    assert [tuple(row) for row in await execute(mailing, over)] == [("", "too late")]
    assert mail.attempts < ATTEMPTS_MAX


async def test_no_address_is_asked_for_where_no_mail_is_sent(
    service: Service, client: Client, mailing: Service, clients: OpenClient
) -> None:
    await open_room(service, skus={"mug": 9}, policy="rate")
    await tick(service)
    await mailing.board.refresh(rooms=True)
    shopper, held = await hold(client)

    refused = await shopper.pay(held, email=ADDRESS)
    headers = {"Authorization": f"Bearer {shopper.session}", "Accept": "text/html"}
    pages = [
        await one.get("/checkout", headers=headers) for one in (client, await clients(mailing))
    ]

    assert refused.status == 422
    assert await execute(service, "SELECT FROM purchase") == []
    assert ["pay-email" in await page.text() for page in pages] == [False, True]
