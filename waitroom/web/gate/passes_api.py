"""Passes over HTTP: the keys, minting and renewing, giving a seat back, and what was revoked."""

import zlib

import msgspec
from aiohttp import web

from checkout.api import Checkout
from checkout.session import Session
from inventory.kit.doors.client import bearer
from inventory.kit.doors.etags import has_seen
from inventory.kit.http import PRIVATE, encode, json_response, query_int
from inventory.kit.language.language import phrase
from inventory.refusals import SessionOver
from waitroom.desk.board import Board
from waitroom.desk.passes.minting import Passes
from waitroom.desk.passes.revocations import Revocations
from waitroom.gate.passes import Pass
from waitroom.web.credentials import Credentials

VERSION_MAX = 2**62
_OTHER_ROOM = phrase("This session belongs to another room.")
KEYS_MAX_AGE_S, REVOKED_MAX_AGE_S = 300, 1


class RevokedBody(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions whose passes are worth nothing, although they have not run out.

    `revoked` are public ids, the `sub` of passes. With `reset` they replace all that a site knows.
    The site asks for what is new by `version`, at once if there is `more`. Passes issued before
    `issued_before` have to be renewed. `pass_s` is how long an id has to be remembered.
    """

    room: str
    version: int
    reset: bool
    more: bool
    issued_before: int | None
    pass_s: int
    revoked: list[str]


class PassesApi:
    def __init__(
        self,
        passes: Passes,
        revocations: Revocations,
        credentials: Credentials,
        *,
        board: Board,
        checkout: Checkout,
    ) -> None:
        self._passes = passes
        self._revocations = revocations
        self._credentials = credentials
        self._board = board
        self._checkout = checkout

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/revocations", self.revoked),
            web.get("/.well-known/jwks.json", self.keys),
            web.post("/checkout/session/pass", self.mint),
            web.delete("/checkout/session/pass", self.leave),
        ]

    async def keys(self, request: web.Request) -> web.Response:
        """Hand out the public keys of passes."""
        return _public(request, encode(self._passes.keys.public_body()), max_age_s=KEYS_MAX_AGE_S)

    async def revoked(self, request: web.Request) -> web.Response:
        """Hand out what was revoked in a room since a version, from memory."""
        view = await self._board.find(request.match_info["room"])
        asked = "since" in request.query
        since = query_int(request, "since", default=0, low=0, high=VERSION_MAX) if asked else None
        page, pass_s = await self._revocations.page(view.room, since)
        body = RevokedBody(
            room=view.room,
            version=page.version,
            reset=page.reset,
            more=page.more,
            issued_before=page.issued_before,
            pass_s=pass_s,
            revoked=page.revoked,
        )
        return _public(request, encode(body), max_age_s=REVOKED_MAX_AGE_S)

    async def mint(self, request: web.Request) -> web.Response:
        """Give a live session a pass. Its bearer shows the session, or a pass that it had before.

        A pass that has run out does as well: the session decides.
        """
        session, turn = await self._session_of(request)
        minted = await self._passes.mint(session.room, session.session_id, turn=turn)
        response = json_response(minted)
        if turn is None and bearer(request) is None:
            self._credentials.keep_pass(request, response, session.room, minted.text)
        return response

    async def leave(self, request: web.Request) -> web.Response:
        """End the session of a pass, so that the next shopper gets the seat."""
        session, turn = await self._session_of(request)
        if turn is not None:
            await self._passes.require_turn(session.room, session.session_id, turn)
        await self._checkout.orders.leave(session.session_id)
        return web.Response(status=204)

    async def _session_of(self, request: web.Request) -> tuple[Session, int | None]:
        """Return the session, and the turn that a pass of it names."""
        given = self._passes.carried_in(bearer(request) or "")
        if given is None:
            return await self._checkout.sessions.of(request), None
        named = request.query.get("room", given.room)
        if named != given.room:
            raise SessionOver(_OTHER_ROOM, room=named)
        return _session(given), given.turn


def _session(given: Pass) -> Session:
    return Session(session_id=given.session_id, room=given.room)


def _public(request: web.Request, body: bytes, *, max_age_s: int) -> web.Response:
    """Answer with bytes that are the same for everybody, and that any cache may keep a while."""
    etag = f'"{zlib.crc32(body):08x}-{len(body)}"'
    headers = {
        **PRIVATE,
        "Cache-Control": f"public, max-age={max_age_s}",
        "ETag": etag,
        "Access-Control-Allow-Origin": "*",
    }
    if has_seen(request.headers.getall("If-None-Match", ()), etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)
