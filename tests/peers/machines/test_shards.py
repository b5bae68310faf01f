"""Two shards on two PostgreSQL servers and two Valkeys: the trouble of one stays its own."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from eager import eager
from programs import Running, all_know
from shards import OTHER, as_toml, shards_on
from support import eventually, open_room, secrets, settings

from waitroom.cli.up import prepare_database
from waitroom.load.crowd import Crowd
from waitroom.run.app import Service, open_service
from waitroom.run.engines import EmbeddedEngines

SHOPPERS, UNITS = 40, 20
PATIENCE_S = 120.0

Program = Callable[..., Awaitable[Running]]


async def sale_in(stack: AsyncExitStack, postgres: str, valkey: str, room: str) -> Service:
    """Open a room in one shard's database; return a service that looks on."""
    made = settings(postgres, valkey)
    service = await stack.enter_async_context(open_service(made, secrets(), roles=frozenset()))
    await open_room(service, room, skus={"mug": UNITS}, limit=1, seats_max=6, session_s=60)
    return service


def kill_postgres(folder: Path) -> None:
    """Kill a PostgreSQL server; nothing starts it again."""
    (written,) = folder.rglob("postmaster.pid")
    os.kill(int(written.read_text().splitlines()[0]), signal.SIGKILL)


async def test_a_sale_does_not_notice_that_the_postgres_of_another_shard_is_killed(
    tmp_path: Path, program: Program
) -> None:
    folders = tmp_path / "main", tmp_path / OTHER
    with ExitStack() as engines:
        urls = [engines.enter_context(EmbeddedEngines(folder)) for folder in folders]
        for one in urls:
            owner = {"postgres_owner_url": str(one.postgres_owner_url)}
            await prepare_database(settings(str(one.postgres_url), str(one.valkey_url), **owner))
        postgres = str(urls[0].postgres_url), str(urls[1].postgres_url)
        valkey = str(urls[0].valkey_url), str(urls[1].valkey_url)
        path = tmp_path / "waitroom.toml"
        path.write_text(as_toml(shards_on(postgres, valkey, rooms=("drop",))))
        serving = [
            await program("serve", WAITROOM_CONFIG=str(path), WAITROOM_SHARD=name)
            for name in ("main", OTHER)
        ]
        async with AsyncExitStack() as stack:
            main = await sale_in(stack, postgres[0], valkey[0], "mugs")
            autumn = await sale_in(stack, postgres[1], valkey[1], "drop")
            await all_know(serving[0].url, "mugs")
            await all_know(serving[1].url, "drop")
            crowds = [
                Crowd(running.url, room, eager(SHOPPERS, arrive_s=3))
                for running, room in zip(serving, ("mugs", "drop"), strict=True)
            ]
            selling = [asyncio.create_task(crowd.run()) for crowd in crowds]

            async def both_sell() -> bool:
                paid = "SELECT FROM purchase WHERE state = 'paid'"
                return all([await one.pool.fetch(paid) for one in (main, autumn)])

            await eventually(both_sell, within_s=PATIENCE_S)
            kill_postgres(folders[1])
            ours = await asyncio.wait_for(selling[0], PATIENCE_S)
            crowds[1].stop()
            theirs = await asyncio.wait_for(selling[1], PATIENCE_S)

            assert (ours.units_bought, ours.unfinished, ours.errors) == (UNITS, 0, {})
            assert theirs.units_bought < UNITS
            # No other leader took office.
            assert await main.pool.fetchval("SELECT term FROM office") == 1
            assert await main.ledger.breaches() == []
