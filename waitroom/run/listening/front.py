"""The HTTP side of a process: it listens, and it leaves without failing a request."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from inventory.kit.doors.client_address import TrustedProxies
from waitroom.run.listening.descriptors import Bounds
from waitroom.run.listening.door import Door
from waitroom.run.listening.server import Runner
from waitroom.run.processes.heartbeat import Heartbeat, inherited_listeners
from waitroom.run.processes.ports import bind_shared

KEEPALIVE_S = 30.0
# A request that has begun may take this long, and as long again when it was told to end.
SHUTDOWN_WAIT_S = 3.0
# A connection that was opened at the last moment has this long to bring its request.
LAST_REQUESTS_S = 0.5
LOOK_EVERY_S = 0.02
# libuv takes one connection from a listener in a turn of the loop, and a turn of a busy process is
# long: newcomers would wait for seconds behind clients who ask without pause. So it has copies of
# each listener. With more copies the turns of a storm would be longer, and those inside would wait.
ACCEPTED_A_TURN = 8


class Front:
    """The server of one process.

    From the moment at which the process drains, every answer ends its connection (`rim`). A client
    that keeps connections is told so with its next answer and opens another one. To close its idle
    connections at once would fail the request that it may be sending just now.
    """

    def __init__(self, app: web.Application, *, bounds: Bounds, proxies: TrustedProxies) -> None:
        self._backlog = bounds.backlog
        self._watch: asyncio.Task[None] | None = None
        self._door: Door | None = None
        self._runner = Runner(
            app,
            bounds=bounds,
            proxies=proxies,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_WAIT_S,
        )

    async def open(self, host: str, ports: Sequence[int], heartbeat: Heartbeat) -> None:
        """Listen where the process before this one did, or on sockets of our own."""
        await self._runner.setup()
        assert self._runner.watching is not None, "the set-up makes it"
        self._watch = asyncio.create_task(self._runner.watching.watch(), name="connections")
        listeners = inherited_listeners() or [
            one for port in ports for one in bind_shared(host, port)
        ]
        for one in listeners:
            for copy in (one, *(one.dup() for _ in range(ACCEPTED_A_TURN - 1))):
                await web.SockSite(self._runner, copy, backlog=self._backlog).start()
        self._door = self._runner.watching.door_of(listeners)
        heartbeat.listens_on(listeners)

    async def leave(self, drain_s: float) -> None:
        """Serve on for a while, take no more connections, and close when requests have ended."""
        # The balancer sees /readyz turn 503 while requests are still answered.
        await asyncio.sleep(drain_s)
        if self._door is not None:
            self._door.close()
        for site in self._runner.sites:
            await site.stop()
        await self._let_the_last_come(min(drain_s, LAST_REQUESTS_S))
        await self._runner.cleanup()
        if self._watch is not None:
            self._watch.cancel()

    async def _let_the_last_come(self, within_s: float) -> None:
        """Wait until no connection is left."""
        server = self._runner.watching
        assert server is not None, "it was opened before"
        for _ in range(int(within_s / LOOK_EVERY_S)):
            if not len(server):
                return
            await asyncio.sleep(LOOK_EVERY_S)
