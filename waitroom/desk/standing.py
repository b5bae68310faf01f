"""The standing that a ticket is told, from the state document or from the database."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from inventory.kit.language.aloud import spelled
from waitroom.desk.board import RoomView
from waitroom.line.admission import AdmissionState
from waitroom.line.forecast.skus import chance_of
from waitroom.line.snapshot import BEHIND
from waitroom.line.state import LineState
from waitroom.line.ticket import Ticket
from waitroom.line.wait import POLL_MIN_S, WaitRow, poll_at, row_at
from waitroom.refusals import OtherTicket
from waitroom.store.line_store import PlaceOnFile
from waitroom.store.place_store import PlaceNote

TicketStatus = Literal[
    "entered",
    "waiting",
    "called",
    "claimed",
    "missed",
    "aside",
    "over",
    "left",
    "revoked",
    "sold_out",
    "ended",
]

# The line of most tickets, which goes without saying.
MAIN_LINE = "main-1"
REFERENCE_SIGNS = 4
# Used while no state document is known.
_NO_ROW = WaitRow(place=1, wait_low_s=None, wait_high_s=None, chance=0.0, poll_s=POLL_MIN_S)
# The states of a room that calls no more, with the status that its waiting tickets are told.
_TURN = frozenset({"called", "claimed"})
_CALLS_OVER: dict[str, TicketStatus] = {"sold_out": "sold_out", "ended": "ended"}
# The states of a number whose turn may pass without its shopper.
_MAY_PASS = frozenset({AdmissionState.MISSED, AdmissionState.ASIDE})


class TicketStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /rooms/{room}/tickets/me`. Fields that are UNSET are left out of it."""

    room: str
    line: str
    # True for a place in the lane behind, which is called only while no shopper waits in another:
    # the shopper's network had as many places as the room gives to one.
    behind: bool | UnsetType = UNSET
    # None for an entry: the draw has not given it a number yet.
    number: int | None
    # An entry's own number, and how many entries there are.
    entry: int | UnsetType = UNSET
    entries: int | UnsetType = UNSET
    # The version of the state document that the place is read from, or of the next one if the
    # place was read from the database. A place of a later version is never greater.
    version: int
    # For support: it names the place and gives no right to it.
    reference: str
    # The number's distance from being called: 0 when its turn has come. None for an entry.
    place: int | None
    status: TicketStatus
    # The wait in seconds, which 4 of 5 shoppers find between these two; None where not known.
    wait_low_s: float | None
    wait_high_s: float | None
    # The chance, from 0 to 1, that something is left when this number is called.
    chance: float | None
    # The SKU that the shopper came for, and the chance that it is left then: None for a SKU of
    # which the state document does not tell. Left out for a shopper who named none.
    sku: str | UnsetType = UNSET
    sku_chance: float | None | UnsetType = UNSET
    # In a room whose calls promise units: the SKU of which one is set aside for a called number,
    # None for a unit of something. For a number that was passed by since what it named was not
    # free: `free` if it is called as soon as one is, `gone` if all are sold or none is on sale.
    set_aside: str | None | UnsetType = UNSET
    awaits: Literal["free", "gone"] | UnsetType = UNSET
    # The time until the client should ask again, in seconds.
    poll_s: float
    # The profile that gives the place more time, if any.
    profile: str | None | UnsetType = UNSET
    # True for a ticket that stays in line for returns; told only from the database.
    returns: bool | UnsetType = UNSET
    # The deadline of a call. `seconds_left` is to this deadline, for clocks that run wrong.
    claim_until: datetime | None = None
    seconds_left: float | UnsetType = UNSET
    # True for a call for returned units.
    for_returns: bool | UnsetType = UNSET
    # For a missed call and for a place that stepped aside: `passed` says that its turn is over, and
    # until `grace_until` it may come back and is called again.
    passed: bool | UnsetType = UNSET
    grace_until: datetime | None | UnsetType = UNSET


def version_of(view: RoomView) -> int:
    """Return the version of the state document that this worker has, 0 for none."""
    return view.state.version if view.state else 0


def is_behind(view: RoomView, ticket: Ticket) -> bool:
    """Say whether a ticket stands in the lane behind."""
    return view.lines[ticket.line_id].rules.lane == BEHIND


def row_for(view: RoomView, ticket: Ticket, place: int) -> WaitRow:
    """Return what the document says of a place in the ticket's line."""
    line = view.line_of(ticket)
    return row_at(line.table, max(place, 1)) if line is not None else _NO_ROW


def poll_for(line: LineState | None, place: int) -> float:
    """Return after how many seconds a place in this line looks again."""
    return poll_at(line.table, max(place, 1)) if line is not None else POLL_MIN_S


def sku_chance(view: RoomView, ticket: Ticket, place: int) -> float | None | UnsetType:
    """Return the chance of the SKU that a ticket names, UNSET where it names none."""
    if not ticket.sku:
        return UNSET
    line = view.line_of(ticket)
    return chance_of(line.skus, ticket.sku, max(place, 1)) if line is not None else None


