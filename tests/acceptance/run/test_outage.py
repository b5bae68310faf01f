"""PostgreSQL goes away in the middle of a sale and comes back."""

import os
import re
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from conftest import answers
from outage import Plan, known_everywhere, sell_through_an_outage
from playwright.async_api import Page, expect
from pollers import visitors
from stoppable import Stage, stage
from support import Shopper, admitted, eventually, execute, open_room, secrets, settings, tick

from waitroom.line.policy import Decision
from waitroom.run.app import Service, open_service
from waitroom.run.processes import LIVED_AFTER_S, RESTARTS_MAX

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]

# Longer than the lease, and than the shoppers' clock goes on without a leader.
WINDOW_S = 15
PATIENCE_S = 120


async def test_a_sale_goes_on_after_an_outage_that_outlasts_every_window(tmp_path: Path) -> None:
    plan = Plan(how="stopped", shoppers=300, units=60, window_s=WINDOW_S)

    seen = await sell_through_an_outage(tmp_path, plan, durable=False)

    claims = seen.claims()
    assert [claim for claim, held in claims.items() if not held] == [], seen
    assert seen.result.units_bought == 60 - 5
    assert seen.numbers_nobody_got <= len(seen.refusals["join"])


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
        line_id,
        term=service.controller.term,
        gate_read=0,
        decision=Decision(gate=1, again=(), reason="seats"),
        heard_by=datetime.now(UTC),
    )

    await service.controller.beat()

    left_s = (await shopper.me())["seconds_left"]
    assert 0 < left_s <= 60


async def test_the_page_goes_through_an_outage_by_itself(tmp_path: Path, pages: Pages) -> None:
    async with stage(tmp_path, durable=False, WAITROOM_LEASE_S="2") as running:
        made = settings(running.database.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            await _open_and_announce(service, running)
            waiting, newcomer = await pages(), await pages()
            url = f"{running.program.url}/rooms/drop"
            await waiting.goto(url)
            await expect(waiting.locator("#place")).to_have_text("1")

            await running.database.take_away("stopped")
            await newcomer.goto(url)
            await expect(newcomer.locator("#status")).to_contain_text("keeps trying")
            await expect(waiting.locator("#updated")).to_have_text(re.compile(r"^\d\d seconds ago"))
            await expect(waiting.locator("#place")).to_have_text("1")
            await running.database.bring_back("stopped")

            # Nobody touches either page: the one takes its number, the other is called.
            await expect(newcomer.locator("#number")).to_have_text("2")
            await service.rooms.change("drop", '{"seats_max": 1}', who="test")
            await expect(waiting.locator("#enter")).to_be_visible()
            await expect(newcomer.locator("#place")).to_have_text("1")


async def test_a_process_that_dies_while_postgres_is_away_is_there_again_when_it_is(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, durable=False, WAITROOM_LEASE_S="2") as running:
        made = settings(running.database.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            await _open_and_announce(service, running)
            await _has_lived(service)
        await running.database.take_away("stopped")

        for child in running.program.children:
            os.kill(child, signal.SIGKILL)
        await eventually(lambda: _tried_often(running), within_s=PATIENCE_S)
        await running.database.bring_back("stopped")

        await eventually(lambda: answers(f"{running.program.url}/readyz"), within_s=PATIENCE_S)
        async with visitors(running.program.url) as http:
            await known_everywhere(http, lambda reply: reply.status == 200)


async def _has_lived(service: Service) -> None:
    """Wait until the leader has published so often that its process counts as one that can live."""

    async def often() -> bool:
        rows = await execute(
            service,
            "SELECT FROM room_state, room"
            " WHERE published_at > created_at + make_interval(secs => $1)",
            2 * LIVED_AFTER_S,
        )
        return bool(rows)

    await eventually(often)


async def _tried_often(running: Stage) -> bool:
    """Say whether processes were started again more often than any are that cannot live."""
    assert running.program.process.poll() is None, running.program.said()
    return running.program.log.read_text().count("process_restarted") > RESTARTS_MAX + 2


async def _open_and_announce(service: Service, running: Stage) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    async with visitors(running.program.url) as http:
        await known_everywhere(http, lambda reply: reply.status == 200)
