"""A web process under measurement: the real service, and beside it what it is measured against.

`/bench/bare/{kind}` answers like the real handler of that kind, behind the same middleware, with
as many bytes and the same headers, but does nothing. `/bench/for-update` and its like are the
yardsticks. Started as `server.py {json}`; it stops when its standard input closes.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from yardstick import open_yardsticks

from inventory.kit.doors.client import Clients
from inventory.kit.http import json_response
from inventory.kit.limits.limited import Limits
from waitroom.desk.networks import Networks
from waitroom.run.app import make_app, open_service
from waitroom.run.listening.descriptors import bounds_within, raise_limit
from waitroom.run.listening.front import SHUTDOWN_WAIT_S
from waitroom.run.listening.server import Runner
from waitroom.run.logs import set_up_logs
from waitroom.run.serve import calm_the_collector
from waitroom.run.settings import Secrets, Settings

# A crowd's connections stand idle while others are measured, for longer than a shopper's may.
IDLE_MAX_S = 3600.0


class Order(msgspec.Struct, frozen=True):
    """An order to serve: the service's settings and keys, and the folder of answers to repeat."""

    settings: Settings
    signing_keys: list[str]
    samples: str


class Sample(msgspec.Struct, frozen=True):
    """A real answer, which the bare handler of its kind repeats."""

    status: int
    headers: dict[str, str]
    body: bytes


class Bare:
    """Handlers that only answer. A sample is read when its kind is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._samples: dict[str, tuple[int, CIMultiDict[str], bytes]] = {}

    def _sample(self, kind: str) -> tuple[int, CIMultiDict[str], bytes]:
        found = self._samples.get(kind)
        if found is None:
            raw = (self._folder / f"{kind}.json").read_bytes()
            sample = msgspec.json.decode(raw, type=Sample)
            found = (sample.status, CIMultiDict(sample.headers), sample.body)
            self._samples[kind] = found
        return found

    async def get(self, request: web.Request) -> web.Response:
        status, headers, body = self._sample(request.match_info["kind"])
        return web.Response(body=body, status=status, headers=headers)

    async def post(self, request: web.Request) -> web.Response:
        await request.read()
        status, headers, body = self._sample(request.match_info["kind"])
        return web.Response(body=body, status=status, headers=headers)


async def pid(_: web.Request) -> web.Response:
    return json_response(os.getpid())


class Lifting:
    """Takes from this process all that limits do, and puts it back, by request.

    The same process is compared with itself: two processes that run the same program differ by some
    percent, by how their memory lies. Each answer says how many nanoseconds of CPU time the process
    has taken, all threads together.
    """

    def __init__(self, app: web.Application) -> None:
        self._counting = {one: getattr(*one) for one in _UNCOUNTED}
        names = [getattr(middleware, "__name__", "") for middleware in app.middlewares]
        index = names.index("limited")
        self._limited = self._now = app.middlewares[index]

        @web.middleware
        def either(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            return self._now(request, handler)

        app.middlewares[index] = either

    async def turn(self, request: web.Request) -> web.Response:
        """Put the limits in force or lift them, as the path says."""
        lifted = request.match_info["how"] == "lifted"
        self._now = _unlimited if lifted else self._limited
        for one, counting in self._counting.items():
            setattr(*one, _UNCOUNTED[one] if lifted else counting)
        return json_response(time.process_time_ns())


@web.middleware
def _unlimited(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
    return handler(request)


def _named(_: Clients, request: web.Request) -> str:
    """Return the address that a request names, as it stands there."""
    return request.headers.get("X-Forwarded-For", "")


_UNCOUNTED: dict[tuple[type, str], Callable[..., Any]] = {
    (Clients, "network"): _named,
    (Networks, "gave"): lambda *_, **__: None,
    (Networks, "has_most"): lambda *_: False,
    (Networks, "lately"): lambda *_: 0,
    (Limits, "spend_as_bearer"): lambda *_: None,
}


async def serve(order: Order) -> None:
    secrets = Secrets(signing_keys=order.signing_keys)
    async with (
        open_service(order.settings, secrets, roles=frozenset({"web"})) as service,
        open_yardsticks(order.settings, service.checkout) as yardsticks,
    ):
        app = make_app(service)
        lifting = Lifting(app)
        bare = Bare(Path(order.samples))
        app.router.add_get("/bench/pid", pid)
        app.router.add_get("/bench/limits/{how}", lifting.turn)
        app.router.add_get("/bench/bare/{kind}", bare.get)
        app.router.add_post("/bench/bare/{kind}", bare.post)
        app.add_routes(yardsticks)
        bounds = bounds_within(raise_limit(), engine_connections=0)
        runner = Runner(
            app,
            bounds=bounds,
            proxies=order.settings.proxies,
            access_log=None,
            keepalive_timeout=IDLE_MAX_S,
            shutdown_timeout=SHUTDOWN_WAIT_S,
        )
        await runner.setup()
        settings = order.settings
        site = web.TCPSite(
            runner, settings.host, settings.port, reuse_port=True, backlog=bounds.backlog
        )
        await site.start()
        calm_the_collector()
        say(b"ready")
        await input_line()
        await runner.cleanup()


def say(line: bytes) -> None:
    """Tell the benchmark something, in one line."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


async def input_line() -> bytes:
    """Wait for a line on standard input; empty when it was closed."""
    return await asyncio.to_thread(sys.stdin.buffer.readline)


def run(main: Callable[[Order], Awaitable[Any]], *, level: str = "", as_json: bool = False) -> None:
    """Run a process of the benchmark as the service runs its own, `level` being its log's."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    # Standard output is for what `say` tells.
    set_up_logs(level=level or order.settings.log_level, as_json=as_json)

    async def started() -> None:
        await main(order)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(started())


if __name__ == "__main__":
    run(serve)
