"""Slow clients at the running program, from loopback: each has a bound, and shoppers are served."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from programs import Running, all_know
from support import open_room, size, tick

from waitroom.run.app import Service
from waitroom.run.listening.connection import HEAD_WAIT_S, WRITE_WAIT_S

# Of each kind of slow client.
SLOW = size("SLOW_CLIENTS", 100)
LOOKS = 20
ATTACKERS = [f"127.0.0.{n}" for n in range(2, 6)]
HOST = b"Host: shop\r\n"
HEAD = b"GET /rooms/drop HTTP/1.1\r\n" + HOST
FORM = b"POST /rooms/drop/move HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
# None of them reads what it asked for.
ANSWERS = 40
LARGE = (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * ANSWERS
KINDS = {
    "idle": (b"", b""),
    "slow head": (HEAD, b"A"),
    "slow body": (FORM + b"Content-Length: 60000\r\n\r\n", b" "),
    "slow chunks": (FORM + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "body of a page": (HEAD + b"Content-Length: 60000\r\n\r\n", b" "),
}
# A body that no handler takes is read away for some seconds behind the answer.
ENDED_WITHIN_S = HEAD_WAIT_S + 50
SWEEPS_S = 5.0
PATIENCE_S = 20.0


@dataclass(slots=True)
class Slow:
    """A client that sends the beginning of something, and then a piece a second."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def drip(self, first: bytes, then: bytes) -> None:
        with suppress(ConnectionError):
            self.writer.write(first)
            while then and not self.writer.is_closing():
                await asyncio.sleep(1)
                self.writer.write(then)
                await self.writer.drain()

    async def taken_to_the_end(self) -> int:
        """Read until the server ends the connection, and return how much came."""
        taken = 0
        with suppress(ConnectionError):
            while piece := await self.reader.read(2**16):
                taken += len(piece)
        await self.close()
        return taken

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def come(port: int, number: int, *, reads: bool = True) -> Slow:
    address = ATTACKERS[number % len(ATTACKERS)]
    found = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=2**12)
    if not reads:
        found[1].transport.pause_reading()  # type: ignore[attr-defined]
    return Slow(*found)


async def ask(port: int, path: bytes = b"/rooms/drop/state") -> int:
    """Ask as an honest shopper does, and return the length of the answer."""
    async with asyncio.timeout(PATIENCE_S):
        shopper = Slow(*await asyncio.open_connection("127.0.0.1", port))
        shopper.writer.write(b"GET %s HTTP/1.1\r\n" % path + HOST + b"Connection: close\r\n\r\n")
        answer = await shopper.reader.read()
        await shopper.close()
    assert b" 200 " in answer.partition(b"\r\n")[0]
    return len(answer)


async def test_no_slow_client_keeps_a_connection_and_shoppers_are_served_meanwhile(
    serving: Running, services: Callable[..., Awaitable[Service]]
) -> None:
    service = await services()
    await open_room(service, policy="rate")
    await tick(service)
    await all_know(serving)
    port, began = urlsplit(serving.url).port or 0, time.monotonic()
    wanted = await ask(port, b"/openapi.json") * ANSWERS
    slow = {kind: [await come(port, number) for number in range(SLOW)] for kind in KINDS}
    readers = [await come(port, number, reads=False) for number in range(SLOW // 4)]
    sending = [
        asyncio.create_task(one.drip(*KINDS[kind])) for kind, found in slow.items() for one in found
    ]
    sending += [asyncio.create_task(one.drip(LARGE, b"")) for one in readers]

    for _ in range(LOOKS):
        await ask(port)
    async with asyncio.timeout(ENDED_WITHIN_S):
        # Each of them is ended while it goes on sending.
        everyone = [one.taken_to_the_end() for found in slow.values() for one in found]
        await asyncio.gather(*everyone)
    await asyncio.sleep(max(0.0, began + WRITE_WAIT_S + SWEEPS_S - time.monotonic()))
    for _ in range(LOOKS):
        await ask(port)
    for one in readers:
        one.writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(PATIENCE_S):
        taken = await asyncio.gather(*(one.taken_to_the_end() for one in readers))
    for task in sending:
        task.cancel()

    # Their ends are seen behind what the kernel had buffered.
    assert max(taken) < wanted
