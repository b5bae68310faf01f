"""An honest log passes; whatever is changed in one is found, and said where."""

import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from honest_log import (
    SECRET,
    SEED,
    HonestLog,
    chained,
    drawn_log,
    head_of,
    plain_log,
    served,
)
from hypothesis import given
from hypothesis import strategies as st

from waitroom.log.audit import LINES_MAX, audit
from waitroom.log.chain import LogEntry
from waitroom.log.draw import commitment
from waitroom.log.receipt import UnreadableReceipt, read_receipt
from waitroom.log.signing import LogKey
from waitroom.log.verify.finding import SHOWN_MAX, Finding, Verdict, all_holds
from waitroom.log.verify.links import Hashes, hashes_of
from waitroom.log.verify.witness import Witness

KEY = LogKey(SECRET).public.hex()
STRANGER = bytes(32)
OTHER_HASH = sha256(b"other").hexdigest()


def failed(findings: Iterable[Finding]) -> set[str]:
    return {finding.check for finding in findings if finding.verdict is Verdict.FAILS}


def of(check: str, findings: Iterable[Finding]) -> Finding:
    return next(finding for finding in findings if finding.check == check)


def bodies_of(log: HonestLog) -> list[dict[str, Any]]:
    return [json.loads(entry.body) for entry in log.entries]


def seq_of(log: HonestLog, kind: str, nth: int = 0) -> int:
    """Return where the nth entry of a kind stands."""
    return [body["seq"] for body in bodies_of(log) if body["kind"] == kind][nth]


def rewritten(log: HonestLog, seq: int, /, **changes: Any) -> list[LogEntry]:
    """Change what an entry says and make all hashes fit again, as whoever keeps the log could."""
    bodies = bodies_of(log)
    bodies[seq - 1] |= changes
    return chained([json.dumps(body) for body in bodies])


def renumbered(bodies: list[dict[str, Any]]) -> list[LogEntry]:
    """Number entries anew after some were put in or left out, and make all hashes fit."""
    return chained([json.dumps({**body, "seq": n}) for n, body in enumerate(bodies, start=1)])


def put_in(log: HonestLog, after: int, kind: str, **facts: Any) -> list[LogEntry]:
    bodies = bodies_of(log)
    at = bodies[after - 1]["at"]
    bodies.insert(after, {"seq": 0, "kind": kind, "at": at, "line": log.line, **facts})
    return renumbered(bodies)


def left_out(log: HonestLog, seq: int) -> list[LogEntry]:
    return renumbered([body for body in bodies_of(log) if body["seq"] != seq])


# Honest logs.


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


# The chain, when nobody makes the hashes fit.


@given(data=st.data())
def test_a_changed_body_is_found_where_it_stands(data: st.DataObject) -> None:
    entries = list(drawn_log().entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    entries[at] = replace(entries[at], body=entries[at].body.replace('"kind"', '"kind" '))

    finding = of("chain", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, at + 1)


@given(data=st.data())
def test_a_dropped_entry_is_found_where_it_stood(data: st.DataObject) -> None:
    entries = list(plain_log().entries)
    at = data.draw(st.integers(0, len(entries) - 2))
    del entries[at]

    finding = of("chain", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, at + 1)
    assert "missing" in finding.sentence


@given(data=st.data())
def test_a_swapped_pair_is_found_where_it_stands(data: st.DataObject) -> None:
    entries = list(plain_log().entries)
    at = data.draw(st.integers(0, len(entries) - 2))
    entries[at], entries[at + 1] = entries[at + 1], entries[at]

    finding = of("chain", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, at + 1)


def test_an_entry_that_comes_twice_is_found() -> None:
    entries = [*PLAIN.entries[:5], *PLAIN.entries[4:]]

    assert "Entry 5 stands where 6 should be" in said("chain", audit(entries))


def test_an_entry_that_says_another_number_of_itself_is_found() -> None:
    assert "that it is number 9" in said("entries", audit(rewritten(PLAIN, 5, seq=9)))


def test_a_room_that_is_made_twice_is_found() -> None:
    entries = put_in(PLAIN, 4, "room_created", room="drop")

    assert "made twice" in said("room", audit(entries))


def test_a_log_that_begins_later_is_found() -> None:
    assert {"chain", "room"} <= failed(audit(plain_log().entries[3:]))


def test_a_log_without_entries_shows_nothing() -> None:
    assert failed(audit([])) == {"chain"}


# The draw, by somebody who can make all hashes fit again.

DRAWN = drawn_log()
WITH_VALUE = drawn_log(source="drand 4711", value="8f3a")


def test_a_changed_seed_is_not_the_committed_one() -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "drawn"), seed=sha256(b"a better one").hexdigest())

    assert failed(audit(entries)) == {"draw.seed"}


