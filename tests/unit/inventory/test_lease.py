"""Leases and retries: arithmetic alone."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.kit.lease import Lease, Retry, exponential, retry_after_s

NOW = datetime(2026, 10, 3, 14, 5, tzinfo=UTC)
LONGEST_S = 3600.0
seconds = st.floats(0, 1e9)


@given(
    attempt_s=st.floats(0.1, 1e4),
    margin_s=st.floats(0.1, 1e4),
    started=seconds,
    statement_s=st.floats(0, 1e4),
    waited_s=st.floats(0, 1e4),
)
def test_no_worker_trusts_its_lease_longer_than_the_database_keeps_it(
    attempt_s: float, margin_s: float, started: float, statement_s: float, waited_s: float
) -> None:
    lease = Lease(attempt_s=attempt_s, margin_s=margin_s)

    # The database starts the lease while it runs the statement: after `started`, before the reply.
    ends = started + lease.length_s
    now = started + statement_s + waited_s

    left_s = lease.left_s(started=started, now=now)
    assert left_s >= 0
    assert left_s == 0 or now + left_s <= ends - margin_s + 1e-5


def test_a_slow_statement_and_a_wait_shorten_the_attempt() -> None:
    lease = Lease(attempt_s=20, margin_s=10)

    assert lease.length_s == 30
    assert lease.left_s(started=100, now=100) == 20
    assert lease.left_s(started=100, now=107.5) == 12.5
    assert lease.left_s(started=100, now=125) == 0


@pytest.mark.parametrize(("attempt_s", "margin_s"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_a_lease_without_attempt_or_margin_is_a_mistake(attempt_s: float, margin_s: float) -> None:
    with pytest.raises(ValueError, match="take some time"):
        Lease(attempt_s=attempt_s, margin_s=margin_s)


def test_waits_follow_the_plan_and_the_last_one_repeats() -> None:
    retry = Retry(waits_s=(1, 5, 30))

    waits = [retry.again_s(attempts=n, chance=0) for n in range(1, 7)]

    assert waits == [1, 5, 30, 30, 30, 30]


def test_the_last_attempt_is_the_last() -> None:
    retry = Retry(waits_s=(1, 5), attempts_max=3)

    assert [retry.again_s(attempts=n, chance=0) for n in (1, 2, 3, 4)] == [1, 5, None, None]


def test_the_last_attempt_comes_at_the_greatest_age_and_none_after_it() -> None:
    retry = Retry(waits_s=(10,), age_max_s=100)

    assert retry.again_s(attempts=1, chance=0, age_s=0) == 10
    assert retry.again_s(attempts=9, chance=0, age_s=95) == 5
    assert retry.again_s(attempts=9, chance=0, age_s=95, asked_s=3600) == 5
    assert retry.again_s(attempts=10, chance=0, age_s=100) is None


@given(chance=st.floats(0, 1), attempts=st.integers(1, 20), asked_s=st.floats(0, 1e5))
def test_chance_and_the_other_side_only_lengthen_a_wait(
    chance: float, attempts: int, asked_s: float
) -> None:
    retry = Retry(waits_s=(1, 5, 30, 60), jitter=0.2)
    plain_s = retry.again_s(attempts=attempts, chance=0)
    assert plain_s is not None

    with_chance_s = retry.again_s(attempts=attempts, chance=chance)
    asked = retry.again_s(attempts=attempts, chance=chance, asked_s=asked_s)

    assert with_chance_s is not None
    assert plain_s <= with_chance_s <= plain_s * 1.2
    assert asked == max(with_chance_s, asked_s)


def test_exponential_waits_grow_up_to_the_longest() -> None:
    assert exponential(first_s=5, longest_s=60) == (5, 10, 20, 40, 60)
    assert exponential(first_s=5, longest_s=5) == (5,)


@given(first_s=st.floats(0.1, 100), longest_s=st.floats(100, 1e6), factor=st.floats(1.1, 10))
def test_exponential_waits_are_bounded(first_s: float, longest_s: float, factor: float) -> None:
    waits = exponential(first_s=first_s, longest_s=longest_s, factor=factor)

    assert waits[0] == first_s
    assert waits[-1] == longest_s
    assert all(a < b <= a * factor for a, b in pairwise(waits))


def test_waits_that_cannot_grow_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="waits grow"):
        exponential(first_s=5, longest_s=1)
    with pytest.raises(ValueError, match="waits grow"):
        exponential(first_s=5, longest_s=10, factor=1)
    with pytest.raises(ValueError, match="at least one wait"):
        Retry(waits_s=())


@pytest.mark.parametrize(
    ("header", "asked_s"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("99999999999999999999", LONGEST_S),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(days=30), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=30), usegmt=True), LONGEST_S),
        # The two older forms of a date.
        ("Saturday, 03-Oct-26 14:05:30 GMT", 30),
        ("Sat Oct  3 14:05:30 2026", 30),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2026 07:28:00 +999999999", None),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
        ("1 Jan 0001 00:00:00 +2359", 0),
    ],
)
def test_a_retry_after_is_read_within_bounds(header: str | None, asked_s: float | None) -> None:
    assert retry_after_s(header, now=NOW, longest_s=LONGEST_S) == asked_s


dates = st.from_regex(
    r"\A[A-Za-z]{3,9},? \d{1,20}[ -][A-Z][a-z]{2}[ -]\d{1,22} "
    r"\d{1,9}:\d{1,9}:\d{1,9}( [+-]?\w{0,9})?\Z"
)


@given(st.one_of(st.text(max_size=60), dates))
def test_no_retry_after_breaks_anything(header: str) -> None:
    found = retry_after_s(header, now=NOW, longest_s=LONGEST_S)

    assert found is None or 0 <= found <= LONGEST_S
