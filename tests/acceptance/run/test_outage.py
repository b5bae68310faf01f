"""What is shown and promised while PostgreSQL is away; `make endure` takes it away for longer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, admitted, execute, open_room, tick

from waitroom.line.policy import Call, Decision
from waitroom.run.app import Service

Client = TestClient[Any, Any]


@pytest.mark.parametrize("units", [5, 1], ids=["some-free", "none-free"])
async def test_the_waiting_page_can_be_loaded_while_postgres_is_away(
    service: Service, client: Client, units: int
) -> None:
    await open_room(service, skus={"mug": units}, seats_max=1)
    await tick(service)
    await admitted(client)
    waiting = Shopper(client)
    await waiting.join()
    await tick(service)
    service.pool.terminate()

    ticket = {"Cookie": f"waitroom_ticket_drop={waiting.ticket}", "Accept": "text/html"}
    mine = await client.get("/rooms/drop", headers=ticket)
    strangers = await client.get("/rooms/drop", headers={"Accept": "text/html"})

    assert (mine.status, strangers.status) == (200, 200)
    assert 'data-view="waiting"' in await mine.text()


async def test_a_call_before_the_first_heartbeat_stands_no_longer_than_any_other(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5}, seats_max=0, claim_window_s=60)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()
    line_id = service.board.room("drop").line_id
    # PostgreSQL is back after three minutes; a tick of the leader's comes before its heartbeat.
    await execute(service, "UPDATE office SET beat_at = beat_at - interval '3 minutes'")
    await service.office.call(
        Call(
            line_id=line_id,
            gate_read=0,
            decision=Decision(gate=1, again=(), reason="seats"),
            heard_by=datetime.now(UTC),
        ),
        term=service.controller.term,
    )

    await service.controller.beat()

    left_s = (await shopper.me())["seconds_left"]
    assert 0 < left_s <= 60
