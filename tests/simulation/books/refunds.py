"""Refunds: asking, leasing and ending them, and the units that go back on the shelf."""

from typing import Any
from uuid import UUID

import msgspec

from checkout.driving.leased import LEASE
from simulation.books.tables import Books, Purchase, RefundRow, Row, answers, moment


def _of_order(books: Books, _: UUID, order_id: UUID, *__: Any) -> int | None:
    order = books.orders.get(order_id)
    return None if order is None else order.room_id


def _of_refund(books: Books, order_id: UUID, *_: Any) -> int | None:
    return _of_order(books, order_id, order_id)


@answers("ask_refund", locks=_of_order)
def ask_refund(
    books: Books,
    refund_id: UUID,
    order_id: UUID,
    key: UUID,
    digest: bytes,
    full: bool,
    amount: int | None,
    skus: list[str],
    quantities: list[int],
    restock: bool,
    by_hand: bool,
    who: str,
    reason: str,
) -> list[Row]:
    assert not by_hand
    answer: Row = {"verdict": None, "found_refund": None, "culprit": None, "figure": None}
    order = books.orders.get(order_id)
    if order is None:
        return [{**answer, "verdict": "unknown_order"}]
    for known in books.refunds.values():
        if (known.order_id, known.key) == (order_id, key):
            verdict = "replay" if known.body_hash == digest else "other_body"
            return [{**answer, "verdict": verdict, "found_refund": known.refund_id}]
    bought = books.holds[order.hold_id].lines
    left = {code: units - order.refunded[code] for code, units in bought.items()}
    figure = order.total_minor - order.refunded_minor - order.refunding_minor
    if order.state != "paid" or (figure == 0 and not any(left.values())):
        return [{**answer, "verdict": "not_refundable", "figure": figure}]
    asked = dict(zip(skus, quantities, strict=True))
    for at, (code, units) in enumerate(asked.items(), 1):
        if code not in bought:
            return [{**answer, "verdict": "unknown_sku", "culprit": at, "figure": figure}]
        if units > left[code]:
            found = {"verdict": "too_many_units", "culprit": at, "figure": left[code]}
            return [{**answer, **found}]
    if asked:
        worth = sum(books.skus[code].price_minor * units for code, units in asked.items())
        amount, figure = amount or worth, min(figure, worth)
    if amount is not None and amount > figure:
        return [{**answer, "verdict": "too_large", "figure": figure}]
    lines = {code: units for code, units in left.items() if units} if full else asked
    _write(
        books,
        order,
        RefundRow(
            refund_id=refund_id,
            order_id=order_id,
            key=key,
            body_hash=digest,
            amount_minor=figure if full else amount or 0,
            lines=lines,
            restock=restock,
            who=who,
            reason=reason,
            asked_at=books.clock(),
            driven_until=books.clock() + LEASE.length_s,
        ),
    )
    return [{**answer, "verdict": "asked", "found_refund": refund_id, "figure": figure}]


def _write(books: Books, order: Purchase, refund: RefundRow) -> None:
    books.refunds[refund.refund_id] = refund
    order.refunding_minor += refund.amount_minor
    order.refunded.update(refund.lines)


@answers("finish_refund", locks=_of_refund)
def finish_refund(
    books: Books, order_id: UUID, refund_id: UUID, to: str, why: str, *said: Any
) -> list[Row]:
    refund, order = books.refunds[refund_id], books.orders[order_id]
    if refund.state != "asked":
        return [{"finish_refund": refund.state}]
    refund.state, refund.detail, refund.ended_at = to, why, books.clock()
    order.refunding_minor -= refund.amount_minor
    if to == "failed":
        order.refunded.subtract(refund.lines)
        return [{"finish_refund": to}]
    if refund.restock:
        for code, units in refund.lines.items():
            books.skus[code].sold -= units
            books.rooms[order.room_id].sold -= units
        order.returned.update(refund.lines)
    order.refunded_minor += refund.amount_minor
    order.changed_at = books.clock()
    if order.refunded_minor == order.total_minor:
        order.state, order.detail = "refunded", "The shop has given your money back."
    return [{"finish_refund": to}]


@answers("read_refunds")
def read_refunds(books: Books, order_id: UUID | None, refund_id: UUID | None) -> list[Row]:
    return [
        {
            "refund_id": refund.refund_id,
            "order_id": refund.order_id,
            "stage": refund.state,
            "amount_minor": refund.amount_minor,
            "currency": "EUR",
            "gateway": books.orders[refund.order_id].gateway,
            "restock": refund.restock,
            "by_hand": False,
            "outside": False,
            "who": refund.who,
            "reason": refund.reason,
            "detail": refund.detail,
            "asked_at": moment(refund.asked_at),
            "ended_at": _moment(refund.ended_at),
            "done_at": _moment(refund.ended_at) if refund.state == "done" else None,
            "items": _items(refund),
        }
        for refund in books.refunds.values()
        if order_id in {None, refund.order_id} and refund_id in {None, refund.refund_id}
    ]


def _moment(at: float | None) -> Any:
    return None if at is None else moment(at)


def _items(refund: RefundRow) -> str:
    items = [{"sku": code, "quantity": units} for code, units in sorted(refund.lines.items())]
    return msgspec.json.encode(items).decode()


@answers("take_refunds")
def take_refunds(
    books: Books, gateway: str, lease_s: float, limit: int, driver: UUID | None
) -> list[Row]:
    now = books.clock()
    idle = [r for r in books.refunds.values() if r.state == "asked" and r.driven_until <= now]
    for refund in idle[:limit]:
        refund.drives += 1
        refund.driven_until, refund.driven_by = now + lease_s, driver
    return [
        {
            "refund_id": refund.refund_id,
            "drives": refund.drives,
            "room_id": books.orders[refund.order_id].room_id,
        }
        for refund in idle[:limit]
    ]


@answers("put_off_refund")
def put_off_refund(books: Books, refund_id: UUID, wait_s: float, driver: UUID | None) -> list[Row]:
    refund = books.refunds[refund_id]
    if refund.driven_by == driver:
        refund.driven_until, refund.driven_by = books.clock() + wait_s, None
    return []
