"""The history of an order, event by event, from the records. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from checkout.history.order_file import OrderFile
from checkout.order import CLOSED
from checkout.refund import Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step. `who` is empty for the shopper's own and the gateway's."""

    at: datetime
    what: str
    who: str = ""
    why: str = ""
    amount_minor: int | None = None
    sku: str | None = None
    units: int | None = None


def timeline(file: OrderFile) -> list[Event]:
    """Return an order's events, oldest first.

    `held`, `payment_started`, `sold` (the payment was authorized and the units are the shopper's),
    `paid`, `declined` and `cancelled` while the order is that, `called_off`, `returned` (units back
    on the shelf), `refund_asked`, `refund_done` and `refund_failed`. Units that were taken again
    for money that came late are `taken_again` and not `held`.
    """
    # Events of the same moment stay in this order.
    return sorted(_events(file), key=lambda event: event.at)


def _events(file: OrderFile) -> Iterator[Event]:
    held = "taken_again" if file.taken_again else "held"
    yield Event(at=file.hold_placed_at, what=held)
    yield Event(at=file.order.created_at, what="payment_started")
    if file.sold_at:
        yield Event(at=file.sold_at, what="sold")
    if file.order.paid_at:
        yield Event(at=file.order.paid_at, what="paid")
    for note in file.notes:
        yield Event(
            at=note.at, what=note.what, who=note.who, why=note.why, sku=note.sku, units=note.units
        )
    for refund in file.refunds:
        yield from _refund_events(refund)
    if file.order.state in CLOSED:
        # A closed order does not change any more, so it was closed when it last changed.
        yield Event(at=file.changed_at, what=file.order.state, why=file.order.detail)


def _refund_events(refund: Refund) -> Iterator[Event]:
    yield Event(
        at=refund.asked_at,
        what="refund_asked",
        who=refund.who,
        why=refund.reason,
        amount_minor=refund.amount_minor,
    )
    if refund.ended_at:
        yield Event(
            at=refund.ended_at,
            what=f"refund_{refund.stage}",
            why=refund.detail,
            amount_minor=refund.amount_minor,
        )
