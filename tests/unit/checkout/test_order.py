"""The life of an order as a table."""

import msgspec
import pytest

from checkout.order import CLOSED, MOVING, TRANSITIONS, UNSETTLED, OrderRequest, OrderState


def before(state: OrderState) -> set[OrderState]:
    """Return the states from which an order gets into this one."""
    return {earlier for earlier, following in TRANSITIONS.items() if state in following}


def test_the_life_cycle_leads_only_to_states_that_it_knows() -> None:
    reached = {state for following in TRANSITIONS.values() for state in following}

    assert set(TRANSITIONS) == set(OrderState)
    assert reached == set(OrderState) - {OrderState.AUTHORIZING}


def test_an_order_that_is_moving_always_has_a_way_on() -> None:
    assert all(TRANSITIONS[state] for state in MOVING)
    assert MOVING.difference(UNSETTLED) == {OrderState.RETURNING}


def test_every_order_can_come_to_rest_from_wherever_it_is() -> None:
    def reachable(state: OrderState, seen: frozenset[OrderState]) -> frozenset[OrderState]:
        for following in TRANSITIONS[state] - seen:
            seen = reachable(following, seen | {following})
        return seen

    at_rest = set(OrderState) - MOVING
    for state in MOVING:
        assert reachable(state, frozenset()) & at_rest, state


def test_units_are_freed_only_after_the_gateway_has_cancelled() -> None:
    assert before(OrderState.CANCELLED) == {OrderState.VOIDING, OrderState.RETURNING}


def test_money_is_taken_only_for_sold_units() -> None:
    # A bank may send a refund back, and then the order is paid once more.
    assert before(OrderState.PAID) == {OrderState.AUTHORIZED, OrderState.REFUNDED}


def test_only_money_that_was_taken_is_given_back() -> None:
    assert before(OrderState.REFUNDED) == {OrderState.PAID, OrderState.RETURNING}
    assert TRANSITIONS[OrderState.PAID] == {OrderState.REFUNDED}


def test_late_money_buys_the_units_or_goes_back() -> None:
    for state in CLOSED:
        assert TRANSITIONS[state] == {OrderState.AUTHORIZED, OrderState.RETURNING}


def test_what_is_refunded_stays_so_unless_a_bank_sends_it_back() -> None:
    assert TRANSITIONS[OrderState.REFUNDED] == {OrderState.PAID, OrderState.RETURNING}


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"hold_id": "x", "payment": {"token": "t"}}',
        '{"hold_id": "7ff3ab5d-7f09-4a05-b8bc-6d5f6e4f0d55", "payment": {"token": ""}}',
        '{"hold_id": "7ff3ab5d-7f09-4a05-b8bc-6d5f6e4f0d55", "payment": {}}',
        '{"hold_id": "7ff3ab5d-7f09-4a05-b8bc-6d5f6e4f0d55", "payment": {"token": "t", "card": 1}}',
        (
            '{"hold_id": "7ff3ab5d-7f09-4a05-b8bc-6d5f6e4f0d55", "payment": '
            '{"token": "t"}, "total": 1}'
        ),
    ],
)
def test_an_order_that_cannot_be_right_is_not_read(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=OrderRequest)
