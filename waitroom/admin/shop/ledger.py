"""The operators' API for stock: movements, balances at any moment, and the check of the books."""

from datetime import UTC, datetime

from aiohttp import web

from inventory.catalogue import OperatorSku
from inventory.hold import idempotency_uuid
from inventory.kit.doors.described import KEY, described
from inventory.kit.doors.query import Text, When, Whole
from inventory.kit.doors.texts import is_visible
from inventory.kit.http import idempotency_key, json_response, read_body, read_query
from inventory.kit.problem import AuditTooLong, BadRequest, Forbidden, IdempotencyKeyReused
from inventory.ledger_store import LedgerStore
from inventory.refusals import BelowCommitted
from inventory.sku_store import StockStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.bodies import MOVEMENT, StockChange
from waitroom.admin.shop.answers import Breaches, MovementList, StockAt

_MOVEMENTS_LIMIT = Whole(name="limit", text="Movements on a page.", default=100, low=1, high=1000)
_BEFORE = When(name="before", text="The `next` of the page before.")
_STOCK_LIMIT = Whole(name="limit", text="SKUs on a page.", default=200, low=1, high=500)
_AT = When(name="at", text="The moment of the balances, by default now.")
_SKU = Text(name="sku", text="Only this SKU.")
_CURSOR = Text(name="cursor", text="The `next` of the page before.")


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

    @described(
        headers=(KEY,),
        body=StockChange,
        answer=OperatorSku,
        refusals=(BelowCommitted, IdempotencyKeyReused),
    )
    async def move_stock(self, request: web.Request, operator: Operator) -> web.Response:
        """Receive units of a SKU, or adjust its count. A repeat with the same key counts once."""
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

    @described(query=(_MOVEMENTS_LIMIT, _BEFORE), answer=MovementList, refusals=(AuditTooLong,))
    async def list_movements(self, request: web.Request, operator: Operator) -> web.Response:
        """List the movements of a SKU's stock, the newest first."""
        query = read_query(request)
        limit = _MOVEMENTS_LIMIT.of(query)
        found = await self._ledger.movements(
            request.match_info["sku"],
            before=_BEFORE.of(query),
            limit=limit,
            seller=operator.scope,
        )
        following = found[-1].at if len(found) == limit else None
        return json_response(MovementList(movements=found, next=following))

    @described(query=(_AT, _SKU, _STOCK_LIMIT, _CURSOR), answer=StockAt, refusals=(AuditTooLong,))
    async def stock_at(self, request: web.Request, operator: Operator) -> web.Response:
        """Return the balances of a room's SKUs at a moment."""
        query = read_query(request)
        limit = _STOCK_LIMIT.of(query)
        at = _AT.of(query) or datetime.now(UTC)
        found = await self._ledger.at(
            request.match_info["room"],
            at,
            sku=_SKU.of(query) or None,
            after=_CURSOR.of(query),
            limit=limit,
            seller=operator.scope,
        )
        following = found[-1].sku if len(found) == limit else None
        return json_response(StockAt(at=at, stock=found, next=following))

    @described(answer=Breaches, refusals=(AuditTooLong,))
    async def breaches(self, request: web.Request, operator: Operator) -> web.Response:
        """Check the books of the stock."""
        return json_response(Breaches(breaches=await self._ledger.breaches()))
