"""Leaving and coming back: stepping aside, moving to another device, asking for more time."""

import os
import secrets
import time
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import msgspec
from aiohttp import web

from inventory.kit.http import json_response, read_body
from inventory.kit.problem import Busy, NotFound, Refusal, TooManyRequests
from waitroom.desk.board import RoomView
from waitroom.desk.standing import entered_standing, standing_by_books
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket, parse_ticket
from waitroom.refusals import (
    AlreadyInside,
    CodesUnavailable,
    CodeUnknown,
    NoneLeft,
    NotDrawnYet,
    NoTicket,
    TicketLeft,
    TicketMoved,
    TicketOver,
)
from waitroom.store.memory import Memory
from waitroom.store.place_store import PlaceStore
from waitroom.web.tickets_api import Line

# Letters and digits of which no two look alike, read out or written down: no B and 8, I, L and 1,
# O and 0, S and 5, U and V, Z and 2. Eight of them make 10^11 codes.
CODE_SIGNS = "34679ACDEFGHJKMNPQRTVWXY"
CODE_LENGTH = 8
CODE_VALID_S = 600
# Guessing: from one address, and at one room. Ten minutes of it at a room with a thousand codes out
# find one with a chance of one in twenty thousand.
GUESSES_PER_MINUTE = 20
ROOM_GUESSES_PER_MINUTE = 600
# How often one place may step aside, or have a code made. Each of them is an entry in the log.
CHANGES_PER_MINUTE = 6
PROFILES_FRESH_S = 5.0


class MoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a move: the code as it was shown, in any case, with or without spaces."""

    code: str


class ProfileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: which profile to take."""

    profile: str


class _Move(msgspec.Struct, frozen=True):
    """A move that has its code already: who makes it, from which ticket, to which id (hex)."""

    by: str
    old: str
    new: str


_MOVE_BODY = msgspec.json.Decoder(MoveBody)
_PROFILE_BODY = msgspec.json.Decoder(ProfileBody)
_MOVE = msgspec.json.Decoder(_Move)

_REFUSALS: dict[str, type[Refusal]] = {
    "inside": AlreadyInside,
    "over": TicketOver,
    "left": TicketLeft,
    "ended": TicketOver,
    "other_ticket": TicketMoved,
    "none_left": NoneLeft,
    "unknown": NotFound,
    "drawn": Busy,
}


def _checked(verdict: str) -> None:
    if verdict in _REFUSALS:
        raise _REFUSALS[verdict]


def new_code() -> str:
    return "".join(secrets.choice(CODE_SIGNS) for _ in range(CODE_LENGTH))


