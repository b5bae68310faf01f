"""Figures of a shopper who does not exist, for the preview of the waiting page. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, cast

from msgspec import UNSET

from waitroom.desk.board import RoomView
from waitroom.desk.standing import TicketStanding, TicketStatus
from waitroom.line.state import LineState, RoomState
from waitroom.line.wait import WaitRow
from waitroom.look.states import ShownState

NUMBER, HEAD, TAIL = 128, 86, 640
LEFT, IN_BASKETS = 57, 12
ENTRY, ENTRIES = 31, 412
WAIT_LOW_S, WAIT_HIGH_S, CHANCE = 420.0, 780.0, 0.83
CALLED_FOR_S, POLL_S = 96.0, 10.0
REFERENCE = "sample-128"
OPENS_IN = timedelta(hours=2)
_BEFORE = frozenset({"scheduled", "before_opening"})
_TURN_IS_THERE = frozenset({"called", "claimed", "missed", "over"})


def sample_view(view: RoomView, shown: ShownState, now: datetime) -> RoomView:
    """Return a room in this state, with its own rules and with sample figures."""
    opens_at = now + OPENS_IN if shown.room in _BEFORE else None
    message = view.rules.message
    state = RoomState(
        version=0,
        room=view.room,
        status=shown.room,
        message=message,
        message_at=view.rules.message_at if message else None,
        updated_at=now,
        opens_at=opens_at,
        available=0 if shown.room == "sold_out" else LEFT,
        held=0 if shown.room == "sold_out" else IN_BASKETS,
        has_stock=view.state.has_stock if view.state else True,
        calling_per_min=None,
        lines=[_line(view, shown)],
    )
    order_by: Literal["draw", "first_come"] = "draw" if shown.draws else "first_come"
    rules = replace(view.rules, order_by=order_by, opens_at=opens_at)
    return replace(view, rules=rules, state=state)


def sample_standing(view: RoomView, shown: ShownState, now: datetime) -> TicketStanding | None:
    """Return where the sample's ticket stands, None in a state without one."""
    if shown.ticket in {"none", "moved"}:
        return None
    entered = shown.ticket == "entered"
    called, missed = shown.ticket == "called", shown.ticket in {"missed", "aside"}
    place = 0 if shown.ticket in _TURN_IS_THERE else NUMBER - HEAD
    return TicketStanding(
        room=view.room,
        line=view.main_line.rules.line,
        number=None if entered else NUMBER,
        entry=ENTRY if entered else UNSET,
        entries=ENTRIES if entered else UNSET,
        version=0,
        reference=REFERENCE,
        place=None if entered else place,
        status=cast("TicketStatus", shown.ticket),
        wait_low_s=None if entered else WAIT_LOW_S,
        wait_high_s=None if entered else WAIT_HIGH_S,
        chance=None if entered else CHANCE,
        poll_s=POLL_S,
        claim_until=now + timedelta(seconds=CALLED_FOR_S) if called else None,
        seconds_left=CALLED_FOR_S if called else UNSET,
        passed=shown.ticket == "missed" if missed else UNSET,
        grace_until=now + timedelta(seconds=view.rules.grace_s) if missed else UNSET,
    )


def _line(view: RoomView, shown: ShownState) -> LineState:
    early = shown.room in _BEFORE or shown.room == "drawing"
    row = WaitRow(
        place=1, wait_low_s=WAIT_LOW_S, wait_high_s=WAIT_HIGH_S, chance=CHANCE, poll_s=POLL_S
    )
    return LineState(
        line=view.main_line.rules.line,
        head=0 if early else HEAD,
        tail=0 if early else TAIL,
        entries=ENTRIES if early else 0,
        table=[row],
    )
