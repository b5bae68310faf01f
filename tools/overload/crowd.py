"""A crowd in a process of its own, on bare sockets, so that it takes little from the machine.

Started as `crowd.py {json}`; it prints what it saw as JSON. Every connection comes from one of many
addresses, as shoppers do. These kinds of clients can come together:

* `kept` connections ask again as soon as they have an answer, whatever it says;
* `new_per_s` connections are opened each second, whether or not the earlier ones were answered.
  Each asks once, and gives up after `patience_s`, from before it connects to its answer's end;
* `idle` connections are opened at the start and say nothing;
* `dripping` ones send a byte of a request each second;
* `deaf` ones send a request each second and read nothing. Both come again when they are ended.
"""

import json
import select
import socket
import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

READ_BYTES = 65_536
TICK_S = 0.002
# A new connection is opened late rather than never, but no more than these at once.
OPENED_AT_ONCE = 64
SLOW_EVERY_S = 1.0
# The least that the kernel allows: what a deaf client is sent stays with the service.
DEAF_BUFFER_BYTES = 2048
DRAIN_S = 5.0


@dataclass(slots=True, kw_only=True)
class Order:
    """What a crowd is to do. `kind` is `state`, `join` or `page`."""

    host: str
    port: int
    kind: str = "state"
    seconds: float = 5.0
    kept: int = 0
    new_per_s: float = 0.0
    patience_s: float = 1.0
    idle: int = 0
    dripping: int = 0
    deaf: int = 0


@dataclass(slots=True)
class Seen:
    """Answers by status, and how long each took, of one kind of shoppers."""

    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    took_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)

    def answered(self, status: bytes, took_s: float) -> None:
        word = status.decode("ascii", "replace")
        self.statuses[word] += 1
        (self.took_s if word.startswith("2") else self.refused_s).append(took_s)

    def told(self) -> dict[str, Any]:
        return {"statuses": self.statuses, "took_s": self.took_s, "refused_s": self.refused_s}


@dataclass(slots=True, eq=False)
class Client:
    """One connection; `ends_at` is when its shopper has lost patience."""

    sock: socket.socket
    seen: Seen
    is_kept: bool
    began_at: float
    ends_at: float = float("inf")
    connected: bool = False
    asking: bool = False
    held: bytes = b""


@dataclass(slots=True)
class Slow:
    """A slow client, and what it has yet to send of its request."""

    sock: socket.socket
    is_deaf: bool
    due_at: float
    rest: bytes = b""


