"""Journeys: the steps of called shoppers, as the leader reads them from the database. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from waitroom.line.assortment.choices import Chosen
from waitroom.line.snapshot import RoomSnapshot, Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One admission as the leader reads it. All times are seconds of the shoppers' clock.

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
