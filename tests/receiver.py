"""A receiver of webhooks: checks every signature as the library has it, answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from waitroom.outgoing.outbox.sender import WebhookSender


@dataclass(frozen=True, slots=True)
class Received:
    headers: dict[str, str]
    text: str
    body: dict[str, Any]
    # Path and query as they were requested.
    target: str = ""

    @property
    def name(self) -> str:
        return self.headers["webhook-id"]

    @property
    def kind(self) -> str:
        return str(self.body["type"])


def ok(_: Received) -> web.Response:
    return web.Response(status=204)


@dataclass(slots=True)
class Receiver:
    """Keeps what arrives. `secrets` are those that it accepts; without any it checks nothing."""

    url: str = ""
    secrets: list[str] = field(default_factory=list)
    answer: Callable[[Received], web.StreamResponse] = ok
    got: list[Received] = field(default_factory=list)
    # While it is cleared nothing is answered.
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = {}
        for secret in self.secrets:
            body = Webhook(secret).verify(text, headers)
        received = Received(headers, text, body, request.raw_path)
        self.got.append(received)
        await self.answering.wait()
        return self.answer(received)

    def kinds(self) -> list[str]:
        return [received.kind for received in self.got]


@asynccontextmanager
async def receiving(handle: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """Serve `handle` on a free port; yield the address."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook"))


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    receiver.answering.set()
    async with receiving(receiver.handle) as url:
        receiver.url = url
        yield receiver
        receiver.answering.set()


@asynccontextmanager
async def sending(*senders: WebhookSender) -> AsyncIterator[None]:
    """Run the loops of these senders."""
    stopping = asyncio.Event()
    loops = [asyncio.create_task(sender.run(stopping)) for sender in senders]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*loops)
