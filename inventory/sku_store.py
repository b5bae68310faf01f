"""SKUs on PostgreSQL: what is sold, at what price, and what is left of it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime

import asyncpg
import msgspec

from inventory.catalogue import LIMIT_PER_SESSION, ProductChange, Sku, SkuChange, SkuChanged
from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.decoding import Json
from inventory.kit.doors.moments import FORM
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import ChangedMeanwhile, InUse, Taken

SQL = load_queries("inventory")

_COLUMNS = tuple(Sku.__dataclass_fields__)


class StockStore:
    """Every change is on record with `who` did it, in the same transaction.

    `seller` keeps a call to the products of one seller: those of others are as good as unknown.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self,
        *,
        room: str | None = None,
        product: str | None = None,
        search: str | None = None,
        on_sale: bool | None = None,
        after: str = "",
        limit: int = 50,
        private: bool = False,
        sold_there: bool = False,
        seller: int | None = None,
    ) -> list[Sku]:
        """Return SKUs in their order.

        `private` includes hidden rooms, and sellers whom a room does not admit. With `sold_there`
        the latter are left out all the same.
        """
        values = (room, product, search, on_sale, private, sold_there, seller, after, limit)
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_skus"], *values)
        return [sku_of(row) for row in rows]

    async def named(self, room: str, skus: Collection[str]) -> list[Sku]:
        """Return those of these SKUs that a room sells."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["named_skus"], room, list(skus))
        return [sku_of(row) for row in rows]

    async def read(self, sku: str, *, private: bool = True, seller: int | None = None) -> Sku:
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_sku"], sku, private, seller)
        if row is None:
            raise NotFound(f"There is no SKU {sku!r}.")
        return sku_of(row)

    async def currency(self, room: str) -> str:
        """Return the currency in which a room sells; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            found: str | None = await borrowed.fetchval(SQL["read_currency"], room)
        if found is None:
            raise NotFound(f"There is no room {room!r}.")
        return found

    async def add(
        self,
        sku: str,
        *,
        room: str,
        price_minor: int,
        product: str | None = None,
        name: str = "",
        variant: str = "",
        currency: str | None = None,
        description: str = "",
        picture: str = "",
        limit_per_order: int | None = None,
        limit_per_session: int = LIMIT_PER_SESSION,
        limit_per_customer: int | None = None,
        on_sale_from: datetime | None = None,
        on_sale_until: datetime | None = None,
        low_at: int = 0,
        seller: int | None = None,
        who: str = "program",
    ) -> None:
        """Add a SKU with nothing on hand.

        Without a `product` it is a variant of the one of its own code, which is made if need be.
        Without a currency it is the room's. Raises `NotFound` for an unknown room or product,
        `Taken` for a code in use and `BadRequest` for values that cannot be.
        """
        fields = {
            "name": name,
            "variant": variant,
            "currency": currency,
            "description": description,
            "picture": picture,
            "price_minor": price_minor,
            "limit_per_order": limit_per_order,
            "limit_per_session": limit_per_session,
            "limit_per_customer": limit_per_customer,
            "on_sale_from": on_sale_from,
            "on_sale_until": on_sale_until,
            "low_at": low_at,
        }
        values = (sku, room, product, json_of(fields), seller, who)
        async with connection(self._pool) as borrowed:
            with rules_named(sku):
                verdict = await borrowed.fetchval(SQL["add_sku"], *values)
        if verdict == "no_room":
            raise NotFound(f"There is no room {room!r}.")
        if verdict == "no_product":
            raise NotFound(f"There is no product {product!r} in this room.")

    async def change(
        self,
        sku: str,
        change: SkuChange,
        *,
        who: str,
        seller: int | None = None,
    ) -> None:
        """Change the fields that `change` sets; open holds keep their price.

        Raises `BadRequest` if it sets none.
        """
        values = (sku, json_of(fields_set(change)), seller, who, change.reason)
        async with connection(self._pool) as borrowed:
            with rules_named(sku):
                diff = await borrowed.fetchval(SQL["change_sku"], *values)
        if diff is None:
            raise NotFound(f"There is no SKU {sku!r}.")

    async def delete(self, sku: str, *, who: str, seller: int | None = None) -> None:
        """Take a SKU out; raises `InUse` once units of it were moved or wished for."""
        async with connection(self._pool) as borrowed:
            verdict = await borrowed.fetchval(SQL["delete_sku"], sku, seller, who)
        if verdict == "unknown":
            raise NotFound(f"There is no SKU {sku!r}.")
        if verdict == "in_use":
            raise InUse(sku=sku)

    async def changes(
        self, sku: str, *, before: int | None = None, limit: int = 50, seller: int | None = None
    ) -> list[SkuChanged]:
        """Return the changes of a SKU, newest first, also of a deleted one."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_sku_changes"], sku, before, limit, seller)
        return [
            SkuChanged(**{**row, "changes": msgspec.json.decode(row["changes"])}) for row in rows
        ]


def sku_of(row: asyncpg.Record) -> Sku:
    return Sku(**{name: row[name] for name in _COLUMNS})


def fields_set(change: ProductChange | SkuChange) -> Json:
    """Return the fields that a change sets, without its reason; raises `BadRequest` for none."""
    fields: Json = msgspec.to_builtins(change)
    fields.pop("reason", None)
    if not fields.keys() - {"was"}:
        raise BadRequest("Say at least one field to change.")
    return fields


def json_of(fields: Json) -> str:
    """Encode for `jsonb_populate_record`; NUL, which no text can hold, is refused by PostgreSQL."""
    return msgspec.json.encode(fields).decode()


_OUTDATED = "no_colleague_is_overwritten"
# What operators call a field, where it has another name in the tables.
_CALLED = {
    "price_minor": "price",
    "limit_per_order": "limit for each order",
    "limit_per_session": "limit for each turn",
    "limit_per_customer": "limit for each customer",
    "on_sale_from": "beginning of its sale",
    "on_sale_until": "end of its sale",
    "low_at": "mark for low stock",
}
_TURNED = "sale_ends_after_it_begins"
_SENTENCES = {
    "stock_lives_in_one_place": "This room's stock lives in another shop.",
    _TURNED: "The sale of a SKU ends after it begins.",
    "sale_is_within_the_calendar": f"A SKU is on sale from and until a moment, each {FORM}.",
}


def _changed_meanwhile(changed: Json) -> ChangedMeanwhile:
    """Return the refusal of a change that would undo a colleague's, with the fields in words."""
    names = [f"the {_CALLED.get(name, name)}" for name in sorted(changed)]
    last = f" and {names[-1]}" if len(names) > 1 else names[-1]
    spelled = ", ".join(names[:-1]) + last if len(names) > 1 else last
    return ChangedMeanwhile(
        f"A colleague changed {spelled} meanwhile, so nothing was saved. Look at the new values; "
        "save again to put yours in their place.",
        changed=changed,
    )


@contextmanager
def rules_named(code: str) -> Iterator[None]:
    """Turn a broken rule of the tables into a refusal that says it in words."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise Taken(f"The code {code!r} is taken.", taken=code) from error
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == _OUTDATED:
            raise _changed_meanwhile(msgspec.json.decode(error.detail or "{}")) from error
        said = _SENTENCES.get(error.constraint_name or "", "A value is out of its bounds.")
        field = "on_sale_until" if error.constraint_name == _TURNED else ""
        raise BadRequest(said, field=field) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise BadRequest("This room sells in another currency.") from error