def test_a_seed_that_was_rolled_again_is_not_the_committed_one() -> None:
    # The operator looks for a seed that puts a friend first, and draws with it.
    log, seed = HonestLog(), sha256(b"rolled again").digest()
    log.announce()
    log.enter(20)
    log.close()
    log.sign()
    log.seed = seed
    log.draw()

    assert failed(audit(log.entries)) == {"draw.seed"}


def test_a_second_commitment_does_not_bind() -> None:
    seed = sha256(b"rolled again").digest()
    said = commitment("drop", "main-1", seed).hex()
    entries = put_in(DRAWN, 2, "draw_announced", commitment=said, key=KEY, public_value_source=None)

    assert "draw.commitment" in failed(audit(entries))


def said(check: str, findings: Iterable[Finding]) -> str:
    """Return all that one check says is wrong."""
    return " ".join(f.sentence for f in findings if f.check == check and f.verdict is Verdict.FAILS)


def moved(log: HonestLog, kind: str, *, before: str) -> list[LogEntry]:
    """Put an entry before another one, and make all hashes fit."""
    bodies = bodies_of(log)
    body = bodies.pop(seq_of(log, kind) - 1)
    bodies.insert(seq_of(log, before) - 1, body)
    return renumbered(bodies)


def test_a_draw_without_a_commitment_is_found() -> None:
    findings = audit(left_out(DRAWN, 2))

    assert "before any seed was committed to" in said("draw.commitment", findings)
    assert "No seed had been committed to" in said("draw.seed", findings)


def test_a_draw_of_nobody_without_a_commitment_is_found() -> None:
    log = HonestLog()
    log.set_status("open")
    log.close()
    log.sign()
    log.draw()

    assert "before the draw" in said("draw.commitment", audit(log.entries))


def test_a_commitment_after_the_first_entered_is_found() -> None:
    bodies = bodies_of(DRAWN)
    bodies[1:3] = [bodies[2], bodies[1]]

    assert "only in entry 3" in said("draw.commitment", audit(renumbered(bodies)))


def test_steps_of_a_draw_out_of_turn_are_found() -> None:
    early = audit(moved(DRAWN, "closing_signed", before="entries_closed"))
    drawn_early = audit(moved(DRAWN, "drawn", before="entries_closed"))
    late = audit(moved(DRAWN, "drawn", before="closing_signed"))

    assert "before there was one" in said("draw.closing", early)
    assert "before the entries closed" in said("draw.once", drawn_early)
    assert "only after the draw" in said("draw.closing", late)


def test_a_tick_that_takes_in_nobody_is_found() -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "entered", 1), first=6, last=5)

    assert "takes in nobody" in said("draw.entries", audit(entries))


def test_a_line_that_goes_on_after_it_was_replaced_is_found() -> None:
    log = HonestLog()
    log.set_status("open")
    log.join(3)
    log.add("reset", from_line="main-1", to_line="main-2")
    log.join(2)

    assert "after it was replaced" in said("numbers", audit(log.entries))


@pytest.mark.parametrize("count", [0, 19, 21])
def test_a_closing_that_counts_wrong_is_found(count: int) -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "entries_closed"), count=count)

    assert {"draw.entries", "draw.closing", "draw.once"} <= failed(audit(entries))


def test_a_draw_of_another_count_is_found() -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "drawn"), count=19)

    assert failed(audit(entries)) == {"draw.once"}


def test_a_draw_on_another_head_is_found() -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "drawn"), head=OTHER_HASH)

    assert failed(audit(entries)) == {"draw.once"}


