"""The catalogue and what is on hand, on PostgreSQL."""

import re
from dataclasses import dataclass
from typing import Any

import asyncpg

from inventory.kit.database import Pool, connection
from inventory.kit.problem import BadRequest, NotFound
from inventory.kit.queries import load_queries

SQL = load_queries("inventory")


# A search is for what it says: its signs shall not work as wildcards.
_LIKE_SIGNS = re.compile(r"([%_\\])")
_ESCAPED = r"\\\1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sku:
    """A product as the shop shows it; amounts in minor units of `currency`, tax included."""

    sku: str
    room: str
    name: str
    description: str
    picture: str
    price_minor: int
    currency: str
    limit_per_session: int
    on_hand: int
    held: int
    sold: int
    available: int

    def public(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _PUBLIC}


_PUBLIC = [name for name in Sku.__dataclass_fields__ if name != "on_hand"]


class StockStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self,
        *,
        room: str | None = None,
        search: str | None = None,
        after: str = "",
        limit: int = 50,
        private: bool = False,
    ) -> list[Sku]:
        """Return SKUs in the order of their names; `private` includes those of hidden rooms."""
        async with connection(self._pool) as borrowed:
            pattern = None if search is None else f"%{_LIKE_SIGNS.sub(_ESCAPED, search)}%"
            rows = await borrowed.fetch(SQL["list_skus"], room, pattern, after, limit, private)
        return [Sku(**dict(row)) for row in rows]

    async def read(self, sku: str, *, private: bool = True) -> Sku:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_sku"], sku, private)
        if row is None:
            raise NotFound(f"There is no SKU {sku!r}.")
        return Sku(**dict(row))

    async def add(
        self,
        sku: str,
        *,
        room: str,
        name: str,
        price_minor: int,
        currency: str = "EUR",
        description: str = "",
        picture: str = "",
        limit_per_session: int = 4,
    ) -> None:
        """Add a SKU with nothing on hand. Raises `BadRequest` for a room or name that cannot be."""
        async with connection(self._pool) as borrowed:
            try:
                added = await borrowed.fetchval(
                    SQL["add_sku"],
                    sku,
                    room,
                    name,
                    description,
                    picture,
                    price_minor,
                    currency,
                    limit_per_session,
                )
            except asyncpg.UniqueViolationError as error:
                raise BadRequest(f"There is a SKU {sku!r} already.") from error
            except asyncpg.CheckViolationError as error:
                raise BadRequest(f"{sku!r} breaks the rule {error.constraint_name}.") from error
            except asyncpg.ForeignKeyViolationError as error:
                raise BadRequest(f"This room sells in another currency than {currency}.") from error
        if added is None:
            raise NotFound(f"There is no room {room!r}.")
