"""The revoked passes: those of sessions that ended before their passes ran out. Pure.

A worker keeps the list in memory and answers sites from it with what is new since a version. A
version is the number of a database transaction: a site that has it knows all that was revoked by
the transactions before. What was written by a later one than the oldest that still runs may have
neighbours that are not visible yet, so it is told again until that is settled.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

# In all rooms of a worker. Beyond, the oldest are replaced by one moment: passes from before it
# have to be renewed.
REVOKED_MAX = 200_000
PAGE_MAX = 10_000
TIDY_EVERY_S = 10.0

_written = attrgetter("written")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One session that ended early."""

    public_id: str
    # The transaction that wrote it.
    written: int
    # In seconds since 1970: when it ended, and when the last of its passes is over.
    ended_at: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedPage:
    """What a site is told.

    With `reset` the ids replace all that the site knows. With `more` it asks again at once, by the
    new version. Passes issued before `issued_before` have to be renewed.
    """

    version: int
    reset: bool
    more: bool
    issued_before: int | None
    revoked: list[str]


class RevokedList:
    """The list of one worker, by room, in the order of writing."""

    def __init__(self) -> None:
        self.horizon = 0
        self.issued_before: int | None = None
        self._rooms: dict[str, list[Revocation]] = {}
        self._tidy_at = 0.0

    def take(self, found: dict[str, list[Revocation]], *, horizon: int, now: float) -> None:
        """Take in what was written since the horizon of the last time; it moves on."""
        for room, entries in self._rooms.items():
            del entries[bisect_left(entries, self.horizon, key=_written) :]
            entries.extend(sorted(found.pop(room, ()), key=_written))
        for room, entries in found.items():
            self._rooms[room] = sorted(entries, key=_written)
        self.horizon = horizon
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_EVERY_S
            for entries in self._rooms.values():
                entries[:] = [entry for entry in entries if entry.until > now]
            self._bound()

    def page(self, room: str, since: int | None) -> RevokedPage:
        """Return what was revoked in a room since a version, None for the whole list."""
        entries = self._rooms.get(room, [])
        reset = since is None or since > self.horizon
        first = 0 if reset or since is None else bisect_left(entries, since, key=_written)
        settled = bisect_left(entries, self.horizon, key=_written)
        end = self._end_of_page(entries, first, settled)
        version = self.horizon if reset or since is None else since
        if first < (known := min(end, settled)):
            version = entries[known - 1].written + 1
        return RevokedPage(
            version=version,
            reset=reset,
            more=end < len(entries),
            issued_before=self.issued_before,
            revoked=[entry.public_id for entry in entries[first:end]],
        )

    def _end_of_page(self, entries: Sequence[Revocation], first: int, settled: int) -> int:
        """Return where a page ends: never within a transaction, or what is not settled."""
        end = first + PAGE_MAX
        if end >= settled:
            return len(entries)
        return bisect_left(entries, entries[end - 1].written + 1, lo=end, key=_written)

    def _bound(self) -> None:
        surplus = sum(map(len, self._rooms.values())) - REVOKED_MAX
        if surplus <= 0:
            return
        every = [entry for entries in self._rooms.values() for entry in entries]
        before = sorted(entry.ended_at for entry in every)[surplus]
        self.forget_before(before)

    def forget_before(self, ended_at: float) -> None:
        """Replace the sessions that ended before a moment by the moment."""
        self.issued_before = max(self.issued_before or 0, int(ended_at) + 1)
        for entries in self._rooms.values():
            entries[:] = [entry for entry in entries if entry.ended_at >= ended_at]