def test_another_root_of_entries_breaks_the_signed_closing() -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "entered"), root=OTHER_HASH)

    assert failed(audit(entries)) == {"draw.closing", "draw.once"}


def test_a_signature_of_something_else_is_found() -> None:
    signature = LogKey(SECRET).sign_closing(
        room="drop", line="main-1", count=21, head=DRAWN.entries[6].hash
    )
    entries = rewritten(DRAWN, seq_of(DRAWN, "closing_signed"), signature=signature.hex())

    assert failed(audit(entries)) == {"draw.closing"}


def test_a_closing_signed_by_another_key_than_was_announced_is_found() -> None:
    log = HonestLog()
    log.announce()
    log.enter(5)
    log.close()
    log.secret = STRANGER
    log.sign()
    log.draw()

    finding = of("draw.closing", audit(log.entries))

    assert finding.verdict is Verdict.FAILS
    assert "another key" in finding.sentence


def test_a_draw_without_a_signed_closing_is_found() -> None:
    assert "draw.closing" in failed(audit(left_out(DRAWN, seq_of(DRAWN, "closing_signed"))))


def test_a_second_draw_is_found() -> None:
    drawn = bodies_of(DRAWN)[seq_of(DRAWN, "drawn") - 1]
    facts = {name: drawn[name] for name in ("seed", "head", "count", "value")}

    finding = of("draw.once", audit(put_in(DRAWN, len(DRAWN.entries) - 1, "drawn", **facts)))

    assert finding.verdict is Verdict.FAILS
    assert "second" in finding.sentence


def test_calls_without_a_draw_are_found() -> None:
    entries = left_out(DRAWN, seq_of(DRAWN, "drawn"))

    assert {"draw.once", "calls"} <= failed(audit(entries))


def test_a_sale_that_ends_with_an_unrevealed_seed_fails() -> None:
    log = HonestLog()
    log.announce()
    log.enter(5)
    log.set_status("open")
    log.close()
    log.sign()
    log.set_status("ended")

    finding = of("draw.once", audit(log.entries))

    assert finding.verdict is Verdict.FAILS
    assert "unrevealed" in finding.sentence


def test_entries_after_the_closing_are_found() -> None:
    after = seq_of(DRAWN, "drawn")
    entries = put_in(DRAWN, after, "entered", first=21, last=25, root=OTHER_HASH)

    assert failed(audit(entries)) == {"draw.entries"}


def test_a_second_closing_is_found() -> None:
    entries = put_in(DRAWN, seq_of(DRAWN, "drawn"), "entries_closed", count=20)

    assert failed(audit(entries)) == {"draw.entries"}


@pytest.mark.parametrize(("first", "word"), [(4, "second time"), (8, "missing")])
def test_entries_that_overlap_or_leave_a_gap_are_found(first: int, word: str) -> None:
    finding = of("draw.entries", audit(rewritten(DRAWN, seq_of(DRAWN, "entered", 1), first=first)))

    assert finding.verdict is Verdict.FAILS
    assert word in finding.sentence


def test_a_new_draw_in_a_line_begun_anew_is_a_redraw() -> None:
    log = HonestLog()
    log.announce()
    log.enter(5)
    log.set_status("open")
    log.close()
    log.sign()
    log.draw()
    log.add("reset", from_line="main-1", to_line="main-2")
    log.set_status("scheduled")
    again = replace_line(log, "main-2")
    again.announce()
    again.enter(5)
    again.set_status("open")
    again.close()
    again.sign()
    again.draw()

    findings = audit(again.entries)

    assert failed(findings) == {"draw.redraw"}
    assert of("draw.redraw", findings).line == "main-2"


def replace_line(log: HonestLog, line: str) -> HonestLog:
    """Go on with the same log in another line."""
    following = HonestLog(line=line)
    following.entries, following.status = log.entries, log.status
    return following


