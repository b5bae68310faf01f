"""Admission: whom to call next. Pure: the snapshot comes in, the decision goes out."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class AdmissionState(StrEnum):
    CALLED = "called"
    CLAIMED = "claimed"
    MISSED = "missed"
    LEFT = "left"
    ENDED = "ended"


# Who missed a call and came back is called again; everything else goes one way.
TRANSITIONS: dict[AdmissionState, frozenset[AdmissionState]] = {
    AdmissionState.CALLED: frozenset(
        {AdmissionState.CLAIMED, AdmissionState.MISSED, AdmissionState.LEFT}
    ),
    AdmissionState.CLAIMED: frozenset({AdmissionState.ENDED, AdmissionState.LEFT}),
    AdmissionState.MISSED: frozenset({AdmissionState.CALLED, AdmissionState.LEFT}),
    AdmissionState.LEFT: frozenset(),
    AdmissionState.ENDED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSnapshot:
    """What a tick knows of one room and its line."""

    open: bool
    seats_max: int
    seats_taken: int
    batch_max: int
    calls_allowed: int
    has_stock: bool
    units_available: int
    units_promised_each: int
    gate: int
    tail: int
    came_back: tuple[int, ...] = field(default=())

    @property
    def head(self) -> int:
        return min(self.gate, self.tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Call the admissions in `again`, then move the gate to `gate`. `reason` goes into the log."""

    gate: int
    again: tuple[int, ...]
    reason: str


class AdmissionPolicy(Protocol):
    """How many calls the stock can bear at this moment, on top of those that stand."""

    name: str

    def calls_max(self, room: RoomSnapshot) -> int: ...


class Guaranteed:
    """Call only whom a promised unit can be given; `available` is net of all promises."""

    name = "guaranteed"

    def calls_max(self, room: RoomSnapshot) -> int:
        if not room.has_stock:
            return room.batch_max
        return max(room.units_available, 0) // room.units_promised_each


class Rate:
    """Call as the limits allow; where there is stock, nobody is called into an empty shop."""

    name = "rate"

    def calls_max(self, room: RoomSnapshot) -> int:
        if room.has_stock and room.units_available <= 0:
            return 0
        return room.batch_max


POLICIES: dict[str, AdmissionPolicy] = {policy.name: policy for policy in (Guaranteed(), Rate())}


def decide(policy: AdmissionPolicy, room: RoomSnapshot) -> Decision:
    """Return whom to call in this tick, and how far the gate may stand ahead of the tail.

    Those who came back go first, by number. What is left of the budget moves the gate: over
    waiting numbers, and beyond the tail when nobody waits, so that an arrival on a quiet day
    is called as it joins. The head never moves back.
    """
    if not room.open:
        return Decision(gate=room.head, again=(), reason="not open")
    bounds = {
        "seats": max(room.seats_max - room.seats_taken, 0),
        "batch": room.batch_max,
        "per_minute": room.calls_allowed,
        policy.name: policy.calls_max(room),
    }
    reason = min(bounds, key=lambda name: bounds[name])
    budget = bounds[reason]
    again = room.came_back[:budget]
    return Decision(gate=room.head + budget - len(again), again=again, reason=reason)


@dataclass(slots=True)
class CallAllowance:
    """Calls per minute as a bucket that fills steadily and holds two ticks' worth and one call."""

    tick_s: float = 1.0
    calls: float = 1.0
    _at: float | None = None

    def refill(self, *, now: float, calls_per_minute: int | None) -> int | None:
        """Return the whole calls that may be made now; None when there is no limit."""
        passed = 0.0 if self._at is None else max(now - self._at, 0.0)
        self._at = now
        if calls_per_minute is None:
            return None
        per_second = calls_per_minute / 60
        full = 1 + 2 * per_second * self.tick_s if calls_per_minute else 0.0
        self.calls = min(self.calls + per_second * passed, full)
        # Sixty sixtieths shall be one call.
        return int(self.calls + 1e-9)

    def spend(self, calls: int) -> None:
        """Count calls that were made, also those that arrivals below the gate made themselves."""
        self.calls = max(self.calls - calls, 0.0)
