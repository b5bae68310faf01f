"""A receipt leads to its shopper's place in the log, and to nobody else's."""

from collections.abc import Callable
from typing import Any

import pytest
from honest_log import HonestLog
from rewritten_log import DRAWN, PLAIN, failed, of, rewritten, said, seq_of

from waitroom.log.audit import audit
from waitroom.log.receipt import UnreadableReceipt, read_receipt
from waitroom.log.verify.finding import Finding, Verdict


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

    assert "left out draw entry 15" in said("receipt", findings)


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
