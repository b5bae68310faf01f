"""No client takes the connections of others, and no error of parsing tells what was sent."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from support import eventually

from inventory.kit import http
from inventory.kit.doors.client_address import TrustedProxies, parse_networks
from inventory.kit.http import read_raw, rim
from waitroom.run.listening import connection, server
from waitroom.run.listening import front as listening
from waitroom.run.listening.descriptors import BOUND_MIN, Bounds, bounds_within
from waitroom.run.listening.front import Front
from waitroom.run.processes.heartbeat import Heartbeat

GOOD = b"GET /ok HTTP/1.1\r\nHost: shop\r\n\r\n"
SECRET = b"waitroom_ticket_drop=SECRET"
BOUNDS = Bounds(total_max=12, network_max=8, backlog=64)


@dataclass(slots=True)
class Peer:
    """A client at an address of its own, down to the bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes = GOOD) -> bytes:
        """Send a request and return the answer, as far as it comes."""
        self.writer.write(request)
        async with asyncio.timeout(20):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)

    async def is_over(self) -> bool:
        """Say whether the server has ended the connection."""
        try:
            async with asyncio.timeout(0.01):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    async def taken_until_it_ended(self) -> int:
        """Return how much of the answers was there when the server ended the connection."""
        taken = 0
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                while piece := await self.reader.read(2**16):
                    taken += len(piece)
        return taken


@dataclass(slots=True)
class Shop:
    """A front before an application of two pages, with the clients that came to it."""

    port: int
    peers: list[Peer] = field(default_factory=list)

    async def come(self, address: str = "127.0.0.1") -> Peer:
        found = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(address, 0), limit=2**16
        )
        self.peers.append(Peer(*found))
        return self.peers[-1]


async def ok(_: web.Request) -> web.Response:
    return web.Response(body=b"fine")


async def large(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * 20_000_000)


async def body(request: web.Request) -> web.Response:
    return web.Response(body=await read_raw(request))


async def broken(request: web.Request) -> web.Response:
    return web.Response(headers={"X": request.headers["Cookie"] + "\n"})


@asynccontextmanager
async def front(bounds: Bounds = BOUNDS, proxies: str = "") -> AsyncIterator[Shop]:
    app = web.Application(middlewares=[rim])
    app.router.add_get("/ok", ok)
    app.router.add_get("/large", large)
    app.router.add_post("/body", body)
    app.router.add_route("*", "/broken", broken)
    opened = Front(
        app,
        bounds=bounds,
        proxies=TrustedProxies(networks=parse_networks([proxies] if proxies else [])),
    )
    heard: list[int] = []

    class Ears(Heartbeat):
        def listens_on(self, sockets: object) -> None:
            heard.extend(one.getsockname()[1] for one in sockets)  # type: ignore[attr-defined]

    await opened.open("127.0.0.1", (0,), Ears())
    shop = Shop(heard[0])
    try:
        yield shop
    finally:
        for peer in shop.peers:
            peer.writer.close()
        await opened.leave(0)


def ended(reason: str) -> float:
    """Return how many connections were ended for this reason."""
    name = "waitroom_connections_ended_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


async def test_idle_connections_of_one_address_leave_room_for_others() -> None:
    async with front() as shop:
        crowd = [await shop.come() for _ in range(40)]
        guests = [await shop.come("127.0.0.2") for _ in range(6)]
        crowd += [await shop.come() for _ in range(40)]

        assert [await guest.ask() != b"" for guest in guests] == [True] * 6
        # The newest of the crowd are served too.
        assert b"fine" in await crowd[-1].ask()
        over = [await peer.is_over() for peer in crowd]
        assert over.count(False) == BOUNDS.total_max - 6
        assert [await guest.is_over() for guest in guests] == [False] * 6