class Crowd:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.kept, self.new = Seen(), Seen()
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._requests = self._made()
        self._addresses = count(1)
        self._ends_at = 0.0
        self._slow: deque[Slow] = deque()

    def run(self) -> None:
        for _ in range(self.order.kept):
            self._open(self.kept, is_kept=True)
        quiet = [self._silent() for _ in range(self.order.idle)]
        for index in range(self.order.dripping + self.order.deaf):
            due_at = time.perf_counter() + index % 100 / 100
            is_deaf = index >= self.order.dripping
            self._slow.append(Slow(self._come_slowly(is_deaf=is_deaf), is_deaf, due_at))
        began_at = time.perf_counter()
        self._ends_at = began_at + self.order.seconds
        opened, opened_max = 0, int(self.order.new_per_s * self.order.seconds)
        while (now := time.perf_counter()) < self._ends_at + DRAIN_S:
            due = min(int((now - began_at) * self.order.new_per_s), opened_max)
            for _ in range(min(due - opened, OPENED_AT_ONCE)):
                opened += 1
                self._open(self.new, is_kept=False)
            self._turn(TICK_S)
            self._dawdle(now)
            self._lose_patience(time.perf_counter())
            if now >= self._ends_at and not any(one.asking for one in self._clients.values()):
                break
        for sock in [*quiet, *(one.sock for one in self._slow)]:
            sock.close()

    def _made(self) -> Iterator[bytes]:
        """Return the bytes of one request after the other."""
        host = f"Host: {self.order.host}:{self.order.port}\r\n".encode()
        if self.order.kind == "join":
            start = b"POST /rooms/hold/tickets HTTP/1.1\r\n" + host + b"Content-Length: 0\r\n"
            prefix = b"Idempotency-Key: %s" % uuid4().hex[:20].encode()
            for number in count():
                yield b"%s%s%012x\r\n\r\n" % (start, prefix, number)
        path = {"state": b"/rooms/hold/state", "page": b"/rooms/hold"}[self.order.kind]
        accept = b"text/html" if self.order.kind == "page" else b"application/json"
        request = b"GET %s HTTP/1.1\r\n%sAccept: %s\r\n\r\n" % (path, host, accept)
        while True:
            yield request

    def _bound(self) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(0.0)
        if hasattr(socket, "IP_BIND_ADDRESS_NO_PORT"):
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        number = next(self._addresses) % 60_000
        sock.bind((f"127.1.{number // 250}.{number % 250 + 1}", 0))
        return sock

    def _open(self, seen: Seen, *, is_kept: bool) -> None:
        now = time.perf_counter()
        try:
            sock = self._bound()
            sock.connect_ex((self.order.host, self.order.port))
        except OSError as error:
            seen.statuses[type(error).__name__] += 1
            return
        client = Client(sock, seen, is_kept, now)
        if not is_kept:
            client.ends_at = now + self.order.patience_s
        client.asking = True
        self._clients[sock.fileno()] = client
        self._poll.register(sock.fileno(), select.EPOLLOUT)

    def _silent(self) -> socket.socket:
        sock = self._bound()
        sock.settimeout(10.0)
        sock.connect((self.order.host, self.order.port))
        return sock

    def _come_slowly(self, *, is_deaf: bool) -> socket.socket:
        sock = self._bound()
        if is_deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DEAF_BUFFER_BYTES)
        sock.connect_ex((self.order.host, self.order.port))
        return sock

    def _dawdle(self, now: float) -> None:
        """Let each slow client whose second is over send what it sends in one."""
        for _ in range(len(self._slow)):
            client = self._slow.popleft()
            if client.due_at <= now:
                client.due_at += SLOW_EVERY_S
                client.rest = client.rest or next(self._requests)
                many = len(client.rest) if client.is_deaf else 1
                try:
                    client.rest = client.rest[client.sock.send(client.rest[:many]) :]
                except BlockingIOError:
                    pass
                except OSError:
                    client.sock.close()
                    client.sock, client.rest = self._come_slowly(is_deaf=client.is_deaf), b""
            self._slow.append(client)

    def _turn(self, wait_s: float) -> None:
        for number, events in self._poll.poll(wait_s, 4096):
            client = self._clients.get(number)
            if client is None:
                continue
            try:
                if events & select.EPOLLOUT and not client.connected:
                    client.connected = True
                    self._poll.modify(number, select.EPOLLIN)
                    self._ask(client)
                elif events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    self._read(client)
            except OSError as error:
                self._drop(client, type(error).__name__)

    def _ask(self, client: Client) -> None:
        if client.is_kept:
            client.began_at = time.perf_counter()
        client.asking = True
        client.sock.send(next(self._requests))

    def _read(self, client: Client) -> None:
        data = client.sock.recv(READ_BYTES)
        if not data:
            self._drop(client, "closed")
            if client.is_kept and time.perf_counter() < self._ends_at:
                self._open(client.seen, is_kept=True)
            return
        if client.held:
            data = client.held + data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"Content-Length: ", 0, head)
        length = int(data[at + 16 : data.find(b"\r", at)]) if at >= 0 else 0
        if head < 0 or len(data) < head + 4 + length:
            client.held = data
            return
        client.held = b""
        now = time.perf_counter()
        client.seen.answered(data[9:12], now - client.began_at)
        client.asking = False
        if not client.is_kept:
            self._drop(client)
        elif now < self._ends_at:
            self._ask(client)

    def _lose_patience(self, now: float) -> None:
        if not self.order.new_per_s:
            return
        # They stand in the order in which they came.
        for client in list(self._clients.values()):
            if client.is_kept:
                continue
            if client.ends_at > now:
                break
            self._drop(client, "timed_out")

    def _drop(self, client: Client, why: str = "") -> None:
        if why and (client.asking or not client.is_kept):
            client.seen.statuses[why] += 1
        del self._clients[client.sock.fileno()]
        client.sock.close()


def main() -> None:
    crowd = Crowd(Order(**json.loads(sys.argv[1])))
    crowd.run()
    seen = {"kept": crowd.kept.told(), "new": crowd.new.told()}
    json.dump({**seen, "cpu_s": time.process_time()}, sys.stdout)


if __name__ == "__main__":
    main()
