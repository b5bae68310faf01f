"""An analysis has steps that fit its span, and waits read from the log."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sale_log import NOON, SECOND, called, joined

from inventory.kit.problem import BadRequest
from waitroom.reports.analytics.analysis import STEPS_MAX, STEPS_WANTED, Walk, make_span
from waitroom.reports.analytics.waits import WaitsDraft, percentile

HOUR = timedelta(hours=1)


def test_a_span_chooses_the_shortest_step_that_fits() -> None:
    assert make_span(NOON, NOON + HOUR, None).step_s == 60
    assert make_span(NOON, NOON + 24 * HOUR, None).step_s == 3600
    assert make_span(NOON, NOON + 2 * HOUR, 7200).steps == [NOON]
    assert make_span(NOON, NOON + 2 * HOUR + SECOND, 3600).steps == [
        NOON + i * HOUR for i in range(3)
    ]


@given(st.integers(1, 10**9))
def test_a_span_has_no_more_steps_than_it_may(seconds: int) -> None:
    try:
        span = make_span(NOON - seconds * SECOND, NOON, None)
    except BadRequest:
        assert seconds > STEPS_MAX * 31 * 86_400
    else:
        assert len(span.steps) <= STEPS_MAX
        assert len(span.steps) <= STEPS_WANTED or span.step_s == 31 * 86_400
        assert span.steps[-1] < NOON <= span.steps[-1] + span.step_s * SECOND


def test_shares_of_nobody_are_none() -> None:
    steps = Walk(joined=4, called=0, claimed=0, held=0, paid=0).steps()

    assert [row.of_previous for row in steps] == [1.0, 0.0, None, None, None]
    assert [row.of_joined for row in steps] == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_a_percentile_weighs_its_values() -> None:
    assert percentile([], 0.5) is None
    assert percentile([(5.0, 0)], 0.5) is None
    assert percentile([(9.0, 1), (1.0, 9)], 0.5) == 1.0
    assert percentile([(9.0, 1), (1.0, 9)], 0.9) == 1.0
    assert percentile([(9.0, 2), (1.0, 8)], 0.9) == 9.0


def test_waits_are_counted_by_the_moment_of_the_call() -> None:
    span = make_span(NOON, NOON + 3 * 60 * SECOND, 60)
    entries = [
        joined(0, 1, 10, called=4),
        joined(30, 11, 20),
        called(50, 5, 12),
        # The gate was drawn back, which calls nobody.
        called(55, 13, 12),
        joined(60, 21, 22),
        joined(61, 1, 5, line="members-1"),
        called(100, 13, 21),
        called(101, 1, 3, line="members-1"),
    ]

    draft = WaitsDraft(span)
    draft.feed(entries)
    first, second, third = draft.waits()

    # Four at once, six after 50 s and two after 20 s.
    assert (first.joined, first.called, first.p50_s, first.p90_s) == (20, 12, 20.0, 50.0)
    # Eight after 70 s, and four after 40 s.
    assert (second.joined, second.called, second.p50_s, second.p90_s) == (7, 12, 70.0, 70.0)
    assert (third.joined, third.called, third.p50_s) == (0, 0, None)


def test_a_flash_sale_has_a_wait_for_each_minute_of_calls() -> None:
    """Six hundred arrive within ten seconds and are called ten a minute, some after the span."""
    span = make_span(NOON, NOON + HOUR, None)
    draft = WaitsDraft(span)
    draft.feed(joined(second, 60 * second + 1, 60 * second + 60) for second in range(10))
    draft.feed(called(60 * minute + 30, 10 * minute + 1, 10 * minute + 10) for minute in range(60))
    draft.feed([called(3600, 601, 600), called(3700, 601, 610)])

    waits = draft.waits()

    assert [wait.called for wait in waits] == [10] * 60
    medians = [wait.p50_s for wait in waits]
    assert medians == sorted(medians, key=lambda wait: wait or 0)


def test_a_long_log_takes_memory_for_its_seconds_and_not_for_its_entries() -> None:
    """A thousand joins a second for a minute, each an entry; all are called a minute later."""
    span = make_span(NOON, NOON + timedelta(hours=1), 600)
    draft, tick = WaitsDraft(span), timedelta(milliseconds=1)
    template = joined(1, 1, 1)
    draft.feed(
        msgspec.structs.replace(template, at=NOON + i * tick, first=i + 1, last=i + 1)
        for i in range(60_000)
    )
    assert sum(len(line) for line in draft._lines.values()) <= 20  # noqa: SLF001 - its memory
    draft.feed([msgspec.structs.replace(called(2, 1, 60_000), at=NOON + timedelta(minutes=2))])

    first, *_ = draft.waits()

    assert (first.joined, first.called) == (60_000, 60_000)
    assert first.p50_s == pytest.approx(90, abs=5)
    assert first.p90_s == pytest.approx(114, abs=5)
