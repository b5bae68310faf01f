"""The composition root: everything is built here, once, from settings and secrets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiohttp import web

from checkout.api import CheckoutApi
from checkout.customers.customers_api import CustomersApi
from checkout.gateway.gateway import Gateway
from checkout.history.api import HistoryApi
from checkout.pages import CheckoutPages
from inventory.api import CatalogueApi
from inventory.catalogue_import_store import CatalogueImportStore
from inventory.kit.assets import Assets
from inventory.kit.database import Pool, open_pool
from inventory.kit.http import BODY_BYTES_MAX, PROBLEM_PAGE, rim
from inventory.kit.pages import static_folder
from waitroom.admin.accounts.actions import ActionStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.people import PeopleAdmin
from waitroom.admin.rooms.crowd import Crowds, Shared
from waitroom.admin.rooms.elsewhere import ElsewhereAdmin
from waitroom.admin.rooms.lanes import LanesAdmin
from waitroom.admin.rooms.line import LineAdmin
from waitroom.admin.rooms.places import PlacesAdmin
from waitroom.admin.rooms.rooms import RoomsAdmin
from waitroom.admin.shop.analytics import AnalyticsAdmin
from waitroom.admin.shop.catalogue import CatalogueAdmin
from waitroom.admin.shop.catalogue_files import CatalogueFilesAdmin
from waitroom.admin.shop.ledger import LedgerAdmin
from waitroom.admin.shop.orders import OrdersAdmin
from waitroom.admin.shop.refunds import RefundsAdmin
from waitroom.admin.webhooks import WebhooksAdmin
from waitroom.desk.places import Places
from waitroom.desk.returns import Returns
from waitroom.reports.analytics.analytics_store import AnalyticsStore
from waitroom.reports.fairness.fairness_store import FairnessStore
from waitroom.run.service import Service, build_service, open_gateway, stripe_api
from waitroom.run.settings import Secrets, Settings
from waitroom.store.elsewhere_store import ElsewhereStore
from waitroom.store.memory import Memory
from waitroom.store.place_store import PlaceStore
from waitroom.web.credentials import Credentials
from waitroom.web.fairness_api import FairnessApi
from waitroom.web.log_api import LogApi
from waitroom.web.log_pages import LogPages
from waitroom.web.ops import Engines, OpsApi
from waitroom.web.pages import WaitingPages
from waitroom.web.places_api import PlacesApi
from waitroom.web.returns_api import ReturnsApi
from waitroom.web.shop_pages import ShopPages
from waitroom.web.tickets_api import TicketsApi

log = structlog.get_logger()

ROLES = ("web", "controller", "sweeper")

GatewayOpener = Callable[[Settings, Secrets, Pool], Awaitable[Gateway]]


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
        pool = await open_pool(
            settings.postgres_url,
            size_max=settings.postgres_connections_max,
            pooler=settings.postgres_pooler,
        )
        stack.push_async_callback(_close_pool, pool)
        memory = Memory(settings.valkey_url)
        stack.push_async_callback(memory.close)
        opened = await gateway(settings, secrets, pool)
        service = build_service(settings, secrets, roles, pool, memory, gateway=opened)
        stack.push_async_callback(service.identity.close)
        if settings.gateway == "stripe":
            service.stripe = stripe_api(service, secrets)
            stack.push_async_callback(service.stripe.close)
        if "web" in roles:
            await service.board.refresh()
            stack.push_async_callback(service.board.close)
            stack.push_async_callback(service.tickets.close)
            stack.push_async_callback(service.checkout.close)
            await stack.enter_async_context(_loop(service, service.board.run, "board"))
            await stack.enter_async_context(_loop(service, service.health_share.run, "health"))
        if "sweeper" in roles:
            await stack.enter_async_context(_loop(service, service.sweeper.run, "sweeper"))
            await stack.enter_async_context(_loop(service, service.webhook_sender.run, "webhooks"))
            if service.mail_sender is not None:
                await stack.enter_async_context(_loop(service, service.mail_sender.run, "mail"))
        if "controller" in roles:
            await stack.enter_async_context(_loop(service, service.controller.run, "controller"))
        # Set before the loops are waited for, so that they end by themselves.
        stack.callback(service.stopping.set)
        yield service


async def _close_pool(pool: Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout=5)
    except TimeoutError:
        pool.terminate()


@asynccontextmanager
async def _loop(service: Service, run: Any, name: str) -> AsyncIterator[None]:
    """Run a loop beside the service; a loop that breaks is logged and fails the process."""

    async def watched(loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
        except Exception:
            log.exception("loop_failed", loop=name)
            service.failed.set()

    task = asyncio.create_task(watched(run(service.stopping)), name=name)
    try:
        yield
    finally:
        await task


def _for_shoppers(
    service: Service,
) -> tuple[TicketsApi, PlacesApi, ReturnsApi, ShopPages, WaitingPages, CheckoutPages]:
    """Return what serves shoppers before, in and after the line."""
    board, tickets, catalogue = service.board, service.tickets, service.catalogue
    credentials = Credentials(board, secure=service.settings.secure)
    mail_offered = service.mail_sender is not None
    returns = Returns(tickets, store=service.lines, mail_offered=mail_offered)
    returns_api = ReturnsApi(returns, credentials, board=board)
    places = Places(tickets, store=PlaceStore(service.pool), memory=service.memory)
    return (
        TicketsApi(tickets, credentials, board=board, catalogue=catalogue),
        PlacesApi(places, tickets, credentials),
        returns_api,
        ShopPages(board, catalogue=catalogue, pages=service.pages),
        WaitingPages(
            tickets,
            credentials,
            entrance=service.entrance,
            catalogue=catalogue,
            pages=service.pages,
            returns=returns,
            places=places,
        ),
        CheckoutPages(
            service.checkout,
            catalogue=catalogue,
            pages=service.pages,
            returns=returns_api.at_checkout,
            stripe_key=service.settings.stripe_publishable_key if service.stripe else "",
        ),
    )


def _looking_back(
    service: Service, guard: Guard
) -> tuple[HistoryApi, LogApi, LineAdmin, OrdersAdmin, AnalyticsAdmin, FairnessApi]:
    """Return what shows orders, sales and the log after the fact."""
    history, pages = service.history, service.pages
    public_log = service.public_log
    log_api = LogApi(public_log, pages=LogPages(public_log, pages=pages))
    return (
        HistoryApi(
            service.checkout,
            history=history,
            refunds=service.refund_store,
            customers=service.customers,
            identity=service.identity,
            pages=pages,
            brand=service.settings.brand,
            bank_step=service.stripe is not None,
        ),
        log_api,
        LineAdmin(guard, board=service.board, public_log=public_log, pages=pages),
        OrdersAdmin(guard, history=history, pages=pages),
        AnalyticsAdmin(guard, analytics=AnalyticsStore(service.pool), history=history, pages=pages),
        FairnessApi(service.board, guard, store=FairnessStore(service.pool), pages=pages),
    )


def _steering(
    service: Service, guard: Guard, actions: ActionStore, crowds: Crowds | None
) -> tuple[LanesAdmin, ElsewhereAdmin, PlacesAdmin, RoomsAdmin]:
    """Return what operators steer rooms with."""
    return (
        # Before the rooms, whose verbs would take its names for theirs.
        LanesAdmin(
            guard,
            rooms=service.rooms,
            entrance=service.entrance,
            board=service.board,
            base_url=service.settings.base_url,
        ),
        ElsewhereAdmin(
            guard,
            store=ElsewhereStore(service.pool),
            office=service.office,
            board=service.board,
            sessions=service.checkout.seal,
        ),
        PlacesAdmin(
            guard, board=service.board, lines=service.lines, places=PlaceStore(service.pool)
        ),
        RoomsAdmin(
            guard,
            rooms=service.rooms,
            draws=service.draws,
            board=service.board,
            actions=actions,
            pages=service.pages,
            crowds=crowds,
        ),
    )


def make_app(service: Service) -> web.Application:
    """Return the web application of a service; every lifetime is the service's, not the app's."""
    settings = service.settings
    app = web.Application(middlewares=[rim], client_max_size=BODY_BYTES_MAX)
    app[PROBLEM_PAGE] = service.pages.problem
    crowds = None
    if settings.demo:
        crowds = Crowds(base_url=settings.base_url, share=Shared(service.memory))
        app.on_cleanup.append(lambda _: crowds.close())
    guard = Guard(
        operators=service.operators,
        memory=service.memory,
        pages=service.pages,
        attempts_per_minute=settings.sign_in_attempts_per_minute,
        secure=settings.secure,
    )
    actions = ActionStore(service.pool)
    for api in (
        *_for_shoppers(service),
        CheckoutApi(service.checkout),
        CustomersApi(service.checkout, customers=service.customers, identity=service.identity),
        CatalogueApi(service.catalogue),
        *_looking_back(service, guard),
        guard,
        PeopleAdmin(guard, operators=service.operators, actions=actions),
        CatalogueAdmin(guard, stock=service.stock, products=service.products),
        CatalogueFilesAdmin(guard, imports=CatalogueImportStore(service.pool)),
        LedgerAdmin(guard, ledger=service.ledger, stock=service.stock),
        RefundsAdmin(
            guard,
            orders=service.orders,
            store=service.refund_store,
            payments=service.payments,
            refunds=service.refunds,
        ),
        *_steering(service, guard, actions, crowds),
        WebhooksAdmin(
            guard,
            endpoints=service.endpoints,
            pages=service.pages,
            allow_private=settings.webhooks_allow_private,
        ),
        OpsApi(
            service,
            engines=Engines(pool=service.pool, memory=service.memory),
            board=service.board,
            checkout=service.checkout,
            as_role=guard.as_role,
            base_url=settings.base_url,
        ),
    ):
        app.add_routes(api.routes())
    if service.stripe is not None:
        app.add_routes(service.stripe.routes())
    for folder in ("css", "js"):
        app.add_routes(Assets(static_folder() / folder, at=f"/static/{folder}").routes())
    app.router.add_static("/static/pictures", static_folder() / "pictures")
    return app
