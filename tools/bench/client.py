"""The load generator: raw HTTP/1.1 over keep-alive connections, one request in flight on each.

It reads of an answer only the status and the length, and sends bytes that were made before, so
that on a machine with two cores it takes as little as possible away from what is measured.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

CONNECT_TRIES_MAX = 2000
ANSWER_WAIT_S = 30.0

_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "


def percentiles_ms(latencies: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile of latencies in seconds; 0 without any."""
    if not latencies:
        return 0.0, 0.0
    ordered = sorted(latencies)
    return ordered[len(ordered) // 2] * 1000, ordered[len(ordered) * 99 // 100] * 1000


class WrongAnswer(Exception):
    """A server answered with a status that this benchmark does not expect."""


class Slice:
    """What one slice of time saw: when its answers came, and how long each took.

    Those under way at the end are waited for and count as latencies, lest the slowest be missing,
    but not as answers in time. Without `seconds` it goes on until `Crowd.finish` ends it.
    """

    def __init__(
        self, requests: Iterator[bytes], *, status: int, seconds: float = math.inf
    ) -> None:
        self.requests = requests
        self.status = b"%d" % status
        self.seconds = seconds
        self.started_at = time.perf_counter()
        self.ends_at = self.started_at + seconds
        self.latencies: list[float] = []
        self.answered_at: list[float] = []
        self.in_time = 0
        self.busy = 0
        self.drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def answered(self) -> int:
        """Count all answers, those to requests under way at the end too."""
        return len(self.latencies)

    @property
    def per_second(self) -> float:
        return self.in_time / self.seconds

    def fail(self, error: Exception) -> None:
        if not self.drained.done():
            self.drained.set_exception(error)


class Connection(asyncio.Protocol):
    """One shopper at a time, over one kept connection."""

    def __init__(self) -> None:
        self._slice: Slice | None = None
        self._reply: asyncio.Future[tuple[int, bytes, bytes]] | None = None
        self._held = b""
        self._sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        error = ConnectionError(f"a server closed a connection: {exc!r}")
        if self._slice is not None:
            self._slice.fail(error)
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)

    async def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Send one request outside the slices; return status, head and body."""
        self._reply = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await asyncio.wait_for(self._reply, ANSWER_WAIT_S)

    def run(self, part: Slice) -> None:
        self._slice = part
        part.busy += 1
        self._send(part)

    def _send(self, part: Slice) -> None:
        request = next(part.requests, None)
        if request is None:
            part.fail(RuntimeError("too few requests were prepared for a slice"))
            return
        self._sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
        head = data.find(_END)
        at = data.find(_LENGTH, 0, head)
        # An answer without a body, such as 204, names no length.
        length = int(data[at + 16 : data.find(b"\r", at)]) if at >= 0 else 0
        if head < 0 or len(data) < head + 4 + length:
            self._held = data
            return
        part = self._slice
        if part is None:
            assert self._reply is not None
            self._reply.set_result((int(data[9:12]), data[: head + 2], data[head + 4 :]))
            return
        now = time.perf_counter()
        if data[9:12] != part.status:
            self._slice = None
            part.fail(WrongAnswer(f"expected {part.status!r}, got {data[:2000]!r}"))
            return
        part.latencies.append(now - self._sent_at)
        part.answered_at.append(now)
        if now <= part.ends_at:
            part.in_time += 1
            self._send(part)
        else:
            part.busy -= 1
            self._slice = None
            if part.busy == 0 and not part.drained.done():
                part.drained.set_result(None)


class Crowd:
    """A number of connections, as many to each of the servers that share the port."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    @classmethod
    async def connect(cls, host: str, port: int, *, servers: Iterable[int], size: int) -> "Crowd":
        """Connect until every server, known by its process id, has its share.

        The kernel deals connections out by chance to all servers of the port; those beyond a
        server's share, and those to servers that are not named, are closed.
        """
        loop = asyncio.get_running_loop()
        who = f"GET /bench/pid HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
        wanted = _shares(list(servers), size)
        kept: list[Connection] = []
        taken: Counter[int] = Counter()
        for _ in range(CONNECT_TRIES_MAX):
            if sum(taken.values()) == sum(wanted.values()):
                return cls(kept)
            _, connection = await loop.create_connection(Connection, host, port)
            _, _, body = await connection.ask(who)
            pid = msgspec.json.decode(body, type=int)
            if taken[pid] < wanted.get(pid, 0):
                taken[pid] += 1
                kept.append(connection)
            else:
                connection.transport.close()
        raise ConnectionError(f"the servers did not share the connections: {dict(taken)}")

    async def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        return await self._connections[0].ask(request)

    async def run(self, requests: Iterator[bytes], *, status: int, seconds: float) -> Slice:
        """Keep every connection busy for one slice, and wait for the answers under way."""
        part = self._start(Slice(requests, status=status, seconds=seconds))
        await asyncio.wait_for(part.drained, seconds + ANSWER_WAIT_S)
        return part

    def start(self, requests: Iterator[bytes], *, status: int) -> Slice:
        """Keep every connection busy until `finish`."""
        return self._start(Slice(requests, status=status))

    async def finish(self, part: Slice) -> None:
        """End a slice that was started, and wait for the answers under way."""
        part.ends_at = time.perf_counter()
        await asyncio.wait_for(part.drained, ANSWER_WAIT_S)

    def _start(self, part: Slice) -> Slice:
        for connection in self._connections:
            connection.run(part)
        return part

    def close(self) -> None:
        for connection in self._connections:
            connection.transport.close()


def _shares(servers: list[int], size: int) -> dict[int, int]:
    each, over = divmod(size, len(servers))
    return {pid: each + (index < over) for index, pid in enumerate(servers)}
