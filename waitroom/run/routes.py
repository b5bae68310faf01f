"""The routes of the web application: which API and page gets which parts of a service."""

from collections.abc import Iterator
from typing import Protocol

from aiohttp import web

from checkout.customers.customers_api import CustomersApi
from checkout.history.api import HistoryApi
from checkout.holds_api import CheckoutApi
from checkout.pages import CheckoutPages
from inventory.api import CatalogueApi
from inventory.kit.assets import Assets
from inventory.kit.language.switch_api import LanguageSwitch
from inventory.kit.pages import static_folder
from inventory.pictures.api import PicturesApi
from waitroom.admin.accounts.factors.checks import FactorChecks
from waitroom.admin.accounts.factors.factors_api import FactorsApi
from waitroom.admin.accounts.factors.proofs_api import ProofsApi
from waitroom.admin.accounts.factors.sign_in_pages import SignInPages
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.keys_admin import KeysAdmin
from waitroom.admin.accounts.people import PeopleAdmin
from waitroom.admin.accounts.provider.provider_api import ProviderApi
from waitroom.admin.accounts.sessions.sessions_api import SessionsApi
from waitroom.admin.audit.audit import AuditAdmin
from waitroom.admin.audit.behind import BehindAdmin
from waitroom.admin.audit.security import SecurityAdmin
from waitroom.admin.audit.suspicions import SuspicionsAdmin
from waitroom.admin.first.account import FirstAccount
from waitroom.admin.first.first import FirstSale
from waitroom.admin.first.share import ShareAdmin
from waitroom.admin.first.shelf import Shelf
from waitroom.admin.live.live import LiveAdmin
from waitroom.admin.rooms.crowd import Crowds
from waitroom.admin.rooms.elsewhere import ElsewhereAdmin
from waitroom.admin.rooms.files.files_api import FilesAdmin
from waitroom.admin.rooms.files.room_file_store import RoomFileStore
from waitroom.admin.rooms.gate import GateAdmin
from waitroom.admin.rooms.known_user import KnownUserAdmin
from waitroom.admin.rooms.lanes import LanesAdmin
from waitroom.admin.rooms.line import LineAdmin
from waitroom.admin.rooms.look import LookAdmin
from waitroom.admin.rooms.places import PlacesAdmin
from waitroom.admin.rooms.rooms import RoomsAdmin
from waitroom.admin.rooms.sellers import SellersAdmin
from waitroom.admin.screens import Screens
from waitroom.admin.shop.analytics import AnalyticsAdmin
from waitroom.admin.shop.catalogue import CatalogueAdmin
from waitroom.admin.shop.catalogue_files import CatalogueFilesAdmin
from waitroom.admin.shop.ledger import LedgerAdmin
from waitroom.admin.shop.orders import OrdersAdmin
from waitroom.admin.shop.pictures import PicturesAdmin
from waitroom.admin.shop.refunds import RefundsAdmin
from waitroom.admin.webhooks import WebhooksAdmin
from waitroom.desk.called.messages import Messages
from waitroom.desk.called.returns import Returns
from waitroom.desk.places import Places
from waitroom.run.service import Service
from waitroom.web.credentials import Credentials
from waitroom.web.fairness_api import FairnessApi
from waitroom.web.gate.check_api import CheckApi
from waitroom.web.gate.hand_overs import ArrivalApi
from waitroom.web.gate.held_back_page import HeldBackPage
from waitroom.web.gate.known_user_api import KnownUserApi
from waitroom.web.gate.onward import Onward
from waitroom.web.gate.passes_api import PassesApi
from waitroom.web.log_api import LogApi
from waitroom.web.log_pages import LogPages
from waitroom.web.looks.preview import PreviewApi
from waitroom.web.looks.sheets_api import SheetsApi
from waitroom.web.mailed_api import MailedApi
from waitroom.web.ops import Engines, OpsApi
from waitroom.web.pages import WaitingPages
from waitroom.web.places_api import PlacesApi
from waitroom.web.returns_api import ReturnsApi
from waitroom.web.shop_pages import ShopPages
from waitroom.web.tickets_api import TicketsApi
from waitroom.web.waiting.leaving import LeavingPages
from waitroom.web.waiting.opening_api import OpeningApi

# The scripts of the pages that a crowd opens.
BUNDLED = ("waiting.js", "checkout.js")


class Api(Protocol):
    """Anything with routes."""

    def routes(self) -> list[web.RouteDef]: ...


