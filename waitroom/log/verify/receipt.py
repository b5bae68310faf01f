"""One shopper's own place: that it is in the log, what it drew, and when it was called. Pure."""

from waitroom.log.chain import leaf_hash, root_from_path
from waitroom.log.entries import (
    Called,
    Drawn,
    Entered,
    Facts,
    Joined,
    OfLine,
    OfNumber,
    Reset,
)
from waitroom.log.receipt import Receipt
from waitroom.log.verify.finding import Check, Finding, Verdict, found
from waitroom.log.verify.line import LineAudit

CALLS_NAMED_MAX = 10

_HAPPENED = {
    "revoked": "was taken away by the operator",
    "moved": "was moved to another device",
    "stepped_aside": "stepped aside",
    "extra_time": "was given more time",
}


class ReceiptAudit:
    """Follow one receipt through the log. Sees each entry after its line did."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._place = receipt.entry if receipt.entry is not None else receipt.number
        self._number = receipt.number
        self._drawn: Drawn | None = None
        self._found = False
        self._check = Check("receipt")
        self._calls: list[tuple[Facts, bool]] = []
        self._events: list[Finding] = []

    def take(self, facts: Facts, line: LineAudit | None) -> None:
        receipt = self._receipt
        if facts.seq == receipt.seq:
            self._found = True
            self._hold_against(facts)
        if isinstance(facts, Reset) and facts.from_line == receipt.line:
            self._happened(facts, "lost its place: the line was begun anew")
        if line is not None and isinstance(facts, OfLine) and facts.line == receipt.line:
            self._follow(facts, line)

    def _follow(self, facts: OfLine, line: LineAudit) -> None:
        receipt = self._receipt
        match facts:
            case Drawn() if receipt.entry is not None and self._drawn is None:
                self._draw(facts, line)
            case Joined() if self._number is not None:
                if facts.first <= self._number < facts.first + facts.called:
                    self._call(facts, is_sure=True)
            case Called() if self._number is not None:
                if facts.first <= self._number <= facts.to:
                    self._call(facts, is_sure=facts.called == facts.to - facts.first + 1)
                elif self._number in facts.again:
                    self._call(facts, is_sure=True)
            case OfNumber() if facts.is_of(entry=receipt.entry, number=self._number):
                self._happened(facts, _HAPPENED[facts.kind])
            case _:
                pass

    def _hold_against(self, facts: Facts) -> None:
        receipt, place = self._receipt, self._place
        wanted = Entered if receipt.entry is not None else Joined
        if not isinstance(facts, wanted):
            self._check.fail(
                f"Entry {facts.seq} of the log is no entry for this receipt.", facts.seq
            )
            return
        count = facts.last - facts.first + 1
        if (facts.line, facts.first, count) != (receipt.line, receipt.first, receipt.count):
            self._check.fail(
                f"The receipt tells of {receipt.count} places from {receipt.first:,} in "
                f"{receipt.line}; entry {facts.seq} of {count:,} from {facts.first:,} in "
                f"{facts.line}.",
                facts.seq,
            )
            return
        assert place is not None, "a receipt is for one or the other"
        path = bytes.fromhex(receipt.path)
        root = root_from_path(
            leaf_hash(bytes.fromhex(receipt.id), bytes.fromhex(receipt.random)),
            index=place - receipt.first,
            count=receipt.count,
            path=[path[at : at + 32] for at in range(0, len(path), 32)],
        )
        if root is None or root.hex() != facts.root:
            self._check.fail(
                f"The receipt does not lead to what entry {facts.seq} holds: this place was not "
                "given to this ticket there.",
                facts.seq,
            )

    def _draw(self, facts: Drawn, line: LineAudit) -> None:
        self._drawn = facts
        if line.ballot.order is not None and self._receipt.entry is not None:
            try:
                self._number = line.ballot.order.number_of(self._receipt.entry)
            except ValueError:
                self._check.fail(
                    f"The draw in entry {facts.seq} left out entry {self._receipt.entry:,}.",
                    facts.seq,
                )

    def _call(self, facts: Facts, *, is_sure: bool) -> None:
        if len(self._calls) < CALLS_NAMED_MAX:
            self._calls.append((facts, is_sure))

    def _happened(self, facts: Facts, what: str) -> None:
        if len(self._events) < CALLS_NAMED_MAX:
            sentence = f"The place of your receipt {what} ({facts.at}, entry {facts.seq})."
            event = found("receipt.event", Verdict.CANNOT_BE_PROVED, sentence, seq=facts.seq)
            self._events.append(event)

    def findings(self, lines: dict[str, LineAudit]) -> list[Finding]:
        receipt = self._receipt
        if not self._found:
            self._check.fail(f"The log has no entry {receipt.seq}, which the receipt names.")
        held = self._check.findings(
            f"Your {'entry' if receipt.entry is not None else 'number'} {self._place:,} in "
            f"{receipt.line} was put into the log in entry {receipt.seq}, as your receipt says.",
            seq=receipt.seq,
        )
        return held if self._check.failed else [*held, *self._came_of_it(lines), *self._events]

    def _came_of_it(self, lines: dict[str, LineAudit]) -> list[Finding]:
        findings = []
        if self._receipt.entry is not None:
            if self._drawn is None or self._number is None:
                said = "There was no draw yet, so your entry has no number yet."
                return [found("receipt.number", Verdict.NOT_APPLICABLE, said)]
            said = f"Your entry {self._receipt.entry:,} drew number {self._number:,}."
            findings.append(found("receipt.number", Verdict.HOLDS, said, seq=self._drawn.seq))
        for facts, is_sure in self._calls:
            doubt = "" if is_sure else ", unless it had been given up before"
            said = f"Number {self._number:,} was called at {facts.at}, in entry {facts.seq}{doubt}."
            findings.append(found("receipt.called", Verdict.HOLDS, said, seq=facts.seq))
        if not self._calls:
            line = lines.get(self._receipt.line)
            head = line.head if line is not None else 0
            said = f"Number {self._number:,} has not been called yet; the line stands at {head:,}."
            findings.append(found("receipt.called", Verdict.NOT_APPLICABLE, said))
        return findings
