"""The operators' API for what is sold: products and SKUs."""

from typing import Any

import msgspec
from aiohttp import web

from inventory.kit.http import json_response, query_int, read_body
from inventory.stock_store import Sku, StockStore
from waitroom.admin.actions import ActionStore
from waitroom.admin.bodies import NEW_SKU
from waitroom.admin.guard import Guard
from waitroom.admin.sign_in import Operator


class CatalogueAdmin:
    def __init__(self, guard: Guard, *, stock: StockStore, actions: ActionStore) -> None:
        self._guard = guard
        self._stock = stock
        self._actions = actions

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get("/admin/rooms/{room}/skus", as_role("viewer", self.list_skus)),
            web.post("/admin/rooms/{room}/skus", as_role("operator", self.add_sku)),
        ]

    async def list_skus(self, request: web.Request, operator: Operator) -> web.Response:
        skus = await self._stock.page(
            room=request.match_info["room"],
            after=request.query.get("cursor", ""),
            limit=query_int(request, "limit", default=200, low=1, high=500),
            private=True,
        )
        return json_response({"skus": [with_on_hand(sku) for sku in skus]})

    async def add_sku(self, request: web.Request, operator: Operator) -> web.Response:
        wish = await read_body(request, NEW_SKU)
        room = request.match_info["room"]
        await self._stock.add(room=room, **msgspec.structs.asdict(wish))
        await self._actions.record(room, operator.name, "add_sku", {"sku": wish.sku})
        return json_response(with_on_hand(await self._stock.read(wish.sku)), status=201)


def with_on_hand(sku: Sku) -> dict[str, Any]:
    return {**sku.public(), "on_hand": sku.on_hand}
