"""Statements that meet a migration: PostgreSQL undoes them, and they are made once more."""

import asyncio

import asyncpg
from support import eventually, execute, owner_url

from waitroom.run.app import Service


async def test_a_beat_that_waited_for_a_change_of_its_table_is_made_once_more(
    service: Service, postgres_url: str
) -> None:
    await service.office.beat("me", 0, lease_s=60.0)
    owner = await asyncpg.connect(owner_url(postgres_url))
    try:
        async with owner.transaction():
            await owner.execute("ALTER TABLE office ADD COLUMN later text")
            beating = asyncio.create_task(service.office.beat("me", 1, lease_s=60.0))

            async def waits() -> bool:
                asked = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
                return bool(await owner.fetchval(asked))

            await eventually(waits)
        assert await beating == ("me", 1)
    finally:
        await execute(service, "ALTER TABLE office DROP COLUMN IF EXISTS later")
        await owner.close()
