"""Doors before the sale: entries, the closing, the draw, numbers, latecomers, over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, authorization, execute, open_room, tick

from inventory.kit.problem import BadRequest
from waitroom.log.audit import audit
from waitroom.log.draw import Permutation
from waitroom.log.receipt import read_receipt
from waitroom.log.signing import SignedHead
from waitroom.log.verify.finding import Verdict
from waitroom.refusals import StillOpen
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Services = Callable[..., Awaitable[Service]]


async def open_doors(service: Service, **rules: Any) -> None:
    """Make a room whose doors are open before a draw; the commitment stands."""
    await open_room(
        service, skus={"mug": 50}, status="scheduled", order_by="draw", seats_max=0, **rules
    )
    await tick(service)


async def draw(service: Service) -> None:
    """Open the sale and let the leader take the steps of the draw."""
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await service.board.refresh(rooms=True)


async def entered(client: Client, count: int) -> list[Shopper]:
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        assert (await shopper.join())["status"] == "entered"
    return shoppers


async def log_of(client: Client) -> list[dict[str, Any]]:
    served = await (await client.get("/rooms/drop/log?limit=1000")).json()
    return list(served["entries"])


async def kinds(client: Client) -> list[str]:
    return [msgspec.json.decode(entry["body"])["kind"] for entry in await log_of(client)]


async def test_entries_become_numbers_that_anybody_can_compute(
    service: Service, client: Client
) -> None:
    await open_doors(service)
    shoppers = await entered(client, 12)
    await draw(service)

    standings = [await shopper.me() for shopper in shoppers]

    (made,) = await execute(service, "SELECT key, count FROM draw")
    order = Permutation(made["key"], made["count"])
    assert made["count"] == 12
    assert [s["number"] for s in standings] == [order.number_of(e) for e in range(1, 13)]
    assert {s["status"] for s in standings} == {"waiting"}
    assert sorted(s["place"] for s in standings) == list(range(1, 13))


async def test_the_shop_says_of_a_room_before_its_draw_what_can_be_done(
    service: Service, client: Client
) -> None:
    await open_doors(service)
    await service.board.refresh(rooms=True)

    page = await (await client.get("/")).text()

    assert "Doors open" in page
    assert "Enter the draw" in page
    assert "before_opening" not in page.replace('data-state="before_opening"', "")
    assert "First come, first served" not in page


async def test_the_log_of_a_drawn_room_holds_and_a_receipt_with_it(
    service: Service, client: Client
) -> None:
    await open_doors(service)
    shopper = Shopper(client)
    receipt = (await shopper.join())["receipt"]
    await entered(client, 30)
    await draw(service)
    entries = await log_of(client)
    head = await (await client.get("/rooms/drop/log/head")).json()

    findings = audit(entries, head=msgspec.convert(head, SignedHead), receipt=read_receipt(receipt))

    failing = [finding for finding in findings if finding.verdict is Verdict.FAILS]
    assert failing == []
    assert "entry" in receipt
    number = (await shopper.me())["number"]
    assert any(f" {number}" in finding.sentence for finding in findings)


async def test_what_comes_of_a_draw_stands_in_the_log_in_order(
    service: Service, client: Client
) -> None:
    await open_doors(service)
    await entered(client, 3)
    await draw(service)

    order = [kind for kind in await kinds(client) if kind not in {"rules", "stock"}]

    steps = ["entries_closed", "closing_signed", "drawn"]
    assert order[:2] == ["room_created", "draw_announced"]
    assert [kind for kind in order if kind in steps] == steps
    assert order.index("entered") < order.index("status") < order.index("entries_closed")


async def test_nobody_enters_before_the_seed_is_fixed(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 5}, status="scheduled", order_by="draw")

    answer = await client.post("/rooms/drop/tickets")

    assert (answer.status, (await answer.json())["code"]) == (409, "not_open")


async def test_latecomers_stand_behind_all_who_entered(service: Service, client: Client) -> None:
    await open_doors(service)
    await entered(client, 5)
    await service.rooms.set_status("drop", "open", who="test")

    # The entries are closed and the order is not drawn yet.
    late = await (await client.post("/rooms/drop/tickets")).json()

    assert late["number"] == 6


async def test_nobody_is_called_before_the_draw(service: Service, client: Client) -> None:
    await open_doors(service)
    await service.rooms.change("drop", '{"seats_max": 5}', who="test")
    shoppers = await entered(client, 3)
    await service.rooms.set_status("drop", "open", who="test")
    line = service.board.room("drop").line_id

    called = await execute(
        service,
        "SELECT * FROM call_numbers($1, 99, 0, 3, '{}', now(), 'test', '{}')",
        line,
    )
    claim = await shoppers[0].claim()

    assert called[0]["called"] == 0
    assert (claim.status, (await claim.json())["code"]) == (409, "not_yet_called")


async def test_whoever_entered_is_called_by_the_number_drawn(
    service: Service, client: Client
) -> None:
    await open_doors(service)
    shoppers = await entered(client, 6)
    await service.rooms.change("drop", '{"seats_max": 2}', who="test")
    await draw(service)

    called = [s for s in shoppers if (await s.me())["status"] == "called"]
    claims = [await shopper.claim() for shopper in called]

    numbers = [(await shopper.me())["number"] for shopper in called]
    assert sorted(numbers) == [1, 2]
    assert [claim.status for claim in claims] == [201, 201]


async def test_entering_twice_with_one_key_is_one_entry_also_after_the_draw(
    service: Service, client: Client
) -> None:
    await open_doors(service)
    key = {"Idempotency-Key": str(uuid4())}
    first = await (await client.post("/rooms/drop/tickets", headers=key)).json()
    again = await (await client.post("/rooms/drop/tickets", headers=key)).json()
    await draw(service)

    after = await (await client.post("/rooms/drop/tickets", headers=key)).json()

    assert first["ticket"] == again["ticket"]
    assert after["number"] == 1
    assert after["status"] == "waiting"


async def test_a_draw_that_announced_a_public_value_waits_for_it(
    service: Service, client: Client
) -> None:
    await open_doors(service, public_value_source="the lottery of Saturday")
    (shopper,) = await entered(client, 1)
    await draw(service)
    before = await shopper.me()
    state = await (await client.get("/rooms/drop/state")).json()

    given = await service.draws.give_value("drop", "3 17 21 34 40 44", who="test")
    again = await service.draws.give_value("drop", "1 2 3 4 5 6", who="test")
    await tick(service, 2)
    await service.board.refresh(rooms=True)

    assert (before["status"], state["status"]) == ("entered", "drawing")
    assert (given, again) == (1, 0)
    assert (await shopper.me())["number"] == 1
    (made,) = await execute(service, "SELECT value FROM draw")
    assert made["value"] == "3 17 21 34 40 44"


async def test_a_draw_is_made_once(service: Service, client: Client) -> None:
    await open_doors(service)
    await entered(client, 2)
    await draw(service)

    with pytest.raises(asyncpg.RaiseError, match="made once"):
        await execute(service, "UPDATE draw SET seed = $1", bytes(32))
    with pytest.raises(asyncpg.RaiseError, match="made once"):
        await execute(service, "DELETE FROM draw")


async def test_a_commitment_stands_once_it_is_announced(service: Service) -> None:
    await open_doors(service)
    before = await execute(service, "SELECT commitment FROM draw")

    with pytest.raises(asyncpg.RaiseError, match="made once"):
        await execute(service, "UPDATE draw SET commitment = $1", bytes(32))
    with pytest.raises(BadRequest):
        await service.rooms.change("drop", '{"order_by": "first_come"}', who="test")
    await tick(service, 3)

    assert await execute(service, "SELECT commitment FROM draw") == before


async def test_the_seed_is_nowhere_before_the_reveal(service: Service, client: Client) -> None:
    await open_doors(service)
    await entered(client, 2)
    (sealed,) = await execute(service, "SELECT sealed_seed, seed FROM draw")
    await draw(service)

    (made,) = await execute(service, "SELECT sealed_seed, seed FROM draw")

    assert sealed["seed"] is None
    assert made["seed"].hex() not in sealed["sealed_seed"]


async def test_two_controllers_make_one_draw(services: Services, clients: Clients) -> None:
    first, second = await services(), await services()
    await open_doors(first)
    await entered(await clients(first), 4)
    await first.rooms.set_status("drop", "open", who="test")

    for _ in range(4):
        await first.controller.tick()
        await second.controller.tick()

    (made,) = await execute(first, "SELECT count(*) AS n FROM log_entry WHERE body LIKE '%drawn%'")
    assert made["n"] == 1


@pytest.mark.parametrize("source", [None, "the lottery"])
async def test_a_room_that_ends_while_its_draw_is_due_is_drawn_and_archived(
    service: Service, client: Client, source: str | None
) -> None:
    await open_doors(service, **({"public_value_source": source} if source else {}))
    (shopper,) = await entered(client, 1)
    await service.rooms.set_status("drop", "open", who="test")
    await service.rooms.set_status("drop", "ended", who="test")
    await tick(service, 4)
    if source:
        with pytest.raises(StillOpen):
            await service.archive.seal("drop", who="test", reason="")
        # Nothing happens by itself until then, so the room is led no more.
        assert (await execute(service, "SELECT is_final FROM room_state"))[0]["is_final"]
        assert await service.draws.give_value("drop", "never published", who="test") == 1
        await tick(service, 4)
    await service.board.refresh(rooms=True)

    standing = await shopper.me()

    assert (standing["number"], standing["status"]) == (1, "ended")
    findings = audit(await log_of(client))
    assert not [finding for finding in findings if finding.verdict is Verdict.FAILS]
    assert (await execute(service, "SELECT is_final FROM room_state"))[0]["is_final"]
    await service.archive.seal("drop", who="test", reason="")


async def test_an_entry_that_left_is_stepped_over(service: Service, client: Client) -> None:
    await open_doors(service)
    shoppers = await entered(client, 3)
    await shoppers[1].leave()
    await service.rooms.change("drop", '{"seats_max": 2}', who="test")
    await draw(service)

    standings = [await shopper.me() for shopper in (shoppers[0], shoppers[2])]

    assert {standing["status"] for standing in standings} == {"called"}


async def test_first_come_doors_give_numbers_and_call_nobody(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5}, status="scheduled", doors_at="2020-01-01T00:00:00Z")
    await tick(service)

    joined = await (await client.post("/rooms/drop/tickets")).json()
    await tick(service)
    state = await (await client.get("/rooms/drop/state")).json()

    assert (joined["number"], joined["status"]) == (1, "waiting")
    assert (state["status"], state["lines"][0]["head"]) == ("before_opening", 0)


async def test_a_log_that_is_public_afterwards_is_not_shown_before(
    service: Service, client: Client
) -> None:
    await open_room(service, log_public="after")

    during = await client.get("/rooms/drop/log")
    head = await client.get("/rooms/drop/log/head")
    await service.rooms.set_status("drop", "ended", who="test")
    await service.board.refresh(rooms=True)
    after = await client.get("/rooms/drop/log")

    assert (during.status, head.status, after.status) == (403, 403, 200)
    assert (await during.json())["code"] == "log_not_public_yet"


async def test_an_entrys_ticket_goes_on_after_the_draw(service: Service, client: Client) -> None:
    await open_doors(service)
    (shopper,) = await entered(client, 1)
    await draw(service)

    exchanged = await (
        await client.post("/rooms/drop/tickets", headers=authorization(shopper.ticket))
    ).json()

    assert exchanged["number"] == 1
    assert exchanged["ticket"] != shopper.ticket
