"""The API of rooms and tickets: join, state, standing, claim, leave."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta
from multidict import CIMultiDict

from checkout.customers.customer import TOKEN_BYTES_MAX
from checkout.refusals import CustomersNotConfigured, CustomerTokenInvalid, IdentityProviderAway
from inventory.api import Catalogue
from inventory.kit.doors.described import (
    CLIENT_KEY,
    ETAG,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    OPTIONAL_KEY,
    Answer,
    Caller,
    described,
)
from inventory.kit.doors.etags import has_seen, tags_in
from inventory.kit.doors.query import Text, Whole
from inventory.kit.http import PRIVATE, json_response, read_body, read_query
from inventory.kit.limits.classes import CLAIMS, JOINS, limited_as
from inventory.kit.problem import BadRequest, ClientKeyWeak, TooManyRequests
from inventory.refusals import PaymentRunning, UnknownSku
from waitroom.desk.board import Board, RoomView
from waitroom.desk.joining.join_desk import Place
from waitroom.desk.proving.human_check import TOKEN_LENGTH_MAX
from waitroom.desk.proving.refusals import CheckAway, CheckNeeded, ProofNeeded
from waitroom.desk.proving.work import PROOF_LENGTH_MAX
from waitroom.desk.refusals import NetworkFull
from waitroom.desk.standing import TicketStanding, version_of
from waitroom.desk.tickets import Tickets
from waitroom.line.state import RoomState
from waitroom.refusals import (
    AlreadyBought,
    CookiesNeeded,
    CustomerSignInNeeded,
    IdempotencyKeyWeak,
    InvitationInvalid,
    InvitationNeeded,
    InvitationUsed,
    LineOver,
    LineRestarted,
    Missed,
    NotOpen,
    NotYetCalled,
    OtherTicket,
    PlaceRevoked,
    ReturnAddressRefused,
    RoomEnded,
    SoldOut,
    StateNotKnown,
    SteppedAside,
    TicketBound,
    TicketLeft,
    TicketMoved,
    TicketOver,
)
from waitroom.web.answers import JoinedBody, RoomBody, joined_body, room_fields, told_later
from waitroom.web.credentials import Credentials
from waitroom.web.gate.onward import Onward
from waitroom.web.gate.returning import PLAIN_ADDRESS, SIGNED_ADDRESS, Returning
from waitroom.web.waiting.notes import VERSION

RANDOM_BYTES_MAX = 64
ROOMS_PAGE_MAX = 200
SKUS_NAMED_MAX = 60
# The headers of state documents that are built once and kept: enough for every room.
HEADERS_KEPT_MAX = 1024


class JoinBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optional body of a join.

    `random` is hex, the shopper's own part of the receipt. With `returns` a place is given also
    while everything is sold, in case something comes back. `invitation` is the token of a link, and
    `customer_token` the identity provider's, for rooms that ask for one. `sku` is what the shopper
    came for, "" for anything. `proof` and `check` answer `proof_needed` and `check_needed`.
    """

    random: str = ""
    returns: bool = False
    invitation: Annotated[str, Meta(max_length=TOKEN_BYTES_MAX)] = ""
    customer_token: Annotated[str, Meta(max_length=TOKEN_BYTES_MAX)] = ""
    sku: str = ""
    proof: Annotated[str, Meta(max_length=PROOF_LENGTH_MAX)] = ""
    check: Annotated[str, Meta(max_length=TOKEN_LENGTH_MAX)] = ""

    def random_bytes(self) -> bytes:
        """Return the shopper's random value; raises `BadRequest`."""
        try:
            random = bytes.fromhex(self.random)
        except ValueError as error:
            raise BadRequest("`random` must be hex.") from error
        if len(random) > RANDOM_BYTES_MAX:
            raise BadRequest(f"`random` has at most {RANDOM_BYTES_MAX} bytes.")
        return random


class ListedRoom(RoomBody, frozen=True, kw_only=True):
    """A room in the public list, with the SKUs that it sells."""

    skus: list[str]


class RoomList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the public rooms; `next` is the cursor of the page after it, None at the end."""

    rooms: list[ListedRoom]
    next: str | None


class ClaimBody(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a claim: the session's token, its deadline, and where to go with it.

    `pass` is what a site verifies by itself; it is "" in a room without a gate.
    """

    session: str
    expires_at: datetime | None
    seconds_left: float
    checkout_url: str
    text_of_pass: str = msgspec.field(name="pass")


