"""Small batches keep apart while many of them come; a lone one and a large one never wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.desk.joining.spacing import BURST, EVERY_S, GOES_AT_ONCE, Spacing

SECONDS = 20


def sent(arrivals: list[float]) -> list[tuple[float, int]]:
    """Return each batch that arrivals at these moments make, by its moment and its size.

    A batch goes out when its time has come, or as soon as enough have arrived.
    """
    spacing, batches, index = Spacing(), list[tuple[float, int]](), 0
    while index < len(arrivals):
        now = arrivals[index]
        until = now + spacing.wait_s(now, 1)
        size = 1
        while size < GOES_AT_ONCE and index + size < len(arrivals):
            if arrivals[index + size] > until:
                break
            now = arrivals[index + size]
            size += 1
        now = now if size == GOES_AT_ONCE else until
        spacing.note(now, size)
        batches.append((now, size))
        index += size
    return batches


@pytest.mark.parametrize(
    ("a_second", "batches_a_second"), [(50, 10), (150, 10), (1000, 10 + 1000 / 16)]
)
def test_a_stream_of_joins_makes_few_batches(a_second: int, batches_a_second: float) -> None:
    batches = sent([index / a_second for index in range(SECONDS * a_second)])

    assert len(batches) <= 2 * BURST + SECONDS * batches_a_second
    assert sum(size for _, size in batches) == SECONDS * a_second


def test_a_lone_join_never_waits() -> None:
    spacing = Spacing()

    for second in range(100):
        assert spacing.wait_s(second, 1) == 0
        spacing.note(second, 1)


def test_many_joins_never_wait_nor_make_others_wait() -> None:
    spacing = Spacing()

    for index in range(10_000):
        assert spacing.wait_s(index / 1e6, GOES_AT_ONCE) == 0
        spacing.note(index / 1e6, GOES_AT_ONCE)

    assert spacing.wait_s(0.01, 1) == 0


@given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=200).map(sorted))
def test_no_join_waits_longer_than_one_space(arrivals: list[float]) -> None:
    index = 0
    for at, size in sent(arrivals):
        assert at - arrivals[index] <= EVERY_S + 1e-9
        index += size
