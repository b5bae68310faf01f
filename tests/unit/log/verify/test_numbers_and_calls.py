"""Numbers given or called out of order are found, and exceptions to the order are counted."""

from typing import Any

import pytest
from honest_log import HonestLog
from rewritten_log import OTHER_HASH, PLAIN, of, rewritten, said, seq_of

from waitroom.log.audit import audit
from waitroom.log.verify.finding import Verdict, all_holds


@pytest.mark.parametrize(("first", "word"), [(3, "second time"), (5, "missing")])
def test_numbers_given_twice_or_left_out_are_found(first: int, word: str) -> None:
    finding = of("numbers", audit(rewritten(PLAIN, seq_of(PLAIN, "joined", 1), first=first)))

    assert finding.verdict is Verdict.FAILS
    assert word in finding.sentence


@pytest.mark.parametrize(
    ("nth", "changes", "words"),
    [
        (0, {"from": 7, "to": 8}, "too early"),
        (0, {"from": 5, "to": 7}, "called again"),
        (0, {"from": 6, "to": 200, "called": 195}, "before it was given"),
        (0, {"called": 3}, "more numbers than it names"),
        (0, {"to": 4}, "more numbers than it names"),
        (1, {"again": [1, 12]}, "its turn had not come"),
        (1, {"again": [1, 1]}, "calls a number twice"),
    ],
)
def test_calls_out_of_order_are_found(nth: int, changes: dict[str, Any], words: str) -> None:
    entries = rewritten(PLAIN, seq_of(PLAIN, "called", nth), **changes)

    assert words in said("calls", audit(entries))


def test_more_arrivals_called_than_came_are_found() -> None:
    entries = rewritten(PLAIN, seq_of(PLAIN, "joined"), called=4)

    assert "More people were called than joined" in said("calls", audit(entries))


def test_numbers_given_while_entries_are_open_are_found() -> None:
    log = HonestLog()
    log.announce()
    log.enter(3)
    log.join(2)

    assert "while the draw was open for entries" in said("numbers", audit(log.entries))


def test_a_tick_that_ends_before_it_begins_is_found() -> None:
    log = HonestLog()
    log.add("joined", line="main-1", first=5, last=4, called=0, root=OTHER_HASH)

    assert "gives no number" in said("numbers", audit(log.entries))


def test_arrivals_called_before_those_who_wait_are_found() -> None:
    log = HonestLog()
    log.set_status("open")
    log.join(5)
    log.join(3)
    entries = rewritten(log, 4, called=2)

    finding = of("calls", audit(entries))

    assert (finding.verdict, finding.seq) == (Verdict.FAILS, 4)
    assert "number 1 was waiting" in finding.sentence


# Exceptions to the order.


def test_every_exception_is_counted_and_named() -> None:
    log = HonestLog()
    log.add("rules", changed={"seats_max": [5, 6]})
    log.add("stock", sku="mug", movement="received", quantity=50)
    log.set_status("open")
    log.join(9, called=4)
    log.add("rules", changed={"seats_max": [6, 9]})
    for kind in ("revoked", "given_back", "moved", "stepped_aside"):
        log.add(kind, line="main-1", number=2)
    log.add("revoked", line="main-1", number=3, reason_hash=OTHER_HASH)
    log.add("extra_time", line="main-1", number=2, profile="extra-time")
    log.add("invited", line="main-1", count=10, batch=1)
    log.add("invitations_revoked", count=7, batch=1)
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
            "given_back",
            "moved",
            "stepped_aside",
            "extra_time",
            "invited",
            "invitations_revoked",
            "stock",
            "passed_over",
        )
    }
    assert listed["exceptions.revoked"].startswith("2 places were taken away")
    assert "log entries 7, 11" in listed["exceptions.revoked"]
    assert "(log entry 6)" in listed["exceptions.rules"]
    assert listed["exceptions.invitations_revoked"].startswith("1 batch of unused invitations was")
    assert listed["exceptions.stock"].startswith("1 change of the stock")
    assert listed["exceptions.passed_over"].startswith("2 numbers")
