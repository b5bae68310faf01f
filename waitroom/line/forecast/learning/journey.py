"""Journeys: the steps of called shoppers, as the leader reads them from the database. Pure.

Open admissions are counted in cohorts while nothing happens to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import msgspec

from waitroom.line.assortment.choices import Chosen
from waitroom.line.forecast.learning.rates import Stage
from waitroom.line.snapshot import RoomSnapshot, Shelf


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """One admission as the leader reads it. All times are seconds of the shoppers' clock.

    One is made for each change of each shopper, and a struct is made ten times as fast as a
    dataclass.

    held_at: when its first hold was placed, however that hold ended.
    hold_ended_at: when the last of its ended holds ended.
    units_held: the units in open holds, also while they are being paid.
    refused: whether it ever asked while nothing was left; stays true when it was served later.
    named: the SKU that its shopper named as the one they came for, None for none.
    first_sku: the SKU of its first hold. missed_sku: the first SKU that it asked for in vain.
    """

    admission_id: int
    state: str
    called_at: float
    claimed_at: float | None = None
    held_at: float | None = None
    hold_ended_at: float | None = None
    ended_at: float | None = None
    units_held: int = 0
    units_sold: int = 0
    paying: bool = False
    refused: bool = False
    promised: int = 0
    named: int | None = None
    first_sku: int | None = None
    missed_sku: int | None = None

    @property
    def came_in(self) -> bool:
        """Say whether this call was claimed; an earlier call may have been claimed before it."""
        return self.claimed_at is not None and self.claimed_at >= self.called_at

    @property
    def has_held(self) -> bool:
        """Say whether it ever held since this call; an earlier call may have led to a hold too."""
        since_call = self.held_at is not None and self.held_at >= self.called_at
        return self.came_in and (since_call or self.units_held + self.units_sold > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The journeys of a room, read in one database snapshot together with the room.

    changed: admissions called or inside that are new or changed since the last reading.
    closed: admissions that ended since then.
    dropped: admissions that were taken away; nothing can be learned from them.
    shelves: the room's SKUs, those with the most units first; empty where they are not known.
    chosen: batches of joins whose shoppers named a SKU, new or changed since the last reading.
    """

    room: RoomSnapshot
    changed: Sequence[Journey] = ()
    closed: Sequence[Journey] = ()
    dropped: Sequence[int] = ()
    shelves: tuple[Shelf, ...] = ()
    chosen: Sequence[Chosen] = ()

    def after(self, earlier: "Reading") -> "Reading":
        """Return both readings as one; this one wins where they differ."""
        again = {journey.admission_id for journey in (*self.changed, *self.closed)}
        again.update(self.dropped)
        changed = (one for one in earlier.changed if one.admission_id not in again)
        closed = (one for one in earlier.closed if one.admission_id not in again)
        dropped = (one for one in earlier.dropped if one not in again)
        return replace(
            self,
            changed=(*changed, *self.changed),
            closed=(*closed, *self.closed),
            dropped=(*dropped, *self.dropped),
            chosen=(*earlier.chosen, *self.chosen),
        )


class Group(IntEnum):
    """The groups that open admissions are counted in."""

    CALLED = 0
    INSIDE = 1
    HOLDING = 2
    PAYING = 3
    PROMISED_CALLED = 4
    PROMISED_INSIDE = 5
    REFUSED = 6
    MISSED = 7
    IDLE = 8


# A group, and the whole second since which its shoppers have been in it.
Cohort = tuple[Group, int]
STAGE_OF = {
    Group.CALLED: Stage.CALLED,
    Group.PROMISED_CALLED: Stage.CALLED,
    Group.INSIDE: Stage.INSIDE,
    Group.PROMISED_INSIDE: Stage.INSIDE,
    Group.HOLDING: Stage.HOLDING,
    Group.PAYING: Stage.PAYING,
}
HOLDERS = frozenset({Group.HOLDING, Group.PAYING})
# The groups of those who may still ask for their first hold.
MAY_ASK = frozenset({Group.CALLED, Group.INSIDE, Group.PROMISED_CALLED, Group.PROMISED_INSIDE})


@dataclass(slots=True)
class Seen:
    """The counted part of a journey: its stage, since when, and up to which moment.

    `over` says that it dropped out or bought; it may hold again. `refused` says that it asked while
    nothing was left, `missed` that it asked for a SKU that was gone while others were left.
    `refused_before` says that it was refused after an earlier call: the database keeps that, and
    does not tell of another refusal. `disappointed_before` says that it found nothing then. `last`
    is the record that was counted last. `among` is the cohort that it is counted in.
    """

    called_at: float
    stage: Stage
    since: float
    until: float
    over: bool = False
    refused: bool = False
    missed: bool = False
    refused_before: bool = False
    disappointed_before: bool = False
    promised: int = 0
    units: int = 0
    named: int | None = None
    last: Journey | None = None
    among: Cohort | None = None

    @property
    def cohort(self) -> Cohort:
        """The shoppers with whom this one is counted while nothing happens."""
        if self.over:
            group = Group.IDLE
        elif self.missed and self.stage is Stage.INSIDE:
            group = Group.MISSED
        elif self.stage >= Stage.HOLDING:
            group = Group.HOLDING if self.stage is Stage.HOLDING else Group.PAYING
        elif self.refused:
            group = Group.REFUSED
        elif self.stage is Stage.CALLED:
            group = Group.PROMISED_CALLED if self.promised else Group.CALLED
        else:
            group = Group.PROMISED_INSIDE if self.promised else Group.INSIDE
        return group, round(self.since)


def standing(journey: Journey, *, over: bool) -> tuple[Stage, bool]:
    """Return the last stage that a journey came to, and whether it dropped out there."""
    if not journey.came_in:
        return Stage.CALLED, over
    if not journey.has_held:
        return Stage.INSIDE, over
    if journey.units_held and not over:
        return (Stage.PAYING if journey.paying else Stage.HOLDING), False
    return (Stage.BOUGHT, False) if journey.units_sold else (Stage.HOLDING, True)


def went_on_at(journey: Journey, stage: Stage, now: float) -> float:
    """Return when a journey left a stage for the next one; now where no time was recorded."""
    if stage is Stage.CALLED:
        at = journey.claimed_at
    elif stage is Stage.INSIDE:
        at = journey.held_at
    elif stage is Stage.HOLDING and journey.paying:
        at = None
    else:
        at = journey.hold_ended_at
    return now if at is None else min(at, now)


def dropped_at(journey: Journey, stage: Stage, now: float) -> float:
    at = journey.hold_ended_at if stage >= Stage.HOLDING else None
    if at is None:
        at = journey.ended_at
    return now if at is None else min(at, now)
