"""Draws on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from inventory.kit.database import Pool, connection, load_queries

SQL = load_queries("waitroom.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDraw:
    """The draw of one line as anybody may see it. `count` is None while entries are taken.

    `value` is the public value that was given, where a source for one was announced; `drawn_at` is
    set once the order is out.
    """

    line: str
    lane: str
    announced_at: datetime
    commitment: bytes
    public_value_source: str | None
    entries: int
    count: int | None
    closing_signed: bool
    value: str | None
    drawn_at: datetime | None

    @property
    def status(self) -> str:
        """Return announced, closing, waits_for_value, drawing or drawn."""
        if self.drawn_at is not None:
            return "drawn"
        if self.count is None:
            return "announced"
        if not self.closing_signed:
            return "closing"
        value_missing = self.public_value_source is not None and self.value is None
        return "waits_for_value" if value_missing else "drawing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A draw whose entries are closed: how many, and the log's hash with the closing in it."""

    room: str
    line: str
    count: int
    head: bytes
    value: str | None
    sealed_seed: str = field(repr=False)


class DrawStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def announce(self, line_id: int, *, commitment: bytes, sealed: str, key: bytes) -> None:
        """Publish the commitment to a line's seed, unless one stands there."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["announce_draw"], line_id, commitment, sealed, key)

    async def closing(self, line_id: int) -> Closing:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_draw"], line_id)
        assert row is not None
        names = ("room", "line", "count", "head", "value", "sealed_seed")
        return Closing(**{name: row[name] for name in names})

    async def sign(self, line_id: int, signature: bytes) -> None:
        """Publish the signature over a closing."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["sign_closing"], line_id, signature)

    async def fix_entries(self, line_id: int, *, term: int) -> list[int] | None:
        """Let no shopper change an entry from now on.

        Return the entries about which something is remembered, None if no reveal is due.
        """
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["fix_entries"], line_id, term)
        assert row is not None
        return list(row["entries"]) if row["verdict"] == "done" else None

    async def reveal(
        self,
        line_id: int,
        *,
        term: int,
        seed: bytes,
        key: bytes,
        entries: Sequence[int],
        numbers: Sequence[int],
    ) -> str:
        """Publish the seed; the verdict is done, stale_term or not_due."""
        values = (line_id, term, seed, key, entries, numbers)
        async with connection(self._pool) as borrowed:
            return str(await borrowed.fetchval(SQL["reveal_draw"], *values))

    async def give_value(self, room: str, value: str, *, who: str) -> int | None:
        """Take in the public value; return how many draws waited for it, None without the room."""
        async with connection(self._pool) as borrowed:
            given = await borrowed.fetchval(SQL["give_public_value"], room, value, who)
        return None if given is None else int(given)

    async def of_room(self, room: str) -> list[LineDraw]:
        """Return the draws of the lines that can be joined, the main one first."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_draws"], room)
        return [LineDraw(**dict(row)) for row in rows]