def apis_of(
    service: Service, guard: Guard, crowds: Crowds | None, credentials: Credentials
) -> Iterator[Api]:
    """Return everything that answers requests; the order decides between routes that overlap."""
    yield from _for_shoppers(service, guard, credentials)
    yield from _for_customers(service)
    yield LogApi(service.public_log, pages=LogPages(service.public_log, pages=service.pages))
    yield FairnessApi(service.board, guard, store=service.fairness, pages=service.pages)
    screens = Screens(
        guard,
        board=service.board,
        homes=service.homes,
        history=service.history,
        pages=service.pages,
        base_url=service.settings.base_url,
        demo=crowds is not None,
        has_check=bool(service.settings.check_site_key),
        mail_from=service.settings.mail_from if service.mail_sender is not None else "",
        takes_money=service.gateway.name != "test",
    )
    yield screens
    yield from _for_accounts(service, guard, screens)
    yield from _for_operators_of_the_shop(service, guard)
    yield from _for_operators_of_rooms(service, guard, crowds)
    yield from _for_the_first_sale(service, guard, screens)
    yield AuditAdmin(guard, actions=service.actions, board=service.board, screens=screens)
    yield SecurityAdmin(
        guard,
        events=service.event_store,
        operators=service.operators,
        screens=screens,
        keep_days=service.settings.keep_security_events_days,
    )
    yield WebhooksAdmin(
        guard,
        endpoints=service.endpoints,
        screens=screens,
        allow_private=service.settings.webhooks_allow_private,
    )
    yield OpsApi(
        service,
        engines=Engines(pool=service.pool, memory=service.memory),
        board=service.board,
        as_role=guard.as_role,
        settings=service.settings,
    )
    yield CheckApi(
        service.checkout.sessions,
        board=service.board,
        gates=service.gates,
        returning=service.returning,
        page=HeldBackPage(service.pages),
        base_url=service.settings.base_url,
    )
    if service.stripe is not None:
        yield service.stripe
    # Browsers and crawlers ask for these two at the root, whatever a page says.
    yield Assets(static_folder() / "root", at="", names=r"robots\.txt|favicon\.ico")
    yield LanguageSwitch(secure=service.settings.secure)
    for folder in ("css", "js/admin", "vendor"):
        yield Assets(static_folder() / folder, at=f"/static/{folder}")
    yield Assets(static_folder() / "js", at="/static/js", bundled=BUNDLED)


def _for_shoppers(service: Service, guard: Guard, credentials: Credentials) -> Iterator[Api]:
    """Return the line's part: tickets, places, returns, and the pages from shop to checkout."""
    board, tickets, catalogue = service.board, service.tickets, service.catalogue
    mail_offered = service.mail_sender is not None
    returns = Returns(tickets, store=service.lines, mail_offered=mail_offered)
    returns_api = ReturnsApi(returns, credentials, board=board)
    moved = service.security_events.place_moved
    places = Places(tickets, store=service.places, memory=service.memory, on_move=moved)
    messages = Messages(
        tickets,
        store=service.places,
        memory=service.memory,
        mailboxes=service.mailboxes,
        offered=mail_offered,
    )
    onward = Onward(
        service.known_users,
        passes=service.passes,
        returning=service.returning,
        credentials=credentials,
        checkout=service.checkout,
    )
    yield TicketsApi(
        tickets,
        credentials,
        board=board,
        catalogue=catalogue,
        onward=onward,
        returning=service.returning,
    )
    yield from _for_sites(service, credentials, onward)
    yield PlacesApi(places, tickets, credentials)
    yield returns_api
    yield MailedApi(messages, credentials, tickets=tickets, places=places, pages=service.pages)
    yield SheetsApi(service.looks)
    waiting = WaitingPages(
        tickets,
        credentials,
        entrance=service.entrance,
        catalogue=catalogue,
        pages=service.pages,
        returns=returns,
        messages=messages,
        places=places,
        onward=onward,
        returning=service.returning,
        purchases=service.checkout.sessions.bought_in,
        sign_in_url=service.settings.customer_sign_in_url,
    )
    yield waiting
    yield LeavingPages(tickets, credentials, pages=service.pages)
    yield OpeningApi(credentials, base_url=service.settings.base_url)
    yield PreviewApi(
        guard,
        board=board,
        store=service.look_store,
        waiting=waiting,
        catalogue=catalogue,
        pages=service.pages,
    )
    yield CheckoutPages(
        service.checkout,
        catalogue=catalogue,
        pages=service.pages,
        returns=returns_api.at_checkout,
        stripe_key=service.settings.stripe_publishable_key if service.stripe else "",
    )


def _for_sites(service: Service, credentials: Credentials, onward: Onward) -> Iterator[Api]:
    """Return what sites use, and the front page, to which some of them send their visitors."""
    board = service.board
    yield PassesApi(
        service.passes,
        service.revocations,
        credentials,
        board=board,
        checkout=service.checkout,
    )
    yield ArrivalApi(
        board,
        credentials,
        hand_overs=service.returning.hand_overs,
        store=service.gate_store,
        base_url=service.settings.base_url,
    )
    yield onward
    known_user = KnownUserApi(
        service.known_users,
        board=board,
        gates=service.gates,
        returning=service.returning,
        credentials=credentials,
        entrance=service.entrance,
        onward=onward,
        checkout=service.checkout,
        pages=service.pages,
        base_url=service.settings.base_url,
        secure=service.settings.secure,
    )
    yield known_user
    homes, enter = service.homes, known_user.enter
    yield ShopPages(
        board, homes=homes, catalogue=service.catalogue, pages=service.pages, enter=enter
    )


