"""aiohttp's server with bounds: on connections, on the time that a client takes, on what is said.

`RequestHandler` is one connection. It answers errors of parsing with text of the request, and logs
more of it; cookies and tokens stand in both. Here such an answer has a fixed body, and the log is
told the kind of the error and the lines of our code alone.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client import Counter, Gauge

from inventory.kit.doors.client_address import TrustedProxies, network_of, parse_address
from inventory.kit.http import NOT_WHOLE, PROBLEM, encode, observe
from inventory.kit.problem import BadRequest, Failed
from waitroom.run.listening.connections import Connections
from waitroom.run.listening.descriptors import Bounds
from waitroom.run.listening.headers import SAFE_HEADERS, SafeHeaders

log = structlog.get_logger()

# A shop on the same host may have large cookies of its own.
HEADER_BYTES_MAX = 32 * 1024
# All lines of a request's head together, so that a slow one keeps little memory.
HEAD_BYTES_MAX = 64 * 1024
# From the opening of a connection to the end of its first request's head. Later ones have the
# keep-alive time.
HEAD_WAIT_S = 10.0
# Within this time the client has to take what is buffered for it, some 64 KB.
WRITE_WAIT_S = 30.0
SWEEP_EVERY_S = 1.0
# Requests are served between the pieces of a sweep.
SWEEP_PIECE = 1000

CONNECTIONS = Gauge(
    "waitroom_connections", "Open connections of shoppers.", multiprocess_mode="livesum"
)
ENDED = Counter(
    "waitroom_connections_ended_total", "Connections that the service ended, by reason.", ["reason"]
)

_UNREADABLE = encode(
    BadRequest("The request is not valid HTTP, or its headers are too long.").body()
)


def _without_aiohttp(headers: Mapping[str, str]) -> bytes:
    """Return the answer to a head that aiohttp has not come to the end of."""
    lines = (f"{name}: {value}\r\n".encode() for name, value in headers.items())
    length = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(_UNREADABLE)
    return b"".join((b"HTTP/1.1 400 Bad Request\r\n", *lines, length, _UNREADABLE))


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


class Connection(RequestHandler):
    """One connection, with what a sweep has to know of it."""

    __slots__ = ("_head_bytes", "_opened_at", "_server", "_stalled_since", "_wire")

    def __init__(self, server: "Server", **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._wire: asyncio.Transport | None = None
        self._opened_at = 0.0
        # None while the client has taken all that was sent, or takes it.
        self._stalled_since: float | None = None
        # The bytes of a head that has not come to its end.
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # aiohttp forgets its transport as it begins to close it, which a slow reader draws out.
        self._wire = cast(asyncio.Transport, transport)
        self._opened_at = self._loop.time()
        if self._server.admit(self, self._wire):
            super().connection_made(transport)
        else:
            self._wire.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before or not self.is_idle:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and self._wire is not None:
            self._wire.write(_without_aiohttp(self._server.refusal_headers))
            observe("none", 400, 0.0)
            self.force_close()

    def resume_writing(self) -> None:
        # The client has taken some 48 KB.
        self._stalled_since = None
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Say whether no request is served or read behind its head."""
        return self._waiter is not None and not self._waiter.done()

    def overdue(self, now: float) -> str | None:
        """Return the reason for which this connection is to end, None for none."""
        if not self._request_count and now - self._opened_at > HEAD_WAIT_S:
            return "slow_head"
        if self._wire is None or not self._wire.get_write_buffer_size():
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now
        elif now - self._stalled_since > WRITE_WAIT_S:
            return "slow_reader"
        return None

    def end(self, reason: str) -> None:
        """End the connection at once, whatever is buffered."""
        ENDED.labels(reason).inc()
        if self._wire is not None:
            self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed, or that failed outside of the handlers.

        `message` holds parts of the request, so no one is told.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("An answer has begun already.")
        if status < 500:
            body = _UNREADABLE
        else:
            status, body = 500, encode(Failed().body())
            self.log_exception(exc_info=exc)
        observe("none", status, 0.0)
        response = web.Response(status=status, body=body, headers=self._server.refusal_headers)
        response.force_close()
        return response

    def log_exception(self, *_: Any, exc_info: Any = None, **__: Any) -> None:
        """Log an error without its message, in which parts of the request may stand.

        A body that breaks off while it is read away behind the answer is no error of ours.
        """
        error = exc_info if isinstance(exc_info, BaseException) else None
        if isinstance(error, NOT_WHOLE):
            return
        frames = traceback.format_tb(error.__traceback__) if error is not None else []
        log.error("connection_failed", error=type(error).__name__, where="".join(frames))


class Server(web.Server):
    """Makes connections, keeps them within their bounds, and sweeps them."""

    def __init__(
        self,
        made: web.Server,
        *,
        bounds: Bounds,
        proxies: TrustedProxies,
        headers: SafeHeaders,
        **options: Any,
    ) -> None:
        super().__init__(
            made.request_handler,
            request_factory=_without_strange_expectations(made.request_factory),
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            **options,
        )
        self._proxies = proxies
        # Errors of parsing are answered beside the application.
        self.refusal_headers = CIMultiDict(PROBLEM)
        headers.complete(self.refusal_headers)
        self._open: Connections[Connection] = Connections(
            total_max=bounds.total_max, network_max=bounds.network_max
        )

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    def admit(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Count a new connection; one that there is no room for ends an idle one, or is refused."""
        network = self._network(transport)
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

    async def watch(self) -> None:
        """Look at all connections once a second, and end those whose client is too slow."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            now, found = self._loop.time(), self._open.all()
            CONNECTIONS.set(len(found))
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
        return None if self._proxies.trusts(parse_address(address)) else network_of(address)


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
            **self._options,
        )
        return self.watching
