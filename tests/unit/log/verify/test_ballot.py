"""A draw is found out that was not made as announced, even if all hashes were made to fit."""

from hashlib import sha256

import pytest
from honest_log import SECRET, HonestLog, drawn_log
from rewritten_log import (
    DRAWN,
    KEY,
    OTHER_HASH,
    STRANGER,
    WITH_VALUE,
    bodies_of,
    failed,
    left_out,
    of,
    put_in,
    renumbered,
    rewritten,
    said,
    seq_of,
)

from waitroom.log.audit import audit
from waitroom.log.chain import LogEntry
from waitroom.log.draw import commitment
from waitroom.log.signing import LogKey
from waitroom.log.verify.finding import Verdict, all_holds


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

    assert "only in log entry 3" in said("draw.commitment", audit(renumbered(bodies)))


def test_steps_of_a_draw_out_of_turn_are_found() -> None:
    early = audit(moved(DRAWN, "closing_signed", before="entries_closed"))
    drawn_early = audit(moved(DRAWN, "drawn", before="entries_closed"))
    late = audit(moved(DRAWN, "drawn", before="closing_signed"))

    assert "before there was one" in said("draw.closing", early)
    assert "before the entries closed" in said("draw.once", drawn_early)
    assert "after the draw" in said("draw.closing", late)


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
    assert "a key other than" in finding.sentence


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
    assert "not revealed" in finding.sentence


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
    assert "after the draw" in said("draw.value", findings)


def test_a_second_public_value_is_found() -> None:
    source = "drand 4711"
    after = seq_of(WITH_VALUE, "public_value")
    entries = put_in(WITH_VALUE, after, "public_value", source=source, value="ffff")

    assert failed(audit(entries)) == {"draw.value"}