def test_a_line_begun_anew_before_its_entries_closed_is_an_exception_and_no_failure() -> None:
    log = HonestLog()
    log.announce()
    log.enter(5)
    log.add("reset", from_line="main-1", to_line="main-2")
    again = replace_line(log, "main-2")
    again.announce()
    again.enter(4)
    again.set_status("open")
    again.close()
    again.sign()
    again.draw()

    findings = audit(again.entries)

    assert all_holds(findings)
    assert "lost their place" in of("exceptions.reset", findings).sentence


def test_a_line_begun_anew_between_closing_and_draw_leaves_its_seed_unrevealed() -> None:
    log = HonestLog()
    log.announce()
    log.enter(5)
    log.close()
    log.sign()
    log.add("reset", from_line="main-1", to_line="main-2")

    assert failed(audit(log.entries)) == {"draw.once"}


# The public value.


@pytest.mark.parametrize("value", [None, "another"])
def test_a_draw_that_does_not_use_the_public_value_is_found(value: str | None) -> None:
    entries = rewritten(WITH_VALUE, seq_of(WITH_VALUE, "drawn"), value=value)

    assert failed(audit(entries)) == {"draw.value"}


def test_an_announced_value_that_is_never_recorded_is_found() -> None:
    log = drawn_log(source="drand")

    assert failed(audit(log.entries)) == {"draw.value"}


def test_a_value_of_another_source_is_found() -> None:
    entries = rewritten(WITH_VALUE, seq_of(WITH_VALUE, "public_value"), source="my dice")

    assert failed(audit(entries)) == {"draw.value"}


def test_a_value_that_nobody_announced_is_found() -> None:
    assert failed(audit(drawn_log(value="8f3a").entries)) == {"draw.value"}


def test_a_value_that_was_there_before_the_closing_is_found() -> None:
    bodies = bodies_of(WITH_VALUE)
    value = bodies.pop(seq_of(WITH_VALUE, "public_value") - 1)
    bodies.insert(2, value)

    assert "draw.value" in failed(audit(renumbered(bodies)))


def test_a_value_recorded_after_the_draw_is_found() -> None:
    findings = audit(moved(WITH_VALUE, "drawn", before="public_value"))

    assert "had not been recorded" in said("draw.value", findings)
    assert "only after the draw" in said("draw.value", findings)


def test_a_second_public_value_is_found() -> None:
    source = "drand 4711"
    after = seq_of(WITH_VALUE, "public_value")
    entries = put_in(WITH_VALUE, after, "public_value", source=source, value="ffff")

    assert failed(audit(entries)) == {"draw.value"}


# Numbers and calls.

PLAIN = plain_log()


@pytest.mark.parametrize(("first", "word"), [(3, "second time"), (5, "missing")])
def test_numbers_given_twice_or_left_out_are_found(first: int, word: str) -> None:
    finding = of("numbers", audit(rewritten(PLAIN, seq_of(PLAIN, "joined", 1), first=first)))

    assert finding.verdict is Verdict.FAILS
    assert word in finding.sentence


def test_numbers_lost_to_a_restore_are_no_gap_when_they_are_declared_void() -> None:
    log = HonestLog()
    log.set_status("open")
    log.join(3, called=3)
    log.add("void", line="main-1", first=4, last=9, reason="restore")
    log.add("void", line="main-1", first=10, last=12, reason="restore")
    log.tail = 12
    log.join(5)
    log.head = 12
    log.call(2)

    findings = audit(log.entries)

    assert all_holds(findings), failed(findings)
    assert "2 stretches of numbers" in of("exceptions.void", findings).sentence


@pytest.mark.parametrize(
    ("nth", "changes", "words"),
    [
        (0, {"from": 7, "to": 8}, "too early"),
        (0, {"from": 5, "to": 7}, "called again"),
        (0, {"from": 6, "to": 200, "called": 195}, "before it was given"),
        (0, {"called": 3}, "more than the numbers"),
        (0, {"to": 4}, "more than the numbers"),
        (1, {"again": [1, 12]}, "its turn had not come"),
        (1, {"again": [1, 1]}, "twice at once"),
    ],
)
def test_calls_out_of_order_are_found(nth: int, changes: dict[str, Any], words: str) -> None:
    entries = rewritten(PLAIN, seq_of(PLAIN, "called", nth), **changes)

    assert words in said("calls", audit(entries))