def reference_of(view: RoomView, ticket: Ticket) -> str:
    """Return what a shopper can read out to support; it gives nothing away.

    It has the number and four signs of the ticket, such as `42 K7QM`; an entry's number has an E.
    Before them stands the line, unless it is the first of the main lane.
    """
    name, mark = view.name_of(ticket), "E" if ticket.entered else ""
    line = "" if name == MAIN_LINE else f"{name.replace('-', '').upper()} "
    return f"{line}{mark}{ticket.number} {spelled(ticket.ticket_id, REFERENCE_SIGNS)}"


def noted_standing(view: RoomView, ticket: Ticket, note: PlaceNote, head: int) -> TicketStanding:
    """Return the standing of a number after the head, without asking the database."""
    if note.aside:
        extra = {"passed": False, "grace_until": None}
        return _numbered(view, ticket, "aside", head, profile=note.profile, **extra)
    status: TicketStatus = "revoked" if note.revoked else "waiting"
    return _numbered(view, ticket, status, head, profile=note.profile)


def entered_standing(
    view: RoomView, ticket: Ticket, note: PlaceNote | None = None
) -> TicketStanding:
    """Return the standing of an entry: before the draw it has neither a number nor a place."""
    line = view.line_of(ticket)
    return TicketStanding(
        room=view.room,
        line=view.name_of(ticket),
        behind=is_behind(view, ticket) or UNSET,
        number=None,
        entry=ticket.number,
        # The document may be older than this entry.
        entries=max(line.entries if line else 0, ticket.number),
        version=version_of(view),
        reference=reference_of(view, ticket),
        place=None,
        status="left" if note and note.has_left else "entered",
        profile=note.profile if note else None,
        wait_low_s=None,
        wait_high_s=None,
        chance=None,
        sku=ticket.sku or UNSET,
        poll_s=line.table[-1].poll_s if line and line.table else POLL_MIN_S,
    )


def standing_on_file(view: RoomView, ticket: Ticket, found: PlaceOnFile) -> TicketStanding:
    """Return the standing of a number as the database has it; raises `OtherTicket`."""
    if found.ticket_id is not None and found.ticket_id != ticket.ticket_id:
        raise OtherTicket
    # The state document cannot know `returns`, so only this standing tells it.
    told: dict[str, Any] = {
        "returns": found.returns_email is not None,
        "profile": found.profile,
        # The gate may have moved since that document was written; the next one knows of it.
        "version": found.version + 1,
    }
    head, state = min(found.gate, found.tail), found.state
    if state is None:
        return _numbered(view, ticket, "waiting", head, **told)
    if found.revoked:
        return _numbered(view, ticket, "revoked", ticket.number, **told)
    if state is AdmissionState.MISSED and found.came_back:
        # It is called before anyone new: only others who came back, or were passed by, are ahead.
        if found.awaits:
            told["awaits"] = "free" if found.may_be_had else "gone"
        return _numbered(view, ticket, "waiting", ticket.number, **told)
    if state in _MAY_PASS:
        told["passed"] = found.passed
        told["grace_until"] = found.grace_until if found.passed else None
    if found.promised:
        told["set_aside"] = found.named
    if state is AdmissionState.CALLED:
        told["for_returns"] = found.for_returns
        told["claim_until"] = found.claim_until
        told["seconds_left"] = max(found.claim_seconds or 0.0, 0.0)
    status: TicketStatus = "over" if is_over(found) else state.value
    return _numbered(view, ticket, status, ticket.number if found.passed else head, **told)


def is_over(found: PlaceOnFile) -> bool:
    """Say whether a ticket is used up: its session ended, or its grace after a missed call."""
    if found.state is AdmissionState.ENDED:
        return True
    missed = found.state in _MAY_PASS and found.passed
    return missed and not (found.came_back or found.in_grace)


def _numbered(
    view: RoomView, ticket: Ticket, status: TicketStatus, head: int, **told: Any
) -> TicketStanding:
    """Return the standing of a number in a line with this head."""
    place = max(ticket.number - head, 0)
    told.setdefault("version", version_of(view))
    row = row_for(view, ticket, place)
    if status == "waiting" and view.state is not None and view.state.status in _CALLS_OVER:
        status = _CALLS_OVER[view.state.status]
    return TicketStanding(
        room=view.room,
        line=view.name_of(ticket),
        behind=is_behind(view, ticket) or UNSET,
        number=ticket.number,
        reference=reference_of(view, ticket),
        place=place,
        status=status,
        wait_low_s=row.wait_low_s if place else 0,
        wait_high_s=row.wait_high_s if place else 0,
        chance=row.chance,
        sku=ticket.sku or UNSET,
        sku_chance=sku_chance(view, ticket, place),
        # A turn may end within seconds; every other standing changes at the document's own pace.
        poll_s=POLL_MIN_S if status in _TURN else row.poll_s,
        **told,
    )
