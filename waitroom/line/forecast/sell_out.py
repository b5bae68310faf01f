"""The forecast of the sell-out: when the last unit will have been paid, as a range. Pure.

The flow projects the crowd with the room's seats and rate as further bounds on the calls. It gives
the units that are expected to be unsold at each step. The last of them are tried one after the
other: a unit that a shopper does not buy is called for again. So near the end each unit is unsold
by itself, their number is about Poisson, and with `r` units expected the chance that none is left
is exp(-r).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

from waitroom.line.forecast.flow import CALM_STEPS, STEP_S, Flow, Limits, flow
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.snapshot import RoomSnapshot, Stock

# The ends of the range: with these chances everything is sold by then.
EARLY, LATE = 0.1, 0.9
# The shares were learned from few shoppers, and a crowd changes: the range is so much wider.
SOONER, LATER = 0.9, 1.3
# The projection ends after an hour, and what lies beyond follows from its last minute.
STEPS_MAX = 360
# Nothing is told of a sale that would go on for longer than this.
SECONDS_MAX = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SellOut:
    """The seconds until the last unit is paid, at the earliest and at the latest."""

    low_s: float
    high_s: float


def sell_out(outlook: Outlook, room: RoomSnapshot) -> SellOut | None:
    """Return when everything will be sold; None where that cannot be told.

    It cannot before anything was learned, nor where the shoppers who wait do not use up the stock:
    nobody knows who will still come.
    """
    stock, rules = room.stock or Stock(), room.rules
    if not room.is_calling(room.lines[0]):
        return None
    rate = inf if rules.calls_per_minute is None else rules.calls_per_minute / 60
    course = flow(
        outlook,
        units_free=stock.free,
        units_promised=stock.promised,
        disappointed_max=rules.disappointed_max if rules.policy == "expected" else None,
        limits=Limits(seats=rules.seats_max, per_second=rate, steps_max=STEPS_MAX),
    )
    if course is None:
        return None
    unsold = stock.on_hand - stock.sold
    left = [max(unsold - bought, 0.0) for bought in course.bought]
    early, late = (_time_at(left, -log(share)) for share in (EARLY, LATE))
    if early is None or late is None or _calls_by(course, late) > room.waiting:
        return None
    return SellOut(low_s=SOONER * early, high_s=LATER * late)


def _time_at(left: Sequence[float], units: float) -> float | None:
    """Return when so many units are left, None if that is too far away to tell."""
    for step, there in enumerate(left):
        if there <= units:
            return (step + 1) * STEP_S
    # Beyond the projection the units fall as they fell in its last steps.
    before, last = left[-min(CALM_STEPS, len(left))], left[-1]
    if last >= before:
        return None
    fall = log(before / last) / (min(CALM_STEPS, len(left)) - 1) / STEP_S
    seconds = len(left) * STEP_S + log(last / units) / fall
    return seconds if seconds <= SECONDS_MAX else None


def _calls_by(course: Flow, seconds: float) -> float:
    step = min(int(seconds / STEP_S), len(course.calls) - 1)
    return course.calls[step]
