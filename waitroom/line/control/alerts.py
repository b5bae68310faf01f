"""What needs an operator's act in a running room, judged by its series. Pure: time comes in.

Each alert says what is the matter and what to do. Nothing is said of a room in which all is well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from waitroom.line.control.moment import Moment

# Nobody was called for this long, while people wait and there is something to sell.
CALM = timedelta(seconds=60)
# Declines of the last minutes are compared with those of the time before.
LATELY = timedelta(minutes=5)
DECIDED_MIN, DECLINED_SHARE_MIN, DECLINES_TIMES = 5, 0.25, 2.0
# A controller that has not been heard of for this long is replaced by a standby, if there is one.
LEADER_SILENT_S = 6.0
STOCK_SILENT_S = 60.0
# A series whose last row is older than this says nothing of now.
FRESH = timedelta(seconds=60)
# As far back as the rows for `alerts` have to go.
LOOKS_BACK = timedelta(minutes=30)

LEADER_AWAY = "leader_away"
CODES = (
    LEADER_AWAY,
    "nobody_let_in",
    "nobody_called",
    "declines_up",
    "payments_stuck",
    "stock_silent",
    "checkout_slow",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that needs an act: a code for programs, and three sentences for people."""

    code: str
    title: str
    detail: str
    act: str


# Why nobody is called, by the narrowest bound on the calls, and what an operator can do about it.
_BOUNDS = {
    "seats": (
        "All seats are taken by shoppers who were called or are inside.",
        "Raise the seats, or wait: calls and sessions end by themselves when their time is over.",
    ),
    "per_minute": (
        "The limit of calls a minute is used up.",
        "Raise the calls a minute, or lift the limit.",
    ),
    "expected": (
        "What is free is kept for shoppers who were called before and have yet to choose.",
        "Wait until they have chosen, or accept that a few more of them find nothing.",
    ),
    "guaranteed": (
        "What is free is less than one call promises.",
        "Promise fewer units for each call, or take stock in.",
    ),
    "checkout": (
        "The checkout answers slowly or with errors, so that no more shoppers are sent there.",
        "See what slows it down: the payment gateway, the database, or too few web workers.",
    ),
    "not open": (
        "The order of the draw is not out yet.",
        "If the draw waits for its public value, enter it.",
    ),
}
_NO_BOUND = (
    "The controller gives no reason.",
    "Look at its log. Pausing and resuming the line is harmless.",
)


def alerts(
    rows: Sequence[Moment], *, now: datetime, leads: bool, leader_silent_s: float
) -> list[Alert]:
    """Return what needs an act, the gravest first; `rows` are in order and go back half an hour.

    `leads` says whether a controller is in office, and `leader_silent_s` when it last said so.
    """
    found = []
    if not leads or leader_silent_s > LEADER_SILENT_S:
        found.append(_leader_away(leads=leads, silent_s=leader_silent_s))
    if not rows or rows[-1].at < now - FRESH:
        return found
    looks = (_nobody_let_in, _nobody_called, _declines_up, _payments_stuck, _stock_silent, _slow)
    found += [alert for look in looks if (alert := look(rows)) is not None]
    return found


def _leader_away(*, leads: bool, silent_s: float) -> Alert:
    since = f"for {round(silent_s)} seconds" if leads else "at the moment"
    return Alert(
        code=LEADER_AWAY,
        title="No controller leads",
        detail=f"None was heard of {since}. Nobody is called, and nothing that a shopper has runs "
        "out meanwhile.",
        act="See that a process with the role controller runs. It takes office within seconds.",
    )


def _nobody_let_in(rows: Sequence[Moment]) -> Alert | None:
    last = rows[-1]
    if last.status != "open" or last.seats_max > 0:
        return None
    waits = f"{_people(last.waiting)} in line, and read the same. " if last.waiting else ""
    return Alert(
        code="nobody_let_in",
        title="Nobody is let in just now",
        detail=f"The room is open and has 0 seats. {waits}".rstrip(),
        act="Set the seats above 0 to let shoppers in, or pause the line and say why.",
    )


def _nobody_called(rows: Sequence[Moment]) -> Alert | None:
    last = rows[-1]
    # A stretch that ends with the last row and is as long as `CALM`.
    since = [row for row in rows if row.at >= last.at - CALM]
    before = [row for row in rows if row.at < last.at - CALM]
    stretch = [*before[-1:], *since]
    if not before or last.seats_max == 0:
        return None
    idle = all(_has_to_call(row) and row.calls == last.calls for row in stretch)
    if not idle:
        return None
    why, act = _BOUNDS.get(last.bound, _NO_BOUND)
    free = f"{_units(last.available)} free and " if last.on_hand else ""
    return Alert(
        code="nobody_called",
        title="Nobody was called for a minute",
        detail=f"{free}{_people(last.waiting)} in line. {why}",
        act=act,
    )


def _has_to_call(row: Moment) -> bool:
    return row.status == "open" and row.waiting > 0 and (row.available > 0 or not row.on_hand)


def _declines_up(rows: Sequence[Moment]) -> Alert | None:
    last = rows[-1]
    lately = [row for row in rows if row.at >= last.at - LATELY]
    first = lately[0]
    declined, paid = last.declined - first.declined, last.paid - first.paid
    if declined + paid < DECIDED_MIN or declined < DECLINED_SHARE_MIN * (declined + paid):
        return None
    earlier = rows[0]
    before_declined, before_paid = first.declined - earlier.declined, first.paid - earlier.paid
    decided = before_declined + before_paid
    share = declined / (declined + paid)
    if decided >= DECIDED_MIN and share < DECLINES_TIMES * before_declined / decided:
        return None
    return Alert(
        code="declines_up",
        title="Many payments are declined",
        detail=f"Of the last {declined + paid} payments, {declined} were declined.",
        act="Look at the orders and at the gateway's own page. If the gateway fails, pause the "
        "line until it is well: shoppers inside keep their units while they try again.",
    )


def _payments_stuck(rows: Sequence[Moment]) -> Alert | None:
    slow = rows[-1].paying_slow
    if not slow:
        return None
    some = "1 payment waits" if slow == 1 else f"{slow} payments wait"
    return Alert(
        code="payments_stuck",
        title="Payments are stuck",
        detail=f"{some} for the gateway for over two minutes. Their units stay held.",
        act="Look at the gateway's own page. Nothing has to be done here: as soon as it answers, "
        "the orders go on by themselves.",
    )


def _stock_silent(rows: Sequence[Moment]) -> Alert | None:
    last = rows[-1]
    if last.stock_silent_s is None or last.stock_silent_s < STOCK_SILENT_S:
        return None
    if last.status not in {"open", "sold_out"}:
        return None
    return Alert(
        code="stock_silent",
        title="The other shop is silent",
        detail=f"It told its stock {round(last.stock_silent_s)} seconds ago, and calls go by that.",
        act="See whether the shop reports its stock. If it is away, pause the line.",
    )


def _slow(rows: Sequence[Moment]) -> Alert | None:
    last = rows[-1]
    if last.bound != "checkout" or last.status != "open":
        return None
    why, act = _BOUNDS["checkout"]
    return Alert(code="checkout_slow", title="The checkout holds up the line", detail=why, act=act)


def _people(count: int) -> str:
    return "1 person is" if count == 1 else f"{count:,} people are"


def _units(count: int) -> str:
    return "1 unit is" if count == 1 else f"{count:,} units are"
