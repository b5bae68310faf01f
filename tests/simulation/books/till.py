"""Orders: beginning, settling, leasing and reading them."""

from math import ceil
from typing import Any
from uuid import UUID

import msgspec

from checkout.driving.leased import LEASE
from simulation.books.claims import end_session
from simulation.books.office import MOVING
from simulation.books.shelf import end_holds
from simulation.books.tables import Books, HoldRow, Purchase, Row, answers, moment

DEAD = frozenset({"declined", "cancelled", "returning", "refunded"})
# A hold whose payment failed has at least this long for another try (s).
RESUMED_MIN_S = 60.0
DECLINES_OF_HOLD_MAX, DECLINES_OF_SESSION_MAX = 5, 10


def _of_order(books: Books, order_id: UUID, *_: Any) -> int | None:
    order = books.orders.get(order_id)
    return None if order is None else order.room_id


@answers("read_sessions")
def read_sessions(books: Books, ids: list[int]) -> list[Row]:
    found = [books.admissions[id_] for id_ in ids if id_ in books.admissions]
    return [
        {
            "session_id": a.admission_id,
            "number": a.number,
            "room": books.rooms[a.room_id].rules["room"],
            "room_name": books.rooms[a.room_id].rules["name"],
            "language": "",
            "state": a.state,
            "end_reason": a.end_reason,
            "customer_bound": False,
            "customer_needed": False,
            "expires_at": books.wall(a.expires_at),
            "seconds_left": a.expires_at - books.now(),
        }
        for a in found
        if a.expires_at is not None
    ]


@answers("start_payment")
def start_payment(
    books: Books,
    order_id: UUID,
    session_id: int,
    hold_id: UUID,
    key: UUID,
    digest: bytes,
    reference: str,
    gateway: str,
    token: str,
    shown: int | None,
    shown_content: str | None,
    driver: UUID | None,
) -> list[Row]:
    assert shown_content is None
    answer: Row = {"verdict": None, "found_order": None, "figure": None}
    for order in books.orders.values():
        if (order.session_id, order.key) == (session_id, key):
            verdict = "replay" if order.body_hash == digest else "other_body"
            return [{**answer, "verdict": verdict, "found_order": order.order_id}]
    hold, t, now = books.holds.get(hold_id), books.now(), books.clock()
    if hold is None or hold.session_id != session_id:
        return [{**answer, "verdict": "no_such_hold"}]
    if hold.paying or hold.state != "held" or hold.expires_at <= t:
        return [{**answer, **_not_payable(books, hold)}]
    if _declined_too_often(books, session_id, hold_id):
        return [{**answer, "verdict": "too_many_declines"}]
    total = sum(books.skus[code].price_minor * units for code, units in hold.lines.items())
    if shown is not None and shown != total:
        return [{**answer, "verdict": "total_changed", "figure": total}]
    rules = books.rooms[hold.room_id].rules
    first_at = (books.admissions[session_id].claimed_at or 0.0) + rules["pay_after_s"]
    if first_at > t:
        return [{**answer, "verdict": "too_soon", "figure": ceil(first_at - t)}]
    until = hold.payment_until
    hold.paying, hold.unpaid_until = True, hold.expires_at
    if until is None:
        hold.payment_until = max(hold.expires_at, t + rules["payment_window_s"])
    hold.expires_at = max(
        hold.expires_at, t + rules["payment_window_s"] if until is None else until
    )
    books.orders[order_id] = Purchase(
        order_id=order_id,
        session_id=session_id,
        room_id=hold.room_id,
        hold_id=hold_id,
        key=key,
        body_hash=digest,
        reference=reference,
        gateway=gateway,
        token=token,
        total_minor=total,
        pay_by=hold.expires_at,
        created_at=now,
        changed_at=now,
        driven_until=now + LEASE.length_s,
        driven_by=driver,
    )
    return [{**answer, "verdict": "started", "found_order": order_id}]


def _declined_too_often(books: Books, session_id: int, hold_id: UUID) -> bool:
    tried = [
        order
        for order in books.orders.values()
        if order.session_id == session_id and order.state in {"declined", "authorizing"}
    ]
    of_hold = sum(order.hold_id == hold_id for order in tried)
    return of_hold >= DECLINES_OF_HOLD_MAX or len(tried) >= DECLINES_OF_SESSION_MAX


def _not_payable(books: Books, hold: HoldRow) -> Row:
    running = hold.paying or hold.state == "confirmed"
    verdict = "payment_running" if running else "hold_expired"
    of_hold = [order for order in books.orders.values() if order.hold_id == hold.hold_id]
    living = [order for order in of_hold if order.state not in DEAD]
    found = living or [order for order in of_hold if order.sold_at is not None]
    if hold.state == "confirmed" and found and found[0].paid_at is not None:
        verdict = "already_paid"
    return {"verdict": verdict, "found_order": found[0].order_id if found else None}


