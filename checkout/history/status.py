"""What an order is called: to its shopper, who wants the outcome, and to operators. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from checkout.order import UNSETTLED, Order, OrderState
from inventory.kit.problem import BadRequest

PARTLY_REFUNDED = "partly_refunded"


class Status(StrEnum):
    """What a shopper is told. Each of them is one of the stories in `order.html`."""

    AUTHORIZING = "authorizing"
    PAID = "paid"
    PARTLY_REFUNDED = PARTLY_REFUNDED
    RETURNING = "returning"
    REFUNDED = "refunded"
    DECLINED = "declined"
    CANCELLED = "cancelled"


def shopper_status(order: Order) -> Status:
    """Return what the order has come to, in the words of whoever paid for it."""
    if order.state in UNSETTLED:
        # "authorized" and "voiding" are matters between us and the gateway.
        return Status.AUTHORIZING
    if order.state is not OrderState.PAID:
        return Status(order.state)
    if order.refunding_minor and order.refunded_minor + order.refunding_minor == order.total_minor:
        return Status.RETURNING
    return Status.PARTLY_REFUNDED if order.refunded_minor else Status.PAID


def operator_status(state: str, refunded_minor: int) -> str:
    """Return the state of the books, in which a paid order may be partly refunded."""
    return PARTLY_REFUNDED if state == OrderState.PAID and refunded_minor else state


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFilter:
    """A status as the books know it; `given_back` None where refunds do not matter."""

    state: OrderState
    given_back: bool | None = None


def read_status(text: str) -> StatusFilter:
    """Return what an operator's status stands for; raises `BadRequest` for a word that is none."""
    if text == PARTLY_REFUNDED:
        return StatusFilter(state=OrderState.PAID, given_back=True)
    try:
        state = OrderState(text)
    except ValueError as error:
        raise BadRequest(f"An order is {', '.join([*OrderState, PARTLY_REFUNDED])}.") from error
    return StatusFilter(state=state, given_back=False if state is OrderState.PAID else None)
