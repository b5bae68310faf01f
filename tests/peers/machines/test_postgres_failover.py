"""PostgreSQL's primary goes away in the middle of a sale, and its standby takes its place."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from programs import Running
from replicated import Replicated, fence, replicated
from support import eventually, open_room, secrets, settings
from told_sale import ToldCrowd, untrue

from waitroom.load.crowd import CrowdResult
from waitroom.run.app import Service, open_service
from waitroom.run.engines import EmbeddedEngines
from waitroom.store.migrate import migrate

Program = Callable[..., Awaitable[Running]]

SHOPPERS, UNITS = 70, 40
SOLD_BEFORE = 8
# The promise: the line goes on so soon after a promotion.
GOES_ON_S = 15.0
PATIENCE_S = 120.0
# Longer than every time-out of a statement.
HANGS_S = 20.0


@dataclass(slots=True, kw_only=True)
class Sale:
    """A sale under way, on a primary and its standby."""

    engines: Replicated
    service: Service
    crowd: ToldCrowd
    selling: "asyncio.Task[CrowdResult]"

    async def sold(self, least: int) -> None:
        async def so_many() -> bool:
            return len(self.crowd.told.paid) >= least

        await eventually(so_many, within_s=PATIENCE_S)

    async def goes_on(self, promoted_at: float) -> float:
        """Return how long after the promotion the first order was told paid."""

        async def more() -> list[float]:
            return self.crowd.told.paid_since(promoted_at)

        took: list[float] = await eventually(more, within_s=PATIENCE_S)
        structlog.get_logger().info("went_on", after_s=round(took[0], 1))
        return took[0]


@asynccontextmanager
async def sale(folder: Path, program: Program, *, arrive_s: float = 1.0) -> AsyncIterator[Sale]:
    with EmbeddedEngines(folder / "memory", postgres=False) as urls:
        async with (
            replicated() as engines,
            _selling(program, engines, str(urls.valkey_url), arrive_s) as found,
        ):
            yield found


@asynccontextmanager
async def _selling(
    program: Program, engines: Replicated, valkey: str, arrive_s: float
) -> AsyncIterator[Sale]:
    await migrate(engines.url)
    running = await program(
        "serve",
        WAITROOM_POSTGRES_URL=engines.url,
        WAITROOM_VALKEY_URL=valkey,
        WAITROOM_WORKERS="2",
    )
    made = settings(engines.url, valkey)
    async with open_service(made, secrets(), roles=frozenset()) as service:
        await open_room(service, skus={"mug": UNITS}, limit=1, seats_max=6, session_s=60)
        crowd = ToldCrowd(running.url, shoppers=SHOPPERS, arrive_s=arrive_s)
        selling = asyncio.create_task(crowd.run())
        watching = asyncio.create_task(crowd.watch_log(running.url))
        try:
            yield Sale(engines=engines, service=service, crowd=crowd, selling=selling)
        finally:
            watching.cancel()
            selling.cancel()


async def comes_to_its_end(found: Sale) -> None:
    """Let the sale come to its end; nothing that anybody was told may turn out untrue."""
    result = await asyncio.wait_for(found.selling, PATIENCE_S)

    assert await untrue(found.service, found.crowd.told) == []
    assert result.units_bought == UNITS == len(found.crowd.told.paid)
    assert result.unfinished == 0


@pytest.fixture(autouse=True)
def quiet() -> None:
    # Our own pool, which only looks on, says again and again that it cannot connect.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)


async def test_a_sale_goes_on_when_the_primary_is_killed(tmp_path: Path, program: Program) -> None:
    async with sale(tmp_path, program) as found:
        await found.sold(SOLD_BEFORE)

        found.engines.primary.kill()
        await found.engines.standby.promote()
        took_s = await found.goes_on(time.monotonic())

        assert took_s < GOES_ON_S
        await comes_to_its_end(found)


async def test_a_frozen_primary_that_comes_back_gets_no_write(
    tmp_path: Path, program: Program
) -> None:
    """Nobody fences it in time: it thaws, takes writes, and gets none."""
    async with sale(tmp_path, program) as found:
        await found.sold(SOLD_BEFORE)

        primary = found.engines.primary
        primary.freeze()
        await found.engines.standby.promote()
        took_s = await found.goes_on(time.monotonic())
        primary.thaw()
        thawed_at = await primary.ask("SELECT clock_timestamp()")
        assert await primary.ask("SELECT NOT pg_is_in_recovery()")
        more = len(found.crowd.told.paid) + 5
        await found.sold(more)
        asked = await primary.ask(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'waitroom' AND query_start > $1",
            thawed_at,
        )
        await fence(primary)

        assert took_s < GOES_ON_S
        assert asked == 0
        await comes_to_its_end(found)


async def test_what_no_standby_has_is_told_to_nobody(tmp_path: Path, program: Program) -> None:
    """The standby is cut off first. Shoppers still reach the primary, which dies meanwhile.

    A statement that was given up must not be cancelled: its commit would become visible, and be
    told, and be lost.
    """
    async with sale(tmp_path, program, arrive_s=1.5 * HANGS_S) as found:
        await found.sold(SOLD_BEFORE)

        found.engines.cut()
        await asyncio.sleep(HANGS_S)
        found.engines.primary.kill()
        await found.engines.standby.promote()
        took_s = await found.goes_on(time.monotonic())

        assert took_s < GOES_ON_S
        await comes_to_its_end(found)
