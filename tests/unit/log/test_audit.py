"""An honest log passes, whatever its length; a room and its lines are checked as a whole."""

import tracemalloc
from collections.abc import Iterator

import pytest
from honest_log import SEED, HonestLog, drawn_log, head_of, plain_log, served
from rewritten_log import (
    DRAWN,
    KEY,
    OTHER_HASH,
    PLAIN,
    bodies_of,
    failed,
    of,
    put_in,
    rewritten,
    said,
    seq_of,
)

from waitroom.log.audit import LINES_MAX, audit
from waitroom.log.chain import LogEntry
from waitroom.log.draw import commitment
from waitroom.log.receipt import read_receipt
from waitroom.log.verify.finding import Verdict, all_holds
from waitroom.log.verify.links import hashes_of
from waitroom.log.verify.witness import Witness


@pytest.mark.parametrize(
    "log",
    [
        plain_log(),
        drawn_log(),
        drawn_log(source="drand 4711", value="8f3a"),
        drawn_log(2, 4090, 60),
    ],
    ids=["by arrival", "drawn", "with a public value", "drawn among many"],
)
def test_an_honest_log_fails_nothing(log: HonestLog) -> None:
    for receipt in log.receipts[:30]:
        findings = audit(
            log.entries,
            room="drop",
            head=head_of(log.entries),
            witnesses=[Witness(name="mine", hashes=hashes_of(log.entries))],
            receipt=read_receipt(receipt),
            key=KEY if log.closing else None,
        )

        assert all_holds(findings), failed(findings)


def test_entries_may_come_as_they_are_served() -> None:
    log = drawn_log()

    assert audit(served(log.entries)) == audit(log.entries)


@pytest.mark.parametrize("count", range(1, 15))
def test_a_sale_that_goes_on_fails_nothing_at_any_moment(count: int) -> None:
    log = drawn_log(source="drand", value="8f3a")

    entries = log.entries[:count]

    assert all_holds(audit(entries, head=head_of(entries)))


def test_a_draw_that_is_to_come_is_neither_held_nor_failed() -> None:
    log = HonestLog()
    log.announce()
    log.enter(3)
    open_still = audit(log.entries)
    log.set_status("open")
    log.close()
    log.sign()

    closed = audit(log.entries)

    assert of("draw.once", open_still).verdict is Verdict.NOT_APPLICABLE
    assert of("draw.once", closed).verdict is Verdict.CANNOT_BE_PROVED


def test_a_draw_in_which_nobody_entered_is_no_failure() -> None:
    log = HonestLog()
    log.announce()
    log.set_status("open")
    log.close()
    log.sign()
    log.draw()
    log.join(3)
    log.call(2)

    assert all_holds(audit(log.entries))


def test_what_nobody_can_prove_is_said_always() -> None:
    for log in (plain_log(), drawn_log()):
        unproved = {f.check for f in audit(log.entries) if f.verdict is Verdict.CANNOT_BE_PROVED}

        assert {"limits.people", "limits.refused", "limits.outside", "limits.texts"} <= unproved


def test_without_a_public_value_it_is_said_that_the_operator_could_have_chosen() -> None:
    without = of("draw.value", audit(drawn_log().entries))
    with_value = audit(drawn_log(source="drand", value="8f3a").entries)

    assert without.verdict is Verdict.CANNOT_BE_PROVED
    assert "could have chosen" in without.sentence
    assert of("draw.value", with_value).verdict is Verdict.HOLDS
    assert "8f3a" in of("draw.value_source", with_value).sentence


# The room and its lines.


def test_a_room_that_is_made_twice_is_found() -> None:
    entries = put_in(PLAIN, 4, "room_created", room="drop")

    assert "created a second time" in said("room", audit(entries))


def test_a_log_that_begins_later_is_found() -> None:
    assert {"chain", "room"} <= failed(audit(plain_log().entries[3:]))


def test_a_log_without_entries_shows_nothing() -> None:
    assert failed(audit([])) == {"chain"}


