"""The parts of a process, built once from settings and secrets; `waitroom.run.app` runs them."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from checkout.api import Checkout
from checkout.customers.identity import Identity, open_identity
from checkout.driving.books_watch import BooksWatch
from checkout.driving.comparison import Comparison
from checkout.driving.comparison_store import ComparisonStore
from checkout.driving.money_watch import MoneyWatch
from checkout.driving.payments import Payments
from checkout.driving.refunds import Refunds
from checkout.gateway.gateway import Gateway
from checkout.order_link import OrderLinks
from checkout.order_mail_store import OrderMail
from checkout.session import SessionSeal
from checkout.sessions import Sessions
from inventory.api import Catalogue
from inventory.hold_store import HoldStore
from inventory.kit.database import Pool
from inventory.kit.doors.origins import origin_of
from inventory.kit.pages import Pages
from inventory.kit.signing import Seal
from inventory.money import format_amount, uncommon_digits
from inventory.sweeper import RoomSweep, Sweeper
from waitroom.admin.accounts.events import NAMES_PURPOSE, Events
from waitroom.admin.accounts.factors.authenticator import Authenticators
from waitroom.admin.accounts.factors.passkeys import Passkeys
from waitroom.admin.accounts.guard import DEVICE_PURPOSE
from waitroom.admin.accounts.provider.provider import Provider
from waitroom.desk.board import Board
from waitroom.desk.called.messages import PURPOSE as MAILBOXES
from waitroom.desk.entrance import Entrance
from waitroom.desk.gates import Gates, KnownUsers
from waitroom.desk.looks import RoomLooks
from waitroom.desk.networks import Networks
from waitroom.desk.passes.minting import Passes
from waitroom.desk.passes.revocations import Revocations
from waitroom.desk.proving.human_check import HumanCheck
from waitroom.desk.proving.proofs import Proofs
from waitroom.desk.proving.provider import provider_of
from waitroom.desk.public_log import PublicLog
from waitroom.desk.serving import ServingReport
from waitroom.desk.shards.homes import Founding, Homes
from waitroom.desk.tickets import Tickets
from waitroom.gate.hand_over import HandOverSeal
from waitroom.gate.passes import PassKeys
from waitroom.gate.return_token import ReturnSeal
from waitroom.leader.controller import Controller
from waitroom.leader.drawing import Drawing, SeedBook
from waitroom.leader.health_watch import HealthShare
from waitroom.line.address import is_address
from waitroom.line.invitation import InvitationSeal
from waitroom.line.ticket import TicketSeal
from waitroom.log.signing import LogKey
from waitroom.look.states import STATES
from waitroom.outgoing.mail.relay import parse_relay, parse_sender
from waitroom.outgoing.mail.sender import MailSender
from waitroom.outgoing.outbox.sender import WebhookSender
from waitroom.outgoing.outbox.signature import EndpointSecrets
from waitroom.run.settings import Secrets, Settings
from waitroom.run.shards.sealing import sealing
from waitroom.run.stores import Stores, stores_on
from waitroom.run.way_in import WayIn
from waitroom.store.archive_store import Retention
from waitroom.store.memory import Memory
from waitroom.store.office_store import OfficeStore
from waitroom.web.gate.hand_overs import HandOvers
from waitroom.web.gate.returning import Returning

if TYPE_CHECKING:
    # The library is an extra, and takes a while to load: only a shop that names Stripe needs it.
    from checkout.gateway.stripe_webhooks import StripeApi


@dataclass(kw_only=True)
class Service(Stores):
    """The stores of one process, and the parts that are built on them.

    Every process has all parts, whatever its roles: a part costs nothing until its loop runs or a
    request reaches it.
    """

    settings: Settings
    roles: frozenset[str]
    memory: Memory
    # The desk, for shoppers in line.
    board: Board
    homes: Homes
    looks: RoomLooks
    gates: Gates
    passes: Passes
    revocations: Revocations
    returning: Returning
    known_users: KnownUsers
    entrance: Entrance
    networks: Networks
    tickets: Tickets
    public_log: PublicLog
    way_in: WayIn
    serving: ServingReport
    # The leader.
    drawing: Drawing
    controller: Controller
    health_share: HealthShare
    # The till.
    identity: Identity
    gateway: Gateway
    refunds: Refunds
    payments: Payments
    comparison: Comparison
    checkout: Checkout
    catalogue: Catalogue
    # The sweeper's role.
    sweeper: Sweeper
    webhook_sender: WebhookSender
    # None without a relay.
    mail_sender: MailSender | None
    pages: Pages
    # Signs the cookies of browsers in which an operator has signed in.
    devices: Seal
    security_events: Events
    # The operators' identity provider, None without one.
    provider: Provider | None
    # Operators' second factors.
    authenticators: Authenticators
    passkeys: Passkeys
    # Makes the fingerprints of addresses to which messages go.
    mailboxes: Seal
    stripe: "StripeApi | None" = None
    # Set when the process is to end.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    # Set when a loop has broken down, which ends the process with an error.
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    # True while the process goes on serving before it ends.
    draining: bool = False


def build_service(
    settings: Settings,
    secrets: Secrets,
    roles: frozenset[str],
    pool: Pool,
    memory: Memory,
    *,
    audit_pool: Pool,
    beat_pool: Pool,
    gateway: Gateway,
) -> Service:
    stores = _stores(settings, secrets, pool, audit_pool=audit_pool, beat_pool=beat_pool)
    sealed = sealing(secrets, settings.shard)
    sessions, log_key = SessionSeal(sealed.keys, first=secrets.first), LogKey(secrets.first)
    gates, pass_keys = Gates(stores.gate_store), PassKeys(sealed.keys, first=secrets.first)
    board = Board(store=stores.lines, memory=memory, seal=TicketSeal(sealed.keys))
    looks, known_users = RoomLooks(stores.look_store), KnownUsers(stores.known_user_store)
    identity, seal = _identity(settings, secrets), InvitationSeal(sealed.keys)
    entrance = Entrance(identity=identity, invitations=stores.invitations, seal=seal)
    networks, way_in, office = Networks(memory), WayIn(), stores.office
    proofs = Proofs(networks, memory, keys=sealed.keys, check=_check(settings, secrets))
    drawing = Drawing(stores.draws, seeds=SeedBook(secrets.keys), log_key=log_key)
    refunds = Refunds(stores.refund_store, gateway, driven=stores.lease_holder.driven)
    payments = Payments(stores.orders, gateway, refunds=refunds)
    comparison = _comparison(pool, payments, refunds, gateway)
    return Service(
        **vars(stores),
        settings=settings,
        roles=roles,
        memory=memory,
        board=board,
        homes=Homes(settings.shard_map, board, stores.home_store),
        looks=looks,
        gates=gates,
        known_users=known_users,
        passes=Passes(stores.pass_store, gates, keys=pass_keys, issuer=settings.base_url),
        revocations=Revocations(stores.pass_store, pass_keys),
        returning=_returning(settings, sealed, gates, known_users),
        entrance=entrance,
        networks=networks,
        tickets=Tickets(
            board, stores.lines, sessions, entrance=entrance, networks=networks, proofs=proofs
        ),
        public_log=PublicLog(board, store=stores.log, log_key=log_key),
        way_in=way_in,
        serving=ServingReport(stores.lines, is_cut_off=lambda: way_in.is_cut_off or pool.falters),
        drawing=drawing,
        controller=Controller(store=office, series=stores.series, memory=memory, drawing=drawing),
        health_share=HealthShare(memory),
        identity=identity,
        gateway=gateway,
        refunds=refunds,
        payments=payments,
        checkout=_checkout(settings, sealed, stores, sessions=sessions, payments=payments),
        catalogue=Catalogue(stores.stock, stores.products),
        sweeper=_sweeper(
            settings, stores, payments=payments, refunds=refunds, comparison=comparison
        ),
        comparison=comparison,
        webhook_sender=_webhook_sender(settings, secrets, stores),
        mail_sender=_mail_sender(settings, secrets, stores),
        pages=_pages(settings, looks),
        devices=Seal(sealed.keys, DEVICE_PURPOSE),
        provider=_provider(settings, secrets),
        security_events=Events(stores.event_store, names=Seal(secrets.keys, NAMES_PURPOSE)),
        authenticators=Authenticators(secrets.keys, issuer=settings.brand),
        passkeys=Passkeys(settings.screens_url, brand=settings.brand),
        mailboxes=Seal(secrets.keys, MAILBOXES),
    )


def _comparison(pool: Pool, payments: Payments, refunds: Refunds, gateway: Gateway) -> Comparison:
    store = ComparisonStore(pool)
    return Comparison(store, payments=payments, refunds=refunds, gateway=gateway.name)


def _provider(settings: Settings, secrets: Secrets) -> Provider | None:
    if not settings.operator_issuer:
        return None
    return Provider(
        issuer=settings.operator_issuer,
        client_id=settings.operator_client_id,
        secret=secrets.operator_client_secret,
        keys=secrets.keys,
    )


def _stores(
    settings: Settings, secrets: Secrets, pool: Pool, *, audit_pool: Pool, beat_pool: Pool
) -> Stores:
    own_words = (settings.brand, urlsplit(settings.base_url).hostname or "")
    return stores_on(
        pool,
        audit_pool=audit_pool,
        beat_pool=beat_pool,
        keys=secrets.keys,
        own_words=own_words,
        check_new=Founding(settings.shard_map).check,
    )


def _webhook_sender(settings: Settings, secrets: Secrets, stores: Stores) -> WebhookSender:
    derived, allow_private = EndpointSecrets(secrets.keys), settings.webhooks_allow_private
    return WebhookSender(stores.outbox, secrets=derived, allow_private=allow_private)


def _returning(
    settings: Settings,
    secrets: Secrets,
    gates: Gates,
    known_users: KnownUsers,
) -> Returning:
    return Returning(
        gates,
        known_users,
        ReturnSeal(secrets.keys),
        hand_overs=HandOvers(gates, HandOverSeal(secrets.keys)),
        own=origin_of(settings.public_url),
    )


def _check(settings: Settings, secrets: Secrets) -> HumanCheck | None:
    """Return the outside check of the settings, None for none."""
    provider = provider_of(
        settings.check_provider,
        site_key=settings.check_site_key,
        secret=secrets.check_secret,
        verify_url=settings.check_verify_url,
        script_url=settings.check_script_url,
    )
    return None if provider is None else HumanCheck(provider)


def _identity(settings: Settings, secrets: Secrets) -> Identity:
    return open_identity(
        issuer=settings.customer_issuer,
        audience=settings.customer_audience,
        jwks_url=settings.customer_jwks_url,
        secret=secrets.customer_jwt_secret,
    )


def _checkout(
    settings: Settings,
    secrets: Secrets,
    stores: Stores,
    *,
    sessions: SessionSeal,
    payments: Payments,
) -> Checkout:
    links = OrderLinks(secrets.keys)
    return Checkout(
        sessions=Sessions(sessions, stores.orders, secure=settings.secure),
        links=links,
        mail=OrderMail(stores.pool, links, is_address=is_address if secrets.smtp_url else None),
        holds=stores.holds,
        orders=stores.orders,
        payments=payments,
        gateway_name=settings.gateway,
        payment_wait_s=settings.payment_wait_s,
    )


def _after(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None


def _retention(settings: Settings) -> Retention:
    return Retention(
        archive_after=_after(settings.archive_after_days),
        people_after=_after(settings.forget_people_after_days),
        orders_after=_after(settings.forget_orders_after_days),
    )


def _sweeper(
    settings: Settings,
    stores: Stores,
    *,
    payments: Payments,
    refunds: Refunds,
    comparison: Comparison,
) -> Sweeper:
    return Sweeper(
        {
            "holds": RoomSweep(
                "holds", stores.holds.rooms_to_expire, partial(_expire, stores.holds)
            ),
            "wishes": RoomSweep(
                "wishes", stores.holds.rooms_to_serve, partial(_serve, stores.holds)
            ),
            "times": RoomSweep(
                "times", stores.holds.rooms_with_times_passed, partial(_pass_times, stores.holds)
            ),
            "admissions": RoomSweep(
                "admissions", stores.office.rooms_due, partial(_end_due, stores.office)
            ),
            "join_keys": stores.lines.forget_keys,
            "revocations": stores.pass_store.forget,
            "payments": payments.sweep,
            "refunds": refunds.sweep,
            "comparison": comparison.sweep,
            "money": MoneyWatch(stores.pool).sweep,
            "books": BooksWatch(
                {"stock": stores.ledger.breaches, "orders": stores.orders.breaches}
            ).sweep,
            "events": stores.outbox.forget,
            "mails": stores.mails.tidy,
            "series": stores.series.thin,
            "retention": partial(stores.archive.sweep, _retention(settings)),
            "security_events": partial(
                stores.event_store.forget, _after(settings.keep_security_events_days)
            ),
        }
    )


async def _expire(holds: HoldStore, room_id: int, batch_max: int) -> int:
    return await holds.expire(batch_max, rooms=[room_id])


async def _pass_times(holds: HoldStore, room_id: int, _: int) -> int:
    await holds.pass_times(room_id)
    return 0


async def _serve(holds: HoldStore, room_id: int, batch_max: int) -> int:
    return await holds.serve(batch_max, rooms=[room_id])


async def _end_due(office: OfficeStore, room_id: int, batch_max: int) -> int:
    return max(await office.end_due(batch_max, rooms=[room_id]))


def _mail_sender(settings: Settings, secrets: Secrets, stores: Stores) -> MailSender | None:
    """Return the sender of mail, or None without a relay."""
    if not secrets.smtp_url:
        return None
    return MailSender(
        stores.mails,
        relay=parse_relay(secrets.smtp_url),
        sender=parse_sender(settings.mail_from),
        base_url=settings.base_url,
    )


def _pages(settings: Settings, looks: RoomLooks) -> Pages:
    return Pages(
        look_of=looks.of,
        brand=settings.brand,
        filters={"money": format_amount},
        shared={
            "uncommon_digits": uncommon_digits(),
            "states_shown": [(state.name, state.title) for state in STATES],
        },
    )
