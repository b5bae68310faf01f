"""aiohttp's part of one connection: it reads requests, and answers them one after the other.

`RequestHandler` answers errors of parsing with text of the request, and logs more of it; cookies
and tokens stand in both. Here such an answer has a fixed body, and the log is told the kind of the
error and the lines of our code alone.
"""

import asyncio
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from math import inf
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.http import StreamWriter
from aiohttp.web_protocol import _PAYLOAD_ACCESS_ERROR, ERROR, RequestHandler, _ErrInfo
from multidict import CIMultiDict

from inventory.kit.http import NOT_WHOLE, encode, observe
from inventory.kit.problem import BadRequest, Failed
from waitroom.run.listening.connection import Connection

log = structlog.get_logger()

# A connection whose time is over while a request of its client waits is looked at again then.
KEEPALIVE_LOOK_S = 1.0
# Of a packed body at most so many bytes are unpacked behind its answer.
PACKED_AWAY_MAX = 2**20

UNREADABLE = encode(
    BadRequest("The request is not valid HTTP, or its headers are too long.").body()
)


class Requests(RequestHandler):
    """aiohttp's part of one connection: it reads requests, and answers them one after the other."""

    __slots__ = ("_connection", "_is_served", "_refusal_headers")

    def __init__(
        self,
        manager: web.Server,
        connection: Connection,
        *,
        refusal_headers: "CIMultiDict[str]",
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._connection, self._refusal_headers = connection, refusal_headers
        self._is_served = False

    async def start(self) -> None:
        """Serve what comes on this connection, one request after the other, until it ends.

        aiohttp's loop is the same, but for two things. It keeps each request and its answer until
        the next one has come: with thousands of connections every request then takes its memory
        where no cache has it. And it starts a task for each request.
        """
        # A client may be gone before this task runs for the first time.
        while not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            if not await self._serve(*self._messages.popleft()):
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    async def _serve(self, message: Any, payload: StreamReader) -> bool:
        """Serve one request, and return whether another one may come."""
        self._go_on_parsing()
        try:
            answer, is_lost = await self._answer(message, payload)
            if is_lost:
                return False
            self._keepalive = bool(answer.keep_alive)
            if not payload.is_eof():
                await self._read_away(message, payload)
            payload.set_exception(_PAYLOAD_ACCESS_ERROR)
        except asyncio.CancelledError:
            self.force_close()
            raise
        except ConnectionError:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it was, it ends this connection alone
            self.log_exception(exc_info=error)
            self.force_close()
        if self._close or self._force_close or not self._keepalive:
            return False
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
        return True

    def _go_on_parsing(self) -> None:
        """Let the parser have room for one request more."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    def _answer(
        self, message: Any, payload: StreamReader
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Answer one request; the result says too whether its client is gone."""
        manager, handler, task = self._manager, self._request_handler, self._task_handler
        assert manager is not None, "all of these are there until the connection is lost"
        assert handler is not None
        assert task is not None
        assert self._request_factory is not None
        manager.requests_count += 1
        if isinstance(message, _ErrInfo):
            handler, message = self._make_error_handler(message), ERROR
        writer = StreamWriter(self, self._loop)
        request = self._request_factory(message, payload, self, writer, task)
        return self._handle_request(request, None, handler)

    async def _read_away(self, message: Any, payload: StreamReader) -> None:
        """Read what is left of a body behind the answer, for a while: the client may be sending.

        How fast a plain body comes is bounded by the network. A packed one may be a thousand
        times as large as what was sent, so only its beginning is unpacked.
        """
        left = PACKED_AWAY_MAX if getattr(message, "compression", None) else inf
        if not self._force_close and self._lingering_time:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lingering_time):
                    while left > 0 and not payload.is_eof():
                        left -= len(await payload.readany())
                        # The next piece may be there already, and other connections wait.
                        await asyncio.sleep(0)
        if not payload.is_eof() and not self._force_close:
            self.close()

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._is_served = True

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        # A client may send its next request before aiohttp waits for one.
        self._is_served = bool(self._messages) or request.can_read_body
        return finished

    def _process_keepalive(self) -> None:
        if self._connection.waiting:
            # aiohttp does not know of the request that waits.
            again_at = self._loop.time() + KEEPALIVE_LOOK_S
            self._keepalive_handle = self._loop.call_at(again_at, self._process_keepalive)
            return
        super()._process_keepalive()

    @property
    def requests(self) -> int:
        """Return how many requests have come, by their whole heads."""
        return self._request_count

    @property
    def is_idle(self) -> bool:
        """Say whether no request is served, or read behind its head."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_between(self) -> bool:
        """Say whether what comes next is a request, or more of a head that has not ended."""
        return not self._is_served or self.is_idle

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
            body = UNREADABLE
        else:
            status, body = 500, encode(Failed().body())
            self.log_exception(exc_info=exc)
        observe("none", status, 0.0)
        response = web.Response(status=status, body=body, headers=self._refusal_headers)
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
