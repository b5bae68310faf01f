"""Draws on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from inventory.kit.database import Pool, connection
from waitroom.store.line_store import SQL


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

    async def entries_remembered(self, line_id: int) -> list[int]:
        """Return the entries about which something is remembered."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["entries_remembered"], line_id)
        return [row["number"] for row in rows]

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