def test_more_arrivals_called_than_came_are_found() -> None:
    entries = rewritten(PLAIN, seq_of(PLAIN, "joined"), called=4)

    assert "More were called than came" in said("calls", audit(entries))


def test_numbers_given_while_entries_are_open_are_found() -> None:
    log = HonestLog()
    log.announce()
    log.enter(3)
    log.join(2)

    assert "while the entries for the draw were open" in said("numbers", audit(log.entries))


@pytest.mark.parametrize(("kind", "words"), [("joined", "no number"), ("void", "nothing void")])
def test_a_stretch_that_ends_before_it_begins_is_found(kind: str, words: str) -> None:
    log = HonestLog()
    log.add(kind, line="main-1", first=5, last=4, called=0, root=OTHER_HASH)

    assert words in said("numbers", audit(log.entries))


def test_arrivals_called_before_those_who_wait_are_found() -> None:
    log = HonestLog()
    log.set_status("open")
    log.join(5)
    log.join(3)
    entries = rewritten(log, 4, called=2)

    finding = of("calls", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, 4)
    assert "number 1 waited" in finding.sentence


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


def test_time_that_runs_backwards_is_found() -> None:
    entries = rewritten(PLAIN, 6, at="2026-11-22T18:59:00.000000Z")

    finding = of("clock", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, 6)


# Exceptions to the order.


def test_every_exception_is_counted_and_named() -> None:
    log = HonestLog()
    log.add("rules", changed={"seats_max": [5, 6]})
    log.set_status("open")
    log.join(9, called=4)
    log.add("rules", changed={"seats_max": [6, 9]})
    for kind in ("revoked", "moved", "stepped_aside"):
        log.add(kind, line="main-1", number=2)
    log.add("revoked", line="main-1", number=3, reason_hash=OTHER_HASH)
    log.add("extra_time", line="main-1", number=2, profile="extra-time")
    log.add("invited", line="main-1", count=10, batch=1)
    log.add("stock", sku="mug", movement="adjusted", quantity=-2)
    log.call(2, skip=2)

    findings = audit(log.entries)

    assert all_holds(findings)
    listed = {f.check: f.sentence for f in findings if f.check.startswith("exceptions.")}
    assert set(listed) == {
        f"exceptions.{name}"
        for name in (
            "rules",
            "revoked",
            "moved",
            "stepped_aside",
            "extra_time",
            "invited",
            "stock",
            "passed_over",
        )
    }
    assert listed["exceptions.revoked"].startswith("2 places were taken away")
    assert "entries 6, 9" in listed["exceptions.revoked"]
    assert "(entry 5)" in listed["exceptions.rules"]
    assert listed["exceptions.passed_over"].startswith("2 numbers")


def test_kinds_that_are_not_known_are_named_and_chained() -> None:
    log = plain_log()
    log.add("fireworks", line="main-1", colour="red")

    findings = audit(log.entries)

    assert all_holds(findings)
    assert "fireworks" in of("kinds", findings).sentence


# Whatever may be served.


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{",
        "{}",
        "[" * 100_000,
        '{"seq": 1}',
        '{"seq": "12", "kind": "joined", "at": "2026-11-22T20:00:00.000000Z"}',
        '{"seq": 12, "kind": "joined", "at": "yesterday"}',
        '{"seq": 12, "kind": "joined", "at": "2026-11-22T20:00:00.000000Z"}',
        '{"seq": 12, "kind": "reset", "at": "2026-11-22T20:00:00.000000Z", "from_line": 1}',
        '{"seq": 9e99, "kind": "rules", "at": "2026-11-22T20:00:00.000000Z"}',
    ],
)
def test_an_entry_that_cannot_be_read_is_a_finding_and_the_rest_is_checked(body: str) -> None:
    bodies = [entry.body for entry in PLAIN.entries]

    findings = audit(chained([*bodies, body]))

    assert failed(findings) == {"entries"}
    assert of("entries", findings).seq == len(bodies) + 1


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"seq": 12, "body": "{}"},
        {"seq": 12, "body": "{}", "hash": "zz"},
        {"seq": 12, "body": "{}", "hash": "00"},
        {"seq": "12", "body": "{}", "hash": "00" * 32},
        {"seq": True, "body": "{}", "hash": "00" * 32},
        {"seq": 12, "body": None, "hash": "00" * 32},
        {"seq": 12, "body": "\ud800", "hash": "00" * 32},
        {"seq": 12, "body": "{}", "hash": 5},
    ],
)
def test_what_is_no_entry_at_all_is_a_finding(entry: dict[str, Any]) -> None:
    findings = audit([*served(PLAIN.entries), entry])

    assert failed(findings) == {"entries"}


