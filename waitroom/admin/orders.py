"""The operators' API for orders."""

from datetime import datetime
from uuid import UUID

from aiohttp import web

from checkout.order_store import OrderStore
from inventory.kit.http import json_response, query_int
from inventory.kit.problem import BadRequest
from waitroom.admin.guard import Guard
from waitroom.admin.sign_in import Operator


class OrdersAdmin:
    def __init__(self, guard: Guard, *, orders: OrderStore) -> None:
        self._guard = guard
        self._orders = orders

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [web.get("/admin/rooms/{room}/orders", as_role("viewer", self.list_orders))]

    async def list_orders(self, request: web.Request, operator: Operator) -> web.Response:
        limit = query_int(request, "limit", default=20, low=1, high=200)
        orders = await self._orders.page(
            request.match_info["room"], before=_cursor(request), limit=limit
        )
        body = [{**o, "number": o["reference"], "status": o["state"]} for o in orders]
        last = orders[-1] if len(orders) == limit else None
        following = last and f"{last['created_at'].isoformat()}~{last['order_id']}"
        return json_response({"orders": body, "next": following})


def _cursor(request: web.Request) -> tuple[datetime, UUID] | None:
    text = request.query.get("cursor")
    if not text:
        return None
    at, _, order_id = text.partition("~")
    try:
        return datetime.fromisoformat(at), UUID(order_id)
    except ValueError as error:
        raise BadRequest("This cursor is none of ours.") from error
