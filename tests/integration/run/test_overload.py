"""A process that has more to do than it gets done: who is served, who is told to come again."""

import asyncio
import gzip
import re
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import ref

import pytest
import uvloop
from aiohttp import StreamReader, web
from support import eventually

from inventory.kit.doors.client_address import TrustedProxies, parse_networks
from inventory.kit.http import PROCESS, read_raw, rim
from waitroom.run.listening import precedence, refusing, server
from waitroom.run.listening.descriptors import Bounds
from waitroom.run.listening.door import LET_IN_MAX, Door
from waitroom.run.listening.front import ACCEPTED_A_TURN, Front
from waitroom.run.listening.headers import SafeHeaders
from waitroom.run.listening.precedence import Rank
from waitroom.run.listening.refusing import AGAIN_AFTER_S, BusyAnswers
from waitroom.run.listening.requests import PACKED_AWAY_MAX
from waitroom.run.processes.heartbeat import Heartbeat

POLL = b"GET /rooms/drop/state HTTP/1.1\r\nHost: shop\r\n\r\n"
PAY = b"POST /checkout/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n{}"
CROWD = 100


@dataclass(slots=True)
class Peer:
    """A client, down to the bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, request: bytes) -> None:
        self.writer.write(request)

    async def answer(self) -> bytes:
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)

    async def ask(self, request: bytes) -> bytes:
        self.send(request)
        return await self.answer()


@dataclass(slots=True)
class Process:
    draining: bool = False


@dataclass(slots=True)
class Shop:
    """A front before an application that notes in which order it began with the requests."""

    front: Front
    port: int = 0
    begun: list[str] = field(default_factory=list)
    requests: list[ref[web.Request]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    process: Process = field(default_factory=Process)

    async def come(self, many: int = 1) -> list[Peer]:
        opened = [Peer(*await asyncio.open_connection("127.0.0.1", self.port)) for _ in range(many)]
        self.peers += opened
        return opened

    async def answer(self, request: web.Request) -> web.Response:
        self.begun.append(request.path)
        self.requests.append(ref(request))
        await read_raw(request)
        return web.Response(body=b"fine")


@asynccontextmanager
async def busy_shop(proxies: str = "") -> AsyncIterator[Shop]:
    app = web.Application(middlewares=[rim])
    front = Front(
        app,
        bounds=Bounds(total_max=1000, network_max=1000, backlog=64),
        proxies=TrustedProxies(networks=parse_networks([proxies] if proxies else [])),
    )
    shop = Shop(front)
    app[PROCESS] = shop.process
    for method, path in (("GET", "/rooms/drop/state"), ("POST", "/checkout/orders")):
        app.router.add_route(method, path, shop.answer)

    class Ears(Heartbeat):
        def listens_on(self, sockets: object) -> None:
            shop.port = cast(Any, sockets)[0].getsockname()[1]

    await front.open("127.0.0.1", (0,), Ears())
    try:
        yield shop
    finally:
        for peer in shop.peers:
            peer.writer.close()
        if not shop.process.draining:
            await front.leave(0)


@pytest.fixture
def slow_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one request of others begin in a turn, as where each takes long."""
    monkeypatch.setattr(precedence, "TURN_S", 0.0)
    # On a machine that is busy itself a turn takes long: few would fit, and some would be late.
    monkeypatch.setattr(precedence, "WAITING_ALWAYS", 10 * CROWD)
    monkeypatch.setattr(precedence, "WAIT_MAX_S", {**precedence.WAIT_MAX_S, Rank.OTHER: 60.0})


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse others that cannot begin in the turn in which they come.

    They are told to wait for a minute: a busy machine takes longer than two seconds to tell them
    all, and who comes then has waited as told.
    """
    monkeypatch.setattr(refusing, "AGAIN_AFTER_S", range(60, 67))
    monkeypatch.setattr(precedence, "TURN_S", 0.0)
    monkeypatch.setattr(precedence, "WAIT_MAX_S", {**precedence.WAIT_MAX_S, Rank.OTHER: 0.0})


@pytest.mark.usefixtures("slow_turns")
async def test_one_who_pays_is_served_before_a_crowd_that_polls() -> None:
    async with busy_shop() as shop:
        crowd, (payer,) = await shop.come(CROWD), await shop.come()
        for peer in crowd:
            peer.send(POLL)
        payer.send(PAY)

        answers = await asyncio.gather(*(peer.answer() for peer in [*crowd, payer]))

    assert all(b" 200 " in answer for answer in answers)
    assert shop.begun.index("/checkout/orders") < CROWD // 4


@pytest.mark.usefixtures("no_patience")
async def test_others_are_told_to_come_again_those_inside_are_served_and_all_when_it_is_calm() -> (
    None
):
    async with busy_shop() as shop:
        crowd, payers = await shop.come(CROWD), await shop.come(5)
        for peer in [*crowd, *payers]:
            peer.send(POLL if peer in crowd else PAY)

        told = await asyncio.gather(*(peer.answer() for peer in crowd))
        paid = await asyncio.gather(*(peer.answer() for peer in payers))
        calm = [await peer.ask(POLL) for peer in crowd]

    refused = [answer for answer in told if b" 503 " in answer]
    again = {int(match[1]) for match in re.finditer(rb"Retry-After: (\d+)", b"".join(refused))}
    assert all(b" 200 " in answer for answer in paid)
    assert len(refused) > CROWD // 2
    assert len(again) > len(AGAIN_AFTER_S) // 2
    # On the same connections, and the early ones too.
    assert all(b" 200 " in answer for answer in calm)


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
async def test_only_a_client_of_its_own_that_was_refused_and_comes_at_once_comes_last(
    proxies: str,
) -> None:
    async with busy_shop(proxies) as shop:
        crowd = await shop.come(CROWD)
        for peer in crowd:
            peer.send(POLL)
        told = await asyncio.gather(*(peer.answer() for peer in crowd))
        early = [peer for peer, answer in zip(crowd, told, strict=True) if b" 503 " in answer]

        for peer in early:
            peer.send(POLL)
        again = await asyncio.gather(*(peer.answer() for peer in early))

    # They wait as long as they were told, or until nobody else does. A proxy's are of many clients.
    assert all(b" 200 " in answer for answer in again) is not bool(proxies)


@pytest.mark.parametrize("packed_as", ["gzip", "deflate"])
async def test_a_packed_body_is_not_unpacked_to_its_end_behind_its_refusal(
    packed_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"gzip": gzip.compress, "deflate": zlib.compress}[packed_as](
        bytes(100 * PACKED_AWAY_MAX)
    )
    head = PAY.replace(b"Content-Length: 2", b"Content-Length: %d" % len(body))
    head = head.removesuffix(b"{}").replace(b"Host:", b"Content-Encoding: %s\r\nHost:")
    unpacked = 0
    readany = StreamReader.readany

    async def counted(stream: StreamReader) -> bytes:
        nonlocal unpacked
        piece = await readany(stream)
        unpacked += len(piece)
        return piece

    monkeypatch.setattr(StreamReader, "readany", counted)
    async with busy_shop() as shop:
        (sender, other) = await shop.come(2)
        answer = await sender.ask(head % packed_as.encode() + body)
        fine = await other.ask(POLL)
        ended = await sender.reader.read()

    assert b" 413 " in answer
    assert b" 200 " in fine
    assert ended == b""
    # What the parser had unpacked by then comes on top.
    assert unpacked < 10 * PACKED_AWAY_MAX


async def test_idle_connections_keep_nothing_of_their_last_requests() -> None:
    async with busy_shop() as shop:
        peers = await shop.come(5)
        answers = [await peer.ask(request) for peer in peers for request in (PAY, POLL)]

        assert all(b" 200 " in answer for answer in answers)
        assert [request() for request in shop.requests] == [None] * len(answers)


@pytest.mark.usefixtures("slow_turns")
async def test_a_client_that_hangs_up_while_it_waits_costs_nothing() -> None:
    async with busy_shop() as shop:
        crowd, (last,) = await shop.come(CROWD), await shop.come()
        for peer in crowd:
            peer.send(POLL)
            peer.writer.transport.abort()

        assert b" 200 " in await last.ask(POLL)

    assert len(shop.begun) <= CROWD


@pytest.mark.usefixtures("slow_turns")
async def test_a_request_that_comes_in_pieces_while_it_waits_is_served_whole() -> None:
    async with busy_shop() as shop:
        crowd, (slow,) = await shop.come(CROWD), await shop.come()
        for peer in crowd:
            peer.send(POLL)
        for index in range(0, len(PAY), 5):
            slow.send(PAY[index : index + 5])
            await asyncio.sleep(0)

        assert b" 200 " in await slow.answer()
        assert b" 200 " in await slow.ask(POLL + POLL)
        assert b" 200 " in await slow.answer()


@pytest.mark.usefixtures("slow_turns")
async def test_a_process_that_leaves_answers_what_waits_and_ends_the_connections() -> None:
    async with busy_shop() as shop:
        crowd, (silent,) = await shop.come(CROWD), await shop.come()
        for peer in crowd:
            peer.send(POLL)

        async def has_begun() -> bool:
            return bool(shop.begun)

        await eventually(has_begun, every_s=0.0)
        shop.process.draining = True
        await shop.front.leave(0)

        told = await asyncio.gather(*(peer.answer() for peer in crowd))
        assert {answer[9:12] for answer in told} == {b"200", b"503"}
        assert all(b"Connection: close" in answer for answer in told if b" 503 " in answer)
        assert await silent.reader.read() == b""


def test_newcomers_are_taken_several_in_a_turn_of_the_loop_that_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admitted: list[object] = []
    admit = server.Server.admit

    def counted(self: server.Server, *about: Any) -> bool:
        admitted.append(self)
        return admit(self, *about)

    monkeypatch.setattr(server.Server, "admit", counted)

    async def turns_for(many: int) -> int:
        async with busy_shop() as shop:
            newcomers = [socket.create_connection(("127.0.0.1", shop.port)) for _ in range(many)]
            turns = 0
            while len(admitted) < many:
                await asyncio.sleep(0)
                turns += 1
            for newcomer in newcomers:
                newcomer.close()
            return turns

    # libuv takes one from each listener. Some turns pass before the first and after the last.
    assert uvloop.run(turns_for(48)) <= 48 / ACCEPTED_A_TURN + 6


async def test_the_door_lets_in_a_few_of_many_silent_newcomers_at_a_time() -> None:
    let_in: list[asyncio.Protocol] = []

    def enter() -> asyncio.Protocol:
        let_in.append(asyncio.Protocol())
        return let_in[-1]

    busy = BusyAnswers(SafeHeaders(secure=False))
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener, ExitStack() as stack:
        door = Door([listener], loop=asyncio.get_running_loop(), let_in=enter, busy=busy)
        stack.callback(door.close)
        for _ in range(3 * LET_IN_MAX):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        for take in (door.take_in, door.turn_away):
            before, waited = len(let_in), door.waiting()
            take()

            async def all_taken(before: int = before) -> bool:
                return len(let_in) == before + LET_IN_MAX

            await eventually(all_taken)
            assert door.waiting() == waited - LET_IN_MAX


async def test_newcomers_are_refused_at_the_door_but_for_those_inside_and_those_still_silent() -> (
    None
):
    let_in: list[asyncio.Protocol] = []

    def enter() -> asyncio.Protocol:
        let_in.append(asyncio.Protocol())
        return let_in[-1]

    busy = BusyAnswers(SafeHeaders(secure=False))
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        door = Door([listener], loop=asyncio.get_running_loop(), let_in=enter, busy=busy)
        stack.callback(door.close)
        newcomers = [
            stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(12)
        ]
        for newcomer in newcomers[:10]:
            newcomer.sendall(POLL)
        newcomers[10].sendall(PAY)
        waiting = door.waiting()
        door.turn_away()
        left = door.waiting()

        async def both() -> bool:
            return len(let_in) == 2

        await eventually(both)
        told = [newcomer.recv(65536) for newcomer in newcomers[:10]]
        ended = [newcomer.recv(1) for newcomer in newcomers[:10]]

    # Linux tells how many wait, and this is how it is known that a storm piles up there.
    assert (waiting, left) == (len(newcomers), 0)
    assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in told)
    assert all(b"Retry-After: " in answer for answer in told)
    assert ended == [b""] * 10
