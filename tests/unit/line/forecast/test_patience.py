"""Imagined crowds: what is expected of slow shoppers, from how quickly others went on."""

from collections.abc import Sequence
from math import erf, inf, log, sqrt

import pytest

from waitroom.line.forecast.learning.patience import Fitted, Patience
from waitroom.line.forecast.learning.rates import AGES_S

DUE_S = 600.0
SPREAD = 0.7
PEOPLE = 300


def gone(age: float, median_s: float) -> float:
    """Return the part of those who go on that has done so by an age."""
    return 0.5 + 0.5 * erf(log(age / median_s) / SPREAD / sqrt(2)) if age > 0 else 0.0


def seen(*, goes: float, median_s: float, until_s: int) -> tuple[list[float], list[float]]:
    """Return what a crowd is expected to have done by an age: occurrences and exposure by age."""
    on, exposed_s = [0.0] * len(AGES_S), [0.0] * len(AGES_S)
    for at, (start, end) in enumerate(zip(AGES_S, (*AGES_S[1:], inf), strict=True)):
        for age in range(start, int(min(end, until_s))):
            before, after = goes * gone(age, median_s), goes * gone(age + 1, median_s)
            on[at] += PEOPLE * (after - before)
            exposed_s[at] += PEOPLE * (1 - (before + after) / 2)
    return on, exposed_s


def fitted(patience: Patience, figures: tuple[Sequence[float], Sequence[float]]) -> Fitted:
    return patience.fit(AGES_S, DUE_S, *figures)


def inside() -> Patience:
    return Patience(first_s=5.0, last_s=400.0, share=0.75)


@pytest.mark.parametrize("median_s", range(25, 50, 3))
def test_the_share_is_found_whatever_the_usual_time_between_two_imagined_ones(
    median_s: int,
) -> None:
    """After a minute half of the crowd has gone on; the imagined medians lie close enough."""
    found = fitted(inside(), seen(goes=0.7, median_s=median_s, until_s=60))

    assert found.reach[0] == pytest.approx(0.7, abs=0.03)


def test_the_crowds_are_weighed_again_when_as_much_was_seen_of_another_one() -> None:
    patience = inside()
    slow = seen(goes=0.7, median_s=80.0, until_s=100)
    quick = seen(goes=0.7, median_s=20.0, until_s=100)
    amounts = (sum(on) + sum(exposed_s) / patience.last_s for on, exposed_s in (quick, slow))
    scale = next(amounts) / next(amounts)
    before = fitted(patience, ([on * scale for on in slow[0]], [s * scale for s in slow[1]]))

    after = fitted(patience, quick)

    assert after.rates[AGES_S.index(10)] > 2 * before.rates[AGES_S.index(10)]


def test_the_crowds_are_not_weighed_again_for_next_to_nothing() -> None:
    patience = inside()
    on, exposed_s = seen(goes=0.7, median_s=40.0, until_s=60)
    before = fitted(patience, (on, exposed_s))

    assert fitted(patience, ([1.01 * one for one in on], exposed_s)) is before
    assert fitted(patience, ([1.1 * one for one in on], exposed_s)) is not before
