"""The check that a site's proxy asks for before it passes a request on.

Proxies ask in two ways. nginx takes a bare status: 204 passes, 401 leads to its `error_page`, and
anything else is an error. Caddy, Traefik and Envoy pass every answer but a 2xx on to the client, so
browsers are redirected and programs told when to ask again. Envoy asks with the path of the request
behind the path of the check, and with its method; the others name both in headers.

A client can send such headers too, and a proxy may pass them on beside its own. A request is
therefore protected if any of the paths that are named for it is.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

from aiohttp import web

from checkout.refusals import UnknownRoom
from checkout.sessions import Sessions
from inventory.kit.doors.client import asked_host
from inventory.kit.doors.cookies import cookies_in
from inventory.kit.doors.described import Answer as Answered
from inventory.kit.doors.described import Header, described
from inventory.kit.doors.query import Choice, Text
from inventory.kit.http import read_query, wants_html
from inventory.kit.limits.classes import SERVICES, limited_as
from inventory.kit.problem import Busy
from inventory.refusals import SessionOver
from waitroom.desk.board import Board, RoomView
from waitroom.desk.gates import Gates
from waitroom.gate.held_back import Answer, answer_to
from waitroom.gate.trigger import SiteRequest, is_protected
from waitroom.refusals import HeldBack, Queue
from waitroom.web.gate.held_back_page import HeldBackPage
from waitroom.web.gate.returning import SIGNED, Returning

CHECK_ROUTES = frozenset({"/check", "/check/{room}", "/check/{room}/{path}"})
RETRY_AFTER_S = "5"
# Headers by which proxies name the path of the request that they ask about.
_PATHS = ("X-Forwarded-Uri", "X-Original-URI", "X-Original-URL")
_METHODS = ("X-Forwarded-Method", "X-Original-Method")
# The beginning of a whole address.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
# A proxy copies these to the site. They are there even if they say nothing, so that it puts them in
# the place of those that a client may have sent.
_NOBODY = {"X-Waitroom-Session": "", "X-Waitroom-Seconds-Left": "", "Cache-Control": "no-store"}
_ROOM = Text(name="room", text="The room that the site belongs to.", required=True)
_MODE = Choice(
    name="mode",
    text="`redirect` for a proxy that passes the answer on to the client, and `refuse` for one "
    "that has been told before that the request may not pass.",
    words=("", "redirect", "refuse"),
    default="",
)
_TOLD = (
    Header(name="X-Waitroom-Room", text="The room."),
    Header(name="X-Waitroom-Session", text="The id of the session that was let in."),
    Header(name="X-Waitroom-Seconds-Left", text="How long the session goes on."),
    Header(name="X-Waitroom-Away", text="`open` where nothing could be asked and all may pass."),
)
_TO_THE_ROOM = Answered(
    status=302,
    text="It may not pass; a browser is led to the room.",
    headers=(Header(name="Location", text="The address of the room."),),
)
_REFUSALS = (SessionOver, Queue, HeldBack)


class CheckApi:
    """`base_url` is the address of the service as browsers know it."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        board: Board,
        gates: Gates,
        returning: Returning,
        page: HeldBackPage,
        base_url: str,
    ) -> None:
        self._sessions = sessions
        self._board = board
        self._gates = gates
        self._returning = returning
        self._page = page
        self._base_url = base_url

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/check", self.check_named),
            web.route("*", "/check/{room}", self.check),
            web.route("*", "/check/{room}/{path:.*}", self.check_below),
        ]

    @limited_as(SERVICES)
    @described(
        query=(_ROOM, _MODE),
        status=204,
        answer_headers=_TOLD,
        also=(_TO_THE_ROOM,),
        refusals=(*_REFUSALS, UnknownRoom),
    )
    async def check_named(self, request: web.Request) -> web.Response:
        """Check for the room that the query names, by `mode`."""
        return await self._check(request, _ROOM.of(read_query(request)))

    @limited_as(SERVICES)
    @described(
        query=(_MODE,), status=204, answer_headers=_TOLD, also=(_TO_THE_ROOM,), refusals=_REFUSALS
    )
    async def check(self, request: web.Request) -> web.Response:
        """Check for the room in the path, by `mode`."""
        return await self._check(request, request.match_info["room"])

    @limited_as(SERVICES)
    @described(status=204, answer_headers=_TOLD, also=(_TO_THE_ROOM,), refusals=_REFUSALS)
    async def check_below(self, request: web.Request) -> web.Response:
        """Check for a request whose path stands behind the room; its query is the client's own."""
        room = request.match_info["room"]
        below = request.rel_url.raw_path.removeprefix(f"/check/{room}")
        query = request.rel_url.raw_query_string
        uri = f"{below}?{query}" if query else below
        return await self._check(request, room, uri=uri, mode="redirect")

    async def _check(
        self, request: web.Request, room: str, *, uri: str = "", mode: str | None = None
    ) -> web.Response:
        """Let a request pass with 204, or refuse it in the way that its proxy can use.

        With `mode=redirect` the proxy passes our answers on. With `mode=refuse` it has been told
        before that the request may not pass, and wants the answer for the client.
        """
        mode = (_MODE.of(read_query(request)) or "") if mode is None else mode
        view = await self._board.find(room)
        if mode != "refuse":
            try:
                passed = await self._passed(request, view, uri)
            except Busy:
                if self._gates.of(view.room).when_away != "open":
                    raise
                passed = {"X-Waitroom-Away": "open"}
            if passed is not None:
                headers = {**_NOBODY, "X-Waitroom-Room": view.room, **passed}
                return web.Response(status=204, headers=headers)
        return self._refused(request, view, uri, redirects=mode in {"redirect", "refuse"})

    async def _passed(
        self, request: web.Request, view: RoomView, uri: str
    ) -> dict[str, str] | None:
        """Return what to tell the site of a request that may pass, None for one that may not."""
        if not self._is_protected(request, view.room, uri):
            return {}
        found = await self._sessions.live_in(request, view.room)
        if found is None:
            return None
        return {
            "X-Waitroom-Session": str(found.session_id),
            "X-Waitroom-Seconds-Left": str(int(found.seconds_left)),
        }

    def _is_protected(self, request: web.Request, room: str, uri: str) -> bool:
        triggers = self._gates.of(room).triggers
        if not triggers:
            return True
        return any(is_protected(asked, triggers) for asked in _requests(request, uri))

    def _refused(
        self, request: web.Request, view: RoomView, uri: str, *, redirects: bool
    ) -> web.Response:
        method = next((m for name in _METHODS if (m := request.headers.get(name))), request.method)
        place = self._place(request, view.room, uri, comes_back=method.upper() in {"GET", "HEAD"})
        headers = {"Location": place, "Retry-After": RETRY_AFTER_S}
        answer = answer_to(method, redirects=redirects, is_browser=wants_html(request))
        if answer is Answer.STATUS:
            raise SessionOver(headers=headers, room=view.room)
        if answer is Answer.WAIT:
            raise Queue(headers=headers, room=view.room, url=place)
        if answer is Answer.PAGE:
            return self._page.answer(request, HeldBack(room=view.room), place)
        raise web.HTTPFound(place, headers={"Cache-Control": "no-store"})

    def _place(self, request: web.Request, room: str, uri: str, *, comes_back: bool) -> str:
        """Return the address of the room, with the one to return to if the room may lead there."""
        place = f"{self._base_url}/rooms/{room}"
        address = _address(request, uri) if comes_back else None
        token = address and self._returning.token_for(request, room, address)
        return f"{place}?{urlencode({SIGNED: token})}" if token else place


