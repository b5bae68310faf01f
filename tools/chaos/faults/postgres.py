"""PostgreSQL is frozen, restarted, killed, in part or as a whole, or has no connection left."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from random import Random

import asyncpg
from support import eventually

from chaos.faults.registry import fault
from chaos.stage import Needs, Stage

PATIENCE_S = 60.0
# The process of PostgreSQL that placed the last holds.
BACKEND = """
    SELECT pid FROM pg_stat_activity WHERE query LIKE '%place_hold%' AND pid <> pg_backend_pid()
    ORDER BY state_change DESC LIMIT 1"""
BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""


@fault("PostgreSQL is frozen for 20 s")
async def frozen(stage: Stage, dice: Random) -> None:
    await _away(stage, "frozen", 20)


@fault("PostgreSQL is frozen for 70 s")
async def frozen_long(stage: Stage, dice: Random) -> None:
    await _away(stage, "frozen", 70)


@fault("PostgreSQL is restarted")
async def restarted(stage: Stage, dice: Random) -> None:
    await _away(stage, "stopped", 0)


@fault("PostgreSQL is away for 30 s")
async def away(stage: Stage, dice: Random) -> None:
    await _away(stage, "stopped", 30)


@fault("the postmaster is killed and started again")
async def postmaster_killed(stage: Stage, dice: Random) -> None:
    await _away(stage, "killed", 0)


@fault("the postmaster of waitroom up is killed", Needs(up=True), note="which starts it again")
async def embedded_postmaster_killed(stage: Stage, dice: Random) -> None:
    mark = stage.folder / "up" / "postgres" / "postmaster.pid"
    os.kill(int(mark.read_text(encoding="ascii").split("\n", 1)[0]), signal.SIGKILL)


@fault("a process of PostgreSQL is killed", note="PostgreSQL then restarts all of them")
async def backend_killed(stage: Stage, dice: Random) -> None:
    os.kill(await _one_backend(stage, dice), signal.SIGKILL)


@fault("a process of PostgreSQL is frozen for 10 s", note="it may have locks")
async def backend_frozen(stage: Stage, dice: Random) -> None:
    async def busy() -> int | None:
        connection = await asyncpg.connect(stage.administrator_url)
        try:
            return int(await connection.fetchval(BACKEND) or 0)
        finally:
            await connection.close()

    pid = await eventually(busy)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(10)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@fault("all connections to PostgreSQL are cut, three times")
async def connections_cut(stage: Stage, dice: Random) -> None:
    for _ in range(3):
        connection = await asyncpg.connect(stage.administrator_url)
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) b")
        await connection.close()
        await asyncio.sleep(dice.uniform(1, 2))


@fault("PostgreSQL has no connection left for 15 s", Needs(postgres={"max_connections": "45"}))
async def connections_exhausted(stage: Stage, dice: Random) -> None:
    """Take all that come free; those that the program has are cut first."""
    async with AsyncExitStack() as stack:
        until = asyncio.get_running_loop().time() + 15
        cutter = await asyncpg.connect(stage.administrator_url)
        stack.push_async_callback(cutter.close)
        await cutter.execute(f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) b")
        while asyncio.get_running_loop().time() < until:
            try:
                taken = await asyncpg.connect(stage.database_url)
            except (asyncpg.PostgresError, OSError):
                await asyncio.sleep(0.05)
            else:
                stack.push_async_callback(taken.close)


@fault("PostgreSQL takes no writes for 10 s", note="as one that is a standby now")
async def read_only(stage: Stage, dice: Random) -> None:
    await _set(stage, "default_transaction_read_only", "on")
    await asyncio.sleep(10)
    await _set(stage, "default_transaction_read_only", "off")


@fault(
    "every commit takes 0.1 s longer for 20 s",
    note="by its setting commit_delay, in place of a slow disk",
)
async def slow_disk(stage: Stage, dice: Random) -> None:
    await _set(stage, "commit_siblings", "0")
    await _set(stage, "commit_delay", "100000")
    await asyncio.sleep(20)
    await _set(stage, "commit_delay", "0")


@fault("another client locks the stock for 10 s")
async def stock_locked(stage: Stage, dice: Random) -> None:
    connection = await asyncpg.connect(stage.administrator_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE stock IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(10)
    await connection.close()


async def _away(stage: Stage, how: str, seconds: float) -> None:
    await stage.database.take_away(how)
    await asyncio.sleep(seconds)
    await stage.database.bring_back(how)


async def _one_backend(stage: Stage, dice: Random) -> int:
    connection = await asyncpg.connect(stage.administrator_url)
    found = [row["pid"] for row in await connection.fetch(BACKENDS)]
    await connection.close()
    return int(dice.choice(found))


async def _set(stage: Stage, name: str, value: str) -> None:
    """Change a setting of the running server; only its first user may."""
    connection = await asyncpg.connect(stage.administrator_url)
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
