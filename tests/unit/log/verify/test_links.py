"""A change to the log is found where it stands, and a log that cannot be read is reported."""

import json
from dataclasses import replace
from typing import Any

import pytest
from honest_log import HonestLog, chained, drawn_log, plain_log, served
from hypothesis import given
from hypothesis import strategies as st
from rewritten_log import DRAWN, OTHER_HASH, PLAIN, bodies_of, failed, of, rewritten, said

from waitroom.log.audit import audit
from waitroom.log.chain import LogEntry, chain_hash
from waitroom.log.verify.finding import SHOWN_MAX, Verdict, all_holds


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


@given(data=st.data())
def test_a_changed_entry_with_its_hash_made_to_fit_breaks_the_next(data: st.DataObject) -> None:
    entries = list(plain_log().entries)
    at = data.draw(st.integers(0, len(entries) - 2))
    body = entries[at].body.replace('"kind"', '"kind" ')
    previous = entries[at - 1].hash if at else b""
    entries[at] = replace(entries[at], body=body, hash=chain_hash(previous, body))

    finding = of("chain", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, at + 2)


@given(data=st.data(), renumbered=st.booleans())
def test_an_entry_put_in_later_breaks_the_next(data: st.DataObject, *, renumbered: bool) -> None:
    entries = list(plain_log().entries)
    at = data.draw(st.integers(1, len(entries) - 1))
    body = entries[at].body.replace('"kind"', '"kind" ')
    late = LogEntry(seq=at + 1, body=body, hash=chain_hash(entries[at - 1].hash, body))
    moved_up = [replace(e, seq=e.seq + 1) if renumbered else e for e in entries[at:]]

    finding = of("chain", audit([*entries[:at], late, *moved_up]))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, at + 2)


def test_an_entry_that_comes_twice_is_found() -> None:
    entries = [*PLAIN.entries[:5], *PLAIN.entries[4:]]

    assert "Log entry 5 stands where 6 should be" in said("chain", audit(entries))


def test_an_entry_that_says_another_number_of_itself_is_found() -> None:
    assert "that it is number 9" in said("entries", audit(rewritten(PLAIN, 5, seq=9)))


def test_time_that_runs_backwards_is_found() -> None:
    entries = rewritten(PLAIN, 6, at="2026-11-22T18:59:00.000000Z")

    finding = of("clock", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, 6)


# Anything that may be served.


def test_kinds_that_are_not_known_are_named_and_chained() -> None:
    log = plain_log()
    log.add("fireworks", line="main-1", colour="red")

    findings = audit(log.entries)

    assert all_holds(findings)
    assert "fireworks" in of("kinds", findings).sentence


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
