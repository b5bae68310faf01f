"""The operators' and sellers' API for products and their SKUs."""

import msgspec
from aiohttp import web
from msgspec import UNSET

from inventory.catalogue import (
    NewProduct,
    NewSku,
    OperatorProduct,
    OperatorProductList,
    OperatorSku,
    OperatorSkuList,
    ProductChange,
    SkuChange,
)
from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.query import SEARCH, Text, Whole
from inventory.kit.http import json_response, read_body, read_query
from inventory.kit.problem import BadRequest, Forbidden
from inventory.product_store import CatalogueStore
from inventory.refusals import ChangedMeanwhile, InUse, RoomArchived, Taken
from inventory.sku_store import StockStore
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.shop.answers import SkuHistory

_NEW_PRODUCT = decoder(NewProduct)
_PRODUCT_CHANGE = decoder(ProductChange)
_NEW_SKU = decoder(NewSku)
_SKU_CHANGE = decoder(SkuChange)


_PRODUCTS_LIMIT = Whole(name="limit", text="Products on a page.", default=20, low=1, high=50)
_SKUS_LIMIT = Whole(name="limit", text="SKUs on a page.", default=200, low=1, high=500)
_CHANGES_LIMIT = Whole(name="limit", text="Changes on a page.", default=50, low=1, high=500)
_CURSOR = Text(name="cursor", text="The `next` of the page before.")
_BEFORE = Whole(
    name="cursor", text="The `next` of the page before.", default=2**62, low=1, high=2**62
)
_PRODUCT = Text(name="product", text="Only the SKUs of this product.")


