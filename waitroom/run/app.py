"""The composition root: opens a service from settings and secrets, and makes its application."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from secrets import token_hex

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from checkout.gateway.deterministic_gateway import DeterministicGateway
from checkout.gateway.gateway import Gateway
from inventory.kit.database import Pool, closed_pool, connection, open_pool
from inventory.kit.doors.client import CLIENTS, TRUSTED_PROXIES, Clients
from inventory.kit.doors.decoding import Json
from inventory.kit.doors.origins import origin_of
from inventory.kit.http import (
    ASKED_ONLY,
    BODY_BYTES_MAX,
    CROSS_SITE_TOLD,
    OWN_ORIGIN,
    PROBLEM_PAGE,
    PROCESS,
    rim,
)
from inventory.kit.limits.limited import LIMITS, Limits
from inventory.kit.pages import static_folder
from inventory.kit.problem import EngineDown
from inventory.kit.traces.spans import tracer
from waitroom.admin.accounts.guard import ACCESS, Guard
from waitroom.admin.problems import problem_page
from waitroom.admin.rooms.crowd import Crowds, Shared
from waitroom.run.gateways import open_gateway, stripe_api
from waitroom.run.listening.headers import SAFE_HEADERS, SafeHeaders
from waitroom.run.listening.own_port import own_port
from waitroom.run.mount import Mount
from waitroom.run.openapi.api import OpenApi
from waitroom.run.routes import apis_of
from waitroom.run.service import Service, build_service
from waitroom.run.settings import Secrets, Settings
from waitroom.run.shards.redirecting import redirecting
from waitroom.run.way_in import Probe
from waitroom.store.memory import Memory
from waitroom.web.credentials import Credentials
from waitroom.web.gate.check_api import CHECK_ROUTES
from waitroom.web.ops import Engines, OpsApi

log = structlog.get_logger()

ROLES = ("web", "controller", "sweeper")
# While a process ends, PostgreSQL counts as away if it does not answer for this long.
AWAY_AFTER_S = 2.0
# After the last request, loops and queued work have this long to end by themselves: all of it can
# be taken up by another process.
END_WAIT_S = 4.0
CANCELLED_WAIT_S = 1.0
CLOSE_WAIT_S = 1.0
# For a check of the books, an analysis, a fairness report and the archive, one of each at a time.
AUDIT_CONNECTIONS_MAX = 4

GatewayOpener = Callable[[Settings, Secrets, Pool], Awaitable[Gateway]]
# A loop runs until the event is set.
Loop = Callable[[asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def open_service(
    settings: Settings,
    secrets: Secrets,
    *,
    roles: frozenset[str] = frozenset(ROLES),
    gateway: GatewayOpener = open_gateway,
) -> AsyncIterator[Service]:
    """Connect, start the loops of the roles, and take it all down again in reverse order."""
    async with AsyncExitStack() as stack:
        url, pooler = settings.postgres_url, settings.postgres_pooler
        size = settings.postgres_connections_max
        pool = await open_pool(url, size_max=size, pooler=pooler)
        stack.push_async_callback(_close_pool, pool)
        audit_pool = await open_pool(
            url, size_max=AUDIT_CONNECTIONS_MAX, size_min=0, pooler=pooler, cancels=True
        )
        stack.push_async_callback(_close_pool, audit_pool)
        beat_pool = await open_pool(url, size_max=1, size_min=0, pooler=pooler)
        stack.push_async_callback(_close_pool, beat_pool)
        memory = Memory(settings.valkey_url, key=secrets.first)
        stack.push_async_callback(memory.close)
        opened = await gateway(settings, secrets, pool)
        service = build_service(
            settings,
            secrets,
            roles,
            pool,
            memory,
            audit_pool=audit_pool,
            beat_pool=beat_pool,
            gateway=opened,
        )
        stack.push_async_callback(service.identity.close)
        if service.provider is not None:
            stack.push_async_callback(service.provider.close)
        stack.push_async_callback(service.tickets.proofs.close)
        if settings.gateway == "stripe":
            service.stripe = stripe_api(service, secrets)
            stack.push_async_callback(service.stripe.close)
        if "web" in roles:
            await service.board.refresh()
        if roles:
            beating = asyncio.create_task(service.lease_holder.run(), name="leases")
            stack.push_async_callback(_give_up_leases, service, beating)
        loops = [
            asyncio.create_task(_watched(service, name, loop), name=name)
            for name, loop in _loops_of(service)
        ]
        stack.push_async_callback(_end, service, loops)
        yield service


def _loops_of(service: Service) -> Iterator[tuple[str, Loop]]:
    """Return the loops of the roles that this process has."""
    if service.roles:
        yield "keys", service.key_report.run
    if "web" in service.roles:
        yield "board", service.board.run
        if service.homes.shards.others:
            yield "homes", service.homes.run
        yield "looks", service.looks.run
        yield "gates", service.gates.run
        yield "known_users", service.known_users.run
        yield "health", service.health_share.run
        yield "networks", service.networks.run
        yield "serving", service.serving.run
        yield "security_events", service.security_events.run
        yield "way_in", Probe(service.settings.public_url, service.way_in).run
    if "sweeper" in service.roles:
        yield "sweeper", service.sweeper.run
        yield "webhooks", service.webhook_sender.run
        if service.mail_sender is not None:
            yield "mail", service.mail_sender.run
    if "controller" in service.roles:
        yield "controller", service.controller.run


async def _watched(service: Service, name: str, loop: Loop) -> None:
    """Run a loop beside the service. A loop that breaks down is logged and ends the process.

    The sweeper and the senders outlive their own mistakes (`inventory.kit.loops`); a loop that
    still breaks down leaves the process in an unknown state.
    """
    try:
        await loop(service.stopping)
    except Exception:
        log.exception("loop_broke_down", loop=name)
        service.failed.set()


async def let_go_if_away(service: Service) -> None:
    """Break the connections to PostgreSQL if it does not answer, since this process is to end.

    Requests that wait for it are then told at once to come again, instead of holding up the end.
    """
    try:
        async with asyncio.timeout(AWAY_AFTER_S), connection(service.beat_pool) as borrowed:
            await borrowed.execute("SELECT 1")
    except (EngineDown, TimeoutError) as error:
        log.warning("ends_without_postgres", error=error)
        for pool in (service.pool, service.audit_pool, service.beat_pool):
            pool.terminate()


async def _end(service: Service, loops: list[asyncio.Task[None]]) -> None:
    """Let the loops end, and answer what is queued; cancel what takes long."""
    service.stopping.set()
    tasks = list(loops)
    if "web" in service.roles:
        parts = (
            service.checkout,
            service.tickets,
            service.board,
            service.fairness,
            service.passes,
            service.revocations,
        )
        tasks.extend(asyncio.create_task(part.close(), name=type(part).__name__) for part in parts)
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=END_WAIT_S)
    if late:
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=CANCELLED_WAIT_S)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            log.warning("end_failed", part=task.get_name(), error=error)


async def _give_up_leases(service: Service, beating: asyncio.Task[None]) -> None:
    """Free what the process still holds once everything else has ended."""
    beating.cancel()
    await asyncio.wait([beating], timeout=CANCELLED_WAIT_S)
    await service.lease_holder.end()


async def _close_pool(pool: Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout=CLOSE_WAIT_S)
    except TimeoutError:
        pool.terminate()


@web.middleware
def _one_address(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
    """Lead from an address with a slash at its end, or with two in it, to the page."""
    if request.match_info.http_exception is None:
        return handler(request)
    return _led(request, handler)


async def _led(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lead a request to the page that it means, if there is one.

    The redirect keeps the method and the query. It leads to a path on this site, also where a
    client sent the whole address of another: all slashes at the beginning become one.
    """
    asked = request.rel_url
    path = re.sub(r"//+", "/", asked.raw_path)
    path = path.rstrip("/") or "/"
    if path != asked.raw_path:
        there = asked.with_path(path, encoded=True, keep_query=True)
        found = await request.app.router.resolve(request.clone(rel_url=there))
        if found.http_exception is None:
            raise web.HTTPPermanentRedirect(there)
    return await handler(request)


