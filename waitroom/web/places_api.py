"""The API of a place: step aside and back, more time, move it to another device."""

import msgspec
from aiohttp import web

from inventory.kit.doors.client import client_network
from inventory.kit.doors.described import CLIENT_KEY, OPTIONAL_KEY, Caller, described
from inventory.kit.http import json_response, read_body
from inventory.kit.limits.classes import CODES, limited_as
from inventory.kit.problem import ClientKeyWeak, TooManyRequests
from inventory.refusals import UnknownSku
from waitroom.desk.board import RoomView
from waitroom.desk.places import MoveCode, Places, ProfileOffer
from waitroom.desk.standing import TicketStanding
from waitroom.desk.tickets import Tickets
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    AlreadyCalled,
    AlreadyInside,
    CodesUnavailable,
    CodeUnknown,
    IdempotencyKeyWeak,
    NoneLeft,
    NotDrawnYet,
    OtherTicket,
    PlaceChangedTooOften,
    RoomEnded,
    TicketLeft,
    TicketOver,
)
from waitroom.web.answers import state_url
from waitroom.web.credentials import NOT_HERE, Credentials
from waitroom.web.waiting.notes import VERSION


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a move: the code as it was shown, in any case, with or without spaces."""

    code: str


class ProfileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: which profile the place is to have."""

    profile: str


class ChoiceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: the SKU that the shopper came for, null for anything."""

    sku: str | None


class ProfileList(msgspec.Struct, frozen=True, kw_only=True):
    profiles: list[ProfileOffer]


class MovedBody(TicketStanding, frozen=True, kw_only=True):
    """The answer to a move: the new ticket's token, and where it stands. It has no receipt."""

    ticket: str
    receipt: None = None
    state_url: str


_MOVE_BODY = msgspec.json.Decoder(MoveBody)
_PROFILE_BODY = msgspec.json.Decoder(ProfileBody)
_CHOICE_BODY = msgspec.json.Decoder(ChoiceBody)


_UNCHANGED = (TicketLeft, OtherTicket, TicketOver, RoomEnded, PlaceChangedTooOften, TooManyRequests)


class PlacesApi:
    def __init__(self, places: Places, tickets: Tickets, credentials: Credentials) -> None:
        self._places = places
        self._tickets = tickets
        self._credentials = credentials

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/rooms/{room}/tickets/me/aside", self.step_aside),
            web.post("/rooms/{room}/tickets/me/back", self.step_back),
            web.post("/rooms/{room}/tickets/me/code", self.code),
            web.put("/rooms/{room}/tickets/me/profile", self.give_profile),
            web.put("/rooms/{room}/tickets/me/choice", self.choose),
            web.get("/rooms/{room}/profiles", self.profiles),
            web.post("/rooms/{room}/move", self.move),
        ]

    @described(
        caller=Caller.TICKET,
        answer=TicketStanding,
        refusals=(*_UNCHANGED, AlreadyInside, NotDrawnYet),
    )
    async def step_aside(self, request: web.Request) -> web.Response:
        """Let the line go on without this number, which keeps its right to come back."""
        return json_response(await self._places.step_aside(*await self._ticket(request)))

    @described(caller=Caller.TICKET, answer=TicketStanding, refusals=_UNCHANGED)
    async def step_back(self, request: web.Request) -> web.Response:
        """Come back into the line. A number that was passed by is called before any new one."""
        return json_response(await self._places.step_back(*await self._ticket(request)))

    @limited_as(CODES)
    @described(
        caller=Caller.TICKET,
        answer=MoveCode,
        status=201,
        refusals=(AlreadyInside, TicketOver, TooManyRequests, CodesUnavailable),
    )
    async def code(self, request: web.Request) -> web.Response:
        """Make a code that moves the place, once, to the device that brings it."""
        view, ticket = await self._ticket(request)
        return json_response(await self._places.code(ticket, room=view.room), status=201)

    @described(
        caller=Caller.TICKET,
        body=ProfileBody,
        answer=TicketStanding,
        refusals=(*_UNCHANGED, NoneLeft, AlreadyInside, AlreadyCalled),
    )
    async def give_profile(self, request: web.Request) -> web.Response:
        """Give the place more time, by a profile that the room offers."""
        view, ticket = await self._ticket(request)
        body = await read_body(request, _PROFILE_BODY)
        return json_response(await self._places.give_profile(view, ticket, body.profile))

    @described(
        caller=Caller.TICKET,
        body=ChoiceBody,
        answer=TicketStanding,
        refusals=(*_UNCHANGED, UnknownSku, AlreadyInside, AlreadyCalled),
    )
    async def choose(self, request: web.Request) -> web.Response:
        """Say which SKU the shopper came for, or that it may be any."""
        view, ticket = await self._ticket(request)
        body = await read_body(request, _CHOICE_BODY)
        return json_response(await self._places.choose(view, ticket, body.sku or None))

    @described(answer=ProfileList)
    async def profiles(self, request: web.Request) -> web.Response:
        """List the profiles that the room offers to shoppers who need more time."""
        view = await self._credentials.room_of(request)
        return json_response(ProfileList(profiles=await self._places.profiles(view)))

    @limited_as(CODES)
    @described(
        query=(VERSION,),
        headers=(OPTIONAL_KEY, CLIENT_KEY),
        body=MoveBody,
        answer=MovedBody,
        status=201,
        refusals=(
            CodeUnknown,
            CodesUnavailable,
            IdempotencyKeyWeak,
            ClientKeyWeak,
            AlreadyInside,
            OtherTicket,
            TicketOver,
            RoomEnded,
            PlaceChangedTooOften,
            TooManyRequests,
        ),
    )
    async def move(self, request: web.Request) -> web.Response:
        """Bring a place here with its code. The ticket that it had is worth nothing then."""
        view = await self._credentials.room_of(request)
        body = await read_body(request, _MOVE_BODY)
        # One that cannot be read is refused before the code is used up.
        self._credentials.holders.app_key(request)
        ticket = await move_here(self._places, self._credentials, request, view, body.code)
        given = self._credentials.ticket_for(request, ticket)
        standing = await self._tickets.standing(view, ticket, seen=self._credentials.seen(request))
        told = msgspec.structs.asdict(standing)
        moved = MovedBody(**told, ticket=given.told, state_url=state_url(view))
        response = json_response(moved, status=201)
        self._credentials.keep_ticket(request, response, view, given)
        return response

    async def _ticket(self, request: web.Request) -> tuple[RoomView, Ticket]:
        view = await self._credentials.room_of(request)
        return view, self._credentials.ticket_of(request, view)


async def move_here(
    places: Places, credentials: Credentials, request: web.Request, view: RoomView, code: str
) -> Ticket:
    """Move a place to the browser that sent this request, in place of the one it had."""
    try:
        own = credentials.ticket_of(request, view)
    except NOT_HERE:
        own = None
    key = credentials.repeat_key(request)
    return await places.move(view, code, by=key, network=client_network(request), own=own)