_LIMIT = Whole(name="limit", text="Rooms on a page.", default=50, low=1, high=ROOMS_PAGE_MAX)
_CURSOR = Text(name="cursor", text="The `next` of the page before.")
_JOIN = msgspec.json.Decoder(JoinBody)
_NOTHING = JoinBody()


_JOIN_REFUSALS = (
    LineOver,
    TicketMoved,
    TicketBound,
    ClientKeyWeak,
    NotOpen,
    RoomEnded,
    SoldOut,
    LineRestarted,
    CookiesNeeded,
    IdempotencyKeyWeak,
    ProofNeeded,
    CheckNeeded,
    CheckAway,
    InvitationNeeded,
    InvitationInvalid,
    InvitationUsed,
    PlaceRevoked,
    UnknownSku,
    TooManyRequests,
    CustomerSignInNeeded,
    CustomerTokenInvalid,
    CustomersNotConfigured,
    IdentityProviderAway,
)
_CLAIM_REFUSALS = (
    ClientKeyWeak,
    OtherTicket,
    TicketLeft,
    TicketOver,
    NotYetCalled,
    Missed,
    NetworkFull,
    SteppedAside,
    AlreadyBought,
    RoomEnded,
    PlaceRevoked,
    SoldOut,
    NotOpen,
    ReturnAddressRefused,
)


