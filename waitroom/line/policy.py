"""Admission policies: how many shoppers to call, and which. Pure: knowledge in, decision out."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from waitroom.line.forecast.expected import calls_within, covered_calls
from waitroom.line.forecast.outlook import Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInput:
    """The knowledge of one tick on a room and its line.

    demand: what to expect of called shoppers. Without it, `expected` counts on each of them to take
        a unit.
    disappointed_max: the share of called shoppers who may find nothing.
    for_returns: those in `came_back` who stayed for returned units.
    returns_max: how many of them there are units for where units are scarce, None for any number.
    checkout_calls: the calls that the checkout's health allows, None for any number.
    """

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
    for_returns: frozenset[int] = frozenset()
    returns_max: int | None = None
    demand: Outlook | None = None
    disappointed_max: float = 0.01
    checkout_calls: int | None = None

    @property
    def head(self) -> int:
        return min(self.gate, self.tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Call the admissions in `again`, then move the gate to `gate`.

    `reason` and the figures that it was decided on go into the public log.
    """

    gate: int
    again: tuple[int, ...]
    reason: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One line's calls of a tick.

    gate_read: the gate that the decision was made on; it must still stand there.
    heard_by: the latest moment at which a called number was told to ask again. Claim windows count
        from it.
    """

    line_id: int
    gate_read: int
    decision: Decision
    heard_by: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """A line after its calls: `called` new numbers and `called_again` admissions.

    verdict: done, stale_term (a later leader has taken office) or gate_moved (nothing was done).
    """

    verdict: str = "done"
    gate: int
    tail: int
    called: int = 0
    called_again: int = 0

    @property
    def head(self) -> int:
        return min(self.gate, self.tail)


class AdmissionPolicy(Protocol):
    """A bound on new calls by the stock, on top of the calls that stand."""

    name: str

    def calls_max(self, room: PolicyInput) -> int: ...


class Guaranteed:
    """Call a shopper only if a unit can be promised; `available` is net of all promises."""

    name = "guaranteed"

    def calls_max(self, room: PolicyInput) -> int:
        if not room.has_stock:
            return room.batch_max
        return max(room.units_available, 0) // room.units_promised_each


class Expected:
    """Call as many as the stock can serve, judging by what called shoppers do.

    The expected number of shoppers who find nothing stays within `disappointed_max` of all called
    shoppers. `waitroom/line/forecast/expected.py` has the arithmetic.
    """

    name = "expected"

    def calls_max(self, room: PolicyInput) -> int:
        if not room.has_stock:
            return room.batch_max
        if room.demand is None:
            # Nothing is known of the shoppers called and inside: each may still take its units.
            return max(Guaranteed().calls_max(room) - room.seats_taken, 0)
        # Units of a SKU that no shopper comes for are no reason to call anyone.
        units = int(room.demand.wanted(room.units_available) + 0.5)
        covered = covered_calls(room.demand, units=units, each=room.units_promised_each)
        return calls_within(
            room.demand,
            units=units,
            share=room.disappointed_max,
            covered=covered,
            calls_max=room.batch_max,
        )


class Rate:
    """Call as the limits allow; where there is stock, no shopper is called into an empty shop."""

    name = "rate"

    def calls_max(self, room: PolicyInput) -> int:
        if room.has_stock and room.units_available <= 0:
            return 0
        return room.batch_max


POLICIES: dict[str, AdmissionPolicy] = {
    policy.name: policy for policy in (Expected(), Guaranteed(), Rate())
}


def decide(policy: AdmissionPolicy, room: PolicyInput) -> Decision:
    """Return the calls of this tick, and how far the gate may stand ahead of the tail.

    Shoppers who came back go first, by number. The rest of the budget moves the gate: over waiting
    numbers, and beyond the tail when the line is empty, so that an arrival on a quiet day is called
    as it joins. The head never moves back.
    """
    if not room.open:
        return Decision(gate=room.head, again=(), reason="not open")
    reason, budget = budget_of(policy, room)
    again, left = calls_again(policy, room, budget)
    return Decision(
        gate=room.head + left,
        again=again,
        reason=reason,
        figures=figures_of(room),
    )


def calls_again(
    policy: AdmissionPolicy, room: PolicyInput, budget: int
) -> tuple[tuple[int, ...], int]:
    """Return the admissions to call again within the budget, and the calls left for new numbers.

    Where the units are scarce, only as many of the shoppers who stayed for returns are called as
    there are units for, and while one of them waits, no new number is called. Each of them keeps
    no more than their own units from the line: with more units than that, the policy goes on.
    """
    if room.returns_max is None or _has_units_beyond_returns(policy, room):
        again = room.came_back[:budget]
        return again, budget - len(again)
    chosen: list[int] = []
    units = room.returns_max
    waits = False
    for one in room.came_back:
        if len(chosen) == budget:
            break
        if one in room.for_returns:
            if units <= 0:
                waits = True
                continue
            units -= 1
        chosen.append(one)
    return tuple(chosen), 0 if waits else budget - len(chosen)


def _has_units_beyond_returns(policy: AdmissionPolicy, room: PolicyInput) -> bool:
    """Say whether the policy would call a number with the units beyond those for returns."""
    staying = sum(one in room.for_returns for one in room.came_back)
    beyond = room.units_available - staying * room.units_promised_each
    return beyond > 0 and policy.calls_max(replace(room, units_available=beyond)) > 0


def budget_of(policy: AdmissionPolicy, room: PolicyInput) -> tuple[str, int]:
    """Return the narrowest bound on the calls of this tick, and its name."""
    bounds = {
        "seats": max(room.seats_max - room.seats_taken, 0),
        "batch": room.batch_max,
        "per_minute": room.calls_allowed,
        policy.name: policy.calls_max(room),
    }
    if room.checkout_calls is not None:
        bounds["checkout"] = room.checkout_calls
    reason = min(bounds, key=lambda name: bounds[name])
    return reason, bounds[reason]


def figures_of(room: PolicyInput) -> dict[str, float]:
    """Return what a decision was made on, as plain rounded numbers for the public log."""
    figures: dict[str, float] = {
        "seats": room.seats_max - room.seats_taken,
        "waiting": room.tail - room.head,
    }
    if room.has_stock:
        figures["free"] = room.units_available
    demand = room.demand
    if demand is not None:
        figures |= {
            "claim_share": round(demand.claim_share, 3),
            "hold_share": round(demand.hold_share, 3),
            "units_each": round(demand.units_mean, 2),
            "pay_share": round(demand.pay_share, 3),
            "open_demand": round(demand.askers_mean * demand.units_mean, 1),
            "held": demand.units_held,
            "called_before": demand.called,
            "disappointed": demand.disappointed,
        }
    return figures


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
