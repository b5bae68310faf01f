"""A server that goes away says so on every connection, and hangs up a moment later."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support import Shopper, admitted, eventually, open_room, tick

from inventory.kit.database import Pool, connection, open_pool
from inventory.kit.problem import EngineDown

# FATAL 57P01, as PostgreSQL sends it to an idle session when it is stopped.
FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
GOODBYE = b"E" + (len(FIELDS) + 4).to_bytes(4, "big") + FIELDS
# A statement is given up, its connection closed, and the next one answered.
PASSES_WITHIN_S = 5.0
# Both ends are in this loop: what was written is read when it has gone round a few times.
TURNS = 20


class Wire:
    """Carries bytes between clients and PostgreSQL, and can put words into its mouth."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._clients: list[asyncio.StreamWriter] = []
        self._carrying: set[asyncio.Task[None]] = set()
        self._muted: set[asyncio.StreamWriter] = set()

    def lose_replies(self) -> None:
        """Let no reply arrive on the connections that are open now; later ones work."""
        self._muted.update(self._clients)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        self._clients.append(writer)
        for pair in ((reader, to_server), (from_server, writer)):
            task = asyncio.create_task(self._carry(*pair))
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

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if writer not in self._muted:
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


async def test_a_claim_a_hold_and_a_payment_pass_soon_after_replies_were_lost(
    wire: tuple[Wire, str], services: Callable[..., Awaitable[Any]], clients: Callable[..., Any]
) -> None:
    carrier, url = wire
    service = await services(postgres_url=url)
    await open_room(service, skus={"mug": 9}, seats_max=9)
    await tick(service)
    client = await clients(service)
    called, inside, buyer = Shopper(client), await admitted(client), await admitted(client)
    await called.join()
    held = (await (await buyer.hold(mug=1)).json())["hold_id"]

    for step in (called.claim, lambda: inside.hold(mug=1), lambda: buyer.pay(held)):
        carrier.lose_replies()
        started = time.monotonic()

        async def passes(step: Callable[[], Awaitable[Any]] = step) -> bool:
            return (await step()).status in {200, 201}

        await eventually(passes)

        assert time.monotonic() - started < PASSES_WITHIN_S