class TicketsApi:
    def __init__(
        self,
        tickets: Tickets,
        credentials: Credentials,
        *,
        board: Board,
        catalogue: Catalogue,
        onward: Onward,
        returning: Returning,
    ) -> None:
        self._onward = onward
        self._tickets = tickets
        self._credentials = credentials
        self._board = board
        self._catalogue = catalogue
        self._returning = returning

    def routes(self) -> list[web.RouteDef]:
        # The router tries them one by one, so what is asked for most stands first.
        return [
            web.get("/rooms/{room}/state", self.state),
            web.post("/rooms/{room}/tickets", self.join),
            web.post("/rooms/{room}/claims", self.claim),
            web.get("/rooms/{room}/tickets/me", self.standing),
            web.delete("/rooms/{room}/tickets/me", self.leave),
            web.get("/rooms", self.list_rooms),
        ]

    @described(query=(_LIMIT, _CURSOR), answer=RoomList)
    async def list_rooms(self, request: web.Request) -> web.Response:
        """List the public rooms, by name."""
        query = read_query(request)
        limit, after = _LIMIT.of(query), _CURSOR.of(query)
        views = await self._board.every_room()
        public = [view for view in views if view.rules.public and view.room > after]
        rooms = []
        for view in public[:limit]:
            skus = await self._catalogue.page(room=view.room, limit=SKUS_NAMED_MAX)
            rooms.append(ListedRoom(**room_fields(view), skus=[sku.sku for sku in skus]))
        following = rooms[-1].room if len(public) > limit else None
        return json_response(RoomList(rooms=rooms, next=following))

    @described(
        headers=(IF_NONE_MATCH,),
        answer=RoomState,
        answer_headers=(ETAG,),
        also=(NOT_MODIFIED,),
        refusals=(StateNotKnown,),
    )
    async def state(self, request: web.Request) -> web.Response:
        """Return the room's state document, the same bytes to everybody.

        It says how far the line is, and how long places wait. Any cache may keep it for a second.
        """
        view = await self._credentials.room_of(request)
        if not view.raw:
            raise StateNotKnown
        seen = request.headers.getall("If-None-Match", ())
        if seen and _has_seen(seen, view):
            return web.Response(status=304, headers=_state_headers(view.etag))
        return web.Response(body=view.raw, headers=_state_headers(view.etag))

    @limited_as(JOINS)
    @described(
        query=(VERSION,),
        headers=(OPTIONAL_KEY, CLIENT_KEY),
        body=JoinBody,
        body_required=False,
        answer=JoinedBody,
        status=201,
        also=(Answer(body=JoinedBody, text="The shopper had this place already."),),
        refusals=_JOIN_REFUSALS,
    )
    async def join(self, request: web.Request) -> web.Response:
        """Take a place in line, or return the one that the shopper has.

        What makes a repeat find the same place is the ticket that it brings, a customer, an
        invitation, a browser's cookie, or an Idempotency-Key that is a UUID.
        """
        view = await self._credentials.room_of(request)
        # A version that cannot be read is refused before a place is taken.
        VERSION.of(read_query(request))
        self._credentials.holders.app_key(request)
        body = await read_body(request, _JOIN) if request.can_read_body else _NOTHING
        ticket = self._credentials.ticket_if_any(request, view)
        if ticket is not None and await self._tickets.still_good(ticket):
            place = Place(ticket=ticket, fresh=False)
        else:
            self._credentials.require_cookies(request)
            random = body.random_bytes()
            place = await self._tickets.join(
                view,
                self._credentials.brought(
                    request,
                    view,
                    invitation=body.invitation,
                    customer_token=body.customer_token,
                    proof=body.proof,
                    check=body.check,
                ),
                key=self._credentials.join_key(request, view, former=ticket, random=random),
                random=random,
                former=ticket,
                for_returns=body.returns,
                sku=body.sku,
            )
        given = self._credentials.ticket_for(request, place.ticket)
        body_told = joined_body(view, place, given.told)
        if not place.fresh and (seen := self._credentials.seen(request)) > body_told.version:
            body_told = told_later(
                body_told, await self._tickets.standing(view, place.ticket, seen=seen)
            )
        response = json_response(body_told, status=201 if place.fresh else 200)
        self._credentials.keep_ticket(request, response, view, given)
        return response

    @described(
        caller=Caller.TICKET, query=(VERSION,), answer=TicketStanding, refusals=(OtherTicket,)
    )
    async def standing(self, request: web.Request) -> web.Response:
        """Return where a ticket stands: its place, its wait, and when to ask again (`poll_s`)."""
        view = await self._credentials.room_of(request)
        ticket = self._credentials.ticket_of(request, view)
        seen = self._credentials.seen(request)
        return json_response(await self._tickets.standing(view, ticket, seen=seen))

    @described(caller=Caller.TICKET, status=204, refusals=(OtherTicket, PaymentRunning, RoomEnded))
    async def leave(self, request: web.Request) -> web.Response:
        """Give a place up. The number is not given again."""
        view = await self._credentials.room_of(request)
        await self._tickets.leave(view, self._credentials.ticket_of(request, view))
        response = web.Response(status=204)
        self._credentials.forget_ticket(response, view)
        return response

    @limited_as(CLAIMS)
    @described(
        caller=Caller.TICKET,
        answer=ClaimBody,
        status=201,
        also=(Answer(body=ClaimBody, text="It was claimed before; this is the same session."),),
        query=(SIGNED_ADDRESS, PLAIN_ADDRESS),
        refusals=_CLAIM_REFUSALS,
    )
    async def claim(self, request: web.Request) -> web.Response:
        """Take up a call, and get a session for the checkout.

        Claiming again gives the same session.
        """
        view = await self._credentials.room_of(request)
        ticket = self._credentials.ticket_of(request, view)
        self._credentials.holders.app_key(request)
        # An address that is refused leaves the call unclaimed.
        there = self._returning.way_on(request, view)
        network = self._credentials.clients.network(request)
        session = await self._tickets.claim(view, ticket, network=network)
        let_in = await self._onward.let_in(request, view, session, there)
        body = ClaimBody(
            session=let_in.session.told,
            expires_at=session.expires_at,
            seconds_left=session.seconds_left,
            checkout_url=let_in.address,
            text_of_pass=let_in.text_of_pass,
        )
        response = json_response(body, status=201 if session.fresh else 200)
        self._onward.keep(request, response, view, let_in)
        return response


def _has_seen(lines: Sequence[str], view: RoomView) -> bool:
    """Say whether a client has this worker's document, or a later one from another worker."""
    if has_seen(lines, view.etag):
        return True
    return any(
        tag.isascii() and tag.isdigit() and int(tag[:20]) > version_of(view)
        for tag in tags_in(lines)
    )


@lru_cache(maxsize=HEADERS_KEPT_MAX)
def _state_headers(etag: str) -> CIMultiDict[str]:
    """Return the headers of a state document, which any cache may keep for a second."""
    return CIMultiDict(
        {
            **PRIVATE,
            "Cache-Control": "public, max-age=1",
            "ETag": etag,
            "Access-Control-Allow-Origin": "*",
        }
    )
