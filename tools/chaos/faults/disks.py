"""PostgreSQL's disks are full."""

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import asyncpg

from chaos.disks import WAL, clear, fill
from chaos.faults.registry import fault
from chaos.stage import Needs, Stage

SMALL = Needs(small_disks=True, postgres={"min_wal_size": "32MB", "max_wal_size": "64MB"})
IN_MEMORY = "a small file system in memory"


@fault("the disk of PostgreSQL's data is full for 15 s", SMALL, note=IN_MEMORY)
async def data_full(stage: Stage, dice: Random) -> None:
    await _full(stage, stage.folder / "database")


@fault("the disk of PostgreSQL's log is full for 15 s", SMALL, note=IN_MEMORY)
async def wal_full(stage: Stage, dice: Random) -> None:
    """PostgreSQL ends when it cannot write its log; it is started once there is room again."""
    await _full(stage, stage.folder / "database" / WAL)


async def _full(stage: Stage, disk: Path) -> None:
    await asyncio.to_thread(fill, disk)
    # Segments that are there already would last for a while.
    await _use_up_segments(stage)
    await asyncio.sleep(15)
    clear(disk)
    if not stage.database.runs:
        await stage.database.bring_back("killed")


async def _use_up_segments(stage: Stage) -> None:
    with suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(stage.administrator_url)
        for _ in range(12):
            await connection.execute("SELECT pg_logical_emit_message(false, 'chaos', 'x')")
            await connection.execute("SELECT pg_switch_wal()")
        await connection.close()