async def test_one_address_keeps_no_more_than_its_share_and_a_proxy_as_many_as_it_needs() -> None:
    async with front(Bounds(total_max=100, network_max=8, backlog=64), proxies="127.0.0.3") as shop:
        alone = [await shop.come() for _ in range(20)]
        proxied = [await shop.come("127.0.0.3") for _ in range(20)]

        assert b"fine" in await alone[-1].ask()
        assert [b"fine" in await peer.ask() for peer in proxied] == [True] * 20
        assert [await peer.is_over() for peer in alone] == [True] * 12 + [False] * 8


async def test_slow_clients_are_ended_and_those_who_wait_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "SWEEP_EVERY_S", 0.05)
    monkeypatch.setattr(connection, "HEAD_WAIT_S", 0.4)
    monkeypatch.setattr(connection, "WRITE_WAIT_S", 0.4)
    before = ended("slow_head"), ended("slow_reader")
    async with front() as shop:
        keeper, silent, slow_head, reader, quick = [await shop.come() for _ in range(5)]
        for peer in (keeper, reader, quick):
            assert b"fine" in await peer.ask()
        slow_head.writer.write(GOOD[:20])
        # It asks for 20 MB and takes nothing of it.
        reader.writer.transport.pause_reading()  # type: ignore[attr-defined]
        reader.writer.write(GOOD.replace(b"/ok", b"/large"))

        async def slow_ones_ended() -> bool:
            assert len(await quick.ask(GOOD.replace(b"/ok", b"/large"))) > 20_000_000
            return ended("slow_head") >= 2 + before[0] and ended("slow_reader") > before[1]

        await eventually(slow_ones_ended, every_s=0.1)

        assert await silent.is_over()
        assert await slow_head.is_over()
        # Its end is seen behind what the kernel has buffered.
        reader.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert await reader.taken_until_it_ended() < 20_000_000
        assert b"fine" in await keeper.ask()


