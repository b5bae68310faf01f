"""The parts of a process, built once from settings and secrets; `waitroom.run.app` runs them."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from checkout.api import Checkout
from checkout.customers.customer_store import CustomerStore
from checkout.customers.identity import Identity, open_identity
from checkout.gateway.deterministic_gateway import open_test_gateway
from checkout.gateway.gateway import Gateway
from checkout.history.history_store import HistoryStore
from checkout.order_store import OrderStore
from checkout.payments import Payments
from checkout.refund_store import RefundStore
from checkout.refunds import Refunds
from checkout.session import SessionSeal
from inventory.api import Catalogue
from inventory.hold_store import HoldStore
from inventory.kit.database import Pool
from inventory.kit.pages import Pages
from inventory.ledger_store import LedgerStore
from inventory.money import format_amount, uncommon_digits
from inventory.product_store import CatalogueStore
from inventory.sku_store import StockStore
from inventory.sweeper import Sweeper
from waitroom.admin.accounts.sign_in import OperatorStore
from waitroom.desk.board import Board
from waitroom.desk.entrance import Entrance
from waitroom.desk.public_log import PublicLog
from waitroom.desk.tickets import Tickets
from waitroom.leader.controller import Controller
from waitroom.leader.drawing import Drawing, SeedBook
from waitroom.leader.health_watch import HealthShare
from waitroom.line.invitation import InvitationSeal
from waitroom.line.ticket import TicketSeal
from waitroom.log.signing import LogKey
from waitroom.outgoing.mail.mail_store import MailStore
from waitroom.outgoing.mail.relay import parse_relay, parse_sender
from waitroom.outgoing.mail.sender import MailSender
from waitroom.outgoing.outbox.endpoint_store import EndpointStore
from waitroom.outgoing.outbox.outbox_store import OutboxStore
from waitroom.outgoing.outbox.sender import WebhookSender
from waitroom.outgoing.outbox.signature import SecretBook
from waitroom.run.settings import Secrets, Settings
from waitroom.store.draw_store import DrawStore
from waitroom.store.invitation_store import InvitationStore
from waitroom.store.line_store import LineStore
from waitroom.store.log_store import LogStore
from waitroom.store.memory import Memory
from waitroom.store.office_store import OfficeStore
from waitroom.store.room_store import RoomStore

if TYPE_CHECKING:
    # The library is an extra, and takes a while to load: only a shop that names Stripe needs it.
    from checkout.gateway.stripe_webhooks import StripeApi

log = structlog.get_logger()


@dataclass(kw_only=True)
class Service:
    """The parts of one process. `failed` is set when a loop of it has broken down."""

    settings: Settings
    roles: frozenset[str]
    pool: Pool
    memory: Memory
    lines: LineStore
    office: OfficeStore
    rooms: RoomStore
    draws: DrawStore
    drawing: Drawing
    public_log: PublicLog
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
    entrance: Entrance
    tickets: Tickets
    checkout: Checkout
    catalogue: Catalogue
    pages: Pages
    health_share: HealthShare
    controller: Controller
    sweeper: Sweeper
    endpoints: EndpointStore
    webhook_sender: WebhookSender
    mails: MailStore
    mail_sender: MailSender | None
    stripe: "StripeApi | None" = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    draining: bool = False


def build_service(
    settings: Settings,
    secrets: Secrets,
    roles: frozenset[str],
    pool: Pool,
    memory: Memory,
    *,
    gateway: Gateway,
) -> Service:
    tickets, sessions = TicketSeal(secrets.keys), SessionSeal(secrets.keys)
    lines, office = LineStore(pool), OfficeStore(pool)
    holds, orders = HoldStore(pool), OrderStore(pool)
    stock, products, refund_store = StockStore(pool), CatalogueStore(pool), RefundStore(pool)
    outbox, mails = OutboxStore(pool), MailStore(pool)
    refunds = Refunds(refund_store, gateway)
    payments = Payments(orders, gateway, refunds=refunds)
    identity = _identity(settings, secrets)
    entrance = _entrance(secrets, pool, identity)
    draws, log_key = DrawStore(pool), LogKey(secrets.keys[0])
    drawing = Drawing(draws, seeds=SeedBook(secrets.keys), log_key=log_key)
    board = Board(store=lines, memory=memory, seal=tickets)
    return Service(
        settings=settings,
        roles=roles,
        pool=pool,
        memory=memory,
        lines=lines,
        office=office,
        rooms=RoomStore(pool),
        draws=draws,
        drawing=drawing,
        public_log=PublicLog(board, store=LogStore(pool), log_key=log_key),
        holds=holds,
        stock=stock,
        products=products,
        ledger=LedgerStore(pool),
        orders=orders,
        history=HistoryStore(pool),
        customers=CustomerStore(pool),
        identity=identity,
        operators=OperatorStore(pool),
        gateway=gateway,
        payments=payments,
        refund_store=refund_store,
        refunds=refunds,
        board=board,
        entrance=entrance,
        tickets=Tickets(board=board, store=lines, sessions=sessions, entrance=entrance),
        checkout=_checkout(settings, sessions, holds=holds, orders=orders, payments=payments),
        catalogue=Catalogue(stock, products),
        pages=_pages(settings),
        health_share=HealthShare(memory),
        controller=Controller(store=office, memory=memory, drawing=drawing),
        sweeper=_sweeper(
            holds=holds,
            office=office,
            payments=payments,
            refunds=refunds,
            outbox=outbox,
            mails=mails,
        ),
        endpoints=EndpointStore(pool, SecretBook(secrets.keys)),
        webhook_sender=_webhook_sender(settings, secrets, outbox),
        mails=mails,
        mail_sender=_mail_sender(settings, secrets, mails),
    )


def _sweeper(
    *,
    holds: HoldStore,
    office: OfficeStore,
    payments: Payments,
    refunds: Refunds,
    outbox: OutboxStore,
    mails: MailStore,
) -> Sweeper:
    return Sweeper(
        {
            "holds": holds.expire,
            "wishes": holds.serve,
            "admissions": partial(_end_due, office),
            "payments": payments.sweep,
            "refunds": refunds.sweep,
            "events": outbox.forget,
            "mails": mails.tidy,
        }
    )


def _pages(settings: Settings) -> Pages:
    return Pages(
        brand=settings.brand,
        secure=settings.secure,
        filters={"money": format_amount},
        shared={"uncommon_digits": uncommon_digits()},
    )


async def _end_due(office: OfficeStore, batch_max: int) -> int:
    return max(await office.end_due(batch_max))


def _checkout(
    settings: Settings,
    sessions: SessionSeal,
    *,
    holds: HoldStore,
    orders: OrderStore,
    payments: Payments,
) -> Checkout:
    return Checkout(
        seal=sessions,
        holds=holds,
        orders=orders,
        payments=payments,
        gateway_name=settings.gateway,
        payment_wait_s=settings.payment_wait_s,
        secure=settings.secure,
    )


def _identity(settings: Settings, secrets: Secrets) -> Identity:
    return open_identity(
        issuer=settings.customer_issuer,
        audience=settings.customer_audience,
        jwks_url=settings.customer_jwks_url,
        secret=secrets.customer_jwt_secret,
    )


def _entrance(secrets: Secrets, pool: Pool, identity: Identity) -> Entrance:
    return Entrance(
        identity=identity,
        invitations=InvitationStore(pool),
        seal=InvitationSeal(secrets.keys),
    )


def _webhook_sender(settings: Settings, secrets: Secrets, outbox: OutboxStore) -> WebhookSender:
    book = SecretBook(secrets.keys)
    return WebhookSender(outbox, secrets=book, allow_private=settings.webhooks_allow_private)


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


async def open_gateway(
    settings: Settings, secrets: Secrets, pool: Pool, *, stripe_api: str = ""
) -> Gateway:
    """Return the payment gateway of the settings; `stripe_api` is the address of a stand-in."""
    if settings.gateway == "test":
        if not settings.demo:
            log.warning("test_gateway_moves_no_money", hint='set gateway = "stripe" for a sale')
        return await open_test_gateway(pool)
    assert settings.gateway == "stripe", "see with_gateway"
    from checkout.gateway.stripe_gateway import StripeGateway  # noqa: PLC0415 - an extra, as above

    return StripeGateway(
        pool,
        secret_key=secrets.stripe_secret_key,
        shop_url=settings.base_url,
        api_base=stripe_api,
    )


def stripe_api(service: Service, secrets: Secrets) -> "StripeApi":
    from checkout.gateway.stripe_gateway import StripeGateway  # noqa: PLC0415 - an extra, as above
    from checkout.gateway.stripe_webhooks import StripeApi  # noqa: PLC0415

    assert isinstance(service.gateway, StripeGateway)
    if not secrets.stripe_webhook_secrets:
        log.warning("stripe_news_is_off", hint="payments move later without webhook secrets")
    return StripeApi(
        service.checkout,
        gateway=service.gateway,
        hear=service.payments.hear,
        webhook_secrets=secrets.stripe_webhook_secrets,
    )