def _for_customers(service: Service) -> Iterator[Api]:
    """Return the shop's part: catalogue, holds, orders, and a customer's history."""
    yield CatalogueApi(service.catalogue)
    yield PicturesApi(service.pictures)
    yield CheckoutApi(service.checkout)
    yield CustomersApi(service.checkout, customers=service.customers, identity=service.identity)
    yield HistoryApi(
        service.checkout,
        history=service.history,
        refunds=service.refund_store,
        customers=service.customers,
        identity=service.identity,
        pages=service.pages,
        brand=service.settings.brand,
        bank_step=service.stripe is not None,
    )


def _for_operators_of_rooms(service: Service, guard: Guard, crowds: Crowds | None) -> Iterator[Api]:
    """Return what operators run rooms with."""
    board = service.board
    yield LanesAdmin(
        guard,
        rooms=service.rooms,
        entrance=service.entrance,
        board=board,
        base_url=service.settings.base_url,
    )
    yield ElsewhereAdmin(
        guard,
        store=service.elsewhere,
        office=service.office,
        board=board,
        sessions=service.checkout.sessions.seal,
    )
    yield PlacesAdmin(guard, board=board, lines=service.lines, places=service.places)
    yield SuspicionsAdmin(guard, board=board, places=service.places)
    yield BehindAdmin(guard, board=board, tickets=service.tickets, places=service.places)
    yield SellersAdmin(guard, rooms=service.rooms)
    yield FilesAdmin(
        guard,
        files=RoomFileStore(service.pool, service.rooms.check_new),
        board=board,
        looks=service.looks,
        gates=service.gates,
    )
    yield GateAdmin(guard, store=service.gate_store, gates=service.gates, sessions=service.orders)
    yield KnownUserAdmin(guard, store=service.known_user_store, known_users=service.known_users)
    yield LookAdmin(guard, store=service.look_store, looks=service.looks)
    yield LineAdmin(guard, board=board, public_log=service.public_log)
    rooms = RoomsAdmin(
        guard,
        rooms=service.rooms,
        archive=service.archive,
        draws=service.draws,
        board=board,
        actions=service.actions,
        crowds=crowds,
    )
    yield LiveAdmin(
        guard, board=board, rooms=service.rooms, series=service.series, room_body=rooms.room_body
    )
    # Last, since its verbs (`/admin/rooms/{room}/{verb}`) would take the others' names for theirs.
    yield rooms


def _for_accounts(service: Service, guard: Guard, screens: Screens) -> Iterator[Api]:
    """Return the sign-in of operators, their accounts, and the keys of programs."""
    operators = service.operators
    checks = FactorChecks(
        guard,
        store=service.factors,
        authenticators=service.authenticators,
        passkeys=service.passkeys,
    )
    yield SignInPages(
        guard,
        operators=operators,
        checks=checks,
        pages=service.pages,
        provider=service.provider is not None,
    )
    yield ProviderApi(
        guard,
        provider=service.provider,
        persons=service.persons,
        operators=operators,
        pages=service.pages,
        base_url=service.settings.screens_url,
    )
    yield ProofsApi(guard, operators=operators, checks=checks, screens=screens)
    yield FactorsApi(guard, checks=checks)
    yield SessionsApi(guard, sessions=service.session_store)
    yield KeysAdmin(guard, keys=service.keys, screens=screens)
    yield PeopleAdmin(guard, operators=operators, actions=service.actions, screens=screens)


def _for_the_first_sale(service: Service, guard: Guard, screens: Screens) -> Iterator[Api]:
    """Return what leads a person from an empty database to a sale."""
    yield FirstAccount(guard, operators=service.operators, pages=service.pages)
    yield FirstSale(
        guard,
        rooms=service.rooms,
        shelf=Shelf(
            products=service.products,
            stock=service.stock,
            ledger=service.ledger,
            pictures=service.pictures,
        ),
        board=service.board,
        screens=screens,
        base_url=service.settings.base_url,
    )
    yield ShareAdmin(guard, board=service.board, base_url=service.settings.base_url)


def _for_operators_of_the_shop(service: Service, guard: Guard) -> Iterator[Api]:
    """Return what operators and sellers run the shop with."""
    yield CatalogueAdmin(guard, stock=service.stock, products=service.products)
    yield CatalogueFilesAdmin(guard, imports=service.imports)
    yield PicturesAdmin(guard, pictures=service.pictures)
    yield LedgerAdmin(guard, ledger=service.ledger, stock=service.stock)
    yield OrdersAdmin(guard, history=service.history)
    yield RefundsAdmin(
        guard,
        orders=service.orders,
        store=service.refund_store,
        payments=service.payments,
        refunds=service.refunds,
    )
    yield AnalyticsAdmin(guard, analytics=service.analytics)
