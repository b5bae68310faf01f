"""PostgreSQL goes away in the middle of a sale and comes back."""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient
from chaos.stage import Stage, stage
from outage import Plan, known_everywhere, sell_through_an_outage
from playwright.async_api import Page, expect
from pollers import visitors
from programs import answers
from support import eventually, execute, open_room, secrets, settings

from waitroom.run.app import Service, open_service
from waitroom.run.processes.child import LIVED_AFTER_S
from waitroom.run.processes.silence import DEATHS_MAX

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
    assert seen.numbers_lost <= len(seen.refusals["join"])


async def test_the_page_goes_through_an_outage_by_itself(tmp_path: Path, pages: Pages) -> None:
    async with stage(tmp_path, durable=False) as running:
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
    async with stage(tmp_path, durable=False) as running:
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


async def test_a_program_that_is_stopped_while_postgres_is_frozen_ends_by_itself(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, durable=False) as running:
        made = settings(running.database.url, running.valkey_url)
        async with open_service(made, secrets(), roles=frozenset()) as service:
            await _open_and_announce(service, running)
        async with visitors(running.program.url) as http:
            await running.database.take_away("frozen")
            joins = [asyncio.create_task(http.post("/rooms/drop/tickets")) for _ in range(6)]
            await asyncio.wait(joins, timeout=0.5)

            running.program.process.terminate()
            answers = await asyncio.gather(*joins)
            code = await asyncio.to_thread(running.program.process.wait, PATIENCE_S)

            await running.database.bring_back("frozen")
    assert [answer.status for answer in answers] == [503] * len(joins)
    assert code == 0
    # The supervisor had to kill none of them.
    assert "process_killed" not in running.program.log.read_text()


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
    return running.program.log.read_text().count("process_restarted") > DEATHS_MAX + 2


async def _open_and_announce(service: Service, running: Stage) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    async with visitors(running.program.url) as http:
        await known_everywhere(http, lambda reply: reply.status == 200)
