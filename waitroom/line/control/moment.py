"""One row of a room's series: its figures at a moment. Pure values."""

from dataclasses import dataclass, fields
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderFigures:
    """The part of a row that the leader alone knows; None where it does not.

    status: the room's state in a word. bound: the name of the narrowest bound on the calls.
    wait_p50_s, wait_p90_s: the waits of the numbers called in the minute before.
    answer_p95_s, errors: of checkout's answers in the last seconds.
    sell_out_low_s, sell_out_high_s: the seconds until the last unit is paid, as forecast.
    """

    status: str
    bound: str
    wait_p50_s: float | None = None
    wait_p90_s: float | None = None
    answer_p95_s: float | None = None
    errors: float | None = None
    sell_out_low_s: float | None = None
    sell_out_high_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(LeaderFigures):
    """The figures of a room at one moment, all lanes together; the database knows the others.

    joined, calls, claims, paid, declined: counted since the sale was begun or reset.
    waiting: numbers that are not called yet, or entries before the draw. called: open calls.
    inside: claimed sessions. paying: orders that the gateway has not decided, and paying_slow those
    of them that have waited for two minutes. on_hand, available, held, sold: units.
    stock_silent_s: the seconds since another shop told its stock, where the stock lives there.
    """

    at: datetime
    joined: int
    calls: int
    claims: int
    paid: int
    declined: int
    waiting: int
    called: int
    inside: int
    seats_max: int
    on_hand: int
    available: int
    held: int
    sold: int
    paying: int
    paying_slow: int
    stock_silent_s: float | None = None


# The names of the figures, in the order of their fields.
FIGURES = tuple(one.name for one in fields(Moment) if one.name not in {"at", "status", "bound"})