def test_lines_without_end_are_cut_off() -> None:
    log = HonestLog()
    for number in range(LINES_MAX + 5):
        log.add("lane_added", line=f"lane-{number}", share=0.1)

    findings = audit(log.entries)

    assert failed(findings) == {"lines"}
    assert len({finding.line for finding in findings if finding.line}) <= LINES_MAX


def test_a_log_of_another_room_is_found() -> None:
    assert failed(audit(PLAIN.entries, room="another")) == {"room"}


@pytest.mark.parametrize("status", ["scheduled", "paused", "ended"])
def test_calls_in_a_room_that_is_not_open_are_found(status: str) -> None:
    log = HonestLog()
    log.join(5)
    if status != "scheduled":
        log.set_status("open")
        log.set_status(status)
    log.call(2)

    assert failed(audit(log.entries)) == {"status"}


def test_arrivals_called_in_a_room_that_is_not_open_are_found() -> None:
    log = HonestLog()
    log.join(5, called=2)

    assert "Arrivals were called" in said("status", audit(log.entries))


def test_a_status_that_does_not_follow_is_found() -> None:
    entries = rewritten(PLAIN, seq_of(PLAIN, "status", 1), **{"from": "scheduled"})

    assert failed(audit(entries)) == {"status"}


def test_a_line_that_came_from_nowhere_is_found() -> None:
    log = plain_log()
    log.add("joined", line="friends-1", first=1, last=3, called=0, root=OTHER_HASH)

    findings = audit(log.entries)

    assert failed(findings) == {"lines"}
    assert "friends-1" in of("lines", findings).sentence


def test_a_lane_that_was_added_is_checked_as_a_line_of_its_own() -> None:
    log = plain_log()
    log.add("lane_added", line="vip-1", share=0.25)
    log.add("joined", line="vip-1", first=1, last=3, called=0, root=OTHER_HASH)
    log.add("joined", line="vip-1", first=5, last=6, called=0, root=OTHER_HASH)

    findings = audit(log.entries)

    assert {(f.check, f.line) for f in findings if f.verdict is Verdict.FAILS} == {
        ("numbers", "vip-1")
    }
    assert of("exceptions.lane_added", findings).seq == len(log.entries) - 2


# Logs of any length.


def test_the_memory_for_a_log_is_a_hash_for_each_entry() -> None:
    body = '{"at": "2026-11-22T20:00:00.000000Z", "kind": "forecast", "seq": %d, "x": "%0500d"}'

    def entries(count: int) -> Iterator[LogEntry]:
        yield HonestLog().entries[0]
        for seq in range(2, count):
            yield LogEntry(seq=seq, body=body % (seq, seq), hash=bytes(32))

    def most(count: int) -> int:
        tracemalloc.start()
        try:
            audit(entries(count))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = most(1000), most(5000)

    # A growing buffer is held twice while it is moved, with an eighth to spare.
    assert large - small < 4000 * 32 * 2.5


def test_the_seed_of_the_honest_log_is_the_committed_one() -> None:
    told = bodies_of(DRAWN)

    assert told[1]["commitment"] == commitment("drop", "main-1", SEED).hex()


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ((2, 0), Verdict.HOLDS),
        ((2, 1), Verdict.FAILS),
        ((3, 1), Verdict.HOLDS),
        # A gate that passed numbers which had left shows that no one waited any more.
        ((2, -1, 1), Verdict.HOLDS),
    ],
)
def test_the_lane_behind_is_called_while_no_number_waits_in_another(
    calls: tuple[int, ...], verdict: Verdict
) -> None:
    """Three numbers wait in the main lane and two behind it; -1 passes one that had left."""
    log = HonestLog()
    log.set_status("open")
    log.join(3)
    log.add("lane_added", line="behind-1", share=1)
    main, behind = (log.line, 3, 0), ("behind-1", 2, 0)
    log.line, log.tail, log.head = "behind-1", 0, 0
    log.join(2)
    log.line, log.tail, log.head = main
    for count in calls[:-1]:
        log.call(max(count, 0), skip=1 if count < 0 else 0)
    log.line, log.tail, log.head = behind
    if calls[-1]:
        log.call(calls[-1])

    findings = audit(log.entries)

    assert of("behind", findings).verdict is verdict
    assert all_holds(findings) is (verdict is Verdict.HOLDS)
