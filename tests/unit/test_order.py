"""The life of an order, as a table."""

import msgspec
import pytest

from checkout.order import TRANSITIONS, UNSETTLED, OrderRequest, OrderState


def test_the_life_cycle_leads_only_to_states_that_it_knows() -> None:
    reached = {state for following in TRANSITIONS.values() for state in following}

    assert set(TRANSITIONS) == set(OrderState)
    assert reached == set(OrderState) - {OrderState.AUTHORIZING}


def test_no_order_comes_back_to_a_state_it_has_left() -> None:
    def later(state: OrderState, seen: frozenset[OrderState]) -> None:
        assert state not in seen
        for following in TRANSITIONS[state]:
            later(following, seen | {state})

    later(OrderState.AUTHORIZING, frozenset())


def test_an_unsettled_order_always_has_a_way_on_and_a_failed_one_has_none() -> None:
    assert all(TRANSITIONS[state] for state in UNSETTLED)
    for state in (OrderState.DECLINED, OrderState.CANCELLED, OrderState.REFUNDED):
        assert TRANSITIONS[state] == frozenset()


def test_units_are_freed_only_after_the_gateway_has_cancelled() -> None:
    before = {
        state for state, following in TRANSITIONS.items() if OrderState.CANCELLED in following
    }

    assert before == {OrderState.VOIDING}


def test_money_is_taken_only_for_confirmed_units() -> None:
    before = {state for state, following in TRANSITIONS.items() if OrderState.PAID in following}

    assert before == {OrderState.AUTHORIZED}


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
