"""The pure parts of the benchmark that judge the leader and count batches."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "tools" / "bench"))
from counters import BATCHED, BATCHES, mean_sizes
from leader_watch import LeaderFailed, LeaderWatch

ROOMS = {1: "drop", 2: "shoes"}
LATE = b'{"event": "tick_failed", "part": "room", "room_id": 1, "error": "TimeoutError()"}\n'
STEP = (
    b'{"event": "room_step_failed", "part": "learn", "room_id": 2,'
    b' "exception": "Traceback:\\n  File\\nValueError: no"}\n'
)
REFUSED = b'{"event": "room_tick_failed", "room_id": 1, "error": "EngineDown()"}\n'
BEAT = b'{"event": "tick_failed", "part": "beat", "error": "EngineDown()"}\n'
SWEEP = b'{"event": "loop_failed", "loop": "holds", "failed": 1, "error": "EngineDown()"}\n'
HARMLESS = b'{"event": "office_taken", "term": 1}\nnot JSON at all\n["event"]\n'


@pytest.fixture
def watch(tmp_path: Path) -> LeaderWatch:
    log = tmp_path / "leader.log"
    log.write_bytes(b"")
    return LeaderWatch(log=log, rooms=ROOMS)


def write(watch: LeaderWatch, *lines: bytes) -> None:
    with watch.log.open("ab") as file:
        file.write(b"".join(lines))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LATE, "room of room drop (TimeoutError())"),
        (STEP, "learn of room shoes (ValueError: no)"),
        (REFUSED, "room of room drop (EngineDown())"),
        (BEAT, "beat (EngineDown())"),
        (SWEEP, "holds (EngineDown())"),
    ],
)
def test_every_kind_of_failure_is_told_in_one_line(
    watch: LeaderWatch, line: bytes, said: str
) -> None:
    write(watch, HARMLESS, line, HARMLESS)

    with pytest.raises(LeaderFailed) as failed:
        watch.check()

    assert str(failed.value) == f"the leader failed: {said}"


def test_equal_failures_are_counted(watch: LeaderWatch) -> None:
    write(watch, LATE, STEP, LATE, LATE)

    with pytest.raises(LeaderFailed, match=r"room drop \(TimeoutError\(\)\), 3 times; learn of"):
        watch.check()


def test_a_leader_that_only_works_passes(watch: LeaderWatch) -> None:
    write(watch, HARMLESS)

    watch.check()

    assert watch.log.read_bytes() == HARMLESS


def test_what_was_excused_does_not_count_and_what_comes_later_does(watch: LeaderWatch) -> None:
    write(watch, LATE, STEP[:20])
    watch.excuse()
    write(watch, STEP[20:])

    with pytest.raises(LeaderFailed) as failed:
        watch.check()

    assert "drop" not in str(failed.value)
    assert "learn of room shoes" in str(failed.value)


def test_batches_are_averaged_over_the_slice_alone() -> None:
    before = {(BATCHES, "holds"): 10.0, (BATCHED, "holds"): 10.0, (BATCHES, "joins"): 3.0}
    after = {
        (BATCHES, "holds"): 14.0,
        (BATCHED, "holds"): 110.0,
        (BATCHES, "joins"): 3.0,
        (BATCHES, "claims"): 2.0,
        (BATCHED, "claims"): 3.0,
    }

    sizes = mean_sizes(before, after)

    assert sizes == {"holds": 25.0, "claims": 1.5}
