"""The status by which operators filter a list of orders. Pure."""

from dataclasses import dataclass

from checkout.order import PARTLY_REFUNDED, OrderState
from inventory.kit.problem import BadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFilter:
    """A status as the books know it; `given_back` None where refunds do not matter."""

    state: OrderState
    given_back: bool | None = None


def read_status(text: str) -> StatusFilter:
    """Return what an operator's status stands for; raises `BadRequest` for any other word."""
    if text == PARTLY_REFUNDED:
        return StatusFilter(state=OrderState.PAID, given_back=True)
    try:
        state = OrderState(text)
    except ValueError as error:
        raise BadRequest(f"An order is {', '.join([*OrderState, PARTLY_REFUNDED])}.") from error
    return StatusFilter(state=state, given_back=False if state is OrderState.PAID else None)