def network_of(address: str | None) -> str:
    """Return whom a limit counts: an IPv4 address, or the /64 that an IPv6 address lies in."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return str(address)
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return str(ip_network((known, 64), strict=False))
    return str(getattr(known, "ipv4_mapped", None) or known)


class Places:
    """What can be done with a place besides claiming it; the API and the pages stand on it."""

    def __init__(self, line: Line, *, store: PlaceStore, memory: Memory) -> None:
        self.line = line
        self._store = store
        self._memory = memory
        self._profiles: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    async def step_aside(self, view: RoomView, ticket: Ticket) -> dict[str, Any]:
        """Let the line go on without this number; return where it stands then."""
        if ticket.entered:
            raise NotDrawnYet
        await self._limit("aside", ticket)
        _checked(await self._store.step_aside(ticket))
        return await self._standing(view, ticket)

    async def step_back(self, view: RoomView, ticket: Ticket) -> dict[str, Any]:
        """Take a number back into the line; one that never stepped aside stays as it is."""
        if not ticket.entered:
            _checked(await self._store.step_back(ticket))
        return await self._standing(view, ticket)

    async def take_profile(self, view: RoomView, ticket: Ticket, profile: str) -> dict[str, Any]:
        """Give a place more time; return where it stands then."""
        verdict = await self._store.take_profile(ticket, profile)
        if verdict == "drawn":
            ticket = await self._numbered(view, ticket)
            verdict = await self._store.take_profile(ticket, profile)
        _checked(verdict)
        return await self._standing(view, ticket)

    async def profiles(self, view: RoomView) -> list[dict[str, Any]]:
        """Return what a room offers to those who need more time, with what it comes to in s."""
        kept = self._profiles.get(view.room)
        if kept is not None and time.monotonic() - kept[0] < PROFILES_FRESH_S:
            return kept[1]
        try:
            found = await self._store.profiles(view.room)
        except Busy:
            # A page that shows a place from memory is not refused for what it only offers.
            return kept[1] if kept is not None else []
        offered = [
            {
                "profile": each.profile,
                "name": each.name,
                "time_factor": each.time_factor,
                "left": each.left,
                "claim_window_s": round(view.rules.claim_window_s * each.time_factor),
                "session_s": round(view.rules.session_s * each.time_factor),
            }
            for each in found
        ]
        self._profiles[view.room] = (time.monotonic(), offered)
        return offered

    async def code(self, ticket: Ticket, *, room: str) -> dict[str, Any]:
        """Make a code that moves this place to whoever brings it, once."""
        await self._limit("code", ticket)
        found = await self.line.standings.submit(ticket)
        if found.ticket_id is not None and found.ticket_id != ticket.ticket_id:
            raise TicketMoved
        if found.state == "claimed":
            raise AlreadyInside
        if found.has_left or found.state in {"left", "ended"}:
            raise TicketOver
        code = new_code()
        kept = await self._memory.keep_note(
            _code_note(room, code), ticket.text().encode(), ttl_s=CODE_VALID_S
        )
        if not kept:
            raise CodesUnavailable
        return {"code": code, "valid_s": CODE_VALID_S}

    async def move(
        self, view: RoomView, code: str, *, by: str | None, address: str | None, own: Ticket | None
    ) -> Ticket:
        """Take the place that a code was made for; the ticket that had it is worth nothing then.

        `by` recognises a browser that repeats this, because it never got the answer: it gets the
        same ticket again. `own` is the place that this browser had; it is given up, or the line
        would wait for somebody who has gone to another place.
        """
        await self._limit_guesses(view, address)
        move = await self._take(view, code, by=by)
        old = parse_ticket(move.old)
        if old is None or old.line_id not in view.lines:
            raise CodeUnknown
        old = self.line.board.drawn(view, old)
        ticket_id = bytes.fromhex(move.new)
        verdict = await self._store.move(old, to_ticket=ticket_id)
        if verdict == "drawn":
            old = await self._numbered(view, old)
            verdict = await self._store.move(old, to_ticket=ticket_id)
        if verdict == "other_ticket":
            # It moved by another code meanwhile; nobody is told more than of a wrong one.
            raise CodeUnknown
        _checked(verdict)
        await self.line.board.refresh_places()
        ticket = replace(old, ticket_id=ticket_id)
        if own is not None and replace(own, ticket_id=ticket_id) != ticket:
            await self._give_up(view, own)
        return ticket

    async def _take(self, view: RoomView, code: str, *, by: str | None) -> _Move:
        """Use a code up; whoever did that before and asks again gets what it came to."""
        code = "".join(sign for sign in code.upper() if sign not in " -\t")
        if len(code) != CODE_LENGTH or not set(code) <= set(CODE_SIGNS):
            raise CodeUnknown
        old = await self._memory.take_note(_code_note(view.room, code))
        begun = f"moved:{view.room}:{code}"
        if old is not None:
            move = _Move(by=by or "", old=old.decode(), new=os.urandom(TICKET_ID_BYTES).hex())
            if by:
                # Noted before anything is moved: the answer may be lost, the place may not.
                await self._memory.keep_note(begun, msgspec.json.encode(move), ttl_s=CODE_VALID_S)
            return move
        note = await self._memory.note(begun) if by else None
        if note is None or (move := _MOVE.decode(note)).by != by:
            if not await self._memory.alive():
                raise CodesUnavailable
            raise CodeUnknown
        return move

    async def _give_up(self, view: RoomView, ticket: Ticket) -> None:
        """Leave a place that is of no use any more, unless somebody is shopping with it."""
        with suppress(Refusal):
            found = await self.line.standings.submit(ticket)
            if not found.has_left and found.state in {None, "called", "missed"}:
                await self.line.leave(view, ticket)

    async def _numbered(self, view: RoomView, ticket: Ticket) -> Ticket:
        """Return the ticket by its number: the draw was made, and this worker hears of it now."""
        await self.line.board.refresh(rooms=True)
        return self.line.board.drawn(view, ticket)

    async def _standing(self, view: RoomView, ticket: Ticket) -> dict[str, Any]:
        """Return where a place stands by the books, which this worker has heard of then."""
        await self.line.board.refresh_places()
        if ticket.entered:
            return entered_standing(view, ticket, self.line.board.note_of(ticket))
        return standing_by_books(view, ticket, await self.line.standings.submit(ticket))

    async def _limit(self, what: str, ticket: Ticket) -> None:
        place = f"{ticket.line_id}.{'e' if ticket.entered else ''}{ticket.number}"
        await self._allow(f"{what}:{place}", CHANGES_PER_MINUTE)

    async def _limit_guesses(self, view: RoomView, address: str | None) -> None:
        # The address first: one guesser uses up their own attempts and not the room's.
        await self._allow(f"move:address:{network_of(address)}", GUESSES_PER_MINUTE)
        await self._allow(f"move:room:{view.room}", ROOM_GUESSES_PER_MINUTE)

    async def _allow(self, bucket: str, per_minute: int) -> None:
        wait_s = await self._memory.allow(bucket, per_minute=per_minute)
        if wait_s > 0:
            raise TooManyRequests(headers={"Retry-After": str(int(wait_s) + 1)})


def _code_note(room: str, code: str) -> str:
    return f"move:{room}:{code}"


class PlacesApi:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._line = places.line

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/rooms/{room}/tickets/me/aside", self.step_aside),
            web.post("/rooms/{room}/tickets/me/back", self.step_back),
            web.post("/rooms/{room}/tickets/me/code", self.code),
            web.put("/rooms/{room}/tickets/me/profile", self.take_profile),
            web.get("/rooms/{room}/profiles", self.profiles),
            web.post("/rooms/{room}/move", self.move),
        ]

    async def step_aside(self, request: web.Request) -> web.Response:
        return json_response(await self._places.step_aside(*self._ticket(request)))

    async def step_back(self, request: web.Request) -> web.Response:
        return json_response(await self._places.step_back(*self._ticket(request)))

    async def code(self, request: web.Request) -> web.Response:
        view, ticket = self._ticket(request)
        return json_response(await self._places.code(ticket, room=view.room), status=201)

    async def take_profile(self, request: web.Request) -> web.Response:
        view, ticket = self._ticket(request)
        wish = await read_body(request, _PROFILE_BODY)
        return json_response(await self._places.take_profile(view, ticket, wish.profile))

    async def profiles(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        return json_response({"profiles": await self._places.profiles(view)})

    async def move(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        wish = await read_body(request, _MOVE_BODY)
        ticket = await move_here(self._places, request, view, wish.code)
        token = self._line.board.seal.sign(ticket)
        body = {
            "ticket": token,
            **await self._line.standing(view, ticket),
            "receipt": None,
            "state_url": f"/rooms/{view.room}/state",
        }
        response = json_response(body, status=201)
        self._line.set_cookie(response, self._line.ticket_cookie(view.room), token)
        return response

    def _ticket(self, request: web.Request) -> tuple[RoomView, Ticket]:
        view = self._line.board.room(request.match_info["room"])
        return view, self._line.ticket_of(request, view)


async def move_here(places: Places, request: web.Request, view: RoomView, code: str) -> Ticket:
    """Move a place to whoever sent this request, in place of the one they had."""
    line = places.line
    try:
        own = line.ticket_of(request, view)
    except (NoTicket, TicketMoved):
        own = None
    key = line.join_key(request)
    return await places.move(view, code, by=key, address=request.remote, own=own)
