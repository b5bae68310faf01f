"""The description of the API over HTTP: `/openapi.json` for programs, `/api` for people."""

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from inventory.kit.doors.accept import takes_gzip
from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import ETAG, IF_NONE_MATCH, NOT_MODIFIED, described
from inventory.kit.doors.etags import has_seen
from inventory.kit.http import PRIVATE, encode
from inventory.kit.pages import Pages
from waitroom.admin.accounts.scopes import Access
from waitroom.run.openapi.document import openapi_json
from waitroom.run.openapi.examples import read_examples
from waitroom.run.openapi.operations import operations_of
from waitroom.run.openapi.page import groups_of, shapes_of

FRESH_S = 300


class OpenApi:
    """Describes the routes of a program, and its own.

    The document is made once: by `document_json` before a process serves, or by the first request.
    """

    def __init__(
        self,
        routes: Sequence[web.AbstractRouteDef],
        *,
        access: Mapping[Any, Access],
        pages: Pages,
    ) -> None:
        self._pages = pages
        self._page: web.Response | None = None
        self._routes = routes
        self._access = access
        self._document: Json = {}
        self._encoded, self._packed = b"", b""
        self._headers = PRIVATE

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/openapi.json", self.read), web.get("/api", self.show)]

    def all_routes(self) -> list[web.AbstractRouteDef]:
        """Return the routes of the program, described or not."""
        return [*self._routes, *self.routes()]

    def document_json(self) -> Json:
        """Return the document, made at the first call."""
        if not self._document:
            operations = operations_of(self.all_routes(), self._access)
            found = openapi_json(operations, read_examples(), version=version("waitroom"))
            self._encoded = encode(found)
            self._packed = gzip.compress(self._encoded, mtime=0)
            # Plain values, as every reader of the JSON has them.
            self._document = msgspec.json.decode(self._encoded)
            self._headers = PRIVATE.copy()
            self._headers["ETag"] = f'"{blake2b(self._encoded, digest_size=16).hexdigest()}"'
            self._headers["Cache-Control"] = f"public, max-age={FRESH_S}"
            # A page on another site may read it.
            self._headers["Access-Control-Allow-Origin"] = "*"
            self._headers["Vary"] = "Accept-Encoding"
        return self._document

    @described(
        headers=(IF_NONE_MATCH,),
        answer=Json,
        answer_headers=(ETAG,),
        also=(NOT_MODIFIED,),
    )
    async def read(self, request: web.Request) -> web.Response:
        """Return this description of the API, as OpenAPI 3.1."""
        self.document_json()
        seen = has_seen(request.headers.getall("If-None-Match", ()), self._headers["ETag"])
        if seen:
            return web.Response(status=304, headers=self._headers)
        if takes_gzip(",".join(request.headers.getall("Accept-Encoding", ()))):
            headers = {**self._headers, "Content-Encoding": "gzip"}
            return web.Response(body=self._packed, headers=headers)
        return web.Response(body=self._encoded, headers=self._headers)

    async def show(self, request: web.Request) -> web.Response:
        """Show the description to a person, rendered once: it is the same for everybody."""
        if self._page is None:
            # It is long, and shoppers do not wait for it.
            self._page = await asyncio.to_thread(self._rendered)
        return web.Response(body=self._page.body, headers=self._page.headers)

    def _rendered(self) -> web.Response:
        document = self.document_json()
        context = {
            "intro": document["info"]["description"],
            "groups": groups_of(document),
            "shapes": shapes_of(document),
        }
        return self._pages.render("api.html", context, title="The API")
