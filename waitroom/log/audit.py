"""Checking a room's whole log: what holds, what fails, and what nobody can prove. Pure.

Everything is computed again from public data and, if one is given, a shopper's own receipt. Entries
are taken one by one, so a log may be as long as it likes. What each check does stands in
`waitroom/verify/`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from waitroom.log.chain import LogEntry
from waitroom.log.entries import (
    Called,
    DrawAnnounced,
    Facts,
    Joined,
    OfLine,
    Reset,
    RoomCreated,
    Status,
)
from waitroom.log.receipt import Receipt
from waitroom.log.verify.exceptions import ExceptionsAudit
from waitroom.log.verify.finding import Check, Finding, Verdict, found
from waitroom.log.verify.line import LineAudit
from waitroom.log.verify.links import ChainAudit
from waitroom.log.verify.receipt import ReceiptAudit
from waitroom.log.verify.witness import SignedHead, Witness, head_findings, witness_findings

# More lines than a room ever has; a log that names more is not one of ours.
LINES_MAX = 1000

_LIMITS = (
    ("limits.people", "No log can show who stands behind the places, or if somebody has several."),
    ("limits.refused", "No log can show that nobody was refused: there is no entry for that."),
    ("limits.outside", "No log can show that nobody bought without having been called."),
    ("limits.texts", "Private texts stand here as salted hashes; what they say is not shown."),
)


def audit(
    entries: Iterable[LogEntry | Mapping[str, Any]],
    *,
    room: str | None = None,
    head: SignedHead | None = None,
    witnesses: Sequence[Witness] = (),
    receipt: Receipt | None = None,
    key: str | None = None,
) -> list[Finding]:
    """Check one room's log from its first entry on and return what was found.

    `entries` are `LogEntry`s, or mappings as they are served. `room` is the name that the log
    should have. `head` is the end of the log as the service signs it now; it must have been read
    before the entries. `witnesses` are what was kept earlier. `key` is the operator's public key
    in hex, if it is known from elsewhere.
    """
    room_audit = RoomAudit(room=room, receipt=receipt)
    for served in entries:
        room_audit.take(served)
    return room_audit.findings(head=head, witnesses=witnesses, key=key)


class RoomAudit:
    """One room's log as it goes by."""

    def __init__(self, *, room: str | None = None, receipt: Receipt | None = None) -> None:
        self._room = room or ""
        self._expected = room
        self._chain = ChainAudit()
        self._exceptions = ExceptionsAudit()
        self._lines: dict[str, LineAudit] = {}
        self._announced_lines: set[str] = set()
        self._keys: dict[str, None] = {}
        self._receipt = ReceiptAudit(receipt) if receipt is not None else None
        self._receipt_room = receipt.room if receipt is not None else None
        self._status = "scheduled"
        self._is_named = Check("room")
        self._is_open = Check("status")
        self._is_announced = Check("lines")

    def take(self, served: LogEntry | Mapping[str, Any]) -> None:
        read = self._chain.take(served)
        if read is None:
            return
        facts, hash_ = read
        self._name(facts)
        self._introduce(facts)
        self._watch_status(facts)
        self._exceptions.take(facts)
        line = self._line_of(facts)
        if line is not None and isinstance(facts, OfLine):
            line.take(facts, hash_)
        if self._receipt is not None:
            self._receipt.take(facts, line)

    def _name(self, facts: Facts) -> None:
        """Learn the room's name, which is part of what is hashed and signed."""
        if isinstance(facts, RoomCreated):
            if len(self._chain.hashes) > 1:
                self._is_named.fail(f"The room was made twice, again in entry {facts.seq}.")
                return
            if self._expected not in {None, facts.room}:
                self._is_named.fail(
                    f"This is the log of “{facts.room}” and not of “{self._expected}”.", facts.seq
                )
            self._room = facts.room
        elif len(self._chain.hashes) == 1:
            self._is_named.fail("The log does not begin with the making of its room.", 1)

    def _introduce(self, facts: Facts) -> None:
        if isinstance(facts, RoomCreated) or facts.kind == "lane_added":
            assert isinstance(facts, OfLine), "both are of a line"
            self._announced_lines.add(facts.line)
        elif isinstance(facts, Reset):
            self._announced_lines.add(facts.to_line)
            before, after = self._line(facts.from_line, facts), self._line(facts.to_line, facts)
            if before is not None and after is not None:
                before.replaced_by = facts.to_line
                after.begin_after(before, facts.from_line)
        elif isinstance(facts, DrawAnnounced) and len(self._keys) < LINES_MAX:
            self._keys[facts.key] = None

    def _watch_status(self, facts: Facts) -> None:
        match facts:
            case Status():
                if facts.before != self._status:
                    self._is_open.fail(
                        f"Entry {facts.seq} says that the room was {facts.before}; it was "
                        f"{self._status}.",
                        facts.seq,
                    )
                self._status = facts.after
            case Called() if (facts.called or facts.again) and self._status != "open":
                self._is_open.fail(
                    f"Somebody was called in entry {facts.seq} while the room was {self._status}.",
                    facts.seq,
                )
            case Joined() if facts.called and self._status != "open":
                self._is_open.fail(
                    f"Arrivals were called in entry {facts.seq} while the room was {self._status}.",
                    facts.seq,
                )
            case _:
                pass

    def _line_of(self, facts: Facts) -> LineAudit | None:
        if not isinstance(facts, OfLine):
            return None
        if facts.line not in self._announced_lines:
            self._is_announced.fail(
                f"Entry {facts.seq} is of the line {facts.line}, which the log had not told of.",
                facts.seq,
            )
        return self._line(facts.line, facts)

    def _line(self, name: str, facts: Facts) -> LineAudit | None:
        line = self._lines.get(name)
        if line is None:
            if len(self._lines) == LINES_MAX:
                self._is_announced.fail(f"More than {LINES_MAX:,} lines are named.", facts.seq)
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
        """Return everything, in the order in which a shopper would ask."""
        hashes = self._chain.hashes
        keys = [key] if key is not None else list(self._keys)
        lines = [
            finding
            for line in self._lines.values()
            for finding in line.findings(is_over=self._status == "ended")
        ]
        passed_over = sum(line.passed_over for line in self._lines.values())
        return [
            *self._is_named.findings(f"This is the log of the room “{self._room}”."),
            *self._chain.findings(),
            *head_findings(head, hashes=hashes, room=self._room, keys=keys),
            *self._expected_key(key),
            *lines,
            *self._rest(passed_over),
            *self._of_receipt(),
            *witness_findings(witnesses, hashes=hashes, room=self._room, keys=keys),
            *(found(name, Verdict.CANNOT_BE_PROVED, sentence) for name, sentence in _LIMITS),
        ]

    def _rest(self, passed_over: int) -> list[Finding]:
        drawn = any(line.ballot.exists for line in self._lines.values())
        no_draw = "This room has no draw: places are in order of arrival."
        return [
            *([] if drawn else [found("draw", Verdict.NOT_APPLICABLE, no_draw)]),
            *self._is_open.findings("Nobody was called while the room was not open."),
            *(self._is_announced.findings("") if self._is_announced.failed else []),
            *self._exceptions.findings(passed_over),
        ]

    def _expected_key(self, key: str | None) -> list[Finding]:
        if key is None or not self._keys:
            return []
        if list(self._keys) == [key]:
            said = "The key that the log announces is the one that you expect."
            return [found("key", Verdict.HOLDS, said)]
        said = "The log announces another key than the one that you expect."
        return [found("key", Verdict.FAILS, said)]

    def _of_receipt(self) -> list[Finding]:
        if self._receipt is None:
            said = "No receipt was given, so no shopper's own place was checked."
            return [found("receipt", Verdict.NOT_APPLICABLE, said)]
        if self._receipt_room not in {None, self._room}:
            said = f"The receipt is of another room: “{self._receipt_room}”."
            return [found("receipt", Verdict.FAILS, said)]
        return self._receipt.findings(self._lines)