class CatalogueAdmin:
    """Sellers see and change only their own products; other products answer like unknown ones."""

    def __init__(self, guard: Guard, *, stock: StockStore, products: CatalogueStore) -> None:
        self._guard = guard
        self._stock = stock
        self._products = products

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        products, product = "/admin/rooms/{room}/products", "/admin/products/{product}"
        skus, sku = "/admin/rooms/{room}/skus", "/admin/skus/{sku}"
        return [
            web.get(
                products,
                as_role("viewer", self.list_products, sellers=True, scope=("figures", "stock")),
            ),
            web.post(products, as_role("operator", self.add_product, sellers=True, scope="stock")),
            web.get(
                product,
                as_role("viewer", self.read_product, sellers=True, scope=("figures", "stock")),
            ),
            web.patch(
                product, as_role("operator", self.change_product, sellers=True, scope="stock")
            ),
            web.delete(
                product, as_role("operator", self.delete_product, sellers=True, scope="stock")
            ),
            web.get(
                skus, as_role("viewer", self.list_skus, sellers=True, scope=("figures", "stock"))
            ),
            web.post(skus, as_role("operator", self.add_sku, sellers=True, scope="stock")),
            web.get(
                sku, as_role("viewer", self.read_sku, sellers=True, scope=("figures", "stock"))
            ),
            web.patch(sku, as_role("operator", self.change_sku, sellers=True, scope="stock")),
            web.delete(sku, as_role("operator", self.delete_sku, sellers=True, scope="stock")),
            web.get(
                f"{sku}/changes",
                as_role("viewer", self.list_changes, sellers=True, scope=("figures", "stock")),
            ),
        ]

    @described(query=(_PRODUCTS_LIMIT, _CURSOR, SEARCH), answer=OperatorProductList)
    async def list_products(self, request: web.Request, operator: Operator) -> web.Response:
        """List the products of a room, each with its SKUs."""
        query = read_query(request)
        limit = _PRODUCTS_LIMIT.of(query)
        found = await self._products.page(
            room=request.match_info["room"],
            search=SEARCH.of(query) or None,
            after=_CURSOR.of(query),
            limit=limit,
            private=True,
            seller=operator.scope,
        )
        following = found[-1].product if len(found) == limit else None
        body: OperatorProductList = {
            "products": [product.private_body() for product in found],
            "next": following,
        }
        return json_response(body)

    @described(body=NewProduct, answer=OperatorProduct, status=201, refusals=(Taken, RoomArchived))
    async def add_product(self, request: web.Request, operator: Operator) -> web.Response:
        """Add a product to a room."""
        wish = await read_body(request, _NEW_PRODUCT)
        await self._products.add(
            wish.product,
            room=request.match_info["room"],
            name=wish.name,
            description=wish.description,
            picture=wish.picture,
            seller=await self._seller(wish.seller, operator),
            who=operator.name,
        )
        return await self._product(wish.product, operator, status=201)

    async def _seller(self, named: str | None, operator: Operator) -> int | None:
        """Return the seller of a new product: the seller who asks, or the one an operator names."""
        if operator.scope is None:
            return None if named is None else await self._products.seller_id(named)
        if named not in {None, operator.name}:
            raise Forbidden(
                "Sellers sell in their own name alone. An operator can name another seller."
            )
        return operator.scope

    async def _product(
        self, product: str, operator: Operator, *, status: int = 200
    ) -> web.Response:
        found = await self._products.read(product, seller=operator.scope)
        return json_response(found.private_body(), status=status)

    @described(answer=OperatorProduct)
    async def read_product(self, request: web.Request, operator: Operator) -> web.Response:
        """Return a product with its SKUs."""
        return await self._product(request.match_info["product"], operator)

    @described(
        body=ProductChange, answer=OperatorProduct, refusals=(ChangedMeanwhile, RoomArchived)
    )
    async def change_product(self, request: web.Request, operator: Operator) -> web.Response:
        """Change fields of a product."""
        product = request.match_info["product"]
        change = await read_body(request, _PRODUCT_CHANGE)
        owner = None
        if change.seller is not UNSET:
            owner = await self._seller(change.seller, operator)
        await self._products.change(
            product, change, who=operator.name, owner=owner, seller=operator.scope
        )
        return await self._product(product, operator)

    @described(status=204, refusals=(InUse, RoomArchived))
    async def delete_product(self, request: web.Request, operator: Operator) -> web.Response:
        """Delete a product with its SKUs, if no unit of theirs was ever moved."""
        product = request.match_info["product"]
        await self._products.delete(product, who=operator.name, seller=operator.scope)
        return web.Response(status=204)

    @described(query=(_SKUS_LIMIT, _CURSOR, _PRODUCT, SEARCH), answer=OperatorSkuList)
    async def list_skus(self, request: web.Request, operator: Operator) -> web.Response:
        """List the SKUs of a room."""
        query = read_query(request)
        limit = _SKUS_LIMIT.of(query)
        found = await self._stock.page(
            room=request.match_info["room"],
            product=_PRODUCT.of(query) or None,
            search=SEARCH.of(query) or None,
            after=_CURSOR.of(query),
            limit=limit,
            private=True,
            seller=operator.scope,
        )
        following = found[-1].sku if len(found) == limit else None
        body: OperatorSkuList = {
            "skus": [sku.private_body() for sku in found],
            "next": following,
        }
        return json_response(body)

    @described(body=NewSku, answer=OperatorSku, status=201, refusals=(Taken, RoomArchived))
    async def add_sku(self, request: web.Request, operator: Operator) -> web.Response:
        """Add a SKU to a room. It has no units yet."""
        wish = await read_body(request, _NEW_SKU)
        values = msgspec.structs.asdict(wish)
        if not (wish.name or wish.product):
            raise BadRequest("A SKU needs a name, or a product whose name it takes.")
        await self._stock.add(
            values.pop("sku"),
            room=request.match_info["room"],
            seller=operator.scope,
            who=operator.name,
            **values,
        )
        return await self._sku(wish.sku, operator, status=201)

    async def _sku(self, sku: str, operator: Operator, *, status: int = 200) -> web.Response:
        found = await self._stock.read(sku, seller=operator.scope)
        return json_response(found.private_body(), status=status)

    @described(answer=OperatorSku)
    async def read_sku(self, request: web.Request, operator: Operator) -> web.Response:
        """Return a SKU."""
        return await self._sku(request.match_info["sku"], operator)

    @described(body=SkuChange, answer=OperatorSku, refusals=(ChangedMeanwhile, RoomArchived))
    async def change_sku(self, request: web.Request, operator: Operator) -> web.Response:
        """Change fields of a SKU, put it on sale, or take it off."""
        sku = request.match_info["sku"]
        change = await read_body(request, _SKU_CHANGE)
        await self._stock.change(sku, change, who=operator.name, seller=operator.scope)
        return await self._sku(sku, operator)

    @described(status=204, refusals=(InUse, RoomArchived))
    async def delete_sku(self, request: web.Request, operator: Operator) -> web.Response:
        """Delete a SKU, if no unit of it was ever moved."""
        sku = request.match_info["sku"]
        await self._stock.delete(sku, who=operator.name, seller=operator.scope)
        return web.Response(status=204)

    @described(query=(_CHANGES_LIMIT, _BEFORE), answer=SkuHistory)
    async def list_changes(self, request: web.Request, operator: Operator) -> web.Response:
        """List a SKU's changes with their authors: added, changed (old and new value), deleted."""
        query = read_query(request)
        limit = _CHANGES_LIMIT.of(query)
        before = _BEFORE.of(query)
        found = await self._stock.changes(
            request.match_info["sku"], before=before, limit=limit, seller=operator.scope
        )
        following = found[-1].change_id if len(found) == limit else None
        # As a string, like every cursor.
        return json_response(SkuHistory(changes=found, next=str(following) if following else None))
