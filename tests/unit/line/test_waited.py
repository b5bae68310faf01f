"""The waits of the numbers called in the last minute, as the leader sees a line go by."""

from waitroom.line.control.waited import BATCHES_MAX, Given, Waited
from waitroom.line.snapshot import LineSnapshot


def line(*, gate: int, tail: int, line_id: int = 1) -> LineSnapshot:
    return LineSnapshot(line_id=line_id, gate=gate, tail=tail)


def test_the_last_minutes_calls_are_told_by_percentile() -> None:
    waited = Waited()
    waited.learn({}, [line(gate=0, tail=0)])
    waited.see(0.0, [line(gate=0, tail=90)])
    waited.see(40.0, [line(gate=0, tail=100)])

    waited.see(100.0, [line(gate=90, tail=100)])
    waited.see(101.0, [line(gate=100, tail=100)])

    assert (waited.percentile(0.5), waited.percentile(0.9), waited.percentile(0.95)) == (
        100.0,
        100.0,
        100.0,
    )
    assert waited.percentile(0.05) == 61.0
    waited.see(162.0, [line(gate=100, tail=100)])
    assert waited.percentile(0.5) is None


def test_a_new_leader_takes_over_who_waits_and_counts_no_number_twice() -> None:
    waited = Waited()
    # The joins were read after the line, and go on to 12.
    waited.learn(
        {1: [Given(at=0.0, first=1, last=8), Given(at=50.0, first=9, last=12)]},
        [line(gate=4, tail=10)],
    )

    waited.see(60.0, [line(gate=6, tail=12)])

    # Numbers 1 to 6 had waited since 0; that 1 to 4 were called before is not known here.
    assert waited.percentile(0.5) == 60.0
    waited.see(130.0, [line(gate=12, tail=12)])
    assert (waited.percentile(0.1), waited.percentile(0.9)) == (80.0, 130.0)


def test_numbers_that_joined_before_anything_was_known_are_left_out() -> None:
    waited = Waited()
    waited.learn({}, [line(gate=0, tail=500)])

    waited.see(10.0, [line(gate=400, tail=500)])

    assert waited.percentile(0.5) is None


def test_a_line_that_was_restarted_is_forgotten() -> None:
    waited = Waited()
    waited.learn({}, [line(gate=0, tail=0)])
    waited.see(0.0, [line(gate=0, tail=10)])

    waited.see(9.0, [line(gate=0, tail=0, line_id=2)])
    waited.see(20.0, [line(gate=0, tail=3, line_id=2)])
    waited.see(25.0, [line(gate=3, tail=3, line_id=2)])

    assert waited.percentile(0.5) == 5.0


def test_memory_is_by_batch_and_not_by_shopper() -> None:
    waited = Waited()
    waited.learn({}, [line(gate=0, tail=0)])

    for second in range(0, 6 * BATCHES_MAX, 3):
        waited.see(float(second), [line(gate=0, tail=1000 * (second + 1))])

    assert waited.batches == BATCHES_MAX
