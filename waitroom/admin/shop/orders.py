"""The operators' API to search, read and export orders. Sellers see their own part of them."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from aiohttp import web

from checkout.history.cursor import Cursor, read_cursor
from checkout.history.history_store import HistoryStore
from checkout.history.order_file import ListedOrder, OrderFile
from checkout.history.search import OrderFilter, read_words
from checkout.history.sheet import header, rows_of
from checkout.history.status import read_status
from checkout.history.timeline import timeline
from checkout.order import operator_body
from checkout.refund import operator_refund_body, seller_refund_body
from checkout.refusals import UnknownOrder
from inventory.kit.doors.decoding import Json
from inventory.kit.http import PRIVATE, json_response, query_int, send_file
from inventory.kit.problem import Forbidden
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.moments import query_moment

_CSV = {**PRIVATE, "Content-Type": "text/csv; charset=utf-8"}


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
            web.get(f"{orders}.csv", as_role("viewer", self.dump, sellers=True, scope="orders")),
        ]

    async def list_orders(self, request: web.Request, operator: Operator) -> web.Response:
        limit = query_int(request, "limit", default=20, low=1, high=200)
        orders = await self._history.page(
            request.match_info["room"],
            _wanted(request, operator),
            after=read_cursor(request.query.get("cursor")),
            limit=limit,
            seller=operator.scope,
        )
        last = orders[-1].order if len(orders) == limit else None
        following = last and str(Cursor(at=last.created_at, order_id=last.order_id))
        return json_response({"orders": [_listed_body(o) for o in orders], "next": following})

    async def read_order(self, request: web.Request, operator: Operator) -> web.Response:
        try:
            order_id = UUID(request.match_info["order_id"])
        except ValueError as error:
            raise UnknownOrder from error
        file = await self._history.file(order_id, seller=operator.scope)
        return json_response(_file_body(file) if operator.scope is None else _part_body(file))

    async def dump(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send all matching orders as a CSV file, one page of the list at a time."""
        room = request.match_info["room"]
        pages = self._history.pages(room, _wanted(request, operator), seller=operator.scope)
        # A refusal has to come before the answer begins.
        found = await anext(pages)
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
    status, words = request.query.get("status"), read_words(request.query.get("q", ""))
    if operator.scope is not None and words is not None and words.email is not None:
        # A seller who could search by address could find out the buyers.
        raise Forbidden("Only operators may search by a customer's address.")
    return OrderFilter(
        status=read_status(status) if status else None,
        sku=request.query.get("sku") or None,
        since=query_moment(request, "from"),
        until=query_moment(request, "to"),
        words=words,
    )


def _listed_body(listed: ListedOrder) -> Json:
    return {
        **operator_body(listed.order),
        "reference": listed.order.number,
        "customer_email": listed.customer_email,
    }


def _part_body(file: OrderFile) -> Json:
    """Return the part of an order that its seller may see: their own lines and refunds."""
    events = [
        {
            "at": event.at,
            "what": event.what,
            "amount_minor": event.amount_minor,
            "sku": event.sku,
            "units": event.units,
        }
        for event in timeline(file)
    ]
    return {
        **_listed_body(ListedOrder(order=file.order, customer_email=file.customer_email)),
        "refunds": [seller_refund_body(refund) for refund in file.refunds],
        "timeline": events,
    }


def _file_body(file: OrderFile) -> Json:
    customer = None
    if file.customer_subject is not None:
        customer = {
            "email": file.customer_email,
            "issuer": file.customer_issuer,
            "subject": file.customer_subject,
        }
    return {
        **_part_body(file),
        "hold_id": file.order.hold_id,
        "session": file.order.session,
        "line": file.line,
        "line_number": file.number,
        "customer": customer,
        # The gateway knows the payment by the order's id.
        "payment": {
            "gateway": file.gateway,
            "payment_key": file.order.order_id,
            "gateway_ref": file.gateway_ref,
            "answers": file.answers,
        },
        "refunds": [operator_refund_body(refund) for refund in file.refunds],
        "timeline": timeline(file),
    }