@pytest.mark.parametrize(
    "coded", [b"Content-Length: 99\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
async def test_a_body_that_comes_too_slowly_is_refused(
    monkeypatch: pytest.MonkeyPatch, coded: bytes
) -> None:
    monkeypatch.setattr(http, "BODY_WAIT_S", 0.2)
    async with front() as shop:
        slow, other = await shop.come(), await shop.come()
        head = GOOD.replace(b"GET /ok", b"POST /body")[:-2]
        slow.writer.write(head + coded + b"1\r\n")

        assert b"fine" in await other.ask()
        answer = await slow.ask(b"x")
        slow.writer.close()
        await slow.writer.wait_closed()

    assert b"400 Bad Request" in answer
    assert b"in time" in answer


REQUESTS: list[Callable[[], bytes]] = [
    lambda: GOOD[:-2] + b"Cookie: " + SECRET * 2000 + b"\r\n\r\n",
    lambda: GOOD[:-2] + b"Cookie: " + SECRET + b"\x00\r\n\r\n",
    lambda: GOOD[:-2] + b"Cookie " + SECRET + b"\r\n\r\n",
    lambda: GOOD[:-2] + b"A: b\r\n" * 500 + b"Cookie: " + SECRET + b"\r\n\r\n",
    lambda: b"GET /ok?" + SECRET * 2000 + b" HTTP/1.1\r\nHost: shop\r\n\r\n",
    lambda: b"GET http://[" + SECRET + b" HTTP/1.1\r\nHost: shop\r\n\r\n",
    lambda: SECRET + b" /ok HTTP/1.1\r\nHost: shop\r\n\r\n",
    lambda: GOOD[:-2] + b"Expect: " + SECRET + b"\xff\r\n\r\n",
    lambda: b"\x16\x03\x01" + SECRET + b"\r\n\r\n",
    lambda: GOOD[:-2] + b"Content-Length: " + SECRET + b"\r\n\r\n",
    lambda: GOOD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n\r\n",
    lambda: (
        b"POST /ok HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        + SECRET
        + b"\r\n\r\n"
    ),
    lambda: GOOD.replace(b"/ok", b"/broken")[:-2] + b"Cookie: " + SECRET + b"\r\n\r\n",
]


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_a_request_that_cannot_be_read_is_neither_echoed_nor_logged(
    request_of: Callable[[], bytes],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with front() as shop:
        peer = await shop.come()
        answer = await peer.ask(request_of())
        after = await (await shop.come()).ask()

    told = answer + caplog.text.encode() + "".join(capfd.readouterr()).encode()
    assert b"SECRET" not in told
    assert not answer or b"application/problem+json" in answer or b"fine" in answer
    assert not answer or b"frame-ancestors 'none'" in answer or b"fine" in answer
    assert b"fine" in after


async def test_a_later_head_that_comes_too_slowly_ends_its_connection_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "KEEPALIVE_S", 0.3)
    async with front() as shop:
        peer = await shop.come()
        first = await peer.ask()
        dripped = 0

        async def is_over() -> bool:
            nonlocal dripped
            if await peer.is_over():
                return True
            peer.writer.write(GOOD[dripped : dripped + 1])
            dripped += 1
            return False

        await eventually(is_over, every_s=0.05)

    assert b"fine" in first
    assert dripped < len(GOOD)


SMUGGLED = b"0\r\n\r\n" + GOOD
AMBIGUOUS = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"Content-Length: 5, 5\r\n\r\n",
    b"Content-Length: +5\r\n\r\n",
    b"Content-Length: 0x5\r\n\r\n",
    b"Content-Length : 5\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n",
    b"X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    b"X: a\nContent-Length: 5\r\n\r\n",
]


@pytest.mark.parametrize("head", AMBIGUOUS)
async def test_no_request_hides_in_the_body_of_another(head: bytes) -> None:
    async with front() as shop:
        peer = await shop.come()
        peer.writer.write(GOOD.replace(b"GET /ok", b"POST /body")[:-2] + head + SMUGGLED)

        async with asyncio.timeout(20):
            answer = await peer.reader.read()

    # Two servers could read it in two ways, so it is refused, and nothing behind it is read.
    assert answer[8:].startswith(b" 400 ")
    assert answer.count(b"HTTP/1.") == 1


async def test_a_long_cookie_header_of_the_shop_does_no_harm() -> None:
    async with front() as shop:
        peer = await shop.come()

        answer = await peer.ask(GOOD[:-2] + b"Cookie: shop=" + b"x" * 30_000 + b"\r\n\r\n")

        assert b"fine" in answer


async def test_a_head_without_an_end_is_cut_off() -> None:
    async with front() as shop:
        peer = await shop.come()
        peer.writer.write(GOOD[:-2])
        for _ in range(70):
            if not peer.writer.is_closing():
                peer.writer.write(b"A: " + b"x" * 1000 + b"\r\n")
            await asyncio.sleep(0)

        answer = await peer.ask(b"")

        assert answer == b"" or (b"400 Bad Request" in answer and b"nosniff" in answer)
        await eventually(peer.is_over)


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))
from waitroom.run.listening.descriptors import bounds_within, raise_limit, warn_if_few
limit = raise_limit()
warn_if_few(limit, bounds_within(limit, engine_connections=20))
assert raise_limit() == limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""


def test_descriptors_are_raised_and_too_few_are_said_at_the_start() -> None:
    told = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, check=True, text=True
    )

    raised, few = told.stdout.splitlines()
    assert "descriptors_raised" in raised
    assert "1024" in raised
    assert "descriptors_few" in few
    assert "LimitNOFILE" in few


@pytest.mark.parametrize("limit", [300, 1024, 4096, 65_536])
def test_connections_leave_descriptors_to_the_engines(limit: int) -> None:
    bounds = bounds_within(limit, engine_connections=20)

    assert bounds.total_max + bounds.backlog + 20 < limit
    assert BOUND_MIN <= bounds.network_max <= bounds.total_max
