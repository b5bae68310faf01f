"""The public catalogue: what is sold, what it costs, what is left."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from aiohttp import web

from inventory.catalogue import Product, ProductBody, ProductList, Sku, SkuBody, SkuList, is_code
from inventory.kit.doors.described import ETAG, IF_NONE_MATCH, NOT_MODIFIED, described
from inventory.kit.doors.etags import has_seen
from inventory.kit.doors.query import SEARCH, Flag, Text, Whole
from inventory.kit.http import PRIVATE, encode, read_query
from inventory.kit.limits.classes import SEARCHES, limited_as
from inventory.kit.problem import NotFound
from inventory.product_store import VARIANTS_SHOWN_MAX, CatalogueStore
from inventory.sku_store import StockStore

# An answer of the catalogue may be this old: a thousand readers a second are one query.
FRESH_S = 1.0
ANSWERS_KEPT_MAX = 512
# Counted as encoded; what they were encoded from takes about as much again.
BYTES_KEPT_MAX = 16 * 1024 * 1024
SKUS_PAGE_MAX = 200
PRODUCTS_PAGE_MAX = 50
CODE_LENGTH_MAX = 63

Found = TypeVar("Found")
# Names a call by all that its answer depends on.
_Key = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Shown(Generic[Found]):
    """A value of the catalogue with its encoded answer: the same bytes for all requests."""

    found: Found
    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Kept:
    since: float
    reading: "asyncio.Task[Shown[Any]]"

    def size(self) -> int:
        """Return the bytes it keeps in memory; a reading that goes on or failed keeps none."""
        done = self.reading.done() and not self.reading.cancelled()
        if not done or self.reading.exception() is not None:
            return 0
        return len(self.reading.result().body)


class Catalogue:
    """The catalogue as the public may see it, each answer read and encoded at most once a second.

    Requests that come while an answer is being read wait for that one reading.
    """

    def __init__(self, skus: StockStore, products: CatalogueStore) -> None:
        self._skus = skus
        self._products = products
        self._kept: dict[_Key, _Kept] = {}

    def __len__(self) -> int:
        """Return how many answers are in memory."""
        return len(self._kept)

    async def page(self, *, room: str, limit: int, private: bool = False) -> list[Sku]:
        """Return the first SKUs of a room; `private` includes those of a hidden one."""
        return (await self.skus(room=room, limit=limit, private=private)).found

    async def read(self, sku: str) -> Sku:
        return (await self.sku(sku)).found

    async def skus(
        self,
        *,
        room: str | None = None,
        product: str | None = None,
        search: str | None = None,
        on_sale: bool | None = None,
        after: str = "",
        limit: int = 50,
        private: bool = False,
    ) -> Shown[list[Sku]]:
        """Return a page of SKUs, filtered as by `StockStore.page`."""

        async def read() -> tuple[list[Sku], SkuList]:
            found = await self._skus.page(
                room=room,
                product=product,
                search=search,
                on_sale=on_sale,
                after=after,
                limit=limit,
                private=private,
                sold_there=True,
            )
            following = found[-1].sku if len(found) == limit else None
            return found, {"skus": [sku.public_body() for sku in found], "next": following}

        key = ("skus", room, product, search, on_sale, after, limit, private)
        return await self._shown(key, read)

    async def sku(self, sku: str) -> Shown[Sku]:
        """Return a SKU; raises `NotFound`."""
        _require_code(sku)

        async def read() -> tuple[Sku, SkuBody]:
            found = await self._skus.read(sku, private=False)
            return found, found.public_body()

        return await self._shown(("sku", sku), read)

    async def products(
        self,
        *,
        room: str | None = None,
        search: str | None = None,
        after: str = "",
        limit: int = 20,
        private: bool = False,
        variants_max: int = VARIANTS_SHOWN_MAX,
    ) -> Shown[list[Product]]:
        """Return a page of products, filtered as by `CatalogueStore.page`."""

        async def read() -> tuple[list[Product], ProductList]:
            found = await self._products.page(
                room=room,
                search=search,
                after=after,
                limit=limit,
                private=private,
                sold_there=True,
                variants_max=variants_max,
            )
            following = found[-1].product if len(found) == limit else None
            return found, {"products": [one.public_body() for one in found], "next": following}

        key = ("products", room, search, after, limit, private, variants_max)
        return await self._shown(key, read)

    async def named(self, room: str, skus: Collection[str]) -> list[Sku]:
        """Return those of a few SKUs that a room sells, as they are now."""
        return await self._skus.named(room, skus) if skus else []

    async def product(self, product: str) -> Shown[Product]:
        """Return a product; raises `NotFound`."""
        _require_code(product)

        async def read() -> tuple[Product, ProductBody]:
            found = await self._products.read(product, private=False)
            return found, found.public_body()

        return await self._shown(("product", product), read)

    async def _shown(
        self, key: _Key, read: Callable[[], Awaitable[tuple[Found, object]]]
    ) -> Shown[Found]:
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is None or (kept.reading.done() and now - kept.since >= FRESH_S):
            self._forget(now)
            # Last in the order again, so that the oldest stand first.
            self._kept.pop(key, None)
            kept = self._kept[key] = _Kept(now, asyncio.create_task(_encoded(read)))
            # If all waiting requests were cancelled, the failure would otherwise stay unread.
            kept.reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(kept.reading)

    def _forget(self, now: float) -> None:
        """Drop what is too old for anyone, and the oldest of what is too much."""
        total = sum(kept.size() for kept in self._kept.values())
        for key, kept in list(self._kept.items()):
            stale = kept.reading.done() and now - kept.since >= FRESH_S
            if not stale and len(self._kept) < ANSWERS_KEPT_MAX and total <= BYTES_KEPT_MAX:
                return
            total -= kept.size()
            del self._kept[key]


def _require_code(text: str) -> None:
    """Raise `NotFound` for what can be no code, so that no engine is asked for it."""
    if not is_code(text):
        raise NotFound


async def _encoded(read: Callable[[], Awaitable[tuple[Found, object]]]) -> Shown[Found]:
    found, said = await read()
    body = encode(said)
    return Shown(found, body, blake2b(body, digest_size=8).hexdigest())


_ROOM = Text(name="room", text="Only what this room sells.")
_PRODUCT = Text(name="product", text="Only the SKUs of this product.")
_ON_SALE = Flag(name="on_sale", text="Only what is on sale now, or only what is not.")
CURSOR = Text(name="cursor", text="The `next` of the page before.", length_max=CODE_LENGTH_MAX)
_SKUS_LIMIT = Whole(name="limit", text="SKUs on a page.", default=50, low=1, high=SKUS_PAGE_MAX)
_PRODUCTS_LIMIT = Whole(
    name="limit", text="Products on a page.", default=20, low=1, high=PRODUCTS_PAGE_MAX
)


class CatalogueApi:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/inventory/skus", self.list_skus),
            web.get("/inventory/skus/{sku}", self.read_sku),
            web.get("/inventory/products", self.list_products),
            web.get("/inventory/products/{product}", self.read_product),
        ]

    @limited_as(SEARCHES)
    @described(
        query=(_SKUS_LIMIT, CURSOR, _ROOM, _PRODUCT, SEARCH, _ON_SALE),
        answer=SkuList,
        headers=(IF_NONE_MATCH,),
        answer_headers=(ETAG,),
        also=(NOT_MODIFIED,),
    )
    async def list_skus(self, request: web.Request) -> web.Response:
        """List what is on sale to the public, by code."""
        query = read_query(request)
        shown = await self._catalogue.skus(
            limit=_SKUS_LIMIT.of(query),
            room=_ROOM.of(query) or None,
            product=_PRODUCT.of(query) or None,
            search=SEARCH.of(query) or None,
            on_sale=_ON_SALE.of(query),
            after=CURSOR.of(query),
        )
        return _answer(request, shown)

    @described(
        answer=SkuBody, headers=(IF_NONE_MATCH,), answer_headers=(ETAG,), also=(NOT_MODIFIED,)
    )
    async def read_sku(self, request: web.Request) -> web.Response:
        """Return one SKU: its price, and the units that are left."""
        return _answer(request, await self._catalogue.sku(request.match_info["sku"]))

    @limited_as(SEARCHES)
    @described(
        query=(_PRODUCTS_LIMIT, CURSOR, _ROOM, SEARCH),
        answer=ProductList,
        headers=(IF_NONE_MATCH,),
        answer_headers=(ETAG,),
        also=(NOT_MODIFIED,),
    )
    async def list_products(self, request: web.Request) -> web.Response:
        """List the products on sale to the public, each with its SKUs."""
        query = read_query(request)
        shown = await self._catalogue.products(
            limit=_PRODUCTS_LIMIT.of(query),
            room=_ROOM.of(query) or None,
            search=SEARCH.of(query) or None,
            after=CURSOR.of(query),
        )
        return _answer(request, shown)

    @described(
        answer=ProductBody, headers=(IF_NONE_MATCH,), answer_headers=(ETAG,), also=(NOT_MODIFIED,)
    )
    async def read_product(self, request: web.Request) -> web.Response:
        """Return one product with its SKUs."""
        return _answer(request, await self._catalogue.product(request.match_info["product"]))


def _answer(request: web.Request, shown: Shown[Any]) -> web.Response:
    headers = PRIVATE.copy()
    headers["Cache-Control"] = f"public, max-age={FRESH_S:.0f}"
    headers["ETag"] = f'"{shown.etag}"'
    if has_seen(request.headers.getall("If-None-Match", ()), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=shown.body, headers=headers)
