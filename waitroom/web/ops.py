"""Health, readiness and metrics of a process."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from inventory.kit.database import Pool, connection
from inventory.kit.doors.client import asked_port
from inventory.kit.doors.described import Caller, described
from inventory.kit.http import json_response
from inventory.kit.limits.classes import SERVICES, limited_as
from waitroom.desk.board import Board
from waitroom.desk.shards.shard_map import ShardMap
from waitroom.refusals import NotReady

# A worker that has not heard of the rooms for this long has lost its engines.
BOARD_STALE_S = 10.0


class Process(Protocol):
    """The state of this process."""

    # Set when one of its loops has broken down.
    failed: asyncio.Event
    # True while it answers the requests that have begun, and then stops.
    draining: bool


class Settings(Protocol):
    """The settings that matter here."""

    @property
    def admin_port(self) -> int:
        """The port that operators have to themselves, 0 for none."""

    @property
    def shard_map(self) -> ShardMap:
        """The shards; where there are some, every metric names that of this process."""


class Memory(Protocol):
    """The store of what may be forgotten."""

    async def alive(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The engines of this process: PostgreSQL, and Valkey if it answers."""

    pool: Pool
    memory: Memory


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a process that works."""

    status: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a process that can serve shoppers, and how its engines are."""

    status: str
    postgres: str
    valkey: Literal["ok", "away"]


class ShardMetrics(Collector):
    """The metrics of another collector with the label `shard`.

    All shards tell metrics of the same names, perhaps to one Prometheus. What one of them lacks,
    such as a leader, must not be made up for by another one in an alert's sum.
    """

    def __init__(self, told: Collector, shard: str) -> None:
        self._told, self._shard = told, shard

    def collect(self) -> Iterator[Metric]:
        for metric in self._told.collect():
            named = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            named.samples = [
                sample._replace(labels={**sample.labels, "shard": self._shard})
                for sample in metric.samples
            ]
            yield named


class OpsApi:
    """`as_role` lets only operators of a role call a handler, and programs with its scope.

    A process that serves no shoppers listens at the operators' own port alone: it has no `board`,
    and no `as_role`.
    """

    def __init__(
        self,
        process: Process,
        *,
        engines: Engines,
        board: Board | None,
        as_role: Callable[..., Any] | None,
        settings: Settings,
    ) -> None:
        self._admin_port, self._shard = settings.admin_port, settings.shard_map.named
        self._process = process
        self._engines = engines
        self._board = board
        self._metrics_for_operators = (
            self._metrics if as_role is None else as_role("viewer", self._metrics, scope="figures")
        )

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.health),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
        ]

    @limited_as(SERVICES)
    @described(answer=Health, refusals=(NotReady,))
    async def health(self, request: web.Request) -> web.Response:
        """Say that the process answers; a loop that broke makes it unhealthy."""
        if self._process.failed.is_set():
            raise NotReady("A loop of this process has broken down; see its log.")
        return json_response(Health(status="ok"))

    @limited_as(SERVICES)
    @described(answer=Readiness, refusals=(NotReady,))
    async def ready(self, request: web.Request) -> web.Response:
        """Say whether to send shoppers here: not while stopping, nor without PostgreSQL."""
        if self._process.draining:
            raise NotReady("This process is stopping.")
        async with connection(self._engines.pool) as borrowed:
            await borrowed.fetchval("SELECT 1")
        board = self._board
        if board is not None and time.monotonic() - board.synced_at > BOARD_STALE_S:
            raise NotReady("This process has not heard of its rooms for a while.")
        # Without Valkey the service goes on; it only remembers less.
        valkey: Literal["ok", "away"] = "ok" if await self._engines.memory.alive() else "away"
        return json_response(Readiness(status="ready", postgres="ok", valkey=valkey))

    @limited_as(SERVICES)
    @described(caller=Caller.OPERATOR, answer=str, content_type="text/plain")
    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer operators, programs with a key, and all at the operators' own port."""
        if self._admin_port and asked_port(request) == self._admin_port:
            return await self._metrics(request)
        answer: Awaitable[web.StreamResponse] = self._metrics_for_operators(request)
        return await answer

    async def _metrics(self, request: web.Request, operator: object = None) -> web.StreamResponse:
        told: Collector = PROCESS_REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            # Several processes share the port: each writes to the folder, any of them reads it all.
            told = CollectorRegistry()
            MultiProcessCollector(told)  # type: ignore[no-untyped-call]
        if self._shard:
            told = ShardMetrics(told, self._shard)
        return web.Response(
            body=generate_latest(told), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
