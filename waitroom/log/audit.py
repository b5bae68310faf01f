"""Checking a room's whole log: what holds, what fails, and what no log can prove. Pure.

Everything is computed again from public data and, if one is given, a shopper's own receipt. Entries
are taken one by one, so a log may be of any length. Each check has its module in
`waitroom/log/verify/`.
"""

from collections.abc import Iterable, Sequence

from waitroom.log.chain import LogEntry, Served
from waitroom.log.entries import (
    AnyEntry,
    Called,
    DrawAnnounced,
    Joined,
    LaneAdded,
    OfLine,
    Reset,
    RoomCreated,
    StatusChanged,
)
from waitroom.log.receipt import Receipt
from waitroom.log.signing import SignedHead
from waitroom.log.verify.behind import BehindAudit
from waitroom.log.verify.exceptions import ExceptionsAudit
from waitroom.log.verify.finding import Check, Finding, Verdict, found
from waitroom.log.verify.line import LineAudit
from waitroom.log.verify.links import ChainAudit
from waitroom.log.verify.receipt import ReceiptAudit
from waitroom.log.verify.witness import Witness, head_findings, witness_findings

# No room ever has this many lines; a log that names more was not written by this service.
LINES_MAX = 1000

_LIMITS = (
    ("limits.people", "No log can show who holds the places, or whether one person holds several."),
    ("limits.refused", "No log can show that nobody was refused: a refusal leaves no entry."),
    ("limits.outside", "No log can show that nobody bought without having been called."),
    ("limits.texts", "Private texts appear as salted hashes; what they say is not shown."),
)


def audit(
    entries: Iterable[LogEntry | Served],
    *,
    room: str | None = None,
    head: SignedHead | None = None,
    witnesses: Sequence[Witness] = (),
    receipt: Receipt | None = None,
    key: str | None = None,
) -> list[Finding]:
    """Check one room's log from its first entry on and return the findings.

    `entries` are `LogEntry`s, or mappings as they are served. `room` is the name that the log
    should have. `head` is the end of the log as the service signs it now; it must have been read
    before the entries. `witnesses` were kept earlier. `key` is the operator's public key in hex, if
    it is known from elsewhere.
    """
    room_audit = RoomAudit(room=room, receipt=receipt)
    for served in entries:
        room_audit.feed(served)
    return room_audit.findings(head=head, witnesses=witnesses, key=key)


