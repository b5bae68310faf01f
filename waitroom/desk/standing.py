"""What a ticket is told of where it stands, from the state document or from the books."""

from typing import Any

from waitroom.desk.board import PlaceNote, RoomView
from waitroom.line.ticket import Ticket, encode_id
from waitroom.line.wait import POLL_MIN_S, WaitRow, row_at
from waitroom.refusals import OtherTicket
from waitroom.store.line_store import Standing

_NOTHING_KNOWN = WaitRow(place=1, wait_low_s=None, wait_high_s=None, chance=0.0, poll_s=POLL_MIN_S)


def row_for(view: RoomView, ticket: Ticket, place: int) -> WaitRow:
    line = view.line_of(ticket)
    return row_at(line.table, max(place, 1)) if line is not None else _NOTHING_KNOWN


def waiting_standing(view: RoomView, ticket: Ticket, status: str, head: int) -> dict[str, Any]:
    place = max(ticket.number - head, 0)
    row = row_for(view, ticket, place)
    if (
        view.state is not None
        and status == "waiting"
        and view.state.status in {"sold_out", "ended"}
    ):
        status = view.state.status
    return {
        "room": view.room,
        "line": view.name_of(ticket),
        "number": ticket.number,
        "reference": reference_of(view, ticket),
        "place": place,
        "status": status,
        "wait_low_s": row.wait_low_s if place else 0,
        "wait_high_s": row.wait_high_s if place else 0,
        "chance": row.chance,
        "poll_s": row.poll_s if status == "waiting" else POLL_MIN_S,
        "claim_until": None,
    }


def reference_of(view: RoomView, ticket: Ticket) -> str:
    """Return what a shopper can read out to support; it gives nothing away."""
    mark = "e" if ticket.entered else ""
    return f"{view.name_of(ticket)}-{mark}{ticket.number}-{encode_id(ticket.ticket_id)[:4]}"


def noted_standing(view: RoomView, ticket: Ticket, note: PlaceNote, head: int) -> dict[str, Any]:
    """Return where a number stands that the line has not come to, without asking the books."""
    status = "revoked" if note.revoked else "aside" if note.aside else "waiting"
    told = waiting_standing(view, ticket, status, head) | {"profile": note.profile}
    return told | {"passed": False, "grace_until": None} if note.aside else told


def entered_standing(view: RoomView, ticket: Ticket, note: PlaceNote) -> dict[str, Any]:
    """Return where an entry stands: it has no number before the draw, and nobody is ahead of it."""
    line = view.line_of(ticket)
    return {
        "room": view.room,
        "line": view.name_of(ticket),
        "number": None,
        "entry": ticket.number,
        # The document may be older than this entry.
        "entries": max(line.entries if line else 0, ticket.number),
        "reference": reference_of(view, ticket),
        "place": None,
        "status": "left" if note.has_left else "entered",
        "profile": note.profile,
        "wait_low_s": None,
        "wait_high_s": None,
        "chance": None,
        "poll_s": line.table[-1].poll_s if line and line.table else POLL_MIN_S,
        "claim_until": None,
    }


def standing_by_books(view: RoomView, ticket: Ticket, found: Standing) -> dict[str, Any]:
    if found.ticket_id is not None and found.ticket_id != ticket.ticket_id:
        raise OtherTicket
    # `returns` is told where the books are read anyway; the state document cannot know it.
    told = {"returns": found.returns_email is not None, "profile": found.profile}
    head = min(found.gate, found.tail)
    if found.state is None:
        return waiting_standing(view, ticket, "waiting", head) | told
    if found.revoked:
        return waiting_standing(view, ticket, "revoked", ticket.number) | told
    if found.state == "missed" and found.came_back:
        # Called again before anyone new: nobody is ahead but others who came back.
        return waiting_standing(view, ticket, "waiting", ticket.number) | told
    # Done with: the session has ended, or the call was missed beyond the grace. One may join again.
    missed = found.state == "missed" and found.passed
    over = found.state == "ended" or (missed and not found.in_grace)
    status = "over" if over else "aside" if found.aside else found.state
    answer = waiting_standing(view, ticket, status, ticket.number if found.passed else head) | told
    if found.state == "missed":
        answer["passed"] = found.passed
        answer["grace_until"] = found.grace_until if found.passed else None
    if found.state == "called":
        answer["for_returns"] = found.for_returns
        answer["claim_until"] = found.claim_until
        answer["seconds_left"] = max(found.claim_seconds or 0.0, 0.0)
    return answer
