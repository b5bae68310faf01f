"""Server-sent events for operators: a bounded number of streams, each for a bounded time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from inventory.kit.http import PROCESS
from inventory.kit.problem import Refusal, TooManyRequests

# Of one operator, and of all operators, in each web process. A screen without one polls.
OF_OPERATOR_MAX, ALL_MAX = 4, 64
EVERY_S = 1.0
# The browser comes back by itself, and is asked then whether its session still stands.
LIFE_S = 60.0
RETRY_MS = 1000
REFUSED_S = 30

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # A proxy that gathers an answer before it passes it on would hold every event back.
    "X-Accel-Buffering": "no",
}
Read = Callable[[], Awaitable[bytes]]


class Streams:
    """The open streams of this process."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_of(self, operator: str) -> Iterator[None]:
        """Count a stream while it is open; raises `TooManyRequests` where there are enough."""
        if self._open[operator] >= OF_OPERATOR_MAX or self._open.total() >= ALL_MAX:
            raise TooManyRequests(
                "As many live streams are open as there may be. Ask for the figures instead.",
                headers={"Retry-After": str(REFUSED_S)},
            )
        self._open[operator] += 1
        try:
            yield
        finally:
            self._open[operator] -= 1
            # Names of operators who are gone take no memory.
            self._open += Counter()


async def send_events(request: web.Request, read: Read) -> web.StreamResponse:
    """Send what `read` returns, a JSON document, once a second.

    A reading that fails sends a heartbeat, and the screen shows how old its figures are.
    """
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    with suppress(ConnectionError):
        await response.write(f"retry: {RETRY_MS}\n\n".encode())
        async for event in _events(request, read):
            await response.write(event)
        await response.write_eof()
    return response


async def _events(request: web.Request, read: Read) -> AsyncIterator[bytes]:
    ends_at = time.monotonic() + LIFE_S
    while time.monotonic() < ends_at and not request.config_dict[PROCESS].draining:
        try:
            yield b"event: room\ndata: " + await read() + b"\n\n"
        except Refusal:
            yield b": no figures just now\n\n"
        await asyncio.sleep(EVERY_S)