def _uris(request: web.Request, uri: str) -> Iterator[str]:
    """Return every path, with its query, that is named for the request in question."""
    if uri:
        yield uri
    for name in _PATHS:
        yield from request.headers.getall(name, ())


def _requests(request: web.Request, uri: str) -> Iterator[SiteRequest]:
    """Return the request in question with each path that is named for it."""
    cookies: dict[str, list[str]] = {}
    for name, value in cookies_in(request.headers.getall("Cookie", ())):
        cookies.setdefault(name, []).append(value)
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), []).append(value)
    # A proxy that names no path asks for all of them.
    for named in list(_uris(request, uri)) or ["/"]:
        yield SiteRequest(path=_path_of(named), cookies=cookies, headers=headers)


def _path_of(uri: str) -> str:
    """Return the path of a path with a query, or of a whole address.

    A client chooses the text, and no text may be an error: a proxy might take that for a service
    that is away, and let the request pass. A `#` is left to the readings of the path.
    """
    if not uri.startswith("/"):
        uri = _ORIGIN.sub("", uri)
    return uri.partition("?")[0]


def _address(request: web.Request, uri: str) -> str | None:
    """Return the whole address of the request in question, None where its proxy names no path."""
    named = next(_uris(request, uri), None)
    if named is None or not named.startswith("/"):
        return named
    scheme = request.headers.get("X-Forwarded-Proto") or request.scheme
    return f"{scheme}://{asked_host(request)}{named}"
