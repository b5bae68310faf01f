"""Messages at one's turn: from a shopper's address to a real SMTP server, and back by the link."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from postbox import Postbox, open_postbox
from support import KEY, Shopper, authorization, execute, open_room, settings, tick

from waitroom.line.forecast.near import NEAR_S
from waitroom.line.state import decode_state, encode_state
from waitroom.line.wait import WaitRow
from waitroom.outgoing.mail.mail_store import DAY_MAX
from waitroom.outgoing.mail.relay import parse_relay, parse_sender
from waitroom.outgoing.mail.sender import MailSender
from waitroom.run.app import Service, open_service
from waitroom.run.settings import Secrets

Client = TestClient[Any, Any]
OpenClient = Callable[[Service], Awaitable[Client]]
BASE_URL = "https://shop.example"


@pytest.fixture
async def mailing(
    postgres_url: str, valkey_url: str, pooler: Path | None
) -> AsyncIterator[Service]:
    """A service that was told of a relay; none of its loops runs, so nothing is sent."""
    behind = {"postgres_pooler": pooler is not None}
    made = settings(postgres_url, valkey_url, mail_from="queue@shop.example", **behind)
    kept = Secrets(signing_keys=[KEY], smtp_url="smtp://127.0.0.1:1")
    async with open_service(made, kept, roles=frozenset()) as service:
        yield service


async def send(service: Service, box: Postbox) -> int:
    """Let two senders look at once, as two processes do; return how many messages went out."""
    senders = [
        MailSender(
            service.mails,
            relay=parse_relay(box.url),
            sender=parse_sender("queue@shop.example"),
            base_url=BASE_URL,
        )
        for _ in range(2)
    ]
    sent = await asyncio.gather(*(sender.send_due() for sender in senders))
    return sum(sent)


async def ask(shopper: Shopper, email: str) -> ClientResponse:
    headers = {**authorization(shopper.ticket), "Accept-Language": "de"}
    return await shopper.client.put("/rooms/drop/mail", json={"email": email}, headers=headers)


async def joined(service: Service, client: Client, count: int, **room: Any) -> list[Shopper]:
    """Open a room that calls nobody yet, and let shoppers join it."""
    await open_room(service, skus={"mug": 50}, seats_max=0, **{"policy": "rate", **room})
    await tick(service)
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
    return shoppers


async def tell_waits(service: Service, *low_s: float) -> None:
    """Publish a document in which the places from the first on wait at least so long."""
    (row,) = await execute(service, "SELECT body FROM room_state")
    state = decode_state(row["body"])
    table = [
        WaitRow(place=place, wait_low_s=wait_s, wait_high_s=wait_s + 60, chance=1.0, poll_s=2.0)
        for place, wait_s in enumerate(low_s, start=1)
    ]
    line = msgspec.structs.replace(state.lines[0], table=table, tail=len(table))
    told = msgspec.structs.replace(state, lines=[line], admits=True)
    await execute(
        service,
        "UPDATE room_state SET body = $1, published_at = clock_timestamp()",
        encode_state(told),
    )


def links(text: str) -> list[str]:
    return [link.removeprefix(BASE_URL) for link in re.findall(r"^https\S+", text, re.MULTILINE)]


async def addresses(service: Service) -> list[tuple[int, str]]:
    rows = await execute(service, "SELECT number, email FROM call_mail ORDER BY number")
    return [tuple(row) for row in rows]


async def test_a_shopper_is_written_to_before_the_turn_and_at_it_and_comes_by_the_link(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    first, second, third = await joined(mailing, client, 3)

    assert (await ask(first, "no address")).status == 422
    for shopper, name in ((first, "ada"), (second, "bo"), (third, "cy")):
        assert (await ask(shopper, f" {name}@example.com ")).status == 200
    stopped = await client.delete("/rooms/drop/mail", headers=authorization(second.ticket))
    told = await (await client.get("/rooms/drop/mail", headers=authorization(third.ticket))).json()

    assert stopped.status == 204
    assert told == {"mail_offered": True, "email": "cy@example.com"}
    async with open_postbox() as box:
        # Shortly before: once, and to none who is far away or wants no message.
        await tell_waits(mailing, NEAR_S - 60, NEAR_S, NEAR_S + 1)
        assert [await send(mailing, box), await send(mailing, box)] == [1, 0]
        (nearly,) = box.taken
        assert nearly["To"] == "ada@example.com"
        assert await addresses(mailing) == [
            (1, "ada@example.com"),
            (2, ""),
            (3, "cy@example.com"),
        ]

        # A document that cannot be read keeps no message back.
        await execute(mailing, "UPDATE room_state SET body = 'no document'")
        assert await mailing.mails.nearing() == []

        # At the turn: the last message, and then the address is gone.
        await mailing.rooms.change("drop", '{"seats_max": 9}', who="test")
        await tick(mailing)
        assert [await send(mailing, box), await send(mailing, box)] == [2, 0]
        assert [message["To"] for message in box.taken[1:]] == [
            "ada@example.com",
            "cy@example.com",
        ]
        assert await addresses(mailing) == [(1, ""), (2, ""), (3, "")]
        (kept,) = await execute(mailing, "SELECT DISTINCT state, address FROM mail")
        assert tuple(kept) == ("sent", "")

    # The link asks first; then the place is here, and the former ticket is worth nothing.
    message = box.taken[2]
    (link, *_) = links(message.get_content())
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    page = await client.get(link)
    assert page.status == 200
    assert "Bring the place here" in await page.text()
    assert (await third.me())["status"] == "called"
    key = link.partition("key=")[2]
    brought = await client.post(
        "/rooms/drop/mailed/bring", data={"key": key}, allow_redirects=False
    )
    assert (brought.status, brought.headers["Location"]) == (303, "/rooms/drop")
    assert (await third.me())["code"] == "ticket_moved"
    ticket = re.search(r"waitroom_ticket_drop=([^;]+)", str(brought.headers.getall("Set-Cookie")))
    assert ticket is not None
    here = Shopper(client, ticket=ticket[1])
    assert (await here.claim()).status == 201

    # Inside, the link moves nothing more, and then it is forgotten.
    again = await client.post("/rooms/drop/mailed/bring", data={"key": key})
    assert again.status == 409
    assert await mailing.mails.tidy(9) == 1
    assert (await client.get(link)).status == 410


async def test_one_press_in_a_mail_program_stops_the_messages_and_ends_the_links(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    (shopper,) = await joined(mailing, client, 1)
    await ask(shopper, "ada@example.com")

    async with open_postbox() as box:
        await tell_waits(mailing, 60)
        assert await send(mailing, box) == 1
        header = box.taken[0]["List-Unsubscribe"]
        stop = header.strip("<>").removeprefix(BASE_URL)
        looked = await client.get(stop)
        assert (looked.status, await addresses(mailing)) == (200, [(1, "ada@example.com")])
        pressed = await client.post(stop, data={"List-Unsubscribe": "One-Click"})
        assert (pressed.status, await addresses(mailing)) == (200, [(1, "")])
        for link in links(box.taken[0].get_content()):
            assert (await client.get(link)).status == 410

        # Asking again brings no second message of this kind, and is bounded.
        asked = [(await ask(shopper, "ada@example.com")).status for _ in range(5)]
        assert asked == [200, 200, 200, 200, 429]
        await tell_waits(mailing, 60)
        assert await send(mailing, box) == 0


async def test_one_mailbox_gets_few_messages_however_many_places_name_it(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    for nth, shopper in enumerate(await joined(mailing, client, DAY_MAX + 3)):
        assert (await ask(shopper, f"Ada+{nth}@Example.com")).status == 200
    await mailing.rooms.change("drop", '{"seats_max": 50}', who="test")
    await tick(mailing)

    assert await mailing.mails.write_called(500) == DAY_MAX + 3

    assert len(await execute(mailing, "SELECT FROM mail")) == DAY_MAX
    assert {email for _, email in await addresses(mailing)} == {""}


async def test_an_address_goes_with_its_place_and_follows_it_through_the_draw(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    entries = await joined(mailing, client, 4, order_by="draw", status="scheduled")
    for nth, shopper in enumerate(entries):
        assert (await ask(shopper, f"e{nth}@example.com")).status == 200
    await entries[3].leave()
    assert len(await addresses(mailing)) == 3

    await mailing.rooms.set_status("drop", "open", who="test")
    await tick(mailing, times=4)
    await mailing.board.refresh(rooms=True)
    numbers = [(await shopper.me())["number"] for shopper in entries[:3]]
    assert await addresses(mailing) == sorted(
        (number, f"e{nth}@example.com") for nth, number in enumerate(numbers)
    )

    await entries[0].leave()
    assert len(await addresses(mailing)) == 2
    await mailing.rooms.set_status("drop", "ended", who="test")
    assert await mailing.mails.tidy(9) == 2
    assert await addresses(mailing) == []
