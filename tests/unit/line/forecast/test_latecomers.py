"""The shoppers who missed their call, and how many of them are still expected back."""

import pytest

from waitroom.line.forecast.learning.latecomers import BACK_S, Latecomers, back_within


def test_some_who_missed_their_call_are_expected_back_and_ever_fewer() -> None:
    late = Latecomers()
    late.look(0.0)
    late.missed = 100
    at_first = late.to_come

    late.look(BACK_S)
    later = late.to_come

    assert 5 < at_first < 20
    assert 0 < later < at_first / 2


def test_how_many_come_back_is_learned() -> None:
    none, many = Latecomers(), Latecomers()
    for late, back in ((none, 0), (many, 50)):
        late.look(0.0)
        late.missed = 100
        late.look(2 * BACK_S)
        late.back = back
        late.missed += 100

    assert none.to_come < 3
    assert many.to_come == pytest.approx(60, abs=10)


def test_those_expected_come_back_over_time() -> None:
    assert back_within(10, 0) == 0
    assert back_within(10, BACK_S) == pytest.approx(6.32, abs=0.01)
    assert back_within(10, 100 * BACK_S) == pytest.approx(10)
