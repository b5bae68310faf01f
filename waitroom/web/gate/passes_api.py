"""Passes over HTTP: the keys, minting and renewing, giving a seat back, and what was revoked."""

import zlib

import msgspec
from aiohttp import web

from checkout.api import Checkout
from checkout.session import Session
from inventory.kit.doors.client import bearer
from inventory.kit.doors.described import (
    ETAG,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    Caller,
    described,
)
from inventory.kit.doors.etags import has_seen
from inventory.kit.doors.query import Whole
from inventory.kit.http import PRIVATE, encode, json_response, read_query
from inventory.kit.language.language import phrase
from inventory.kit.limits.classes import HAND_OVERS, SERVICES, limited_as
from inventory.refusals import SessionOver
from waitroom.desk.board import Board
from waitroom.desk.passes.minting import MintedPass, Passes
from waitroom.desk.passes.revocations import Revocations
from waitroom.gate.passes import KeySet, Pass
from waitroom.refusals import NoGate
from waitroom.web.credentials import Credentials

SINCE = Whole(
    name="since",
    text="The `version` of the answer before. Without it the answer is the whole list.",
    default=-1,
    low=0,
    high=2**62,
)
_OTHER_ROOM = phrase("This session belongs to another room.")
KEYS_MAX_AGE_S, REVOKED_MAX_AGE_S = 300, 1


class RevokedPasses(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions whose passes are worth nothing, although they have not run out."""

    room: str
    # A site asks for what is new by this version.
    version: int
    # The ids replace all that a site knows.
    reset: bool
    # The site asks again at once.
    more: bool
    # Passes issued before this moment, in seconds since 1970, have to be renewed.
    issued_before: int | None
    # A site remembers an id for so many seconds.
    pass_s: int
    # Public ids of sessions, the `sub` of passes.
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

    @limited_as(SERVICES)
    @described(
        headers=(IF_NONE_MATCH,), answer=KeySet, answer_headers=(ETAG,), also=(NOT_MODIFIED,)
    )
    async def keys(self, request: web.Request) -> web.Response:
        """Return the public keys of passes, which a site verifies by itself."""
        return _public(request, encode(self._passes.keys.public), max_age_s=KEYS_MAX_AGE_S)

    @limited_as(SERVICES)
    @described(
        query=(SINCE,),
        headers=(IF_NONE_MATCH,),
        answer=RevokedPasses,
        answer_headers=(ETAG,),
        also=(NOT_MODIFIED,),
        refusals=(NoGate,),
    )
    async def revoked(self, request: web.Request) -> web.Response:
        """Return the sessions that ended before their passes ran out, or what is new of them."""
        view = await self._board.find(request.match_info["room"])
        since = SINCE.of(read_query(request))
        page, pass_s = await self._revocations.page(view.room, None if since < 0 else since)
        body = RevokedPasses(
            room=view.room,
            version=page.version,
            reset=page.reset,
            more=page.more,
            issued_before=page.issued_before,
            pass_s=pass_s,
            revoked=page.revoked,
        )
        return _public(request, encode(body), max_age_s=REVOKED_MAX_AGE_S)

    @limited_as(HAND_OVERS)
    @described(caller=Caller.SESSION, answer=MintedPass, refusals=(NoGate,))
    async def mint(self, request: web.Request) -> web.Response:
        """Give a live session a new pass, for a site that verifies it by itself.

        The bearer shows the session, or a pass of it that may have run out.
        """
        session, turn = await self._session_of(request)
        minted = await self._passes.mint(session.room, session.session_id, turn=turn)
        response = json_response(minted)
        if turn is None and bearer(request) is None:
            self._credentials.keep_pass(request, response, session.room, minted.text)
        return response

    @described(caller=Caller.SESSION, status=204)
    async def leave(self, request: web.Request) -> web.Response:
        """End the session of a pass. Its seat goes to the next shopper in line."""
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
        named = read_query(request).get("room", given.room)
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
