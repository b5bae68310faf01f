"""The composition root: everything is built here, once, from settings and secrets."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from checkout.api import Checkout, CheckoutApi
from checkout.deterministic_gateway import DeterministicGateway
from checkout.order_store import OrderStore
from checkout.pages import CheckoutPages
from checkout.payments import Payments
from checkout.session import SessionSeal
from inventory.api import Catalogue, CatalogueApi
from inventory.hold_store import HoldStore
from inventory.kit.database import Pool, open_pool
from inventory.kit.http import BODY_BYTES_MAX, PROBLEM_PAGE, rim
from inventory.kit.pages import Pages, static_folder
from inventory.ledger_store import LedgerStore
from inventory.stock_store import StockStore
from inventory.sweeper import Sweeper
from waitroom.admin.actions import ActionStore
from waitroom.admin.catalogue import CatalogueAdmin
from waitroom.admin.crowd import Crowds, Shared
from waitroom.admin.guard import Guard
from waitroom.admin.ledger import LedgerAdmin
from waitroom.admin.orders import OrdersAdmin
from waitroom.admin.rooms import RoomsAdmin
from waitroom.admin.sign_in import OperatorStore
from waitroom.api import Line, LineApi
from waitroom.board import Board
from waitroom.controller import Controller
from waitroom.line_store import LineStore
from waitroom.memory import Memory
from waitroom.ops import OpsApi
from waitroom.pages import LinePages
from waitroom.run.settings import Secrets, Settings
from waitroom.ticket import TicketSeal

log = structlog.get_logger()

ROLES = ("web", "controller", "sweeper")


@dataclass(kw_only=True)
class Service:
    """The parts of one process. `failed` is set when a loop of it has broken down."""

    settings: Settings
    roles: frozenset[str]
    pool: Pool
    memory: Memory
    lines: LineStore
    holds: HoldStore
    stock: StockStore
    ledger: LedgerStore
    orders: OrderStore
    operators: OperatorStore
    payments: Payments
    board: Board
    line: Line
    checkout: Checkout
    catalogue: Catalogue
    pages: Pages
    controller: Controller
    sweeper: Sweeper
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    draining: bool = False


@asynccontextmanager
async def open_service(
    settings: Settings, secrets: Secrets, *, roles: frozenset[str] = frozenset(ROLES)
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
        service = _build(settings, secrets, roles, pool, memory)
        if "web" in roles:
            await service.board.refresh()
            stack.push_async_callback(service.board.close)
            stack.push_async_callback(service.line.close)
            stack.push_async_callback(service.checkout.close)
            await stack.enter_async_context(_loop(service, service.board.run, "board"))
        if "sweeper" in roles:
            await stack.enter_async_context(_loop(service, service.sweeper.run, "sweeper"))
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


def _build(
    settings: Settings, secrets: Secrets, roles: frozenset[str], pool: Pool, memory: Memory
) -> Service:
    tickets, sessions = TicketSeal(secrets.keys), SessionSeal(secrets.keys)
    lines, holds, orders, stock = (
        LineStore(pool),
        HoldStore(pool),
        OrderStore(pool),
        StockStore(pool),
    )
    gateway = DeterministicGateway(pool)
    payments = Payments(orders, gateway)
    board = Board(store=lines, memory=memory, seal=tickets, join_memory_s=settings.join_memory_s)

    async def end_due(batch_max: int) -> int:
        return max(await lines.end_due(batch_max))

    async def settle(_: int) -> int:
        await payments.settle_idle()
        return 0

    return Service(
        settings=settings,
        roles=roles,
        pool=pool,
        memory=memory,
        lines=lines,
        holds=holds,
        stock=stock,
        ledger=LedgerStore(pool),
        orders=orders,
        operators=OperatorStore(pool),
        payments=payments,
        board=board,
        line=Line(board=board, store=lines, sessions=sessions, secure=settings.secure),
        checkout=Checkout(
            seal=sessions,
            holds=holds,
            orders=orders,
            payments=payments,
            gateway_name=gateway.name,
            payment_wait_s=settings.payment_wait_s,
            secure=settings.secure,
        ),
        catalogue=Catalogue(stock),
        pages=Pages(brand=settings.brand, secure=settings.secure),
        controller=Controller(store=lines, memory=memory, lease_s=settings.lease_s),
        sweeper=Sweeper(
            {
                "holds": holds.expire,
                "wishes": holds.serve,
                "admissions": end_due,
                "payments": settle,
            }
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
        LineApi(service.line, catalogue=service.catalogue),
        CheckoutApi(service.checkout),
        CatalogueApi(service.catalogue),
        LinePages(service.line, catalogue=service.catalogue, pages=service.pages),
        CheckoutPages(service.checkout, catalogue=service.catalogue, pages=service.pages),
        guard,
        CatalogueAdmin(guard, stock=service.stock, actions=actions),
        LedgerAdmin(guard, ledger=service.ledger, stock=service.stock),
        OrdersAdmin(guard, orders=service.orders),
        RoomsAdmin(
            guard,
            lines=service.lines,
            board=service.board,
            actions=actions,
            pages=service.pages,
            crowds=crowds,
        ),
        OpsApi(service, guard.as_role),
    ):
        app.add_routes(api.routes())
    for folder in ("css", "js", "pictures"):
        app.router.add_static(f"/static/{folder}", static_folder() / folder)
    return app
