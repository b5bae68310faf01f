"""An honest room's log, as the service would write it, without the service. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from waitroom.log.chain import LogEntry, chain_hash, leaf_hash, merkle_levels, merkle_paths
from waitroom.log.draw import Permutation, commitment, draw_key
from waitroom.log.signing import LogKey
from waitroom.log.verify.witness import SignedHead

SECRET = bytes.fromhex("11" * 32)
SEED = sha256(b"an honest seed").digest()
BEGAN_AT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)


def chained(bodies: Sequence[str]) -> list[LogEntry]:
    """Give bodies the hashes that fit them, as whoever rewrites a log would."""
    entries: list[LogEntry] = []
    previous = b""
    for seq, body in enumerate(bodies, start=1):
        previous = chain_hash(previous, body)
        entries.append(LogEntry(seq=seq, body=body, hash=previous))
    return entries


def served(entries: Sequence[LogEntry]) -> list[dict[str, Any]]:
    """Return entries as the service gives them out."""
    return [{"seq": e.seq, "body": e.body, "hash": e.hash.hex()} for e in entries]


def head_of(
    entries: Sequence[LogEntry], *, room: str = "drop", secret: bytes = SECRET
) -> SignedHead:
    """Sign the last of these entries as the head of a log."""
    key, last = LogKey(secret), entries[-1]
    return SignedHead(
        room=room,
        seq=last.seq,
        hash=last.hash.hex(),
        at="2026-11-22T21:00:00.000000Z",
        key=key.public.hex(),
        signature=key.sign_head(room=room, seq=last.seq, head=last.hash).hex(),
    )


@dataclass(slots=True)
class HonestLog:
    """One room's log with one main line; each step adds the entries that the service would add."""

    room: str = "drop"
    line: str = "main-1"
    secret: bytes = SECRET
    seed: bytes = SEED
    entries: list[LogEntry] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    entered: int = 0
    tail: int = 0
    head: int = 0
    status: str = "scheduled"
    source: str | None = None
    value: str | None = None
    order: Permutation | None = None
    closing: LogEntry | None = None

    def __post_init__(self) -> None:
        self.add("room_created", room=self.room, line=self.line)

    def add(self, kind: str, **facts: Any) -> LogEntry:
        """Add an entry; the seconds between entries are of no account."""
        seq = len(self.entries) + 1
        at = (BEGAN_AT + timedelta(seconds=seq)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = json.dumps({"at": at, "kind": kind, "seq": seq, **facts})
        previous = self.entries[-1].hash if self.entries else b""
        entry = LogEntry(seq=seq, body=body, hash=chain_hash(previous, body))
        self.entries.append(entry)
        return entry

    def announce(self, source: str | None = None) -> None:
        self.source = source
        self.add(
            "draw_announced",
            line=self.line,
            commitment=commitment(self.room, self.line, self.seed).hex(),
            key=LogKey(self.secret).public.hex(),
            public_value_source=source,
        )

    def enter(self, count: int) -> list[dict[str, Any]]:
        """Let a tick of so many enter for the draw; return their receipts."""
        first = self.entered + 1
        self.entered += count
        return self._tick("entered", "entry", first, count)

    def join(self, count: int, *, called: int = 0) -> list[dict[str, Any]]:
        """Give a tick of numbers, the first of them called at once; return their receipts."""
        first = self.tail + 1
        self.tail += count
        if called:
            self.head = first + called - 1
        return self._tick("joined", "number", first, count, called=called)

    def _tick(
        self, kind: str, place: str, first: int, count: int, **facts: int
    ) -> list[dict[str, Any]]:
        ids = [sha256(b"%s %d" % (kind.encode(), first + i)).digest()[:16] for i in range(count)]
        levels = merkle_levels([leaf_hash(id_, b"mine") for id_ in ids])
        root = levels[-1][0].hex()
        told = {"line": self.line, "first": first, "last": first + count - 1, "root": root}
        seq = self.add(kind, **told, **facts).seq
        receipts = [
            {
                "seq": seq,
                "line": self.line,
                place: first + index,
                "first": first,
                "count": count,
                "id": id_.hex(),
                "random": b"mine".hex(),
                "path": path.hex(),
            }
            for index, (id_, path) in enumerate(zip(ids, merkle_paths(levels), strict=True))
        ]
        self.receipts += receipts
        return receipts

    def set_status(self, status: str) -> None:
        self.add("status", **{"from": self.status, "to": status})
        self.status = status

    def close(self) -> None:
        self.closing = self.add("entries_closed", line=self.line, count=self.entered)
        self.tail = self.entered

    def sign(self) -> None:
        assert self.closing is not None
        key, head = LogKey(self.secret), self.closing.hash
        signature = key.sign_closing(room=self.room, line=self.line, count=self.entered, head=head)
        self.add(
            "closing_signed",
            line=self.line,
            count=self.entered,
            head=head.hex(),
            key=key.public.hex(),
            signature=signature.hex(),
        )

    def publish(self, value: str) -> None:
        self.value = value
        self.add("public_value", line=self.line, source=self.source or "dice", value=value)

    def draw(self) -> None:
        assert self.closing is not None
        head = self.closing.hash
        self.add(
            "drawn",
            line=self.line,
            seed=self.seed.hex(),
            head=head.hex(),
            count=self.entered,
            value=self.value,
        )
        key = draw_key(
            self.room,
            self.line,
            seed=self.seed,
            head=head,
            count=self.entered,
            value=self.value,
        )
        self.order = Permutation(key, self.entered) if self.entered else None

    def call(self, count: int, *, again: Sequence[int] = (), skip: int = 0) -> None:
        """Call the next numbers and some again; `skip` of those passed had been given up."""
        first, self.head = self.head + 1, self.head + count + skip
        self.add(
            "called",
            line=self.line,
            **{"from": first, "to": self.head},
            called=count,
            again=list(again),
            again_since=[BEGAN_AT.isoformat()] * len(again),
            gate=self.head,
            term=1,
            reason="stock",
            figures={"free": count},
        )


def drawn_log(
    *ticks: int, source: str | None = None, value: str | None = None, seed: bytes = SEED
) -> HonestLog:
    """Return a whole sale with a draw: ticks of entries, the draw, arrivals, and calls."""
    log = HonestLog(seed=seed)
    log.announce(source)
    for count in ticks or (5, 3, 12):
        log.enter(count)
    log.set_status("open")
    log.close()
    log.sign()
    if value is not None:
        log.publish(value)
    log.draw()
    log.call(4)
    log.join(7)
    log.call(3, again=[2])
    log.join(2)
    log.set_status("ended")
    return log


def plain_log() -> HonestLog:
    """Return a whole sale in order of arrival, with a pause and somebody called again."""
    log = HonestLog()
    log.set_status("open")
    log.join(3, called=3)
    log.join(6, called=2)
    log.call(2)
    log.set_status("paused")
    log.join(4)
    log.set_status("open")
    log.call(3, again=[1, 5])
    log.add("sold_out")
    log.set_status("ended")
    return log
