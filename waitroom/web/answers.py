"""The JSON bodies that several of the shoppers' handlers answer with."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from inventory.catalogue import Sku, SkuBody
from waitroom.desk.board import RoomView
from waitroom.desk.joining.join_desk import Place
from waitroom.desk.standing import (
    TicketStanding,
    TicketStatus,
    entered_standing,
    is_behind,
    poll_for,
    reference_of,
    version_of,
)
from waitroom.line.rules import JoinBy
from waitroom.log.receipt import Receipt


class RoomBody(msgspec.Struct, frozen=True, kw_only=True):
    """A room as the public may see it; `status` is the document's, once there is one."""

    room: str
    name: str
    status: str
    opens_at: datetime | None
    join_by: JoinBy


class JoinedBody(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a join: the ticket's token, where it stands, and its receipt.

    Fields are those of `TicketStanding`. An entry in a draw has `entry` and `entries` in place of a
    number; a number that was called as it joined has its deadline. A repeated join has no receipt.
    """

    ticket: str
    line: str
    behind: bool | UnsetType = UNSET
    number: int | None
    entry: int | UnsetType = UNSET
    entries: int | UnsetType = UNSET
    version: int
    reference: str
    place: int | None
    status: TicketStatus
    receipt: Receipt | None
    state_url: str
    poll_s: float
    claim_until: datetime | None | UnsetType = UNSET
    seconds_left: float | None | UnsetType = UNSET


class RoomFields(TypedDict):
    """The fields of `RoomBody`, for the bodies that extend it."""

    room: str
    name: str
    status: str
    opens_at: datetime | None
    join_by: JoinBy


def room_fields(view: RoomView) -> RoomFields:
    """Return what the public may see of a room."""
    return RoomFields(
        room=view.room,
        name=view.rules.name,
        status=view.state.status if view.state else view.rules.status,
        opens_at=view.rules.opens_at,
        join_by=view.rules.join_by,
    )


class RoomWithSkus(RoomFields):
    """A room as the public may see it, with what it sells."""

    skus: list[SkuBody]


def room_with_skus(view: RoomView, skus: Iterable[Sku]) -> RoomWithSkus:
    """Return what the public may see of a room and of what it sells."""
    return {**room_fields(view), "skus": [sku.public_body() for sku in skus]}


def state_url(view: RoomView) -> str:
    return f"/rooms/{view.room}/state"


def joined_body(view: RoomView, place: Place, token: str) -> JoinedBody:
    """Return the answer to a join; `token` is the ticket as its shopper gets it."""
    if place.ticket.entered:
        return _entered_body(view, place, token)
    ticket, number = place.ticket, place.ticket.number
    line = view.line_of(ticket)
    ahead = max(number - (line.head if line else 0), 0)
    if place.called:
        ahead = 0
    elif place.fresh:
        # It was not called as it joined, whatever a newer document says of its number.
        ahead = max(ahead, 1)
    return JoinedBody(
        ticket=token,
        line=view.name_of(ticket),
        behind=is_behind(view, ticket) or UNSET,
        number=number,
        version=version_of(view),
        reference=reference_of(view, ticket),
        place=ahead,
        status="waiting" if ahead else "called",
        receipt=place.receipt,
        state_url=state_url(view),
        poll_s=poll_for(line, ahead),
        claim_until=place.claim_until if place.called else UNSET,
        seconds_left=place.claim_seconds if place.called else UNSET,
    )


def told_later(body: JoinedBody, standing: TicketStanding) -> JoinedBody:
    """Return the answer to a repeated join with the place as it stands at a later version."""
    return msgspec.structs.replace(
        body,
        version=standing.version,
        place=standing.place,
        status=standing.status,
        poll_s=standing.poll_s,
    )


def _entered_body(view: RoomView, place: Place, token: str) -> JoinedBody:
    standing = entered_standing(view, place.ticket)
    return JoinedBody(
        ticket=token,
        line=standing.line,
        behind=standing.behind,
        number=standing.number,
        entry=standing.entry,
        entries=standing.entries,
        version=standing.version,
        reference=standing.reference,
        place=standing.place,
        status=standing.status,
        receipt=place.receipt,
        state_url=state_url(view),
        poll_s=standing.poll_s,
    )
