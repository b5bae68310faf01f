"""A wire between the program and an engine, which can lose, hold, delay and cut what it carries.

It knows no protocol but one sentence of PostgreSQL's. It carries bytes, between Unix sockets, or as
a proxy in front of the web processes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

# FATAL 57P01, as PostgreSQL sends it to an idle session when it is stopped.
FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
GOODBYE = b"E" + (len(FIELDS) + 4).to_bytes(4, "big") + FIELDS
PIECE = 65536


@dataclass(slots=True)
class Wire:
    """Carries bytes between clients and `server`, a Unix socket or a port of this machine.

    Each of the faults below concerns replies, so the engine has done what it was asked for. They
    are set and taken back at any time: `late_s` delays every reply; `cut_share` is the share of
    replies after half of which, or before which, the connection ends; while `open` is not set,
    nothing passes in either direction; while it `refuses`, every new connection ends at once.
    """

    server: Path | int
    dice: Random = field(default_factory=lambda: Random(0))
    late_s: float = 0.0
    cut_share: float = 0.0
    cut_in_middle: bool = False
    refuses: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    cuts: int = 0
    _clients: list[asyncio.StreamWriter] = field(default_factory=list)
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)
    _muted: set[asyncio.StreamWriter] = field(default_factory=set)
    _lost: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def lose_replies(self) -> asyncio.Event:
        """Let no reply arrive on the connections that are open now; later ones work.

        Returns what says whether a reply was lost.
        """
        self._muted.update(self._clients)
        self._lost = asyncio.Event()
        return self._lost

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what one client and the engine say to each other."""
        if self.refuses:
            writer.close()
            return
        try:
            if isinstance(self.server, int):
                opened = asyncio.open_connection("127.0.0.1", self.server)
            else:
                opened = asyncio.open_unix_connection(self.server)
            from_server, to_server = await opened
        except OSError:
            # The server is away, and its socket says so.
            writer.close()
            return
        self._clients.append(writer)
        for carrying in (self._carry(reader, to_server), self._reply(from_server, writer)):
            task = asyncio.create_task(carrying)
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

    async def say_goodbye(self) -> None:
        for client in self._clients:
            client.write(GOODBYE)
            await client.drain()

    async def hang_up(self) -> None:
        """End every connection."""
        carrying = list(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        for client in self._clients:
            client.close()
            with suppress(OSError):
                await client.wait_closed()
        self._clients.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what a client asks."""
        with closing(writer), suppress(OSError):
            while data := await reader.read(PIECE):
                await self.open.wait()
                writer.write(data)
                await writer.drain()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what the server answers, or do not."""
        with closing(writer), suppress(OSError):
            while data := await reader.read(PIECE):
                await self.open.wait()
                if writer in self._muted:
                    self._lost.set()
                    continue
                await asyncio.sleep(self.late_s)
                if self.cut_share and self.dice.random() < self.cut_share:
                    self.cuts += 1
                    writer.write(data[: len(data) // 2] if self.cut_in_middle else b"")
                    return
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def wired(url: str, folder: Path) -> AsyncIterator[tuple[Wire, str]]:
    """Open a wire to a database in a short folder; return it and the URL by which to reach it."""
    (sockets,) = parse_qs(urlsplit(url).query)["host"]
    async with wire_to(Path(sockets) / ".s.PGSQL.5432", folder / ".s.PGSQL.5432") as wire:
        yield wire, url.replace(sockets, str(folder))


@asynccontextmanager
async def wire_to(server: Path | int, at: Path | int) -> AsyncIterator[Wire]:
    """Open a wire that listens at a socket or port and leads to another one."""
    wire = Wire(server)
    if isinstance(at, int):
        listening = await asyncio.start_server(wire.take, "127.0.0.1", at)
    else:
        listening = await asyncio.start_unix_server(wire.take, at)
    try:
        yield wire
    finally:
        wire.open.set()
        await wire.hang_up()
        listening.close()
        await listening.wait_closed()
