"""The shop's front: what is on sale, room by room, also without JavaScript."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from inventory.api import CURSOR, Catalogue
from inventory.catalogue import Product
from inventory.kit.doors.decoding import Json
from inventory.kit.doors.query import SEARCH
from inventory.kit.http import read_query
from inventory.kit.language.asked import ROOM_LANGUAGE
from inventory.kit.language.language import phrase
from inventory.kit.limits.classes import SEARCHES, limited_as
from inventory.kit.pages import Pages
from inventory.kit.problem import NotFound
from waitroom.desk.board import Board, RoomView
from waitroom.desk.shards.homes import Homes
from waitroom.gate.known_user.protocol import parse_entry
from waitroom.web.answers import room_fields

PRODUCTS_SHOWN_MAX = 48

Enter = Callable[[web.Request], Awaitable[web.Response]]


class ShopPages:
    """`enter` takes the visitors whom a site's connector sends to the front page."""

    def __init__(
        self, board: Board, *, homes: Homes, catalogue: Catalogue, pages: Pages, enter: Enter
    ) -> None:
        self._enter = enter
        self._board = board
        self._homes = homes
        self._catalogue = catalogue
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.shop),
            web.get("/shop/{room}", self.shop_room),
            web.get("/products/{product}", self.product),
        ]

    async def shop(self, request: web.Request) -> web.Response:
        """Show the beginning of every public room's catalogue."""
        if parse_entry(read_query(request)) is not None:
            return await self._enter(request)
        every = await self._board.every_room()
        rooms = [await self._shelf(view) for view in every if view.rules.public]
        # A fresh installation leads the person who looks at it to its first sale.
        elsewhere = self._homes.listed
        context = {"rooms": rooms, "elsewhere": elsewhere, "is_new": not (every or elsewhere)}
        return self._pages.render("shop.html", context, title="Shop", request=request)

    @limited_as(SEARCHES)
    async def shop_room(self, request: web.Request) -> web.Response:
        """Show one room's catalogue page by page, or what of it a search finds."""
        view = await self._board.find(request.match_info["room"])
        if not view.rules.public:
            raise NotFound
        request[ROOM_LANGUAGE] = view.rules.language
        query = read_query(request)
        search = SEARCH.of(query)
        shelf = await self._shelf(view, search=search, after=CURSOR.of(query))
        return self._pages.render(
            "shop.html",
            {"rooms": [shelf], "elsewhere": [], "is_new": False},
            title=view.rules.name,
            request=request,
        )

    async def _shelf(self, view: RoomView, *, search: str = "", after: str = "") -> Json:
        # From the cache: however many look, the shop costs a query a second for each room.
        products = (
            await self._catalogue.products(
                room=view.room, search=search or None, after=after, limit=PRODUCTS_SHOWN_MAX
            )
        ).found
        following = products[-1].product if len(products) == PRODUCTS_SHOWN_MAX else None
        return {
            **room_body(view),
            # A product that lost its last SKU between two reads has no price to show.
            "products": [card_body(product) for product in products if product.variants],
            "search": search,
            # A search helps where the page does not show everything at once.
            "searchable": bool(search or after or following),
            "next": following,
        }

    async def _product_of(self, code: str) -> Product:
        """Return the product of a SKU; raises `NotFound` in the words of a shopper."""
        try:
            sku = await self._catalogue.read(code)
            return (await self._catalogue.product(sku.product)).found
        except NotFound:
            raise _no_product(code) from None

    async def product(self, request: web.Request) -> web.Response:
        """Show a product with its variants; the code of a SKU leads to its product."""
        code = request.match_info["product"]
        try:
            product = (await self._catalogue.product(code)).found
        except NotFound:
            product = await self._product_of(code)
        if not product.variants:
            raise _no_product(code)
        view = await self._board.find(product.room)
        request[ROOM_LANGUAGE] = view.rules.language
        context = {
            "product": {**product.public_body(), **card_body(product)},
            "room": room_body(view),
        }
        return self._pages.render(
            "product.html", context, title=product.name, request=request, room=view.room
        )


def _no_product(code: str) -> NotFound:
    return NotFound(phrase("There is no product “{product}”."), product=code)


def room_body(view: RoomView) -> Json:
    """Return what the pages of the shop say of a room."""
    rules = view.rules
    return {**room_fields(view), "message": rules.message, "order_by": rules.order_by}


def card_body(product: Product) -> Json:
    """Return what a product's card shows: its price or the lowest of them, and what is left."""
    variants = product.variants
    prices = {sku.price_minor for sku in variants}
    pictures = [product.picture, *(sku.picture for sku in variants)]
    return {
        "product": product.product,
        "name": product.name,
        "picture": next(filter(None, pictures), ""),
        "price_minor": min(prices),
        "one_price": len(prices) == 1,
        "currency": variants[0].currency,
        "variants_count": len(variants),
        "free_count": sum(sku.on_sale and sku.available > 0 for sku in variants),
        "available": max((sku.available for sku in variants if sku.on_sale), default=0),
        "held": sum(sku.held for sku in variants),
        "on_sale": any(sku.on_sale for sku in variants),
        # The next known moment at which one of its variants goes on sale.
        "on_sale_from": min(
            (sku.on_sale_from for sku in variants if sku.on_sale_from and not sku.on_sale),
            default=None,
        ),
    }
