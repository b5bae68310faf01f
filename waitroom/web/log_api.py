"""The room's public log over HTTP, and its signed head."""

from aiohttp import web

from inventory.kit.http import json_response, query_int, wants_html
from waitroom.desk.public_log import LOG_PAGE_MAX, PublicLog, served
from waitroom.web.log_pages import LogPages


class LogApi:
    """Serves the log to programs, and to people by its pages."""

    def __init__(self, public_log: PublicLog, *, pages: LogPages) -> None:
        self._public_log = public_log
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/log", self.log),
            web.get("/rooms/{room}/log/head", self.head),
        ]

    async def log(self, request: web.Request) -> web.Response:
        view = await self._public_log.readable(request.match_info["room"])
        if wants_html(request) and request.query.get("format") != "json":
            return await self._pages.show(request, view)
        after = query_int(request, "after", default=0, low=0, high=2**62)
        limit = query_int(request, "limit", default=100, low=1, high=LOG_PAGE_MAX)
        entries = await self._public_log.entries(view.room, after=after, limit=limit)
        body = {
            "room": view.room,
            "entries": [served(entry) for entry in entries],
            "next": entries[-1].seq if len(entries) == limit else None,
        }
        return json_response(body)

    async def head(self, request: web.Request) -> web.Response:
        view = await self._public_log.readable(request.match_info["room"])
        return json_response(await self._public_log.head(view.room))
