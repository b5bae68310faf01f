"""A server that goes away says so on every connection, and hangs up a moment later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support import eventually

from inventory.kit.database import Pool, connection, open_pool
from inventory.kit.problem import EngineDown

# FATAL 57P01, as PostgreSQL sends it to an idle session when it is stopped.
FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
GOODBYE = b"E" + (len(FIELDS) + 4).to_bytes(4, "big") + FIELDS
# Both ends are in this loop: what was written is read when it has gone round a few times.
TURNS = 20


class Wire:
    """Carries bytes between clients and PostgreSQL, and can put words into its mouth."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._clients: list[asyncio.StreamWriter] = []
        self._carrying: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        self._clients.append(writer)
        for pair in ((reader, to_server), (from_server, writer)):
            task = asyncio.create_task(_carry(*pair))
            self._carrying.add(task)

    async def say_goodbye(self) -> None:
        for client in self._clients:
            client.write(GOODBYE)
            await client.drain()

    async def hang_up(self) -> None:
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        for client in self._clients:
            client.close()
            with suppress(OSError):
                await client.wait_closed()
        self._clients.clear()
        self._carrying.clear()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def wire(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Wire, str]]:
    """Return a wire to the test's database, and the URL by which to reach it."""
    (folder,) = parse_qs(urlsplit(postgres_url).query)["host"]
    wire = Wire(Path(folder) / ".s.PGSQL.5432")
    server = await asyncio.start_unix_server(wire.take, tmp_path / ".s.PGSQL.5432")
    yield wire, postgres_url.replace(folder, str(tmp_path))
    await wire.hang_up()
    server.close()
    await server.wait_closed()


async def test_a_connection_that_was_just_said_goodbye_to_is_an_engine_that_is_away(
    wire: tuple[Wire, str],
) -> None:
    carrier, url = wire
    pool = await open_pool(url, size_max=1)
    assert await _ask(pool) == 1

    await carrier.say_goodbye()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    with pytest.raises(EngineDown):
        await _ask(pool)
    await carrier.hang_up()

    async def answers() -> bool:
        with suppress(EngineDown):
            return await _ask(pool) == 1
        return False

    assert await eventually(answers)
    await pool.close()


async def _ask(pool: Pool) -> int:
    async with connection(pool) as borrowed:
        answer: int = await borrowed.fetchval("SELECT 1")
    return answer
