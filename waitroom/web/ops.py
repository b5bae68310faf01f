"""For those who run the service: alive, ready, figures; and the check for a site's proxy."""

import ipaddress
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector

from inventory.kit.database import connection
from inventory.kit.http import json_response, wants_html
from inventory.refusals import SessionOver
from waitroom.refusals import NotReady, Queue

if TYPE_CHECKING:
    from waitroom.run.service import Service

# A worker that has not heard of the rooms for this long has lost its engines.
BOARD_STALE_S = 10.0


class OpsApi:
    def __init__(self, service: "Service", as_role: Callable[[str, Any], Any]) -> None:
        self._service = service
        self._metrics_for_operators = as_role("viewer", self._metrics)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.health),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
            web.get("/check", self.check),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Say that the process answers; a loop that broke makes it unhealthy."""
        if self._service.failed.is_set():
            raise NotReady("A loop of this process has broken down; see its log.")
        return json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Say whether to send shoppers here: not while stopping, nor without PostgreSQL."""
        service = self._service
        if service.draining:
            raise NotReady("This process is stopping.")
        async with connection(service.pool) as borrowed:
            await borrowed.fetchval("SELECT 1")
        if time.monotonic() - service.board.synced_at > BOARD_STALE_S:
            raise NotReady("This process has not heard of its rooms for a while.")
        # Without Valkey the service goes on; it only remembers less.
        valkey = "ok" if await service.memory.alive() else "away"
        return json_response({"status": "ready", "postgres": "ok", "valkey": valkey})

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer operators, and whoever asks from this machine without a proxy in between."""
        if _direct_and_local(request):
            return await self._metrics(request)
        answer: Awaitable[web.StreamResponse] = self._metrics_for_operators(request)
        return await answer

    async def _metrics(self, request: web.Request, operator: object = None) -> web.StreamResponse:
        registry = PROCESS_REGISTRY
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            # Several processes share the port; each writes to the folder, any of them reads all.
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def check(self, request: web.Request) -> web.Response:
        """Tell a site's proxy whether this shopper has a live session for the room.

        204 passes. Otherwise 401, which nginx turns into its `error_page`; with `mode=redirect`,
        for Traefik, Caddy and Envoy, 302 to the room for browsers and 429 for programs.
        """
        service = self._service
        view = service.board.room(request.query.get("room", ""))
        try:
            session = service.checkout.session_of(request)
            if session.room != view.room:
                raise SessionOver("This session belongs to another room.")
            await service.checkout.live_session(session)
        except SessionOver:
            place = f"{service.settings.base_url}/rooms/{view.room}"
            if request.query.get("mode") != "redirect":
                raise
            if wants_html(request):
                raise web.HTTPFound(place) from None
            raise Queue(headers={"Location": place, "Retry-After": "5"}) from None
        return web.Response(status=204)


def _direct_and_local(request: web.Request) -> bool:
    forwarded = any(h in request.headers for h in ("Forwarded", "X-Forwarded-For", "Via"))
    try:
        return not forwarded and ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
