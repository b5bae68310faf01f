"""The operators' API to search, read and export orders. Sellers see their own part of them."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from aiohttp import web

from checkout.history.cursor import CURSOR, Cursor, read_cursor
from checkout.history.history_store import HistoryStore
from checkout.history.order_file import ListedOrder, OrderFile
from checkout.history.search import TEXT_LENGTH_MAX, OrderFilter, read_words
from checkout.history.sheet import header, rows_of
from checkout.history.status import read_status
from checkout.history.timeline import timeline
from checkout.order import PARTLY_REFUNDED, OrderState, operator_body
from checkout.refund import operator_refund_body, seller_refund_body
from checkout.refusals import SkuNotHere, UnknownOrder
from inventory.kit.doors.described import CSV, Answer, described
from inventory.kit.doors.query import Choice, Text, When, Whole
from inventory.kit.http import PRIVATE, json_response, read_query, send_file
from inventory.kit.problem import Forbidden
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.shop.answers import (
    CustomerOnFile,
    ListedOrderBody,
    OrderPage,
    OrderPart,
    PartEvent,
    PaymentOnFile,
    WholeOrder,
)

_CSV = {**PRIVATE, "Content-Type": "text/csv; charset=utf-8"}


_LIMIT = Whole(name="limit", text="Orders on a page.", default=20, low=1, high=200)
_STATUS = Choice(
    name="status",
    text="Only orders of this status.",
    words=("", *OrderState, PARTLY_REFUNDED),
    default="",
)
_WORDS = Text(
    name="q",
    text="An order's id, its name for people or the beginning of it, or a customer's address.",
    length_max=TEXT_LENGTH_MAX,
)
_SKU = Text(name="sku", text="Only orders with this SKU.")
_FROM = When(name="from", text="Only orders placed from this moment on.")
_TO = When(name="to", text="Only orders placed before this moment.")
_WANTED = (_STATUS, _WORDS, _SKU, _FROM, _TO)


class OrdersAdmin:
    """Sellers see the orders that contain their products, without customer and payment."""

    def __init__(self, guard: Guard, *, history: HistoryStore) -> None:
        self._guard = guard
        self._history = history

    def routes(self) -> list[web.RouteDef]:
        as_role, orders = self._guard.as_role, "/admin/rooms/{room}/orders"
        return [
            web.get(
                "/admin/orders/{order_id}",
                as_role("viewer", self.read_order, sellers=True, scope="orders"),
            ),
            web.get(orders, as_role("viewer", self.list_orders, sellers=True, scope="orders")),
            web.get(
                f"{orders}.csv",
                as_role("viewer", self.dump, sellers=True, scope="orders", fresh=True),
            ),
        ]

    @described(query=(_LIMIT, CURSOR, *_WANTED), answer=OrderPage, refusals=(SkuNotHere,))
    async def list_orders(self, request: web.Request, operator: Operator) -> web.Response:
        """List the orders of a room, the newest first. A seller gets their own part of each."""
        query = read_query(request)
        limit = _LIMIT.of(query)
        orders = await self._history.page(
            request.match_info["room"],
            _wanted(request, operator),
            after=read_cursor(CURSOR.of(query)),
            limit=limit,
            seller=operator.scope,
        )
        last = orders[-1].order if len(orders) == limit else None
        following = str(Cursor(at=last.created_at, order_id=last.order_id)) if last else None
        return json_response(OrderPage(orders=[_listed_body(o) for o in orders], next=following))

    @described(answer=WholeOrder, also=(Answer(body=OrderPart),), refusals=(UnknownOrder,))
    async def read_order(self, request: web.Request, operator: Operator) -> web.Response:
        """Return all that is kept about an order. A seller gets their own part of it."""
        try:
            order_id = UUID(request.match_info["order_id"])
        except ValueError as error:
            raise UnknownOrder from error
        file = await self._history.file(order_id, seller=operator.scope)
        return json_response(_file_body(file) if operator.scope is None else _part_body(file))

    @described(query=_WANTED, answer=str, content_type=CSV, refusals=(SkuNotHere,))
    async def dump(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send all matching orders as a CSV file, one page of the list at a time."""
        room = request.match_info["room"]
        pages = self._history.pages(room, _wanted(request, operator), seller=operator.scope)
        # A refusal has to come before the answer begins.
        found = await anext(pages)
        await self._guard.note("exported", operator, request, what="orders", room=room)
        name = f"{room}-orders.csv"
        return await send_file(request, _sheet(found, pages), name=name, headers=_CSV)


async def _sheet(
    first: Sequence[ListedOrder], others: AsyncIterator[Sequence[ListedOrder]]
) -> AsyncIterator[bytes]:
    yield (header() + rows_of(first)).encode()
    async for orders in others:
        yield rows_of(orders).encode()


def _wanted(request: web.Request, operator: Operator) -> OrderFilter:
    """Return the filters of a list; raises `BadRequest` for an invalid one."""
    query = read_query(request)
    status, words = _STATUS.of(query), read_words(_WORDS.of(query))
    if operator.scope is not None and words is not None and words.email is not None:
        # A seller who could search by address could find out the buyers.
        raise Forbidden("Only operators may search by a customer's address.")
    return OrderFilter(
        status=read_status(status) if status else None,
        sku=_SKU.of(query) or None,
        since=_FROM.of(query),
        until=_TO.of(query),
        words=words,
    )


def _listed_body(listed: ListedOrder) -> ListedOrderBody:
    return {
        **operator_body(listed.order),
        "reference": listed.order.number,
        "customer_email": listed.customer_email,
    }


def _part_body(file: OrderFile) -> OrderPart:
    """Return the part of an order that its seller may see: their own lines and refunds."""
    return {
        **_listed_body(ListedOrder(order=file.order, customer_email=file.customer_email)),
        "refunds": [seller_refund_body(refund) for refund in file.refunds],
        "timeline": [
            PartEvent(
                at=event.at,
                what=event.what,
                amount_minor=event.amount_minor,
                sku=event.sku,
                units=event.units,
            )
            for event in timeline(file)
        ],
    }


def _file_body(file: OrderFile) -> WholeOrder:
    customer = None
    if file.customer_subject is not None:
        customer = CustomerOnFile(
            email=file.customer_email, issuer=file.customer_issuer, subject=file.customer_subject
        )
    return {
        **_listed_body(ListedOrder(order=file.order, customer_email=file.customer_email)),
        "refunds": [operator_refund_body(refund) for refund in file.refunds],
        "timeline": timeline(file),
        "hold_id": file.order.hold_id,
        "session": file.order.session,
        "line": file.line,
        "line_number": file.number,
        "customer": customer,
        "payment": PaymentOnFile(
            gateway=file.gateway,
            payment_key=file.order.order_id,
            gateway_ref=file.gateway_ref,
            answers=file.answers,
        ),
    }
