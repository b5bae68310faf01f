"""The operators' API for single places: looking one up, and taking one away."""

import re
from datetime import datetime
from typing import Literal

import msgspec
from aiohttp import web
from msgspec.structs import replace

from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.texts import Note, is_visible
from inventory.kit.http import json_response, read_body
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import PaymentRunning, RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board, RoomView
from waitroom.desk.standing import TicketStatus, standing_on_file
from waitroom.line.ticket import TICKET_ID_BYTES, Ticket
from waitroom.refusals import PlaceOver
from waitroom.store.line_store import LineStore
from waitroom.store.place_store import PlaceStore


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of DELETE: why, and the number once more, typed by hand."""

    reason: Note
    confirm: int


class PlaceBody(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET: fields are those of the shopper's `TicketStanding`.

    `reference` is None for a place of which the database knows no ticket.
    """

    line: str
    number: int
    status: TicketStatus
    place: int | None
    reference: str | None
    profile: str | None
    claim_until: datetime | None
    grace_until: datetime | None


class RevokedPlace(msgspec.Struct, frozen=True, kw_only=True):
    line: str
    number: int
    status: Literal["revoked"] = "revoked"


_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_NUMBER_OR_ENTRY = re.compile(r"(e?)([1-9][0-9]{0,17})")
# In place of the ticket id of a place that the database does not keep.
_NO_TICKET_ID = bytes(TICKET_ID_BYTES)
_REVOCATION = decoder(Revocation)


class PlacesAdmin:
    def __init__(self, guard: Guard, *, board: Board, lines: LineStore, places: PlaceStore) -> None:
        self._guard = guard
        self._board = board
        self._lines = lines
        self._places = places

    def routes(self) -> list[web.RouteDef]:
        as_role, place = self._guard.as_role, "/admin/rooms/{room}/places/{line}/{number}"
        return [
            web.get(place, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.delete(place, as_role("operator", self.revoke, scope="rooms")),
        ]

    @described(answer=PlaceBody)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Say of a place what its holder is told, and its reference where its ticket is known.

        The number may be an entry's, such as `e7`, once the draw has given it one.
        """
        view = await self._board.find(request.match_info["room"])
        ticket = _named(view, request.match_info["line"], request.match_info["number"])
        (found,) = await self._lines.places_on_file([ticket])
        if ticket.number > found.tail:
            raise NotFound(_given(view.name_of(ticket), found.tail))
        known = found.ticket_id
        told = standing_on_file(view, replace(ticket, ticket_id=known or _NO_TICKET_ID), found)
        body = PlaceBody(
            line=told.line,
            number=ticket.number,
            status=told.status,
            place=told.place,
            reference=told.reference if known is not None else None,
            profile=found.profile,
            claim_until=told.claim_until,
            grace_until=told.grace_until or None,
        )
        return json_response(body)

    @described(
        body=Revocation, answer=RevokedPlace, refusals=(PlaceOver, PaymentRunning, RoomArchived)
    )
    async def revoke(self, request: web.Request, operator: Operator) -> web.Response:
        """Take a place away; its session ends, and the public log has a hash of the reason."""
        named = request.match_info
        if _NUMBER.fullmatch(named["number"]) is None:
            raise NotFound("There is no such place.")
        number = int(named["number"])
        body = await read_body(request, _REVOCATION)
        if body.confirm != number:
            raise BadRequest(f'To take the place away, say {{"confirm": {number}}}.')
        if not is_visible(body.reason):
            raise BadRequest("Say why the place is taken away; it goes on record.")
        verdict = await self._places.revoke(
            named["room"], named["line"], number, who=operator.name, reason=body.reason
        )
        if verdict == "unknown":
            raise NotFound("There is no such place.")
        if verdict == "over":
            raise PlaceOver
        if verdict == "payment_running":
            raise PaymentRunning
        if verdict == "archived":
            raise RoomArchived
        await self._board.refresh_places()
        return json_response(RevokedPlace(line=named["line"], number=number))


def _named(view: RoomView, line: str, number: str) -> Ticket:
    """Return a ticket that stands for a place in one of the room's lines; raises `NotFound`."""
    line_id = next((i for i, known in view.lines.items() if known.rules.line == line), None)
    match = _NUMBER_OR_ENTRY.fullmatch(number)
    if line_id is None:
        raise NotFound(f"The room has no line {line!r} now.")
    if match is None:
        raise NotFound("There is no such place.")
    if not match[1]:
        return Ticket(line_id=line_id, number=int(match[2]), ticket_id=_NO_TICKET_ID)
    drawn = view.lines[line_id].number_of(int(match[2]))
    if drawn is None:
        raise NotFound("An entry has no number before the draw, and none that was not in it.")
    return Ticket(line_id=line_id, number=drawn, ticket_id=_NO_TICKET_ID)


def _given(line: str, tail: int) -> str:
    """Say which numbers there are."""
    if not tail:
        return f"In line {line} no number has been given yet."
    return f"In line {line} the numbers 1 to {tail} have been given."
