"""aiohttp's server with bounds: on connections, and on the time that a client takes."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client import Gauge

from inventory.kit.batcher import QUEUED
from inventory.kit.doors.client_address import TrustedProxies, network_around, parse_address
from inventory.kit.http import PROBLEM, PROCESS, Process
from waitroom.run.listening.connection import ENDED, Connection
from waitroom.run.listening.connections import Connections
from waitroom.run.listening.descriptors import Bounds
from waitroom.run.listening.door import Door
from waitroom.run.listening.headers import SAFE_HEADERS, SafeHeaders
from waitroom.run.listening.precedence import Precedence
from waitroom.run.listening.refusing import BusyAnswers, raw_answer
from waitroom.run.listening.requests import UNREADABLE, Requests

# A shop on the same host may have large cookies of its own.
HEADER_BYTES_MAX = 32 * 1024
SWEEP_EVERY_S = 1.0
# Requests are served between the pieces of a sweep.
SWEEP_PIECE = 1000

CONNECTIONS = Gauge(
    "waitroom_connections", "Open connections of shoppers.", multiprocess_mode="livesum"
)


def _without_strange_expectations(made: Callable[..., web.BaseRequest]) -> Any:
    """Return a maker of requests that drops what only `Expect: 100-continue` may ask.

    aiohttp answers another expectation before any code of ours, quotes it, and fails where it is no
    text. A server may disregard it (RFC 9110, section 10.1.1).
    """

    def make(message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        expected = message.headers.get("Expect")
        if expected is not None and expected.lower() != "100-continue":
            headers = CIMultiDict(message.headers)
            headers.popall("Expect")
            message = message._replace(headers=CIMultiDictProxy(headers))
        return made(message, *rest)

    return make


class Server(web.Server):
    """Makes connections, keeps them within their bounds, and sweeps them."""

    def __init__(
        self,
        made: web.Server,
        *,
        bounds: Bounds,
        proxies: TrustedProxies,
        headers: SafeHeaders,
        process: Process | None,
        **options: Any,
    ) -> None:
        super().__init__(
            made.request_handler,
            request_factory=_without_strange_expectations(made.request_factory),
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            **options,
        )
        self._proxies, self._process = proxies, process
        # Errors of parsing are answered beside the application.
        self._refusal_headers = CIMultiDict(PROBLEM)
        headers.complete(self._refusal_headers)
        self.unreadable = raw_answer(
            "400 Bad Request", self._refusal_headers, UNREADABLE, ends=True
        )
        self.busy = BusyAnswers(headers)
        self.precedence = Precedence(self._loop)
        self._open: Connections[Connection] = Connections(
            total_max=bounds.total_max, network_max=bounds.network_max
        )

    def __call__(self) -> Connection:  # type: ignore[override] # it makes aiohttp's part later
        return Connection(self, self._loop, self._requests_of)

    def _requests_of(self, connection: Connection) -> Requests:
        return Requests(
            self,
            connection,
            refusal_headers=self._refusal_headers,
            loop=self._loop,
            **self._kwargs,
        )

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._open)

    @property
    def is_leaving(self) -> bool:
        return self._process is not None and self._process.draining

    def pre_shutdown(self) -> None:
        """Refuse what waits, and close the connections that serve nothing."""
        self.precedence.refuse_all()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's name
        """End all connections: those on which a request is served have this long."""
        await super().shutdown(timeout)
        for connection in self._open.all():
            connection.hang_up()

    def admit(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Count a new connection; one that there is no room for ends an idle one, or is refused."""
        self.precedence.let_in()
        network = self._network(transport)
        connection.is_of_proxy = network is None
        if self._open.is_full_for(network):
            idle = self._open.to_end_for(network, lambda one: one.is_idle)
            if idle is None:
                ENDED.labels("no_room").inc()
                return False
            self._open.discard(idle)
            idle.end("for_another")
        self._open.add(connection, network)
        return True

    def forget(self, connection: Connection) -> None:
        self._open.discard(connection)

    def door_of(self, listeners: Sequence[socket.socket]) -> Door:
        """Let newcomers of these listeners be turned away while none of them could be served."""
        door = Door(listeners, loop=self._loop, let_in=self, busy=self.busy)
        self.precedence.entrance = door
        return door

    async def watch(self) -> None:
        """Look at all connections once a second, and end those whose client is too slow."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            now, found = self._loop.time(), self._open.all()
            CONNECTIONS.set(len(found))
            QUEUED.labels("requests").set(len(self.precedence))
            for index, connection in enumerate(found, start=1):
                if (reason := connection.overdue(now)) is not None:
                    self._open.discard(connection)
                    connection.end(reason)
                if index % SWEEP_PIECE == 0:
                    await asyncio.sleep(0)

    def _network(self, transport: asyncio.Transport) -> str | None:
        """Return the network of the peer, None for a trusted proxy."""
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else str(peer)
        # Parsing is the greatest part of what a new connection costs here, so it is done once.
        known = parse_address(address)
        if known is None:
            return address
        return None if self._proxies.trusts(known) else network_around(known)


class Runner(web.AppRunner):
    """Runs an application on a `Server`."""

    def __init__(
        self,
        app: web.Application,
        *,
        bounds: Bounds,
        proxies: TrustedProxies,
        shutdown_timeout: float,
        **options: Any,
    ) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout)
        self._bounds, self._proxies, self._options = bounds, proxies, options
        self.watching: Server | None = None

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        self.watching = Server(
            made,
            bounds=self._bounds,
            proxies=self._proxies,
            headers=self.app.get(SAFE_HEADERS) or SafeHeaders(secure=False),
            process=self.app.get(PROCESS),
            **self._options,
        )
        return self.watching
