"""The composition root: everything is built here, once, from settings and secrets."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from checkout.api import Checkout, CheckoutApi
from checkout.customer_store import CustomerStore
from checkout.customers_api import CustomersApi
from checkout.deterministic_gateway import DeterministicGateway
from checkout.history.api import HistoryApi
from checkout.history.history_store import HistoryStore
from checkout.identity import Identity, open_identity
from checkout.order_store import OrderStore
from checkout.pages import CheckoutPages
from checkout.payment import Gateway
from checkout.payments import Payments
from checkout.refund_store import RefundStore
from checkout.refunds import Refunds
from checkout.session import SessionSeal
from inventory.api import Catalogue, CatalogueApi
from inventory.catalogue_import_store import CatalogueImportStore
from inventory.catalogue_store import CatalogueStore
from inventory.hold_store import HoldStore
from inventory.kit.database import Pool, open_pool
from inventory.kit.http import BODY_BYTES_MAX, PROBLEM_PAGE, rim
from inventory.kit.pages import Pages, static_folder
from inventory.ledger_store import LedgerStore
from inventory.stock_store import StockStore
from inventory.sweeper import Sweeper
from waitroom.admin.actions import ActionStore
from waitroom.admin.analytics import AnalyticsAdmin
from waitroom.admin.catalogue import CatalogueAdmin
from waitroom.admin.catalogue_files import CatalogueFilesAdmin
from waitroom.admin.crowd import Crowds, Shared
from waitroom.admin.guard import Guard
from waitroom.admin.ledger import LedgerAdmin
from waitroom.admin.orders import OrdersAdmin
from waitroom.admin.people import PeopleAdmin
from waitroom.admin.refunds import RefundsAdmin
from waitroom.admin.rooms import RoomsAdmin
from waitroom.admin.sign_in import OperatorStore
from waitroom.admin.webhooks import WebhooksAdmin
from waitroom.analytics.analytics_store import AnalyticsStore
from waitroom.api import Line, LineApi
from waitroom.board import Board
from waitroom.controller import Controller
from waitroom.line_store import LineStore
from waitroom.mail.mail_store import MailStore
from waitroom.mail.relay import parse_relay, parse_sender
from waitroom.mail.sender import MailSender
from waitroom.memory import Memory
from waitroom.ops import OpsApi
from waitroom.outbox.endpoint_store import EndpointStore
from waitroom.outbox.outbox_store import OutboxStore
from waitroom.outbox.sender import Sender
from waitroom.outbox.signature import SecretBook
from waitroom.pages import LinePages
from waitroom.returns import Returns, ReturnsApi
from waitroom.run.settings import Secrets, Settings
from waitroom.shop_pages import ShopPages
from waitroom.ticket import TicketSeal

if TYPE_CHECKING:
    # The library is an extra, and takes a while to load: only a shop that names Stripe needs it.
    from checkout.stripe_webhooks import StripeApi

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
    products: CatalogueStore
    ledger: LedgerStore
    orders: OrderStore
    history: HistoryStore
    customers: CustomerStore
    identity: Identity
    operators: OperatorStore
    gateway: Gateway
    payments: Payments
    refund_store: RefundStore
    refunds: Refunds
    board: Board
    line: Line
    checkout: Checkout
    catalogue: Catalogue
    pages: Pages
    controller: Controller
    sweeper: Sweeper
    endpoints: EndpointStore
    sender: Sender
    mails: MailStore
    mail_sender: MailSender | None
    stripe: "StripeApi | None" = None
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
        stack.push_async_callback(service.identity.close)
        if settings.gateway == "stripe":
            service.stripe = _stripe_api(service, secrets)
            stack.push_async_callback(service.stripe.close)
        if "web" in roles:
            await service.board.refresh()
            stack.push_async_callback(service.board.close)
            stack.push_async_callback(service.line.close)
            stack.push_async_callback(service.checkout.close)
            await stack.enter_async_context(_loop(service, service.board.run, "board"))
        if "sweeper" in roles:
            await stack.enter_async_context(_loop(service, service.sweeper.run, "sweeper"))
            await stack.enter_async_context(_loop(service, service.sender.run, "sender"))
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


def _build(
    settings: Settings, secrets: Secrets, roles: frozenset[str], pool: Pool, memory: Memory
) -> Service:
    tickets, sessions = TicketSeal(secrets.keys), SessionSeal(secrets.keys)
    lines, holds, orders = LineStore(pool), HoldStore(pool), OrderStore(pool)
    stock, products, refund_store = StockStore(pool), CatalogueStore(pool), RefundStore(pool)
    outbox, mails = OutboxStore(pool), MailStore(pool)
    gateway = _gateway(settings, secrets, pool)
    refunds = Refunds(refund_store, gateway)
    payments = Payments(orders, gateway, refunds=refunds)
    board = Board(store=lines, memory=memory, seal=tickets, join_memory_s=settings.join_memory_s)

    async def end_due(batch_max: int) -> int:
        return max(await lines.end_due(batch_max))

    return Service(
        settings=settings,
        roles=roles,
        pool=pool,
        memory=memory,
        lines=lines,
        holds=holds,
        stock=stock,
        products=products,
        ledger=LedgerStore(pool),
        orders=orders,
        history=HistoryStore(pool),
        customers=CustomerStore(pool),
        identity=open_identity(
            issuer=settings.customer_issuer,
            audience=settings.customer_audience,
            jwks_url=settings.customer_jwks_url,
            secret=secrets.customer_jwt_secret,
        ),
        operators=OperatorStore(pool),
        gateway=gateway,
        payments=payments,
        refund_store=refund_store,
        refunds=refunds,
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
        catalogue=Catalogue(stock, products),
        pages=Pages(brand=settings.brand, secure=settings.secure),
        controller=Controller(store=lines, memory=memory, lease_s=settings.lease_s),
        sweeper=Sweeper(
            {
                "holds": holds.expire,
                "wishes": holds.serve,
                "admissions": end_due,
                "payments": payments.sweep,
                "refunds": refunds.sweep,
                "events": outbox.forget,
                "mails": mails.tidy,
            }
        ),
        endpoints=EndpointStore(pool, SecretBook(secrets.keys)),
        sender=_sender(settings, secrets, outbox),
        mails=mails,
        mail_sender=_mail_sender(settings, secrets, mails),
    )


def _sender(settings: Settings, secrets: Secrets, outbox: OutboxStore) -> Sender:
    book = SecretBook(secrets.keys)
    return Sender(outbox, secrets=book, allow_private=settings.webhooks_allow_private)


def _mail_sender(settings: Settings, secrets: Secrets, mails: MailStore) -> MailSender | None:
    """Return who sends mail, or None when no relay was named."""
    if not secrets.smtp_url:
        return None
    return MailSender(
        mails,
        relay=parse_relay(secrets.smtp_url),
        sender=parse_sender(settings.mail_from),
        base_url=settings.base_url,
    )


def _gateway(settings: Settings, secrets: Secrets, pool: Pool) -> Gateway:
    if settings.gateway == "test":
        return DeterministicGateway(pool)
    from checkout.stripe_gateway import StripeGateway  # noqa: PLC0415 - an extra, as above

    return StripeGateway(
        pool,
        secret_key=secrets.stripe_secret_key,
        shop_url=settings.base_url,
        api_base=settings.stripe_api_base,
    )


def _stripe_api(service: Service, secrets: Secrets) -> "StripeApi":
    from checkout.stripe_gateway import StripeGateway  # noqa: PLC0415 - an extra, as above
    from checkout.stripe_webhooks import StripeApi  # noqa: PLC0415

    assert isinstance(service.gateway, StripeGateway)
    if not secrets.stripe_webhook_secrets:
        log.warning("stripe_news_is_off", hint="payments move later without webhook secrets")
    return StripeApi(
        service.checkout,
        gateway=service.gateway,
        hear=service.payments.hear,
        webhook_secrets=secrets.stripe_webhook_secrets,
    )


def _looking_back(service: Service, guard: Guard) -> tuple[HistoryApi, OrdersAdmin, AnalyticsAdmin]:
    """Return what shows orders and sales after the fact."""
    history, pages = service.history, service.pages
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
        OrdersAdmin(guard, history=history, pages=pages),
        AnalyticsAdmin(guard, analytics=AnalyticsStore(service.pool), history=history, pages=pages),
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
    returns = Returns(service.line, mail_offered=service.mail_sender is not None)
    for api in (
        LineApi(service.line, catalogue=service.catalogue),
        CheckoutApi(service.checkout),
        CustomersApi(service.checkout, customers=service.customers, identity=service.identity),
        CatalogueApi(service.catalogue),
        ShopPages(service.line, catalogue=service.catalogue, pages=service.pages),
        LinePages(service.line, catalogue=service.catalogue, pages=service.pages, returns=returns),
        ReturnsApi(returns),
        CheckoutPages(
            service.checkout,
            catalogue=service.catalogue,
            pages=service.pages,
            returns=returns.at_checkout,
            stripe_key=settings.stripe_publishable_key if service.stripe else "",
        ),
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
        RoomsAdmin(
            guard,
            lines=service.lines,
            board=service.board,
            actions=actions,
            pages=service.pages,
            crowds=crowds,
        ),
        WebhooksAdmin(
            guard,
            endpoints=service.endpoints,
            pages=service.pages,
            allow_private=settings.webhooks_allow_private,
        ),
        OpsApi(service, guard.as_role),
    ):
        app.add_routes(api.routes())
    if service.stripe is not None:
        app.add_routes(service.stripe.routes())
    for folder in ("css", "js", "pictures"):
        app.router.add_static(f"/static/{folder}", static_folder() / folder)
    return app
