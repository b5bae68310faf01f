"""A log that was rewritten as a whole is found by what somebody else kept of it."""

from typing import Any

import pytest
from honest_log import HonestLog, head_of, served
from hypothesis import given
from hypothesis import strategies as st
from rewritten_log import DRAWN, KEY, OTHER_HASH, PLAIN, STRANGER, failed, of, rewritten

from waitroom.log.audit import audit
from waitroom.log.verify.finding import Verdict, all_holds
from waitroom.log.verify.links import Hashes, hashes_of
from waitroom.log.verify.witness import Witness


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
    assert "differ from log entry 4" in finding.sentence


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