@answers("read_attempt")
def read_attempt(books: Books, order_id: UUID) -> list[Row]:
    order = books.orders.get(order_id)
    if order is None:
        return []
    return [
        {
            "order_id": order_id,
            "state": order.state,
            "called_off": False,
            "overdue": order.pay_by <= books.now(),
            "detail": order.detail,
            "skus": sorted(books.holds[order.hold_id].lines),
            "gateway": order.gateway,
            "payment_token": order.token,
            "amount_minor": order.total_minor,
            "currency": "EUR",
        }
    ]


@answers("note_payment")
def note_payment(
    books: Books, order_id: UUID, refund: UUID | None, said: str | None, *_: Any
) -> list[Row]:
    order = books.orders[order_id]
    if refund is None and said is not None and said != (order.said[-1] if order.said else None):
        order.said.append(said)
    return [{"note_payment": None}]


@answers("settle_order", locks=_of_order)
def settle_order(
    books: Books, order_id: UUID, was: str, to: str, why: str, said: str | None, *rest: Any
) -> list[Row]:
    note_payment(books, order_id, None, said)
    order, now = books.orders[order_id], books.clock()
    if order.state != was:
        return [{"settle_order": order.state}]
    hold = books.holds[order.hold_id]
    if to == "authorized":
        assert end_holds(books, [hold], "confirmed"), "the hold of a paying order is gone"
        order.sold_at = now
    if (was, to) == ("authorized", "returning"):
        for code, units in hold.lines.items():
            books.skus[code].sold -= units
            books.rooms[order.room_id].sold -= units
    if was in {"authorizing", "voiding"} and to in {"declined", "cancelled", "returning"}:
        _resume(books, hold)
    order.state, order.detail, order.changed_at, order.drives = to, why, now, 0
    if to == "paid":
        order.paid_at = now
        open_holds = (h for h in books.holds.values() if h.session_id == order.session_id)
        if all(h.state != "held" for h in open_holds):
            end_session(books, books.admissions[order.session_id], "ordered")
    return [{"settle_order": to}]


def _resume(books: Books, hold: HoldRow) -> None:
    hold.paying = False
    assert hold.payment_until is not None
    least = books.now() + min(books.rooms[hold.room_id].rules["hold_s"], RESUMED_MIN_S)
    hold.expires_at = min(max(hold.payment_until, hold.unpaid_until), max(hold.unpaid_until, least))


@answers("take_orders")
def take_orders(
    books: Books, gateway: str, lease_s: float, limit: int, driver: UUID | None
) -> list[Row]:
    now = books.clock()
    idle = sorted(
        (
            order
            for order in books.orders.values()
            if order.state in MOVING and order.gateway == gateway and order.driven_until <= now
        ),
        key=lambda order: order.changed_at,
    )[:limit]
    for order in idle:
        _lease(order, now + lease_s, driver)
    return [
        {
            "order_id": order.order_id,
            "drives": order.drives,
            "room_id": order.room_id,
            "awaited": order.state == "authorizing",
        }
        for order in idle
    ]


def _lease(order: Purchase, until: float, driver: UUID | None) -> None:
    order.drives += 1
    order.driven_until, order.driven_by = until, driver


@answers("take_order")
def take_order(books: Books, order_id: UUID, lease_s: float, driver: UUID | None) -> list[Row]:
    order, now = books.orders[order_id], books.clock()
    if order.driven_until > now or order.state not in MOVING:
        return []
    _lease(order, now + lease_s, driver)
    return [{"?column?": True}]


@answers("let_go_order")
def let_go_order(books: Books, session_id: int, key: UUID, driver: UUID | None) -> list[Row]:
    for order in books.orders.values():
        same = (order.session_id, order.key, order.driven_by) == (session_id, key, driver)
        if same and order.state in MOVING:
            order.driven_until, order.driven_by = books.clock(), None
    return []


@answers("put_off_order")
def put_off_order(books: Books, order_id: UUID, wait_s: float, driver: UUID | None) -> list[Row]:
    order = books.orders[order_id]
    if order.driven_by == driver:
        order.driven_until, order.driven_by = books.clock() + wait_s, None
    return []


@answers("read_order")
def read_order(books: Books, order_id: UUID) -> list[Row]:
    order = books.orders.get(order_id)
    if order is None:
        return [{"document": None}]
    lines = books.holds[order.hold_id].lines
    document = {
        "order_id": order_id,
        "number": order.reference,
        "room": books.rooms[order.room_id].rules["room"],
        "hold_id": order.hold_id,
        "session": str(order.session_id),
        "state": order.state,
        "total_minor": order.total_minor,
        "refunded_minor": order.refunded_minor,
        "refunding_minor": order.refunding_minor,
        "currency": "EUR",
        "partly_refunded": order.state == "paid" and order.refunded_minor > 0,
        "called_off": False,
        "detail": order.detail,
        "created_at": moment(order.created_at),
        "paid_at": None if order.paid_at is None else moment(order.paid_at),
        "items": [
            {
                "sku": code,
                "name": code.title(),
                "quantity": units,
                "price_minor": books.skus[code].price_minor,
                "refunded": order.refunded[code],
                "returned": order.returned[code],
                "refunded_minor": 0,
            }
            for code, units in lines.items()
        ],
    }
    return [{"document": msgspec.json.encode(document).decode()}]
