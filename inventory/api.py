"""The public catalogue: what is sold, what it costs, what is left."""

import asyncio
import time
from typing import Any

from aiohttp import web

from inventory.kit.http import json_response, query_int
from inventory.kit.problem import BadRequest
from inventory.stock_store import Sku, StockStore

# A page of the catalogue may be this old: a thousand readers a second are one query.
FRESH_S = 1.0
PAGES_KEPT_MAX = 512
PAGE_MAX = 200
SEARCH_LENGTH_MAX = 100
_SHARED = {"Cache-Control": "public, max-age=1"}


class Catalogue:
    """The catalogue as the public may see it, each page read at most once a second.

    Whoever asks while a page is being read waits for that one reading.
    """

    def __init__(self, store: StockStore) -> None:
        self._store = store
        self._pages: dict[tuple[Any, ...], tuple[float, asyncio.Task[list[Sku]]]] = {}

    async def page(
        self,
        *,
        room: str | None = None,
        search: str | None = None,
        after: str = "",
        limit: int = 50,
        private: bool = False,
    ) -> list[Sku]:
        """Return a page; `private` is for a hidden room's own pages."""
        key = (room, search, after, limit, private)
        now = time.monotonic()
        kept = self._pages.get(key)
        if kept is None or now - kept[0] >= FRESH_S:
            reading = asyncio.create_task(
                self._store.page(
                    room=room, search=search, after=after, limit=limit, private=private
                )
            )
            kept = self._pages[key] = (now, reading)
            while len(self._pages) > PAGES_KEPT_MAX:
                del self._pages[next(iter(self._pages))]
        return await asyncio.shield(kept[1])

    async def read(self, sku: str) -> Sku:
        return await self._store.read(sku, private=False)


class CatalogueApi:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/inventory/skus", self.list_skus),
            web.get("/inventory/skus/{sku}", self.read_sku),
        ]

    async def list_skus(self, request: web.Request) -> web.Response:
        limit = query_int(request, "limit", default=50, low=1, high=PAGE_MAX)
        search = request.query.get("q") or None
        if search is not None and len(search) > SEARCH_LENGTH_MAX:
            raise BadRequest(f"A search has at most {SEARCH_LENGTH_MAX} letters.")
        found = await self._catalogue.page(
            room=request.query.get("room"),
            search=search,
            after=request.query.get("cursor", ""),
            limit=limit,
        )
        following = found[-1].sku if len(found) == limit else None
        body = {"skus": [sku.public() for sku in found], "next": following}
        return json_response(body, headers=_SHARED)

    async def read_sku(self, request: web.Request) -> web.Response:
        sku = await self._catalogue.read(request.match_info["sku"])
        return json_response(sku.public(), headers=_SHARED)