@given(
    where=st.integers(0, 13),
    body=st.dictionaries(
        st.sampled_from(["seq", "kind", "at", "line", "first", "last", "count", "seed", "again"]),
        st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=5),
            st.sampled_from(["drawn", "joined", "called", "entries_closed", "reset", "main-1"]),
            st.lists(st.integers(), max_size=3),
        ),
    ),
)
def test_nothing_that_is_served_breaks_the_audit(where: int, body: dict[str, Any]) -> None:
    bodies = bodies_of(DRAWN)
    bodies[where] = {**bodies[where], **body}

    findings = audit(chained([json.dumps(body) for body in bodies]))

    assert findings


def test_what_the_log_says_cannot_steer_a_terminal() -> None:
    log = plain_log()
    log.add("\x1b[2J\u202ereverse", line="main-1")

    assert all(finding.sentence.isprintable() for finding in audit(log.entries))


def test_a_mistake_made_a_thousand_times_is_told_a_few_times() -> None:
    log = HonestLog()
    for _ in range(1000):
        log.add("joined", line="main-1", first=1, last=1, called=0, root=OTHER_HASH)

    told = [finding for finding in audit(log.entries) if finding.check == "numbers"]

    assert len(told) == SHOWN_MAX + 1
    assert told[-1].sentence == f"main-1: … and {999 - SHOWN_MAX} more of this kind."


def test_lines_without_end_are_cut_off() -> None:
    log = HonestLog()
    for number in range(LINES_MAX + 5):
        log.add("lane_added", line=f"lane-{number}", share=0.1)

    findings = audit(log.entries)

    assert failed(findings) == {"lines"}
    assert len({finding.line for finding in findings if finding.line}) <= LINES_MAX


def test_a_log_of_another_room_is_found() -> None:
    assert failed(audit(PLAIN.entries, room="another")) == {"room"}


# Signed heads, copies, and the operator's key.


def test_a_rewritten_log_fits_together_and_is_found_by_an_older_head() -> None:
    older = head_of(PLAIN.entries[:7])
    entries = rewritten(PLAIN, 4, root=OTHER_HASH)

    alone = audit(entries, head=head_of(entries))
    witnessed = audit(
        entries, head=head_of(entries), witnesses=[Witness(name="older", head=older)], key=KEY
    )

    assert all_holds(alone)
    assert failed(witnessed) == {"witness"}
    assert "proves" in of("witness", witnessed).sentence


def test_a_rewritten_log_is_found_by_a_copy_which_says_where_they_part() -> None:
    copy = Witness(name="mine.jsonl", hashes=hashes_of(served(PLAIN.entries[:9])))
    entries = rewritten(PLAIN, 4, root=OTHER_HASH)

    finding = of("witness", audit(entries, witnesses=[copy]))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, 4)
    assert "part at entry 4" in finding.sentence


@given(at=st.integers(1, 200), count=st.integers(1, 200))
def test_two_chains_part_where_they_first_differ(at: int, count: int) -> None:
    one, other = Hashes(), Hashes()
    for seq in range(1, count + 1):
        one.add(f"{seq}")
        other.add(f"{seq}" if seq < at else f"{seq}!")

    assert one.parts_from(other) == (at if at <= count else None)


def test_a_log_that_lost_its_end_is_found_by_copy_and_by_head() -> None:
    copy = Witness(name="mine", hashes=hashes_of(PLAIN.entries), head=head_of(PLAIN.entries))

    findings = audit(PLAIN.entries[:-2], witnesses=[copy])

    assert [f.verdict for f in findings if f.check == "witness"] == [Verdict.FAILS] * 2


