"""Calls slow before checkout breaks, never stop for slowness alone, and come back."""

from hypothesis import given
from hypothesis import strategies as st

from waitroom.line.checkout_health import (
    ERRORS_STOP,
    LIFT_AFTER_S,
    P95_SLOW_S,
    PROBE_EVERY_S,
    CheckoutHealth,
)

WELL, SLOW, BETWEEN = 0.1, 3.0, 0.7


def live(
    health: CheckoutHealth,
    seconds: int,
    *,
    start: int = 0,
    p95_s: float | None = WELL,
    errors: float | None = 0.0,
    wanted: int = 10,
) -> list[int]:
    """Let so many seconds pass; return the calls that were made in each."""
    made: list[int] = []
    for now in range(start, start + seconds):
        health.observe(
            float(now), p95_s=p95_s, error_share=errors, called=made[-1] if made else wanted
        )
        limit = health.limit(float(now)).calls
        made.append(wanted if limit is None else min(limit, wanted))
    return made


def test_a_checkout_that_is_well_limits_nothing() -> None:
    health = CheckoutHealth()

    assert live(health, 50) == [10] * 50
    assert health.limit(50.0).reason is None


def test_calls_slow_step_by_step_while_checkout_is_slow() -> None:
    health = CheckoutHealth()
    live(health, 30)

    made = live(health, 30, start=30, p95_s=SLOW)

    first, last = sum(made[:5]), sum(made[-5:])
    assert health.limit(60.0).reason == "checkout_slow"
    assert last < first / 3


def test_slowness_alone_never_stops_the_calls() -> None:
    health = CheckoutHealth()
    live(health, 30)

    made = live(health, 600, start=30, p95_s=SLOW)

    assert sum(made[-60:]) >= 10


def test_a_failing_checkout_is_only_probed() -> None:
    health = CheckoutHealth()
    live(health, 30)

    made = live(health, 100, start=30, errors=ERRORS_STOP * 2)

    assert health.limit(130.0).reason == "checkout_failing"
    assert sum(made[20:]) <= 80 / PROBE_EVERY_S + 1
    assert sum(made[20:]) >= 80 / PROBE_EVERY_S - 1


def test_calls_come_back_when_checkout_is_well_again() -> None:
    health = CheckoutHealth()
    live(health, 30)
    live(health, 60, start=30, p95_s=SLOW)

    made = live(health, int(LIFT_AFTER_S) + 10, start=90)

    assert sum(made[20:25]) > sum(made[:5])
    assert health.limit(200.0).calls is None


def test_between_slow_and_well_the_rate_stays() -> None:
    health = CheckoutHealth()
    live(health, 30)
    live(health, 10, start=30, p95_s=SLOW)
    rate = health.rate

    live(health, 100, start=40, p95_s=BETWEEN)

    assert health.rate == rate


def test_without_figures_there_is_no_limit() -> None:
    health = CheckoutHealth()
    live(health, 30)
    live(health, 10, start=30, p95_s=SLOW)

    made = live(health, 30, start=40, p95_s=None, errors=None)

    assert made[-1] == 10


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 1), st.integers(0, 50)), min_size=1, max_size=80
    )
)
def test_a_limit_is_never_less_than_none_and_never_saves_up(
    ticks: list[tuple[float, float, int]],
) -> None:
    health = CheckoutHealth()
    for now, (p95_s, errors, called) in enumerate(ticks):
        health.observe(float(now), p95_s=p95_s, error_share=errors, called=called)
        limit = health.limit(float(now))
        if limit.calls is not None:
            assert health.rate is not None
            assert 0 <= limit.calls <= 1 + 2 * health.rate


@given(st.floats(P95_SLOW_S * 1.01, 100), st.integers(1, 500))
def test_a_cut_begins_at_what_was_really_called(p95_s: float, wanted: int) -> None:
    health = CheckoutHealth()
    live(health, 60, wanted=wanted)

    health.observe(60.0, p95_s=p95_s, error_share=0.0, called=wanted)

    assert health.rate is not None
    assert health.rate < wanted
