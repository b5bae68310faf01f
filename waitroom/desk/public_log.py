"""The public log of a room: its entries, and its signed head."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

import msgspec

from waitroom.desk.board import Board, RoomView
from waitroom.log.chain import LogEntry
from waitroom.log.signing import LogKey, SignedHead
from waitroom.refusals import LogNotPublicYet
from waitroom.store.log_store import LogStore

# The most entries in one answer.
LOG_PAGE_MAX = 1000
# A head is signed at most once a second for each room, however many people ask for it.
HEAD_KEPT_S = 1.0
# PostgreSQL's largest bigint: no log has an entry beyond it.
SEQ_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A part of a log for people.

    It begins after the entry `start`, or before it if the newest entries come first. `exceptions`
    leaves out the line's own course.
    """

    newest_first: bool
    start: int
    exceptions: bool


class ServedEntry(TypedDict):
    """An entry of the log as the JSON has it."""

    seq: int
    # The entry itself, as JSON in a string: the hash is of exactly these bytes.
    body: str
    # SHA-256 in hex.
    hash: str


def served(entry: LogEntry) -> ServedEntry:
    """Return an entry as the JSON has it."""
    return {"seq": entry.seq, "body": entry.body, "hash": entry.hash.hex()}


class PublicLog:
    """Reads rooms' logs and signs their heads."""

    def __init__(
        self,
        board: Board,
        *,
        store: LogStore,
        log_key: LogKey,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._store = store
        self._log_key = log_key
        self._clock = clock
        # By room, each with the moment until which it is handed out.
        self._heads: dict[str, tuple[float, SignedHead]] = {}

    async def readable(self, room: str) -> RoomView:
        """Return the room if anybody may read its log now.

        Raises `NotFound`, `Busy` or `LogNotPublicYet`.
        """
        view = await self._board.find(room)
        if view.rules.log_public == "after" and view.rules.status != "ended":
            raise LogNotPublicYet
        return view

    async def head(self, room: str) -> SignedHead:
        """Return the signed end of a room's log, as of a second ago at most; raises `NotFound`.

        A shopper who keeps it can prove later that the log was rewritten.
        """
        good_until, kept = self._heads.get(room, (0.0, None))
        if kept is not None and self._clock() < good_until:
            return kept
        head = await self._store.head(room)
        signature = self._log_key.sign_head(room=room, seq=head.seq, head=head.hash)
        signed = SignedHead(
            room=room,
            seq=head.seq,
            hash=head.hash.hex(),
            at=datetime.now(UTC),
            key=self._log_key.public.hex(),
            signature=signature.hex(),
        )
        self._heads[room] = (self._clock() + HEAD_KEPT_S, signed)
        return signed

    async def entries(self, room: str, *, after: int, limit: int) -> list[LogEntry]:
        """Return up to `limit` entries after a sequence number, in order."""
        return await self._store.entries(room, start=after, last=SEQ_MAX, limit=limit)

    async def as_file(self, head: SignedHead) -> AsyncIterator[bytes]:
        """Yield a room's log as `waitroom verify` saves it: a JSON document on each line.

        The head comes first, and was read first: the log may grow meanwhile, but it may not shrink.
        """
        yield msgspec.json.encode(head) + b"\n"
        after = 0
        while entries := await self.entries(head.room, after=after, limit=LOG_PAGE_MAX):
            yield b"".join(msgspec.json.encode(served(entry)) + b"\n" for entry in entries)
            after = entries[-1].seq
            if len(entries) < LOG_PAGE_MAX:
                return

    async def part(
        self, room: str, part: LogPart, *, last: int, limit: int
    ) -> tuple[list[LogEntry], int | None]:
        """Return a part of a log up to the entry `last`, and where to go on, None at its end."""
        entries = await self._store.entries(
            room,
            start=part.start,
            last=last,
            limit=limit + 1,
            newest_first=part.newest_first,
            exceptions=part.exceptions,
        )
        shown = entries[:limit]
        return shown, shown[-1].seq if len(entries) > limit else None
