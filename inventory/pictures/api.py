"""Pictures for browsers: under an address that never leads to other bytes."""

import asyncio
from collections import OrderedDict

from aiohttp import web
from multidict import CIMultiDict

from inventory.kit.doors.etags import has_seen
from inventory.kit.limits.classes import FILES, limited_as
from inventory.kit.pages import DATA_CSP
from inventory.pictures.picture import NAME, TYPES
from inventory.pictures.picture_store import PictureStore

KEPT_BYTES_MAX = 32 * 1024 * 1024
# Shoppers who wait for PostgreSQL come before pictures that no process has in memory yet.
READS_MAX = 2
_HEADERS = CIMultiDict(
    {
        "Cache-Control": "public, max-age=31536000, immutable",
        # A browser that opens a picture by itself runs nothing and fetches nothing.
        "Content-Security-Policy": f"{DATA_CSP}; sandbox",
    }
)


class PicturesApi:
    """Serves pictures from memory, and reads each from PostgreSQL once for all who ask."""

    def __init__(self, pictures: PictureStore, *, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._pictures = pictures
        self._kept_bytes_max = kept_bytes_max
        # Those that were asked for last stand at the end.
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._reads: dict[str, asyncio.Task[bytes]] = {}
        self._turns = asyncio.Semaphore(READS_MAX)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"/pictures/{{name:{NAME}}}", self.serve)]

    @limited_as(FILES)
    async def serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        etag = f'"{name}"'
        body = await self._body(name)
        headers = CIMultiDict(_HEADERS)
        headers["ETag"] = etag
        headers["Content-Type"] = TYPES[name.rpartition(".")[2]]
        if has_seen(request.headers.getall("If-None-Match", ()), etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    async def _body(self, name: str) -> bytes:
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        reading = self._reads.get(name)
        if reading is None:
            reading = self._reads[name] = asyncio.create_task(self._read(name), name=name)
            reading.add_done_callback(self._end)
        # A browser that hangs up ends no reading for which others wait.
        return await asyncio.shield(reading)

    def _end(self, reading: "asyncio.Task[bytes]") -> None:
        self._reads.pop(reading.get_name(), None)
        if not reading.cancelled():
            # An error is told to all who wait, and there may be none any more.
            reading.exception()

    async def _read(self, name: str) -> bytes:
        async with self._turns:
            body = await self._pictures.read(name)
        self._kept[name] = body
        self._bytes += len(body)
        while self._bytes > self._kept_bytes_max:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
        return body
