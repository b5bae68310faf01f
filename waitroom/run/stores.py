"""The stores of a process, on its pool of connections, and on one for audits and for the beat."""

from collections.abc import Sequence
from dataclasses import dataclass

from checkout.customers.customer_store import CustomerStore
from checkout.driving.lease_holder import LeaseHolder
from checkout.history.history_store import HistoryStore
from checkout.order_store import OrderStore
from checkout.refund_store import RefundStore
from inventory.catalogue_import_store import CatalogueImportStore
from inventory.hold_store import HoldStore
from inventory.kit.database import Pool
from inventory.kit.turns import Audits
from inventory.ledger_store import LedgerStore
from inventory.pictures.picture_store import PictureStore
from inventory.product_store import CatalogueStore
from inventory.sku_store import StockStore
from waitroom.admin.accounts.actions import ActionStore
from waitroom.admin.accounts.events import EventStore
from waitroom.admin.accounts.factors.factor_store import FactorStore
from waitroom.admin.accounts.keys import KeyStore
from waitroom.admin.accounts.provider.person_store import PersonStore
from waitroom.admin.accounts.sessions.session_store import SessionStore
from waitroom.admin.accounts.sign_in import OperatorStore
from waitroom.gate.gate_store import GateStore
from waitroom.gate.known_user.known_user_store import KnownUserStore
from waitroom.gate.pass_store import PassStore
from waitroom.look.look_store import LookStore
from waitroom.outgoing.mail.mail_store import MailStore
from waitroom.outgoing.outbox.endpoint_store import EndpointStore
from waitroom.outgoing.outbox.outbox_store import OutboxStore
from waitroom.outgoing.outbox.signature import EndpointSecrets
from waitroom.reports.analytics.analytics_store import AnalyticsStore
from waitroom.reports.fairness.fairness_store import FairnessStore
from waitroom.run.keys.key_store import SigningKeys
from waitroom.run.keys.report import KeyReport
from waitroom.store.archive_store import ArchiveStore
from waitroom.store.draw_store import DrawStore
from waitroom.store.elsewhere_store import ElsewhereStore
from waitroom.store.invitation_store import InvitationStore
from waitroom.store.line_store import LineStore
from waitroom.store.log_store import LogStore
from waitroom.store.office_store import OfficeStore
from waitroom.store.place_store import PlaceStore
from waitroom.store.room_rows import CheckNew
from waitroom.store.room_store import RoomStore
from waitroom.store.series.series_store import SeriesStore
from waitroom.store.shards.home_store import HomeStore


@dataclass(kw_only=True)
class Stores:
    """Every store of a process.

    The line: `lines` and the public `log` for workers, `office` and `series` for the leader,
    `rooms` for operators, `home_store` for those of other shards, `archive` for rooms that are
    over, `draws`, `places`, `invitations`, and `elsewhere` for rooms whose stock another system
    keeps.
    The shelf: `holds`, `stock` (SKUs), `products`, `ledger`, `imports`, `pictures`.
    The till: `orders`, `refund_store`, `history`, `customers`.
    The operators: `operators`, their `factors`, API `keys`, `actions`, security `event_store`,
    `session_store`, `persons` at a provider, `endpoints` of webhooks.
    Sent outside: `outbox`, `mails`. Reports: `analytics`, `fairness`.
    """

    pool: Pool
    audit_pool: Pool
    beat_pool: Pool
    lease_holder: LeaseHolder
    key_report: KeyReport
    lines: LineStore
    log: LogStore
    office: OfficeStore
    series: SeriesStore
    rooms: RoomStore
    home_store: HomeStore
    archive: ArchiveStore
    draws: DrawStore
    places: PlaceStore
    invitations: InvitationStore
    elsewhere: ElsewhereStore
    holds: HoldStore
    stock: StockStore
    products: CatalogueStore
    ledger: LedgerStore
    imports: CatalogueImportStore
    pictures: PictureStore
    look_store: LookStore
    gate_store: GateStore
    pass_store: PassStore
    known_user_store: KnownUserStore
    orders: OrderStore
    refund_store: RefundStore
    history: HistoryStore
    customers: CustomerStore
    operators: OperatorStore
    keys: KeyStore
    factors: FactorStore
    actions: ActionStore
    event_store: EventStore
    session_store: SessionStore
    persons: PersonStore
    endpoints: EndpointStore
    outbox: OutboxStore
    mails: MailStore
    analytics: AnalyticsStore
    fairness: FairnessStore


def stores_on(
    pool: Pool,
    *,
    audit_pool: Pool,
    beat_pool: Pool,
    keys: Sequence[bytes],
    own_words: Sequence[str] = (),
    check_new: CheckNew | None = None,
) -> Stores:
    """Return all stores; those that read whole tables are on `audit_pool`, the beat on its own.

    `keys` are the service's signing keys, from which the secrets that others know are derived.
    `own_words` are in no operator's password. `check_new` says whether a room may be made here.
    """
    audits = Audits(audit_pool)
    holder = LeaseHolder(beat_pool)
    return Stores(
        lease_holder=holder,
        key_report=KeyReport(SigningKeys(pool), keys, holder.name),
        pool=pool,
        audit_pool=audit_pool,
        beat_pool=beat_pool,
        lines=LineStore(pool),
        log=LogStore(pool),
        office=OfficeStore(pool, beats=beat_pool),
        series=SeriesStore(pool),
        rooms=RoomStore(pool, check_new),
        home_store=HomeStore(pool),
        archive=ArchiveStore(audit_pool),
        draws=DrawStore(pool),
        places=PlaceStore(pool),
        invitations=InvitationStore(pool),
        elsewhere=ElsewhereStore(pool),
        holds=HoldStore(pool),
        stock=StockStore(pool),
        products=CatalogueStore(pool),
        ledger=LedgerStore(pool, audits),
        imports=CatalogueImportStore(pool),
        pictures=PictureStore(pool),
        look_store=LookStore(pool),
        gate_store=GateStore(pool),
        pass_store=PassStore(pool),
        known_user_store=KnownUserStore(pool, keys),
        orders=OrderStore(pool, audits, holder=holder.name),
        refund_store=RefundStore(pool, holder=holder.name),
        history=HistoryStore(pool),
        customers=CustomerStore(pool),
        operators=OperatorStore(pool, own_words=own_words),
        keys=KeyStore(pool),
        factors=FactorStore(pool),
        actions=ActionStore(pool),
        event_store=EventStore(pool),
        session_store=SessionStore(pool),
        persons=PersonStore(pool),
        endpoints=EndpointStore(pool, EndpointSecrets(keys)),
        outbox=OutboxStore(pool, holder=holder.name),
        mails=MailStore(pool, holder=holder.name),
        analytics=AnalyticsStore(audit_pool),
        fairness=FairnessStore(audit_pool),
    )