OPENAPI: web.AppKey[OpenApi] = web.AppKey("openapi")


def make_app(service: Service) -> web.Application:
    """Return the web application of a service; every lifetime is the service's, not the app's."""
    settings = service.settings
    clients = Clients(settings.proxies)
    service.key_report.forwarder = clients.forwarder
    limits = Limits(clients, factor=settings.limits_factor)
    middlewares: list[Middleware] = [rim, limits.middleware(), _one_address]
    if settings.admin_port:
        middlewares.append(own_port(settings.admin_port))
    if settings.shards:
        middlewares.append(redirecting(service.homes.elsewhere, service.homes.has_left))
    if (traces := tracer()) is not None:
        middlewares.insert(0, traces.middleware())
    if settings.public_path:
        middlewares.insert(0, Mount(settings.public_path).middleware())
    app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES_MAX)
    app[PROCESS] = service
    app[PROBLEM_PAGE] = problem_page(service.pages)
    app[ASKED_ONLY] = CHECK_ROUTES
    app[SAFE_HEADERS] = SafeHeaders(secure=settings.secure)
    app.on_response_prepare.append(app[SAFE_HEADERS].put)
    app[OWN_ORIGIN] = origin_of(settings.public_url)
    app[TRUSTED_PROXIES] = settings.proxies
    app[LIMITS] = limits
    app[CLIENTS] = clients
    crowds = None
    if settings.demo:
        crowds = Crowds(base_url=settings.base_url, share=Shared(service.memory))
        app.on_cleanup.append(lambda _: crowds.close())
    guard = Guard(
        operators=service.operators,
        keys=service.keys,
        memory=service.memory,
        devices=service.devices,
        events=service.security_events,
        attempts_per_minute=settings.sign_in_attempts_per_minute,
        secure=settings.secure,
        second_factor_required=settings.second_factor == "required",
        shard=settings.shard_map.suffix,
    )
    app[ACCESS] = guard.access
    app[CROSS_SITE_TOLD] = service.security_events.cross_site_refused
    credentials = Credentials(
        service.board, service.checkout.sessions.seal, limits=limits, secure=settings.secure
    )
    apis = apis_of(service, guard, crowds, credentials)
    routes = [route for api in apis for route in api.routes()]
    app[OPENAPI] = OpenApi(routes, access=guard.access, pages=service.pages)
    app.add_routes([*routes, *app[OPENAPI].routes()])
    app.router.add_static("/static/pictures", static_folder() / "pictures")
    return app


def make_ops_app(service: Service) -> web.Application:
    """Return what a process without shoppers answers at the operators' port: health and metrics."""
    app = web.Application(middlewares=[rim], client_max_size=BODY_BYTES_MAX)
    app[PROCESS] = service
    app[SAFE_HEADERS] = SafeHeaders(secure=service.settings.secure)
    app.on_response_prepare.append(app[SAFE_HEADERS].put)
    ops = OpsApi(
        service,
        engines=Engines(pool=service.pool, memory=service.memory),
        board=None,
        as_role=None,
        settings=service.settings,
    )
    app.add_routes(ops.routes())
    return app


async def undriven_app(settings: Settings) -> web.Application:
    """Return the application that these settings make, without engines: it can only be read."""
    pool = closed_pool("postgresql://nowhere", size_max=1)
    service = build_service(
        settings,
        Secrets(signing_keys=[token_hex(32)]),
        frozenset(),
        pool,
        Memory("redis://nowhere"),
        audit_pool=pool,
        beat_pool=pool,
        gateway=DeterministicGateway(pool),
    )
    return make_app(service)


async def api_json(settings: Settings) -> Json:
    """Return the OpenAPI document of the program that these settings make."""
    return (await undriven_app(settings))[OPENAPI].document_json()
