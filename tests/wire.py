"""A wire between clients and PostgreSQL, which can lose replies and put words into its mouth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

# FATAL 57P01, as PostgreSQL sends it to an idle session when it is stopped.
FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
GOODBYE = b"E" + (len(FIELDS) + 4).to_bytes(4, "big") + FIELDS


class Wire:
    """Carries bytes between clients and PostgreSQL."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._clients: list[asyncio.StreamWriter] = []
        self._carrying: set[asyncio.Task[None]] = set()
        self._muted: set[asyncio.StreamWriter] = set()
        self._lost = asyncio.Event()

    def lose_replies(self) -> asyncio.Event:
        """Let no reply arrive on the connections that are open now; later ones work.

        Returns what says whether a reply was lost.
        """
        self._muted.update(self._clients)
        self._lost = asyncio.Event()
        return self._lost

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._server)
        except OSError:
            # The server is away, and its socket says so.
            writer.close()
            return
        self._clients.append(writer)
        for pair in ((reader, to_server), (from_server, writer)):
            self._carrying.add(asyncio.create_task(self._carry(*pair)))

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
                if writer in self._muted:
                    self._lost.set()
                    continue
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def wired(url: str, folder: Path) -> AsyncIterator[tuple[Wire, str]]:
    """Open a wire to a database in a short folder; return it and the URL by which to reach it."""
    (sockets,) = parse_qs(urlsplit(url).query)["host"]
    wire = Wire(Path(sockets) / ".s.PGSQL.5432")
    server = await asyncio.start_unix_server(wire.take, folder / ".s.PGSQL.5432")
    try:
        yield wire, url.replace(sockets, str(folder))
    finally:
        await wire.hang_up()
        server.close()
        await server.wait_closed()
