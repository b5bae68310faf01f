"""Whom to call next: within every bound, those who came back first, and never backwards."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.forecast.outlook import Outlook
from waitroom.line.policy import (
    POLICIES,
    AdmissionPolicy,
    CallAllowance,
    Expected,
    Guaranteed,
    PolicyInput,
    Rate,
    decide,
)

small = st.integers(0, 60)
policies = st.sampled_from(list(POLICIES.values()))
shares = st.floats(0.01, 1.0)
outlooks = st.builds(
    lambda asking, reach, **figures: Outlook(
        asking=asking,
        askers_mean=asking * reach,
        askers_var=asking * reach * (1 - reach),
        **figures,
    ),
    asking=small,
    reach=shares,
    called=st.integers(0, 500),
    disappointed=st.integers(0, 20),
    ask_share=shares,
    ask_doubt=st.floats(0, 0.1),
    units_mean=st.floats(1, 3),
    units_var=st.floats(0, 2),
    units_doubt=st.floats(0, 0.1),
    units_max=st.one_of(st.none(), st.integers(1, 4)),
)
snapshots = st.builds(
    PolicyInput,
    open=st.booleans(),
    seats_max=small,
    seats_taken=small,
    batch_max=st.integers(1, 60),
    calls_allowed=small,
    has_stock=st.booleans(),
    units_available=st.integers(-5, 60),
    units_promised_each=st.integers(1, 5),
    gate=small,
    tail=small,
    came_back=st.lists(st.integers(1, 1000), unique=True, max_size=10).map(
        lambda numbers: tuple(sorted(numbers))
    ),
    demand=st.one_of(st.none(), outlooks),
    disappointed_max=st.floats(0, 0.1),
    checkout_calls=st.one_of(st.none(), small),
)


@given(policy=policies, room=snapshots)
def test_calls_never_exceed_any_bound(policy: AdmissionPolicy, room: PolicyInput) -> None:
    decision = decide(policy, room)

    calls = decision.gate - room.head + len(decision.again)
    assert calls <= max(room.seats_max - room.seats_taken, 0)
    assert calls <= room.batch_max
    assert calls <= room.calls_allowed
    assert calls <= policy.calls_max(room)
    assert room.checkout_calls is None or calls <= room.checkout_calls


@given(policy=policies, room=snapshots)
def test_a_bound_is_used_to_the_full(policy: AdmissionPolicy, room: PolicyInput) -> None:
    decision = decide(policy, room)

    calls = decision.gate - room.head + len(decision.again)
    bounds = {
        "seats": max(room.seats_max - room.seats_taken, 0),
        "batch": room.batch_max,
        "per_minute": room.calls_allowed,
        policy.name: policy.calls_max(room),
        "checkout": inf if room.checkout_calls is None else room.checkout_calls,
        "not open": 0 if not room.open else inf,
    }
    assert calls == min(bounds.values())
    assert bounds[decision.reason] == calls


@given(policy=policies, room=snapshots)
def test_the_head_never_falls(policy: AdmissionPolicy, room: PolicyInput) -> None:
    decision = decide(policy, room)

    assert decision.gate >= room.head
    assert min(decision.gate, room.tail) >= room.head


@given(policy=policies, room=snapshots)
def test_those_who_came_back_are_called_first_and_by_number(
    policy: AdmissionPolicy, room: PolicyInput
) -> None:
    decision = decide(policy, room)

    assert decision.again == room.came_back[: len(decision.again)]
    if decision.gate > room.head:
        assert decision.again == room.came_back


@given(policy=policies, room=snapshots)
def test_the_gate_stands_ahead_of_the_tail_only_by_what_is_left_of_the_budget(
    policy: AdmissionPolicy, room: PolicyInput
) -> None:
    decision = decide(policy, room)

    ahead = max(decision.gate - room.tail, 0)
    waiting_called = min(decision.gate, room.tail) - room.head
    budget = min(
        max(room.seats_max - room.seats_taken, 0),
        room.batch_max,
        room.calls_allowed,
        policy.calls_max(room),
        inf if room.checkout_calls is None else room.checkout_calls,
    )
    assert ahead + waiting_called + len(decision.again) <= (budget if room.open else 0)


@given(policy=policies, room=snapshots)
def test_a_room_that_is_not_open_calls_nobody(policy: AdmissionPolicy, room: PolicyInput) -> None:
    decision = decide(policy, room)

    if not room.open:
        assert decision.gate == room.head
        assert decision.again == ()


@given(room=snapshots)
def test_guaranteed_promises_no_more_than_is_available(room: PolicyInput) -> None:
    decision = decide(Guaranteed(), room)

    calls = decision.gate - room.head + len(decision.again)
    # Where nothing is sold there is nothing to promise either.
    assert not room.has_stock or calls * room.units_promised_each <= max(room.units_available, 0)


@given(room=snapshots)
def test_rate_calls_nobody_into_an_empty_shop(room: PolicyInput) -> None:
    decision = decide(Rate(), room)

    if room.has_stock and room.units_available <= 0:
        assert decision.gate == room.head
        assert decision.again == ()


def test_a_plain_gate_needs_no_stock() -> None:
    room = PolicyInput(
        open=True,
        seats_max=10,
        seats_taken=4,
        batch_max=50,
        calls_allowed=100,
        has_stock=False,
        units_available=0,
        units_promised_each=1,
        gate=3,
        tail=20,
    )

    decision = decide(Rate(), room)

    assert decision.gate == 9
    assert decision.reason == "seats"


steps = st.lists(
    st.tuples(st.floats(0, 10), st.integers(0, 100), st.booleans()), min_size=1, max_size=60
)


@given(per_minute=st.integers(0, 3000), steps=steps)
def test_calls_never_exceed_the_rate_over_time_and_one_burst(
    per_minute: int, steps: list[tuple[float, int, bool]]
) -> None:
    allowance, now, made, unspent = CallAllowance(), 0.0, 0, 0
    burst = max(2 * per_minute / 60, 1.0)

    for passed, wanted, _ in steps:
        now += passed
        # As the controller does: what was called is counted at the next tick, before the refill.
        allowance.spend(unspent)
        allowed = allowance.refill(now=now, calls_per_minute=per_minute)
        assert allowed is not None
        unspent = min(wanted, allowed)
        made += unspent

        assert made <= per_minute / 60 * now + burst + 1e-6


@given(per_minute=st.integers(1, 3000))
def test_a_steady_line_gets_the_whole_rate(per_minute: int) -> None:
    allowance, made, unspent = CallAllowance(), 0, 0

    for second in range(121):
        allowance.spend(unspent)
        unspent = allowance.refill(now=float(second), calls_per_minute=per_minute) or 0
        made += unspent

    assert made >= per_minute * 2 - 2


def test_no_rate_is_no_limit_and_a_rate_of_none_calls_nobody() -> None:
    allowance = CallAllowance()

    assert allowance.refill(now=0.0, calls_per_minute=None) is None
    assert allowance.refill(now=1000.0, calls_per_minute=0) == 0


def test_a_clock_that_goes_back_gives_no_calls() -> None:
    allowance = CallAllowance()
    allowance.refill(now=100.0, calls_per_minute=60)
    allowance.spend(2)

    assert allowance.refill(now=50.0, calls_per_minute=60) == 0


def test_of_those_who_stayed_for_returns_as_many_are_called_as_there_are_units_for() -> None:
    room = PolicyInput(
        open=True,
        seats_max=100,
        seats_taken=0,
        batch_max=50,
        calls_allowed=50,
        has_stock=True,
        units_available=2,
        units_promised_each=1,
        gate=20,
        tail=40,
        came_back=(1, 2, 3, 4, 5),
        for_returns=frozenset({1, 2, 4, 5}),
        returns_max=2,
    )

    decision = decide(Rate(), room)

    # Number 3 missed a call and is called as ever. While 4 waits for a unit, the gate stays.
    assert decision.again == (1, 2, 3)
    assert decision.gate == 20


@given(
    policy=policies,
    room=snapshots,
    staying=st.frozensets(st.integers(1, 1000), max_size=4),
    returns_max=st.integers(0, 3),
)
def test_shoppers_who_stay_for_returns_keep_no_more_than_their_units_from_the_line(
    policy: AdmissionPolicy, room: PolicyInput, staying: frozenset[int], returns_max: int
) -> None:
    came_back = tuple(sorted(staying.union(room.came_back)))
    room = replace(room, came_back=came_back)
    beyond = room.units_available - len(staying) * room.units_promised_each
    without = decide(policy, replace(room, units_available=beyond))

    decision = decide(policy, replace(room, for_returns=staying, returns_max=returns_max))

    if decision.gate > room.head:
        assert staying <= set(decision.again)
    if room.has_stock and beyond > 0:
        assert len(decision.again) >= len(without.again)
        assert decision.gate >= without.gate


@pytest.mark.parametrize("policy", [Rate(), Expected()])
def test_one_shopper_who_stays_for_returns_stops_no_line(policy: AdmissionPolicy) -> None:
    room = PolicyInput(
        open=True,
        seats_max=100,
        seats_taken=20,
        batch_max=500,
        calls_allowed=500,
        has_stock=True,
        units_available=45,
        units_promised_each=1,
        gate=20,
        tail=60,
        came_back=(1,),
        for_returns=frozenset({1}),
        returns_max=0,
    )

    decision = decide(policy, room)

    assert decision.again == (1,)
    assert decision.gate > 40
