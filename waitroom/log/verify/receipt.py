"""One shopper's own place: where the log has it, what it drew, and when it was called. Pure."""

from waitroom.log.chain import leaf_hash, root_from_path
from waitroom.log.entries import (
    AnyEntry,
    Called,
    Drawn,
    Entered,
    ExtraTime,
    GivenBack,
    Joined,
    Moved,
    OfLine,
    OfNumber,
    Reset,
    Revoked,
    SteppedAside,
)
from waitroom.log.receipt import Receipt
from waitroom.log.verify.finding import Check, Finding, Verdict, found, utc
from waitroom.log.verify.line import LineAudit

CALLS_NAMED_MAX = 10

# The events of a place, by the kind of log entry.
HAPPENED: dict[type[OfNumber], str] = {
    Revoked: "was taken away by the operator",
    GivenBack: "was given back by the operator",
    Moved: "was moved to another device",
    SteppedAside: "stepped aside to let others pass",
    ExtraTime: "was given more time",
}


class ReceiptAudit:
    """Follows one receipt through the log. It takes each entry after the entry's line did."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._place = receipt.entry if receipt.entry is not None else receipt.number
        self._number = receipt.number
        self._drawn: Drawn | None = None
        self._found = False
        self._check = Check("receipt")
        # Each with whether the call certainly meant this number.
        self._calls: list[tuple[Joined | Called, bool]] = []
        self._events: list[Finding] = []

    def feed(self, entry: AnyEntry, line: LineAudit | None) -> None:
        receipt = self._receipt
        if entry.seq == receipt.seq:
            self._found = True
            self._hold_against(entry)
        if isinstance(entry, Reset) and entry.from_line == receipt.line:
            self._happened(entry, "was lost: the line was closed and replaced by a new one")
        if line is not None and isinstance(entry, OfLine) and entry.line == receipt.line:
            self._follow(entry, line)

    def _follow(self, entry: OfLine, line: LineAudit) -> None:
        receipt = self._receipt
        match entry:
            case Drawn() if receipt.entry is not None and self._drawn is None:
                self._draw(entry, line)
            case Joined() if self._number is not None:
                if entry.first <= self._number < entry.first + entry.called:
                    self._call(entry, is_sure=True)
            case Called() if self._number is not None:
                if self._number in entry.passed:
                    self._happened(entry, "was passed by: what it came for was not free")
                elif entry.first <= self._number <= entry.last:
                    reached = entry.last - entry.first + 1 - len(entry.passed)
                    self._call(entry, is_sure=entry.called == reached)
                elif self._number in entry.again:
                    self._call(entry, is_sure=True)
            case OfNumber() if entry.is_of(entry=receipt.entry, number=self._number):
                self._happened(entry, HAPPENED[type(entry)])
            case _:
                pass

    def _hold_against(self, entry: AnyEntry) -> None:
        receipt, place = self._receipt, self._place
        wanted = Entered if receipt.entry is not None else Joined
        if not isinstance(entry, wanted):
            self._check.fail(
                f"Log entry {entry.seq} gave no places, but the receipt names it.", entry.seq
            )
            return
        count = entry.last - entry.first + 1
        if (entry.line, entry.first, count) != (receipt.line, receipt.first, receipt.count):
            self._check.fail(
                f"The receipt is for {receipt.count} places of {receipt.line} from "
                f"{receipt.first:,}; log entry {entry.seq} gave {count} places of {entry.line} "
                f"from {entry.first:,}.",
                entry.seq,
            )
            return
        assert place is not None, "a receipt has a number or an entry"
        path = bytes.fromhex(receipt.path)
        root = root_from_path(
            leaf_hash(bytes.fromhex(receipt.id), bytes.fromhex(receipt.random)),
            index=place - receipt.first,
            count=receipt.count,
            path=[path[at : at + 32] for at in range(0, len(path), 32)],
        )
        if root is None or root.hex() != entry.root:
            self._check.fail(
                f"The receipt does not lead to the root in log entry {entry.seq}: this place was "
                "not given to this ticket there.",
                entry.seq,
            )

    def _draw(self, drawn: Drawn, line: LineAudit) -> None:
        self._drawn = drawn
        if line.ballot.order is not None and self._receipt.entry is not None:
            try:
                self._number = line.ballot.order.number_of(self._receipt.entry)
            except ValueError:
                self._check.fail(
                    f"The draw in log entry {drawn.seq} left out draw entry "
                    f"{self._receipt.entry:,}.",
                    drawn.seq,
                )

    def _call(self, entry: Joined | Called, *, is_sure: bool) -> None:
        if len(self._calls) < CALLS_NAMED_MAX:
            self._calls.append((entry, is_sure))

    def _happened(self, entry: OfNumber | Called | Reset, what: str) -> None:
        if len(self._events) < CALLS_NAMED_MAX:
            said = f"Your place {what} at {utc(entry.at)}, in log entry {entry.seq}."
            event = found("receipt.event", Verdict.CANNOT_BE_PROVED, said, seq=entry.seq)
            self._events.append(event)

    def findings(self, lines: dict[str, LineAudit]) -> list[Finding]:
        """Return the findings; `lines` are the audits of all lines, by name."""
        receipt = self._receipt
        if not self._found:
            self._check.fail(f"The log has no entry {receipt.seq}, which the receipt names.")
        held = self._check.findings(
            f"Your {'draw entry' if receipt.entry is not None else 'number'} {self._place:,} in "
            f"{receipt.line} was recorded in log entry {receipt.seq}, as your receipt says.",
            seq=receipt.seq,
        )
        return held if self._check.failed else [*held, *self._outcome(lines), *self._events]

    def _outcome(self, lines: dict[str, LineAudit]) -> list[Finding]:
        findings = []
        if self._receipt.entry is not None:
            if self._drawn is None or self._number is None:
                said = "The draw has not been made yet, so your entry has no number yet."
                return [found("receipt.number", Verdict.NOT_APPLICABLE, said)]
            said = f"Your draw entry {self._receipt.entry:,} drew number {self._number:,}."
            findings.append(found("receipt.number", Verdict.HOLDS, said, seq=self._drawn.seq))
        for entry, is_sure in self._calls:
            doubt = "" if is_sure else ", unless it had been given up before"
            said = (
                f"Number {self._number:,} was called at {utc(entry.at)}, in log entry "
                f"{entry.seq}{doubt}."
            )
            findings.append(found("receipt.called", Verdict.HOLDS, said, seq=entry.seq))
        if not self._calls:
            line = lines.get(self._receipt.line)
            head = line.head if line is not None else 0
            said = f"Number {self._number:,} has not been called yet; the line is at {head:,}."
            findings.append(found("receipt.called", Verdict.NOT_APPLICABLE, said))
        return findings
