"""The room's public log over HTTP, and its signed head."""

import msgspec
from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.doors.query import Choice, Whole
from inventory.kit.http import json_response, read_query, wants_html
from waitroom.desk.public_log import LOG_PAGE_MAX, PublicLog, ServedEntry, served
from waitroom.log.signing import SignedHead
from waitroom.refusals import LogNotPublicYet
from waitroom.web.log_pages import AFTER, LogPages


class LogBody(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a room's log; `next` is the `after` of the part that follows, None at the end."""

    room: str
    entries: list[ServedEntry]
    next: int | None


_LIMIT = Whole(name="limit", text="Entries to return.", default=100, low=1, high=LOG_PAGE_MAX)
_FORMAT = Choice(
    name="format",
    text="`json`, for a client whose `Accept` asks for a page.",
    words=("json", "html"),
)


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

    @described(query=(AFTER, _LIMIT, _FORMAT), answer=LogBody, refusals=(LogNotPublicYet,))
    async def log(self, request: web.Request) -> web.Response:
        """Return entries of the room's public log, in order.

        Each entry has the hash of the one before it in its body, so none can be changed later.
        """
        view = await self._public_log.readable(request.match_info["room"])
        query = read_query(request)
        if _FORMAT.of(query) != "json" and wants_html(request):
            return await self._pages.show(request, view)
        after, limit = AFTER.of(query), _LIMIT.of(query)
        entries = await self._public_log.entries(view.room, after=after, limit=limit)
        part = LogBody(
            room=view.room,
            entries=[served(entry) for entry in entries],
            next=entries[-1].seq if len(entries) == limit else None,
        )
        return json_response(part)

    @described(answer=SignedHead, refusals=(LogNotPublicYet,))
    async def head(self, request: web.Request) -> web.Response:
        """Return the signed end of the log. A client that keeps it can prove a later change."""
        view = await self._public_log.readable(request.match_info["room"])
        return json_response(await self._public_log.head(view.room))
