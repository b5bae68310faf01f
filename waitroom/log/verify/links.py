"""The chain of a room's log: each entry follows from the one before, in text and in time. Pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from waitroom.log.chain import LogEntry, Served, chain_hash
from waitroom.log.entries import AnyEntry, Unknown
from waitroom.log.reading import UnreadableEntry, read_entry
from waitroom.log.verify.finding import Check, Finding, Verdict, found, utc

HASH_BYTES = 32
KINDS_NAMED_MAX = 10


def as_entry(served: LogEntry | Served) -> LogEntry:
    """Return an entry as it is, or from the JSON that was served; raises `UnreadableEntry`."""
    if isinstance(served, LogEntry):
        return served
    try:
        seq, body, hash_ = served["seq"], served["body"], bytes.fromhex(served["hash"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableEntry("an entry has a seq, a body and a hash in hex") from error
    if type(seq) is not int or type(body) is not str or len(hash_) != HASH_BYTES:
        raise UnreadableEntry("an entry has a seq, a body and a hash in hex")
    return LogEntry(seq=seq, body=body, hash=hash_)


class Hashes:
    """The hashes of a chain, computed from the entries' text alone; 32 bytes for each."""

    def __init__(self) -> None:
        self._all = bytearray()

    def __len__(self) -> int:
        return len(self._all) // HASH_BYTES

    def add(self, body: str) -> bytes:
        """Return the hash of the next entry; raises `UnicodeError` for a body that is no text."""
        hash_ = chain_hash(self.at(len(self)), body)
        self._all += hash_
        return hash_

    def at(self, seq: int) -> bytes:
        """Return the hash of an entry, counted from 1; empty before the first entry."""
        return bytes(self._all[(seq - 1) * HASH_BYTES : seq * HASH_BYTES]) if seq > 0 else b""

    def parts_from(self, other: "Hashes") -> int | None:
        """Return the first entry that differs, or None if one chain is the beginning of the other.

        A hash covers all entries before it, so a binary search finds the place.
        """
        low, high = 0, min(len(self), len(other))
        if self.at(high) == other.at(high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.at(middle) == other.at(middle):
                low = middle
            else:
                high = middle
        return high


def hashes_of(entries: Iterable[LogEntry | Served]) -> Hashes:
    """Compute the chain of a copy; it ends before the first entry that cannot be read."""
    hashes = Hashes()
    for served in entries:
        try:
            hashes.add(as_entry(served).body)
        except (UnreadableEntry, UnicodeError):
            break
    return hashes


class ChainAudit:
    """Checks hashes, sequence numbers and times, and that each entry can be read."""

    def __init__(self) -> None:
        self.hashes = Hashes()
        self._first_at: datetime | None = None
        self._last_at: datetime | None = None
        self._chain = Check("chain")
        self._readable = Check("entries")
        self._clock = Check("clock")
        self._unknown: Counter[str] = Counter()

    def feed(self, served: LogEntry | Served) -> tuple[AnyEntry, bytes] | None:
        """Take the next entry; return what it says and its hash, or None if it cannot be read.

        A break in the chain is reported once, where it begins: after it nothing fits.
        """
        seq = len(self.hashes) + 1
        try:
            raw = as_entry(served)
            hash_ = self.hashes.add(raw.body)
        except (UnreadableEntry, UnicodeError) as error:
            self._readable.fail(f"There is no log entry at position {seq} ({error}).", seq)
            return None
        if not self._chain.failed:
            self._follow(raw, seq, hash_)
        try:
            entry = read_entry(raw.body)
        except UnreadableEntry as error:
            self._readable.fail(f"Log entry {seq} cannot be read ({error}).", seq)
            return None
        if entry.seq != seq:
            self._readable.fail(f"Log entry {seq} says that it is number {entry.seq}.", seq)
        self._time(entry.at, seq)
        if isinstance(entry, Unknown) and (
            len(self._unknown) < KINDS_NAMED_MAX or entry.kind in self._unknown
        ):
            self._unknown[entry.kind] += 1
        return entry, hash_

    def _follow(self, raw: LogEntry, seq: int, hash_: bytes) -> None:
        if raw.seq > seq:
            self._chain.fail(
                f"Log entry {seq} is missing: {seq - 1} is followed by {raw.seq}.", seq
            )
        elif raw.seq < seq:
            self._chain.fail(f"Log entry {raw.seq} stands where {seq} should be.", seq)
        elif raw.hash != hash_:
            self._chain.fail(
                f"Log entry {seq} does not follow from the one before it: "
                "something was changed, left out or put in here.",
                seq,
            )

    def _time(self, at: datetime, seq: int) -> None:
        self._first_at = self._first_at or at
        if self._last_at is not None and at < self._last_at:
            self._clock.fail(
                f"Log entry {seq} is dated {at.isoformat()}, earlier than an entry before it "
                f"({self._last_at.isoformat()}).",
                seq,
            )
        self._last_at = at if self._last_at is None else max(self._last_at, at)

    def findings(self) -> list[Finding]:
        count = len(self.hashes)
        if count == 0:
            self._chain.fail("There is no log entry to check.")
        dated = ""
        if self._first_at is not None and self._last_at is not None:
            dated = f", from {utc(self._first_at)} to {utc(self._last_at)}"
        return [
            *self._chain.findings(
                f"All {count:,} log entries are there, in order and unchanged: "
                "each holds the hash of all before it."
            ),
            *self._readable.findings("Every log entry can be read."),
            *self._clock.findings(f"Time never runs backwards{dated}."),
            *self._unknown_kinds(),
        ]

    def _unknown_kinds(self) -> list[Finding]:
        if not self._unknown:
            return []
        named = ", ".join(f"“{kind[:40]}” ({times})" for kind, times in self._unknown.items())
        return [
            found(
                "kinds",
                Verdict.CANNOT_BE_PROVED,
                f"Some log entries are of kinds that this program does not know: {named}. They "
                "belong to the chain, but their contents were not checked.",
            )
        ]
