"""Rooms' logs on PostgreSQL. The functions of the database write them; this module only reads."""

from dataclasses import dataclass

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import NotFound
from waitroom.log.chain import LogEntry

SQL = load_queries("waitroom.store")

# By whether only exceptions are wanted, and whether the newest come first.
_PARTS = {
    (False, False): "list_log_forward",
    (False, True): "list_log_backward",
    (True, False): "list_exceptions_forward",
    (True, True): "list_exceptions_backward",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """The end of a log: the sequence number of its last entry, and that entry's hash."""

    seq: int
    hash: bytes


class LogStore:
    """Reads the logs of rooms."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def head(self, room: str) -> LogHead:
        """Return the end of a room's log; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_log_head"], room)
        if row is None:
            raise NotFound(f"There is no room {room!r}.")
        return LogHead(seq=row["seq"], hash=row["hash"])

    async def entries(
        self,
        room: str,
        *,
        start: int,
        last: int,
        limit: int,
        newest_first: bool = False,
        exceptions: bool = False,
    ) -> list[LogEntry]:
        """Return up to `limit` entries of a room's log, none of them after the entry `last`.

        They follow the entry `start`, or precede it if the newest come first. With `exceptions` the
        line's own course is left out.
        """
        query = SQL[_PARTS[exceptions, newest_first]]
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(query, room, start, last, limit)
        return [LogEntry(seq=row["seq"], body=row["body"], hash=row["hash"]) for row in rows]
