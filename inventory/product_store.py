"""Products on PostgreSQL, each with its variants."""

from collections.abc import Sequence

import asyncpg

from inventory.catalogue import Product, ProductChange, Sku
from inventory.kit.database import Connection, Pool, connection, load_queries
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import InUse
from inventory.sku_store import fields_set, json_of, rules_named, sku_of

SQL = load_queries("inventory")

# A product with more of them says where the others are.
VARIANTS_SHOWN_MAX = 100


class CatalogueStore:
    """Changes are on record, and `seller` keeps a call to one seller's, as in `StockStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self,
        *,
        room: str | None = None,
        search: str | None = None,
        after: str = "",
        limit: int = 20,
        private: bool = False,
        sold_there: bool = False,
        seller: int | None = None,
        variants_max: int = VARIANTS_SHOWN_MAX,
    ) -> list[Product]:
        """Return products in the order of their codes, each with its first variants.

        `private` includes hidden and empty ones, and sellers whom a room does not admit. With
        `sold_there` only what the room sells is listed all the same.
        """
        values = (room, search, private, sold_there, seller, after, limit)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_products"], *values)
            return await self._with_variants(borrowed, rows, variants_max)

    async def read(
        self, product: str, *, private: bool = True, seller: int | None = None
    ) -> Product:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_product"], product, private, seller)
            found = await self._with_variants(borrowed, rows, VARIANTS_SHOWN_MAX)
        if not found:
            raise NotFound(f"There is no product {product!r}.")
        return found[0]

    async def _with_variants(
        self, borrowed: Connection, rows: Sequence[asyncpg.Record], shown_max: int
    ) -> list[Product]:
        ids = [row["product_id"] for row in rows]
        variants: dict[int, list[Sku]] = {product_id: [] for product_id in ids}
        for row in await borrowed.fetch(SQL["list_variants"], ids, shown_max + 1):
            variants[row["product_id"]].append(sku_of(row))
        return [_product(row, variants[row["product_id"]], shown_max) for row in rows]

    async def add(
        self,
        product: str,
        *,
        room: str,
        name: str,
        description: str = "",
        picture: str = "",
        seller: int | None = None,
        who: str = "program",
    ) -> None:
        """Add a product without SKUs; raises `NotFound` for a room, `Taken` for a code."""
        fields = json_of({"name": name, "description": description, "picture": picture})
        async with connection(self._pool) as borrowed:
            with rules_named(product):
                added = await borrowed.fetchval(
                    SQL["add_product"], product, room, fields, seller, who
                )
        if not added:
            raise NotFound(f"There is no room {room!r}.")

    async def change(
        self,
        product: str,
        change: ProductChange,
        *,
        who: str,
        owner: int | None = None,
        seller: int | None = None,
    ) -> None:
        """Change the fields that `change` sets; `owner` is the id of the seller that it names.

        Raises `BadRequest` if it sets none.
        """
        fields = fields_set(change)
        if "seller" in fields:
            del fields["seller"]
            fields["seller_id"] = owner
        values = (product, json_of(fields), seller, who, change.reason)
        async with connection(self._pool) as borrowed:
            with rules_named(product):
                diff = await borrowed.fetchval(SQL["change_product"], *values)
        if diff is None:
            raise NotFound(f"There is no product {product!r}.")

    async def delete(self, product: str, *, who: str, seller: int | None = None) -> None:
        """Take a product out with its SKUs; raises `InUse` once units of one were moved."""
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["delete_product"], product, seller, who)
        if verdict == "unknown":
            raise NotFound(f"There is no product {product!r}.")
        if verdict == "in_use":
            raise InUse(product=product)

    async def seller_id(self, name: str) -> int:
        """Return the id of a seller; raises `BadRequest` when no seller has that name."""
        async with connection(self._pool) as borrowed:
            found = await borrowed.fetchval(SQL["find_seller"], name)
        if found is None:
            raise BadRequest(f"There is no seller {name!r}.")
        return int(found)


def _product(row: asyncpg.Record, variants: list[Sku], shown_max: int) -> Product:
    shown = variants[:shown_max]
    return Product(
        product=row["product"],
        room=row["room"],
        seller=row["seller"],
        name=row["name"],
        description=row["description"],
        picture=row["picture"],
        variants=shown,
        next=shown[-1].sku if len(variants) > shown_max else None,
    )
