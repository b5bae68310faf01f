"""The chain of a room's log: every entry follows the one before it, in text and in time. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from waitroom.log.chain import LogEntry, chain_hash
from waitroom.log.entries import KINDS, Facts, Unreadable, read_facts
from waitroom.log.verify.finding import Check, Finding, Verdict, found

HASH_BYTES = 32
KINDS_NAMED_MAX = 10


def as_entry(served: LogEntry | Mapping[str, Any]) -> LogEntry:
    """Return an entry as it is or as it was served; raises `Unreadable` for anything else."""
    if isinstance(served, LogEntry):
        return served
    try:
        seq, body, hash_ = served["seq"], served["body"], bytes.fromhex(served["hash"])
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("an entry has a seq, a body and a hash in hex") from error
    if type(seq) is not int or type(body) is not str or len(hash_) != HASH_BYTES:
        raise Unreadable("an entry has a seq, a body and a hash in hex")
    return LogEntry(seq=seq, body=body, hash=hash_)


class Hashes:
    """The hashes of a chain, computed from the entries' text alone; 32 bytes for each."""

    def __init__(self) -> None:
        self._all = bytearray()

    def __len__(self) -> int:
        return len(self._all) // HASH_BYTES

    def add(self, body: str) -> bytes:
        """Return the hash of the next entry; raises `UnicodeError` for what is no text."""
        hash_ = chain_hash(self.at(len(self)), body)
        self._all += hash_
        return hash_

    def at(self, seq: int) -> bytes:
        """Return the hash of an entry, counted from 1; of nothing, before the first."""
        return bytes(self._all[(seq - 1) * HASH_BYTES : seq * HASH_BYTES]) if seq > 0 else b""

    def parts_from(self, other: "Hashes") -> int | None:
        """Return the first entry that is not the same in both, or None if one begins the other.

        A hash covers all entries before it, so the place is found by halving.
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


def hashes_of(entries: Iterable[LogEntry | Mapping[str, Any]]) -> Hashes:
    """Compute the chain of a copy; it ends before the first entry that cannot be read."""
    hashes = Hashes()
    for served in entries:
        try:
            hashes.add(as_entry(served).body)
        except (Unreadable, UnicodeError):
            break
    return hashes


class ChainAudit:
    """Hashes, sequence, times, and whether an entry can be read at all."""

    def __init__(self) -> None:
        self.hashes = Hashes()
        self.first_at = self.last_at = ""
        self._chain = Check("chain")
        self._readable = Check("entries")
        self._clock = Check("clock")
        self._unknown: Counter[str] = Counter()

    def take(self, served: LogEntry | Mapping[str, Any]) -> tuple[Facts, bytes] | None:
        """Take the next entry; return its facts and its hash, or None if there is nothing to read.

        A break in the chain is told once, where it begins: after it nothing fits.
        """
        seq = len(self.hashes) + 1
        try:
            entry = as_entry(served)
            hash_ = self.hashes.add(entry.body)
        except (Unreadable, UnicodeError) as error:
            self._readable.fail(f"What stands at entry {seq} is no entry ({error}).", seq)
            return None
        if not self._chain.failed:
            self._follow(entry, seq, hash_)
        try:
            facts = read_facts(entry.body)
        except Unreadable as error:
            self._readable.fail(f"Entry {seq} cannot be read ({error}).", seq)
            return None
        if facts.seq != seq:
            self._readable.fail(f"Entry {seq} says of itself that it is number {facts.seq}.", seq)
        self._time(facts, seq)
        if facts.kind not in KINDS and (
            len(self._unknown) < KINDS_NAMED_MAX or facts.kind in self._unknown
        ):
            self._unknown[facts.kind] += 1
        return facts, hash_

    def _follow(self, entry: LogEntry, seq: int, hash_: bytes) -> None:
        if entry.seq > seq:
            self._chain.fail(f"Entry {seq} is missing: after {seq - 1} comes {entry.seq}.", seq)
        elif entry.seq < seq:
            self._chain.fail(f"Entry {entry.seq} stands where {seq} should be.", seq)
        elif entry.hash != hash_:
            self._chain.fail(
                f"Entry {seq} does not follow from the one before it: "
                "something was changed, left out or put in here.",
                seq,
            )

    def _time(self, facts: Facts, seq: int) -> None:
        self.first_at = self.first_at or facts.at
        if facts.at < self.last_at:
            self._clock.fail(
                f"Entry {seq} is of {facts.at}, earlier than an entry before it ({self.last_at}).",
                seq,
            )
        self.last_at = max(self.last_at, facts.at)

    def findings(self) -> list[Finding]:
        count = len(self.hashes)
        if count == 0:
            self._chain.fail("There is no entry that could be checked.")
        return [
            *self._chain.findings(
                f"All {count:,} entries are there, in order and unchanged: "
                "each holds the hash of all before it."
            ),
            *self._readable.findings("Every entry can be read."),
            *self._clock.findings(
                f"Time never runs backwards, from {self.first_at} to {self.last_at}."
            ),
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
                f"Some entries are of kinds that this program does not know: {named}. They belong "
                "to the chain, but what they say was not checked.",
            )
        ]
