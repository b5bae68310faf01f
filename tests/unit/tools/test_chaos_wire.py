"""The wire of the chaos runs does to replies what a fault asks for, and nothing otherwise."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from chaos.wire import Wire, wire_to

ASKED, ANSWER = b"question", b"answer!!"
SOON_S = 0.2


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Wire, Path, list[bytes]]]:
    """A wire to a server that notes what it is asked and answers it."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            heard.append(data)
            writer.write(ANSWER)
        writer.close()

    with tempfile.TemporaryDirectory(prefix="wi-", dir="/tmp") as folder:
        server, socket = Path(folder, "server"), Path(folder, "wire")
        listening = await asyncio.start_unix_server(serve, server)
        async with wire_to(server, socket) as wire:
            yield wire, socket, heard
        listening.close()


async def ask(socket: Path) -> bytes:
    """Ask on a new connection; return all that comes until its end, or soon."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(ASKED)
    try:
        return await asyncio.wait_for(reader.read(len(ANSWER)), SOON_S)
    except TimeoutError:
        return b"nothing yet"
    finally:
        writer.close()


async def test_it_carries_both_ways(ends: tuple[Wire, Path, list[bytes]]) -> None:
    _, socket, heard = ends

    assert await ask(socket) == ANSWER
    assert heard == [ASKED]


@pytest.mark.parametrize("arrives", [b"", ANSWER[:4]])
async def test_a_reply_is_cut_after_its_work_was_done(
    ends: tuple[Wire, Path, list[bytes]], arrives: bytes
) -> None:
    wire, socket, heard = ends
    wire.cut_share, wire.cut_in_middle = 1.0, bool(arrives)

    assert await ask(socket) == arrives
    assert (heard, wire.cuts) == ([ASKED], 1)


async def test_a_late_reply_comes_late(ends: tuple[Wire, Path, list[bytes]]) -> None:
    wire, socket, _ = ends
    wire.late_s = SOON_S / 4
    began_at = time.monotonic()

    assert await ask(socket) == ANSWER
    assert time.monotonic() - began_at >= wire.late_s


async def test_nothing_passes_a_wire_that_is_not_open(
    ends: tuple[Wire, Path, list[bytes]],
) -> None:
    wire, socket, heard = ends
    wire.open.clear()

    assert await ask(socket) == b"nothing yet"
    assert heard == []


async def test_replies_are_lost_on_the_connections_of_that_moment_alone(
    ends: tuple[Wire, Path, list[bytes]],
) -> None:
    wire, socket, heard = ends
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(ASKED)
    await reader.readexactly(len(ANSWER))

    lost = wire.lose_replies()
    writer.write(ASKED)
    await asyncio.wait_for(lost.wait(), 10)

    assert await ask(socket) == ANSWER
    assert heard == [ASKED] * 3
    writer.close()


async def test_one_that_refuses_ends_new_connections(
    ends: tuple[Wire, Path, list[bytes]],
) -> None:
    wire, socket, heard = ends
    wire.refuses = True

    with suppress(ConnectionError):
        assert await ask(socket) == b""
    assert heard == []
