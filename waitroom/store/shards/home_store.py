"""The rooms that live in a database, and those that left it."""

from dataclasses import dataclass

from inventory.kit.database import Pool, connection, load_queries

SQL = load_queries("waitroom.store.shards")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A room, and what its database says of where it lives.

    `shard` is None where it never moved. If it is `away` it lives in that shard, and `arrived` says
    whether it is known to be there.
    """

    room: str
    name: str
    public: bool
    status: str
    shard: str | None
    away: bool
    arrived: bool


class HomeStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def homes(self) -> list[Home]:
        """Return every room that lives here or left, by its name."""
        async with connection(self._pool) as borrowed:
            return [Home(**row) for row in await borrowed.fetch(SQL["homes"])]
