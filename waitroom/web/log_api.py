"""The room's public log, and its head as the service signs it."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from inventory.kit.http import json_response, query_int, wants_html
from waitroom.desk.board import Board, RoomView
from waitroom.log.signing import LogKey
from waitroom.refusals import LogNotPublicYet
from waitroom.store.line_store import LineStore
from waitroom.web.log_pages import LogPages

LOG_PAGE_MAX = 1000


class LogApi:
    def __init__(self, board: Board, *, store: LineStore, log_key: LogKey, pages: LogPages) -> None:
        self._board = board
        self._store = store
        self._log_key = log_key
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/log", self.log),
            web.get("/rooms/{room}/log/head", self.head),
        ]

    async def log(self, request: web.Request) -> web.Response:
        view = await self.public_view(request)
        if wants_html(request) and request.query.get("format") != "json":
            return await self._pages.show(request, view, await self.signed_head(view.room))
        after = query_int(request, "after", default=0, low=0, high=2**62)
        limit = query_int(request, "limit", default=100, low=1, high=LOG_PAGE_MAX)
        entries = await self._store.log(view.room, after=after, limit=limit)
        following = entries[-1]["seq"] if len(entries) == limit else None
        return json_response({"room": view.room, "entries": entries, "next": following})

    async def head(self, request: web.Request) -> web.Response:
        view = await self.public_view(request)
        return json_response(await self.signed_head(view.room))

    async def public_view(self, request: web.Request) -> RoomView:
        """Return the room if its log may be read now; raises `NotFound`, `LogNotPublicYet`."""
        view = await self._board.find(request.match_info["room"])
        if view.rules.log_public == "after" and view.rules.status != "ended":
            raise LogNotPublicYet
        return view

    async def signed_head(self, room: str) -> dict[str, Any]:
        """Return where the log stands, signed: what a shopper keeps to notice a rewritten log."""
        seq, head = await self._store.log_head(room)
        signature = self._log_key.sign_head(room=room, seq=seq, head=head)
        return {
            "room": room,
            "seq": seq,
            "hash": head.hex(),
            "at": datetime.now(UTC),
            "key": self._log_key.public.hex(),
            "signature": signature.hex(),
        }
