"""The shopper's own orders: the list of them, each as a page, and receipts."""

from collections.abc import Iterable

from aiohttp import web

from checkout.api import Checkout, find_order, order_in_path
from checkout.customers.customer import Customer
from checkout.customers.customer_store import CustomerStore
from checkout.customers.identity import Identity
from checkout.history.cursor import CURSOR, LIMIT, Cursor, read_cursor
from checkout.history.history_store import HistoryStore
from checkout.history.receipt import as_text, receipt_of
from checkout.order import UNSETTLED, Order, OrderBody, OrderList, OrderState, detail_in
from checkout.refund import Refund, RefundStage, ShopperRefund, shopper_refund_bodies
from checkout.refund_store import RefundStore
from checkout.refusals import (
    CustomersNotConfigured,
    CustomerTokenInvalid,
    Fault,
    NoReceipt,
    UnknownOrder,
)
from inventory.kit.doors.client import bearer
from inventory.kit.doors.described import Answer, Caller, described
from inventory.kit.doors.query import Choice, Text
from inventory.kit.http import PRIVATE, json_response, read_query, wants_html
from inventory.kit.language.asked import language_of
from inventory.kit.pages import Pages
from inventory.refusals import SessionOver

# A mail cannot bring a stylesheet, so a receipt has its styles inline. It has nothing else: no
# script, no picture, no form, and nothing from anywhere.
RECEIPT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_TEXT = {**PRIVATE, "Content-Type": "text/plain; charset=utf-8"}


class ShownOrder(OrderBody):
    """An order as its shopper is told of it, with its refunds."""

    refunds: list[ShopperRefund]


_KEY = Text(name="key", text="The key of the order's link, in place of a session.")
_FORMAT = Choice(
    name="format",
    text="A page that can be mailed, or text.",
    words=("html", "text"),
    default="html",
)


class HistoryApi:
    """`bank_step` says that the gateway has a page on which a payment may have to be confirmed."""

    def __init__(
        self,
        checkout: Checkout,
        *,
        history: HistoryStore,
        refunds: RefundStore,
        customers: CustomerStore,
        identity: Identity,
        pages: Pages,
        brand: str,
        bank_step: bool = False,
    ) -> None:
        self._checkout = checkout
        self._history = history
        self._refunds = refunds
        self._customers = customers
        self._identity = identity
        self._pages = pages
        self._brand = brand
        self._bank_step = bank_step

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/checkout/orders", self.list_orders),
            web.get("/checkout/orders/{order_id}", self.show_order),
            web.get("/checkout/orders/{order_id}/receipt", self.show_receipt),
        ]

    @described(caller=Caller.SESSION, query=(LIMIT, CURSOR), answer=OrderList)
    async def list_orders(self, request: web.Request) -> web.Response:
        """List the orders of the sessions that a request carries, the newest first."""
        sessions = self._checkout.sessions.carried(request)
        query = read_query(request)
        limit = LIMIT.of(query)
        after = read_cursor(CURSOR.of(query))
        carried = [session.session_id for session in sessions]
        orders = await self._history.of_sessions(carried, after=after, limit=limit)
        last = orders[-1] if len(orders) == limit else None
        following = last and str(Cursor(at=last.created_at, order_id=last.order_id))
        return json_response(
            {"orders": [self._checkout.order_body(o) for o in orders], "next": following}
        )

    @described(
        caller=Caller.SESSION,
        query=(_KEY,),
        answer=ShownOrder,
        also=(Answer(status=202, body=ShownOrder, text="The gateway has not decided yet."),),
        refusals=(UnknownOrder,),
    )
    async def show_order(self, request: web.Request) -> web.Response:
        """Return an order, for its session or with the key of its link."""
        linked = await self._linked_order(request)
        order = linked or await self._find(request)
        refunds = await self._refunds.of_order(order.order_id)
        body: ShownOrder = {
            **self._checkout.order_body(order),
            "refunds": shopper_refund_bodies(refunds),
        }
        if not wants_html(request):
            return json_response(body, status=202 if order.state in UNSETTLED else 200)
        waits = self._bank_step and order.state is OrderState.AUTHORIZING and linked is None
        context = {
            "order": {**body, "detail": detail_in(language_of(request), order.detail)},
            "room": order.room,
            "key": self._checkout.links.key_of(order.order_id) if linked else "",
            "called_off": order.called_off,
            "stuck": order.state is OrderState.RETURNING and _stuck(refunds),
            "still": "still" in read_query(request),
            "bank_step": f"/checkout/stripe/{order.order_id}" if waits else None,
        }
        response = self._pages.render(
            "order.html", context, title=order.number, request=request, room=order.room
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @described(
        caller=Caller.SESSION,
        query=(_KEY, _FORMAT),
        answer=str,
        content_type="text/plain",
        also=(Answer(body=str, content_type="text/html"),),
        refusals=(UnknownOrder, NoReceipt, CustomerTokenInvalid),
    )
    async def show_receipt(self, request: web.Request) -> web.Response:
        """Answer with the receipt as a page that can be mailed, or as text with `format=text`."""
        form = _FORMAT.of(read_query(request))
        order = await self._linked_order(request) or await self._own_order(request)
        refunds = await self._refunds.of_order(order.order_id)
        receipt = receipt_of(order, refunds, brand=self._brand)
        if form == "text":
            return web.Response(body=as_text(receipt, language_of(request)).encode(), headers=_TEXT)
        response = self._pages.render(
            "receipt.html", {"receipt": receipt}, title=receipt.number, request=request
        )
        response.headers["Content-Security-Policy"] = RECEIPT_CSP
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def _linked_order(self, request: web.Request) -> Order | None:
        """Return the order in the path if the request has the key of its link."""
        key = _KEY.of(read_query(request))
        if not key:
            return None
        order_id = order_in_path(request)
        if not self._checkout.links.opens(order_id, key):
            return None
        return await self._checkout.orders.read(order_id)

    async def _find(self, request: web.Request) -> Order:
        """Return the order in the path if it belongs to the request's session."""
        try:
            return await find_order(self._checkout, request)
        except SessionOver:
            # A person who opens an order's address elsewhere asks for it, and for no session.
            if wants_html(request):
                raise UnknownOrder from None
            raise

    async def _own_order(self, request: web.Request) -> Order:
        """Return the order in the path, of the request's session or of its customer."""
        try:
            return await self._find(request)
        except (SessionOver, UnknownOrder):
            customer = await self._customer(request)
            if customer is None:
                raise
        return await self._customers.order(customer, order_in_path(request))

    async def _customer(self, request: web.Request) -> Customer | None:
        """Return the bearer token's customer, or None for a token of another kind."""
        token = bearer(request)
        if token is None:
            return None
        try:
            return await self._identity.customer(token)
        except CustomersNotConfigured:
            return None
        except CustomerTokenInvalid as refusal:
            if refusal.fault is not Fault.FORM:
                raise
            return None


def _stuck(refunds: Iterable[Refund]) -> bool:
    """Say whether money that should go back by itself waits for an operator."""
    known = list(refunds)
    # A refund on the gateway's own pages that came to nothing stops no other.
    failed = any(
        each.stage is RefundStage.FAILED and (not each.outside or each.done_at is not None)
        for each in known
    )
    return failed and all(each.stage is not RefundStage.ASKED for each in known)