def test_a_head_of_entries_that_are_not_shown_is_found() -> None:
    assert failed(audit(PLAIN.entries[:-1], head=head_of(PLAIN.entries))) == {"head"}


@pytest.mark.parametrize(
    "changes",
    [{"room": "another"}, {"seq": 3}, {"hash": OTHER_HASH}, {"key": OTHER_HASH}],
)
def test_a_head_with_anything_changed_is_found(changes: dict[str, Any]) -> None:
    signed = head_of(PLAIN.entries)
    head = type(signed)(**{**{n: getattr(signed, n) for n in signed.__struct_fields__}, **changes})

    assert failed(audit(PLAIN.entries, head=head)) == {"head"}


def test_a_head_signed_by_another_key_than_was_announced_is_found() -> None:
    head = head_of(DRAWN.entries, secret=STRANGER)

    assert failed(audit(DRAWN.entries, head=head)) == {"head.key"}


def test_a_key_that_nobody_announced_cannot_be_proved() -> None:
    findings = audit(PLAIN.entries, head=head_of(PLAIN.entries))

    assert of("head.key", findings).verdict is Verdict.CANNOT_BE_PROVED
    assert all_holds(audit(PLAIN.entries, head=head_of(PLAIN.entries), key=KEY))


def test_another_key_than_the_expected_one_is_found() -> None:
    findings = audit(DRAWN.entries, head=head_of(DRAWN.entries), key=OTHER_HASH)

    assert failed(findings) == {"key", "head.key"}


def test_a_witness_whom_nobody_signed_for_proves_little() -> None:
    older = Witness(name="older", head=head_of(PLAIN.entries[:5], secret=STRANGER))
    rewrote = rewritten(PLAIN, 4, root=OTHER_HASH)

    fits = of("witness", audit(PLAIN.entries, witnesses=[older], key=KEY))
    differs = of("witness", audit(rewrote, witnesses=[older], key=KEY))

    assert fits.verdict is Verdict.CANNOT_BE_PROVED
    assert differs.verdict is Verdict.FAILS
    assert "has not signed it" in differs.sentence


def test_an_empty_copy_and_a_head_of_another_room_are_no_witnesses() -> None:
    elsewhere = head_of(HonestLog(room="another").entries, room="another")
    witnesses = [Witness(name="a", hashes=Hashes()), Witness(name="b", head=elsewhere)]

    findings = audit(PLAIN.entries, witnesses=witnesses)

    assert [f.verdict for f in findings if f.check == "witness"] == [Verdict.FAILS] * 2


# Receipts.


def check_receipt(log: HonestLog, receipt: dict[str, Any]) -> list[Finding]:
    return audit(log.entries, receipt=read_receipt(receipt))


def test_a_receipt_tells_what_was_drawn_and_when_it_was_called() -> None:
    assert DRAWN.order is not None
    for entry in range(1, 21):
        number = DRAWN.order.number_of(entry)

        findings = check_receipt(DRAWN, DRAWN.receipts[entry - 1])

        assert f"drew number {number}." in of("receipt.number", findings).sentence
        calls = [f.seq for f in findings if f.check == "receipt.called"]
        first, second = seq_of(DRAWN, "called"), seq_of(DRAWN, "called", 1)
        expected = [first] if number <= 4 else [second] if number <= 7 else [None]
        assert calls == (expected if number != 2 else [first, second])


def test_a_receipt_of_a_number_tells_when_it_was_called() -> None:
    calls = [
        [f.seq for f in check_receipt(PLAIN, receipt) if f.check == "receipt.called"]
        for receipt in PLAIN.receipts
    ]

    # Three at once and again number 1; two at once and again number 5; then in two calls.
    assert calls[:3] == [[3, 9], [3], [3]]
    assert calls[3:5] == [[4], [4, 9]]
    assert calls[5:10] == [[5], [5], [9], [9], [9]]
    assert calls[10:] == [[None]] * 3


def test_a_call_that_passed_some_over_is_told_with_a_doubt() -> None:
    log = HonestLog()
    log.set_status("open")
    receipts = log.join(5)
    log.call(2, skip=1)

    finding = of("receipt.called", check_receipt(log, receipts[0]))

    assert "unless it had been given up" in finding.sentence


