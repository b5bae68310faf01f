"""A process of the service: the real parts with their real loops, on simulated engines."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from support import secrets, settings

from inventory.kit.limits.gcra import Allowance, Buckets
from inventory.kit.loops import repeat
from inventory.kit.problem import Refusal, TooManyRequests
from simulation.clockwork import Clockwork, Process, context_of
from simulation.gateway import Gateway, GatewayClient
from simulation.network import Link, Reply, Weather
from simulation.postgres import Postgres, SimulatedPool
from simulation.valkey import Valkey, memory_on
from waitroom.run.service import Service, build_service

WEB, CONTROLLER, SWEEPER = "web", "controller", "sweeper"
# The sweeps that a simulated sale needs; no others have anything to do in it.
SWEEPS = ("holds", "admissions", "payments", "refunds")
# What one network may ask of one worker.
ALLOWANCE = Allowance(burst=20, per_s=5.0)
SWEEP_EVERY_S = 2.0

# A request, as the handler of a route would serve it.
Handler = Callable[[Service], Awaitable[Any]]
SETTINGS = settings("postgresql://nowhere", "redis://nowhere")
SECRETS = secrets()


class Host:
    """One process. It lives until it is killed; `start` begins it anew under the same name."""

    def __init__(
        self,
        loop: Clockwork,
        dice: random.Random,
        name: str,
        *,
        roles: frozenset[str],
        postgres: Postgres,
        valkey: Valkey,
        company: Gateway,
        weather: Weather,
        connections: int,
    ) -> None:
        self.loop, self.name, self.roles = loop, name, roles
        self._dice, self._weather, self._connections = dice, weather, connections
        self._postgres, self._valkey, self._company = postgres, valkey, company
        self.clients: list[GatewayClient] = []
        self._open: dict[Reply, None] = {}
        self.process = Process(name, alive=False)
        self.service: Service | None = None

    def start(self) -> None:
        self.process = Process(self.name)
        self.spawn(self._main())

    def restart(self) -> None:
        """Start it, unless somebody has done so."""
        if not self.process.alive:
            self.start()

    def spawn(self, coro: Any) -> "asyncio.Task[Any]":
        return self.loop.create_task(coro, context=context_of(self.process))

    def kill(self) -> None:
        """End the process at once. Those who wait for it find their connections broken."""
        self.process.kill()
        self.service = None
        for reply in self._open:
            self.loop.later(0.001, reply.cut)
        self._open.clear()

    def _link(self) -> Link:
        return Link(self.loop, self._dice, self._weather)

    async def _main(self) -> None:
        pool = SimulatedPool(self._postgres, self._link(), size=self._connections)
        beats = SimulatedPool(self._postgres, self._link(), size=1)
        gateway = GatewayClient(self._company, self._link(), [pool])
        self.clients.append(gateway)
        service = build_service(
            SETTINGS,
            SECRETS,
            self.roles,
            pool,
            memory_on(self._valkey, self._link()),
            audit_pool=beats,
            beat_pool=beats,
            gateway=gateway,
        )
        self.buckets = Buckets()
        if WEB in self.roles:
            await service.board.refresh()
        stopping = service.stopping
        loops: list[Any] = []
        if self.roles & {WEB, SWEEPER}:
            loops.append(service.lease_holder.run())
        if WEB in self.roles:
            loops += [service.board.run(stopping), service.networks.run(stopping)]
            loops.append(service.serving.run(stopping))
            service.serving.begin()
        if CONTROLLER in self.roles:
            loops.append(service.controller.run(stopping))
        if SWEEPER in self.roles:
            loops += [
                repeat(f"sweep_{name}", partial(_sweep, service, name), stopping) for name in SWEEPS
            ]
        self.service = service
        await asyncio.gather(*loops)

    # Requests of shoppers.

    def serve(self, reply: Reply, network: str, handler: Handler) -> None:
        """Take a request; one to a process that is not there is refused."""
        if not self.process.alive or self.service is None:
            reply.cut()
            return
        self._open[reply] = None
        self.spawn(self._handle(reply, network, handler))

    async def _handle(self, reply: Reply, network: str, handler: Handler) -> None:
        assert self.service is not None
        try:
            wait_s = self.buckets.take(("", network), ALLOWANCE, self.loop.time())
            if wait_s > 0:
                raise TooManyRequests(headers={"Retry-After": str(wait_s)})
            reply.say(await handler(self.service))
        except Refusal as refusal:
            reply.say(refusal)
        except Exception as error:  # noqa: BLE001 - a shopper would read 500
            self.loop.errors.append(f"{self.name}: {error!r}")
            reply.cut()
        finally:
            self._open.pop(reply, None)


async def _sweep(service: Service, name: str) -> float:
    await service.sweeper.sweep(name)
    return SWEEP_EVERY_S
