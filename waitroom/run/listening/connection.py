"""One connection: what has come on it, when its request begins, and when it has to end.

aiohttp's part of a connection costs several times what it takes to accept one, to read a request
and to refuse it. So it is made when the first request begins, and hears of each when it begins.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from prometheus_client import Counter

from inventory.kit.http import observe
from inventory.kit.problem import Busy
from waitroom.run.listening.precedence import Precedence, Rank, is_inside
from waitroom.run.listening.refusing import BusyAnswers

# All lines of a request's head together, so that a slow one keeps little memory.
HEAD_BYTES_MAX = 64 * 1024
# From the opening of a connection to the end of its first request's head. Later ones have the
# keep-alive time.
HEAD_WAIT_S = 10.0
# Within this time the client has to take what is buffered for it, some 64 KB.
WRITE_WAIT_S = 30.0

ENDED = Counter(
    "waitroom_connections_ended_total", "Connections that the service ended, by reason.", ["reason"]
)


class Handler(Protocol):
    """What reads and answers the requests of one connection."""

    @property
    def is_idle(self) -> bool:
        """Say whether no request is served, or read behind its head."""

    @property
    def is_between(self) -> bool:
        """Say whether what comes next is a request, or more of a head that has begun."""

    @property
    def requests(self) -> int:
        """Return how many requests have begun, by their whole heads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Shared(Protocol):
    """What all connections of a process share."""

    precedence: Precedence
    busy: BusyAnswers
    # The answer to a head that is too long.
    unreadable: bytes

    @property
    def is_leaving(self) -> bool:
        """Say whether every answer ends its connection."""

    def admit(self, connection: "Connection", transport: asyncio.Transport) -> bool:
        """Count a new connection; False is for one that there is no room for."""

    def forget(self, connection: "Connection") -> None:
        """Count a connection no more."""


class Connection(asyncio.Protocol):
    """One connection of a client."""

    __slots__ = (
        "_again_at",
        "_handler",
        "_head_bytes",
        "_is_full",
        "_loop",
        "_make_handler",
        "_opened_at",
        "_rank",
        "_shared",
        "_stalled_since",
        "_wire",
        "is_of_proxy",
        "waiting",
    )

    def __init__(
        self,
        shared: Shared,
        loop: asyncio.AbstractEventLoop,
        make_handler: Callable[["Connection"], Handler],
    ) -> None:
        self._shared, self._loop, self._make_handler = shared, loop, make_handler
        self._handler: Handler | None = None
        # aiohttp forgets its transport as it begins to close it, which a slow reader draws out.
        self._wire: asyncio.Transport | None = None
        self._opened_at = 0.0
        # None while the client has taken all that was sent, or takes it.
        self._stalled_since: float | None = None
        self._is_full = False
        # The bytes of a head that has not come to its end.
        self._head_bytes = 0
        # What has come of a request that waits to begin.
        self.waiting = b""
        self._rank = Rank.OTHER
        # Until then the client was told to wait.
        self._again_at = 0.0
        self.is_of_proxy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        self._opened_at = self._loop.time()
        if not self._shared.admit(self, self._wire):
            self._wire.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.waiting = b""
        self._shared.forget(self)
        if self._handler is not None:
            self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.waiting:
            self.waiting += data
            if len(self.waiting) > HEAD_BYTES_MAX:
                self.wire.pause_reading()
        elif self._handler is not None and not self._handler.is_between:
            # The body of a request that has begun, or a request that was sent behind it.
            self._handler.data_received(data)
        else:
            if not self._head_bytes:
                self._rank = self._rank_of(data)
            self.waiting = data
            self._shared.precedence.ask(self, self._rank)

    def eof_received(self) -> None:
        if self._handler is not None:
            self._handler.eof_received()

    def pause_writing(self) -> None:
        self._is_full = True
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        # The client has taken some 48 KB.
        self._stalled_since, self._is_full = None, False
        if self._handler is not None:
            self._handler.resume_writing()

    def begin(self) -> None:
        """Begin with the request that waits."""
        data, self.waiting = self.waiting, b""
        handler = self._handler
        if handler is None:
            handler = self._handler = self._make_handler(self)
            handler.connection_made(self.wire)
            if self._is_full:
                handler.pause_writing()
        self._go_on_reading(data)
        before = handler.requests
        handler.data_received(data)
        if handler.requests != before or not handler.is_between:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self.wire.write(self._shared.unreadable)
            observe("none", 400, 0.0)
            self.wire.close()

    def refuse(self) -> None:
        """Tell the client to come again with the request that waits."""
        data, self.waiting = self.waiting, b""
        if self.wire.is_closing():
            return
        now, again_after_s = self._loop.time(), self._shared.busy.again_after_s()
        answer, ends = self._shared.busy.answer(
            data, again_after_s, ends=self._shared.is_leaving or bool(self._head_bytes)
        )
        self.wire.write(answer)
        observe("none", Busy.status, 0.0)
        # The next head has as much time as this one had.
        self._again_at, self._opened_at = now + again_after_s, now
        if ends:
            self.wire.close()
        else:
            self._go_on_reading(data)

    def _rank_of(self, data: bytes) -> Rank:
        if is_inside(data):
            return Rank.INSIDE
        # A proxy sends the requests of many clients over one connection.
        if self._again_at and not self.is_of_proxy and self._loop.time() < self._again_at:
            return Rank.EARLY
        return Rank.OTHER

    def _go_on_reading(self, waited: bytes) -> None:
        if len(waited) > HEAD_BYTES_MAX and not self.wire.is_closing():
            self.wire.resume_reading()

    @property
    def wire(self) -> asyncio.Transport:
        assert self._wire is not None, "it was opened before"
        return self._wire

    @property
    def is_idle(self) -> bool:
        """Say whether no request waits, is served or is read behind its head."""
        return not self.waiting and (self._handler is None or self._handler.is_idle)

    def overdue(self, now: float) -> str | None:
        """Return the reason for which this connection is to end, None for none."""
        has_begun = self._handler is not None and self._handler.requests
        if not has_begun and now - self._opened_at > HEAD_WAIT_S:
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
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection without a word."""
        if self._wire is not None:
            self._wire.abort()