class RoomAudit:
    """Checks one room's log, entry by entry."""

    def __init__(self, *, room: str | None = None, receipt: Receipt | None = None) -> None:
        self._room = room or ""
        self._expected = room
        self._chain = ChainAudit()
        self._exceptions = ExceptionsAudit()
        self._lines: dict[str, LineAudit] = {}
        self._introduced: set[str] = set()
        # The announced keys; a dict keeps their order.
        self._keys: dict[str, None] = {}
        self._receipt = ReceiptAudit(receipt) if receipt is not None else None
        self._receipt_room = receipt.room if receipt is not None else None
        self._status = "scheduled"
        self._is_named = Check("room")
        self._is_open = Check("status")
        self._is_introduced = Check("lines")
        self._behind = BehindAudit()

    def feed(self, served: LogEntry | Served) -> None:
        read = self._chain.feed(served)
        if read is None:
            return
        entry, hash_ = read
        self._name(entry)
        self._introduce(entry)
        self._watch_status(entry)
        self._exceptions.feed(entry)
        line = self._line_of(entry)
        self._behind.feed(entry, self._lines)
        if line is not None and isinstance(entry, OfLine):
            line.feed(entry, hash_)
        if self._receipt is not None:
            self._receipt.feed(entry, line)

    def _name(self, entry: AnyEntry) -> None:
        """Learn the room's name, which is part of what is hashed and signed."""
        if isinstance(entry, RoomCreated):
            if len(self._chain.hashes) > 1:
                self._is_named.fail(
                    f"The room was created a second time, in log entry {entry.seq}.", entry.seq
                )
                return
            if self._expected not in {None, entry.room}:
                self._is_named.fail(
                    f"This is the log of “{entry.room}” and not of “{self._expected}”.", entry.seq
                )
            self._room = entry.room
        elif len(self._chain.hashes) == 1:
            self._is_named.fail("The log does not begin with the creation of its room.", 1)

    def _introduce(self, entry: AnyEntry) -> None:
        match entry:
            case RoomCreated() | LaneAdded():
                self._introduced.add(entry.line)
            case Reset():
                self._introduced.add(entry.to_line)
                before = self._line(entry.from_line, entry.seq)
                after = self._line(entry.to_line, entry.seq)
                if before is not None and after is not None:
                    before.replaced_by = entry.to_line
                    after.begin_after(before, entry.from_line)
            case DrawAnnounced() if len(self._keys) < LINES_MAX:
                self._keys[entry.key] = None
            case _:
                pass

    def _watch_status(self, entry: AnyEntry) -> None:
        match entry:
            case StatusChanged():
                if entry.before != self._status:
                    self._is_open.fail(
                        f"Log entry {entry.seq} says that the room was {entry.before}; it was "
                        f"{self._status}.",
                        entry.seq,
                    )
                self._status = entry.after
            case Called() if (entry.called or entry.again) and self._status != "open":
                self._is_open.fail(
                    f"Numbers were called in log entry {entry.seq} while the room was "
                    f"{self._status}.",
                    entry.seq,
                )
            case Joined() if entry.called and self._status != "open":
                self._is_open.fail(
                    f"Arrivals were called in log entry {entry.seq} while the room was "
                    f"{self._status}.",
                    entry.seq,
                )
            case _:
                pass

    def _line_of(self, entry: AnyEntry) -> LineAudit | None:
        if not isinstance(entry, OfLine):
            return None
        if entry.line not in self._introduced:
            self._is_introduced.fail(
                f"Log entry {entry.seq} is about the line {entry.line}, which the log had not "
                "introduced.",
                entry.seq,
            )
        return self._line(entry.line, entry.seq)

    def _line(self, name: str, seq: int) -> LineAudit | None:
        line = self._lines.get(name)
        if line is None:
            if len(self._lines) == LINES_MAX:
                self._is_introduced.fail(f"The log names more than {LINES_MAX:,} lines.", seq)
                return None
            line = self._lines[name] = LineAudit(self._room, name)
        return line

    def findings(
        self,
        *,
        head: SignedHead | None = None,
        witnesses: Sequence[Witness] = (),
        key: str | None = None,
    ) -> list[Finding]:
        """Return all findings, in the order in which a shopper would ask."""
        hashes = self._chain.hashes
        keys = [key] if key is not None else list(self._keys)
        lines = [
            finding
            for line in self._lines.values()
            for finding in line.findings(is_over=self._status == "ended")
        ]
        passed_over = sum(line.passed_over for line in self._lines.values())
        passed_by = sum(line.passed_by for line in self._lines.values())
        return [
            *self._is_named.findings(f"This is the log of the room “{self._room}”."),
            *self._chain.findings(),
            *head_findings(head, hashes=hashes, room=self._room, keys=keys),
            *self._expected_key(key),
            *lines,
            *self._rest(passed_over, passed_by),
            *self._of_receipt(),
            *witness_findings(witnesses, hashes=hashes, room=self._room, keys=keys),
            *(found(name, Verdict.CANNOT_BE_PROVED, sentence) for name, sentence in _LIMITS),
        ]

    def _rest(self, passed_over: int, passed_by: int) -> list[Finding]:
        drawn = any(line.ballot.exists for line in self._lines.values())
        no_draw = "This room has no draw: places are in order of arrival."
        return [
            *([] if drawn else [found("draw", Verdict.NOT_APPLICABLE, no_draw)]),
            *self._is_open.findings("No number was called while the room was not open."),
            *(self._is_introduced.findings("") if self._is_introduced.failed else []),
            *self._behind.findings(),
            *self._exceptions.findings(passed_over, passed_by),
        ]

    def _expected_key(self, key: str | None) -> list[Finding]:
        if key is None or not self._keys:
            return []
        if list(self._keys) == [key]:
            said = "The key that the log announces is the one that you expect."
            return [found("key", Verdict.HOLDS, said)]
        said = "The log announces a key other than the one that you expect."
        return [found("key", Verdict.FAILS, said)]

    def _of_receipt(self) -> list[Finding]:
        if self._receipt is None:
            said = "No receipt was given, so no shopper's own place was checked."
            return [found("receipt", Verdict.NOT_APPLICABLE, said)]
        if self._receipt_room not in {None, self._room}:
            said = f"The receipt is of another room: “{self._receipt_room}”."
            return [found("receipt", Verdict.FAILS, said)]
        return self._receipt.findings(self._lines)
