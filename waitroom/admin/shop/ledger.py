"""The operators' API for stock: movements, balances at any moment, and the check of the books."""

from dataclasses import asdict
from datetime import UTC, datetime

from aiohttp import web

from inventory.hold import idempotency_uuid
from inventory.kit.doors.texts import is_visible
from inventory.kit.http import idempotency_key, json_response, query_int, read_body
from inventory.kit.problem import BadRequest, Forbidden
from inventory.ledger_store import LedgerStore
from inventory.sku_store import StockStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.bodies import MOVEMENT
from waitroom.admin.moments import query_moment


class LedgerAdmin:
    def __init__(self, guard: Guard, *, ledger: LedgerStore, stock: StockStore) -> None:
        self._guard = guard
        self._ledger = ledger
        self._stock = stock

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        movements = "/admin/skus/{sku}/movements"
        return [
            web.get(
                movements,
                as_role("viewer", self.list_movements, sellers=True, scope=("figures", "stock")),
            ),
            web.post(movements, as_role("operator", self.move_stock, sellers=True, scope="stock")),
            web.get(
                "/admin/rooms/{room}/stock",
                as_role("viewer", self.stock_at, sellers=True, scope=("figures", "stock")),
            ),
            web.get(
                "/admin/breaches", as_role("viewer", self.breaches, scope=("figures", "stock"))
            ),
        ]

    async def move_stock(self, request: web.Request, operator: Operator) -> web.Response:
        wish = await read_body(request, MOVEMENT)
        if wish.quantity == 0 or (wish.kind == "received" and wish.quantity < 0):
            raise BadRequest("At least 1 unit comes in. To correct a count, adjust it.")
        if (wish.kind == "adjusted" or wish.override) and not is_visible(wish.reason):
            raise BadRequest("An adjustment needs a reason.")
        if wish.override and operator.scope is not None:
            raise Forbidden("Only operators may take away what is held, sold or promised.")
        sku = request.match_info["sku"]
        await self._ledger.require(sku, operator.scope)
        # Without a key a repeat after a lost answer would count the same delivery twice.
        key = idempotency_key(request)
        assert key is not None
        await self._ledger.move(
            sku,
            kind=wish.kind,
            quantity=wish.quantity,
            who=operator.name,
            reason=wish.reason,
            key=idempotency_uuid(key, account=operator.operator_id),
            override=wish.override,
        )
        return json_response((await self._stock.read(sku)).private_body())

    async def list_movements(self, request: web.Request, operator: Operator) -> web.Response:
        limit = query_int(request, "limit", default=100, low=1, high=1000)
        found = await self._ledger.movements(
            request.match_info["sku"],
            before=query_moment(request, "before"),
            limit=limit,
            seller=operator.scope,
        )
        following = found[-1].at if len(found) == limit else None
        return json_response({"movements": found, "next": following})

    async def stock_at(self, request: web.Request, operator: Operator) -> web.Response:
        limit = query_int(request, "limit", default=200, low=1, high=500)
        at = query_moment(request, "at") or datetime.now(UTC)
        found = await self._ledger.at(
            request.match_info["room"],
            at,
            sku=request.query.get("sku"),
            after=request.query.get("cursor", ""),
            limit=limit,
            seller=operator.scope,
        )
        following = found[-1].sku if len(found) == limit else None
        stock = [asdict(balance) for balance in found]
        return json_response({"at": at, "stock": stock, "next": following})

    async def breaches(self, request: web.Request, operator: Operator) -> web.Response:
        return json_response({"breaches": await self._ledger.breaches()})
