"""The typed client against the service: a shopper's whole walk, and an operator's program."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, get_type_hints

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sources import ROOT
from support import execute, open_room, tick

from checkout.order import BookedOrder, OrderBody
from checkout.refund import OperatorRefund
from checkout.sessions import SessionBody
from inventory.hold import HoldBody
from waitroom.admin.accounts.keys import NewKey
from waitroom.client import answers
from waitroom.client.bodies import Steering
from waitroom.client.http_client import HttpClient
from waitroom.client.operator_client import OperatorClient
from waitroom.client.problem import NoAnswer, Problem
from waitroom.client.shopper_client import ShopperClient
from waitroom.desk.standing import TicketStanding
from waitroom.run.service import Service
from waitroom.store.room_store import RoomFigures
from waitroom.web.answers import JoinedBody
from waitroom.web.tickets_api import ClaimBody

Client = TestClient[Any, Any]


@pytest.fixture
async def http(client: Client) -> AsyncIterator[HttpClient]:
    async with HttpClient(str(client.make_url("/"))) as opened:
        yield opened


def test_every_field_that_the_client_reads_is_one_that_the_service_writes() -> None:
    pairs: list[tuple[Any, Any]] = [
        (answers.Joined, JoinedBody),
        (answers.Standing, TicketStanding),
        (answers.Claimed, ClaimBody),
        (answers.Held, HoldBody),
        (answers.Session, SessionBody),
        (answers.Bought, OrderBody),
        (answers.Bought, BookedOrder),
        (answers.Refunded, OperatorRefund),
    ]

    for read, written in pairs:
        missing = set(read.__struct_fields__) - set(get_type_hints(written))
        assert missing == set(), (read, missing)
    rates = {"at", "joins_per_min", "calls_per_min", "claims_per_min"}
    assert set(answers.Figures.__struct_fields__) - rates <= set(get_type_hints(RoomFigures))


async def test_a_shopper_walks_from_the_door_to_an_order_and_out(
    service: Service, http: HttpClient
) -> None:
    await open_room(service)
    shopper, other = ShopperClient(http, "drop"), ShopperClient(http, "drop")

    joined = await shopper.join(sku="mug", key="9d4c2f1e-3a5b-4c6d-8e7f-0a1b2c3d4e5f")
    again = await other.join(sku="mug", key="9d4c2f1e-3a5b-4c6d-8e7f-0a1b2c3d4e5f")
    await tick(service, 2)
    state, same = await shopper.state(), await shopper.state()
    called = await shopper.standing()
    claimed = await shopper.claim()
    (sku,) = (await shopper.skus()).skus
    hold = await shopper.hold({sku.sku: 2})
    with pytest.raises(Problem) as refused:
        await shopper.hold({sku.sku: 9})
    extended = await shopper.extend(hold.hold_id)
    inside = await shopper.inside()
    order = await shopper.order(hold, token="tok_approve")
    while order.status == "authorizing":
        order = await shopper.ordered(order.order_id)

    assert (again.ticket, again.number) == (joined.ticket, joined.number)
    assert (state.room, same is state) == ("drop", True)
    assert (called.status, called.number) == ("called", joined.number)
    # One of the five is promised to the shopper who was called.
    assert (claimed.session, sku.available) == (shopper.session, 4)
    assert refused.value.code == "limit_reached"
    assert extended.expires_at >= hold.expires_at
    assert [one.hold_id for one in inside.holds] == [hold.hold_id]
    assert (order.status, order.total_minor, order.items[0].quantity) == ("paid", 2000, 2)


async def test_what_an_app_with_a_key_gets_works_with_that_key_alone(
    service: Service, http: HttpClient
) -> None:
    await open_room(service)
    app = ShopperClient(http, "drop", client_key=token_hex(16))
    joined = await app.join()
    await tick(service, 2)
    claimed = await app.claim()

    for key in ("", token_hex(16)):
        thief = ShopperClient(
            http, "drop", ticket=joined.ticket, session=claimed.session, client_key=key
        )
        with pytest.raises(Problem) as ticket:
            await thief.standing()
        with pytest.raises(Problem) as session:
            await thief.inside()
        assert (ticket.value.code, session.value.code) == ("ticket_bound", "session_bound")
    assert (await app.standing()).number == joined.number
    assert (await app.inside()).holds == []


async def test_a_program_reads_steers_and_pushes_with_a_key(
    service: Service, http: HttpClient
) -> None:
    await open_room(service)
    scopes = ("figures", "steer", "stock", "orders")
    new = NewKey(name="shop", scopes=scopes)
    secret = await service.keys.add(new, maker=None, now=datetime.now(UTC))
    shop = OperatorClient(http, key=secret)

    names = [room.room for room in await shop.rooms()]
    changed = await shop.steer("drop", Steering(seats_max=7, calls_per_minute=None, reason="calm"))
    paused, resumed = await shop.pause("drop"), await shop.resume("drop")
    received = [await shop.receive("mug", 2, key="one") for _ in range(2)]
    with pytest.raises(Problem) as refused:
        await shop.apply("drop", {"seats_max": 3})
    with pytest.raises(Problem) as unknown:
        await shop.room("nowhere")

    assert names == ["drop"]
    assert (changed.settings.seats_max, changed.settings.calls_per_minute) == (7, None)
    assert (paused.status, resumed.status) == ("paused", "open")
    assert [sku.on_hand for sku in received] == [7, 7]
    assert (await shop.room("drop")).figures.on_hand in {5, 7}
    assert refused.value.members["scopes_needed"] == ["rooms"]
    assert (unknown.value.code, unknown.value.status) == ("not_found", 404)
    assert [order async for order in shop.orders("drop")] == []
    await execute(service, "UPDATE room SET stock_elsewhere = true")
    await service.board.refresh(rooms=True)
    heard = await shop.report_stock("drop", available=12, as_of=datetime.now(UTC))
    assert (heard.available, heard.stale) == (12, False)


async def test_what_may_be_repeated_is_repeated_and_the_rest_is_told() -> None:
    asked: list[str] = []

    async def busy_once(request: web.Request) -> web.Response:
        asked.append(request.method)
        if len(asked) % 2:
            return web.Response(status=503, text="<html>", headers={"Retry-After": "0"})
        return web.json_response({"rooms": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", busy_once)
    async with TestServer(app) as server, HttpClient(str(server.make_url("/"))) as http:
        read = await http.ask("GET", "/admin/rooms", answers.Rooms)
        asked.clear()
        keyed = await http.ask("POST", "/x", answers.Rooms, key="one")
        asked.clear()
        with pytest.raises(Problem) as refused:
            await http.ask("POST", "/x", answers.Rooms)
        address = str(server.make_url("/"))
    async with HttpClient(address, attempts=2) as http:
        with pytest.raises(NoAnswer):
            await http.ask("GET", "/x", answers.Rooms)

    assert (read.rooms, keyed.rooms, len(asked)) == ([], [], 1)
    assert (refused.value.code, refused.value.status) == ("http_503", 503)


SAMPLES = re.findall(
    r"```python\n(.*?)```",
    (ROOT / "docs/integrate/python-client.md").read_text(),
    re.DOTALL,
)


async def test_the_samples_of_the_docs_run_as_they_stand(service: Service, client: Client) -> None:
    await open_room(service)
    scopes = ("figures", "steer", "stock")
    secret = await service.keys.add(
        NewKey(name="shop", scopes=scopes), maker=None, now=datetime.now(UTC)
    )
    env = {"WAITROOM_URL": str(client.make_url("/")), "WAITROOM_KEY": secret}
    controller = asyncio.create_task(_lead(service))

    said = []
    try:
        for sample in SAMPLES:
            program = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", sample),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **env},
            )
            said.append((await asyncio.wait_for(program.communicate(), 30))[0].decode())
    finally:
        controller.cancel()

    assert said == ["drop open 0 5\n15 50\n", "paid 1000 EUR\n"]


async def _lead(service: Service) -> None:
    """Call shoppers as a controller does, until it is cancelled."""
    while True:
        await tick(service)
        await asyncio.sleep(0.05)
