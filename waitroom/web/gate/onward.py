"""The way on for shoppers who are let in: to the page of the site that they came from."""

import time

import msgspec
from aiohttp import web

from checkout.api import Checkout
from checkout.order_store import SessionView
from inventory.kit.doors.client import client_address
from inventory.kit.holders.holders import Given
from inventory.kit.limits.classes import HAND_OVERS, limited_as
from inventory.refusals import SessionOver
from waitroom.desk.board import RoomView
from waitroom.desk.gates import KnownUsers
from waitroom.desk.passes.minting import Passes
from waitroom.desk.tickets import OpenedSession
from waitroom.gate.known_user.protocol import (
    TOKEN_S,
    Token,
    mint,
    minutes_of,
    queue_id_of,
    with_token,
)
from waitroom.web.credentials import Credentials
from waitroom.web.gate.returning import Returning


class LetIn(msgspec.Struct, frozen=True, kw_only=True):
    """A shopper who is let in: their session, their pass or "", and where they go."""

    session: Given
    text_of_pass: str
    address: str


class Onward:
    def __init__(
        self,
        known_users: KnownUsers,
        *,
        passes: Passes,
        returning: Returning,
        credentials: Credentials,
        checkout: Checkout,
    ) -> None:
        self._known_users = known_users
        self._passes = passes
        self._returning = returning
        self._credentials = credentials
        self._checkout = checkout

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/rooms/{room}/onward", self.lead_on)]

    @limited_as(HAND_OVERS)
    async def lead_on(self, request: web.Request) -> web.Response:
        """Lead a shopper who is inside to the site, and anybody else to the room."""
        view = await self._credentials.room_of(request)
        session = await self.inside(request, view)
        if session is None:
            raise led_to(f"/rooms/{view.room}")
        target = self._returning.address(request, view)
        if self._known_users.of_room(view.room) is None:
            opened = self._opened(request, view, session)
            raise led_to((await self.let_in(request, view, opened, target)).address)
        raise led_to(self.address(request, view, session, target))

    async def let_in(
        self, request: web.Request, view: RoomView, session: OpenedSession, target: str
    ) -> LetIn:
        """Give a session its pass, if the room gives any, and lead on to the target with it."""
        text = await self._passes.mint_if_any(view.room, session.session.session_id)
        address = self._returning.handing_over(
            request, view.room, target, session=session, text=text
        )
        given = self._credentials.session_for(request, session.session)
        return LetIn(session=given, text_of_pass=text, address=address)

    def keep(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, let_in: LetIn
    ) -> None:
        """Let the browser keep the session, and the pass."""
        self._credentials.keep_session(request, response, view, let_in.session)
        if let_in.text_of_pass:
            self._credentials.keep_pass(request, response, view.room, let_in.text_of_pass)

    async def inside(self, request: web.Request, view: RoomView) -> SessionView | None:
        """Return the live session of this browser in a room, None if it has none."""
        session = self._checkout.sessions.kept(request, view.room)
        if session is None:
            return None
        try:
            return await self._checkout.live_session(session)
        except SessionOver:
            return None

    def address(
        self, request: web.Request, view: RoomView, session: SessionView, target: str
    ) -> str:
        """Return the target for a shopper who is inside.

        A site that the room speaks KnownUser to gets a token in the address, which is for one
        shopper and good for some minutes.
        """
        speaker = self._known_users.of_room(view.room)
        if speaker is None or "://" not in target:
            return target
        rules = speaker.rules
        token = Token(
            event=rules.event,
            queue_id=queue_id_of(session.session_id, speaker.secret),
            expires_at=int(time.time()) + TOKEN_S,
            extends=rules.extends,
            cookie_min=None if rules.extends else minutes_of(session.seconds_left),
            address_hash=speaker.address_hash(client_address(request)),
        )
        return with_token(target, mint(token, speaker.secret))

    def _opened(self, request: web.Request, view: RoomView, session: SessionView) -> OpenedSession:
        """Return a live session in the form in which a claim gave it."""
        kept = self._checkout.sessions.kept(request, view.room)
        assert kept is not None
        return OpenedSession(
            session=kept,
            expires_at=session.expires_at,
            seconds_left=session.seconds_left,
            fresh=False,
        )


def led_to(address: str) -> web.HTTPFound:
    """Lead on. What stands in such an address is for one browser and one moment."""
    return web.HTTPFound(address, headers={"Cache-Control": "no-store"})