def test_a_receipt_for_a_draw_that_is_to_come_has_no_number_yet() -> None:
    log = HonestLog()
    log.announce()
    receipts = log.enter(3)

    findings = check_receipt(log, receipts[1])

    assert of("receipt", findings).verdict is Verdict.HOLDS
    assert of("receipt.number", findings).verdict is Verdict.NOT_APPLICABLE


def test_what_befell_a_place_is_told_to_its_holder() -> None:
    log = HonestLog()
    log.announce()
    receipts = log.enter(2)
    log.add("moved", line="main-1", number=2, entry=True)
    log.set_status("open")
    log.close()
    log.sign()
    log.draw()
    assert log.order is not None
    log.add("revoked", line="main-1", number=log.order.number_of(2))
    log.add("reset", from_line="main-1", to_line="main-2")

    told = [
        [f.seq for f in check_receipt(log, receipt) if f.check == "receipt.event"]
        for receipt in receipts
    ]

    assert told == [[10], [4, 9, 10]]


@pytest.mark.parametrize("log", [PLAIN, DRAWN], ids=["joined", "entered"])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("seq", lambda seq: seq + 1),
        ("seq", lambda seq: seq + 1000),
        ("line", lambda _: "main-2"),
        ("first", lambda first: first + 1),
        ("count", lambda count: count + 1),
        ("id", lambda _: "00" * 16),
        ("random", lambda _: "ff"),
        ("random", lambda _: ""),
        ("path", lambda path: "00" * 32 + path[64:]),
        ("path", lambda path: path[64:]),
        ("path", lambda path: path + "00" * 32),
    ],
)
def test_a_receipt_with_any_field_changed_is_found(
    log: HonestLog, name: str, change: Callable[[Any], Any]
) -> None:
    receipt = log.receipts[4]

    findings = check_receipt(log, {**receipt, name: change(receipt[name])})

    assert failed(findings) == {"receipt"}


@pytest.mark.parametrize("log", [PLAIN, DRAWN], ids=["joined", "entered"])
@pytest.mark.parametrize("by", [-3, -1, 1, 500])
def test_a_receipt_for_another_place_is_found(log: HonestLog, by: int) -> None:
    receipt = dict(log.receipts[4])
    name = "entry" if "entry" in receipt else "number"
    receipt[name] += by

    assert failed(check_receipt(log, receipt)) == {"receipt"}


def test_a_receipt_of_an_entry_is_none_of_a_number() -> None:
    receipt = dict(DRAWN.receipts[4])
    receipt["number"] = receipt.pop("entry")

    assert failed(check_receipt(DRAWN, receipt)) == {"receipt"}


def test_a_draw_that_leaves_an_entry_out_is_found_by_its_receipt() -> None:
    entries = rewritten(DRAWN, seq_of(DRAWN, "drawn"), count=12)

    findings = audit(entries, receipt=read_receipt(DRAWN.receipts[14]))

    assert "left out entry 15" in said("receipt", findings)


def test_a_receipt_of_another_room_is_found() -> None:
    assert failed(check_receipt(PLAIN, {**PLAIN.receipts[0], "room": "another"})) == {"receipt"}


def test_a_receipt_may_come_in_the_answer_that_gave_it() -> None:
    answer = {"ticket": "…", "number": 5, "receipt": PLAIN.receipts[4]}

    assert read_receipt(answer) == read_receipt(PLAIN.receipts[4])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"receipt": {}},
        {**PLAIN.receipts[4], "number": 0},
        {**PLAIN.receipts[4], "number": "5"},
        {**PLAIN.receipts[4], "entry": 5},
        {k: v for k, v in PLAIN.receipts[4].items() if k != "number"},
        {**PLAIN.receipts[4], "path": "zz"},
        {**PLAIN.receipts[4], "path": "00"},
        {**PLAIN.receipts[4], "path": "00" * 32 * 41},
    ],
)
def test_what_is_no_receipt_is_refused(document: Any) -> None:
    with pytest.raises(UnreadableReceipt):
        read_receipt(document)


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
