"""Whole catalogues into PostgreSQL and out of it: one transaction, whatever the number of rows."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import asyncpg
import msgspec

from inventory.catalogue import CODE
from inventory.catalogue_csv import (
    COLUMNS,
    ExportedSku,
    Row,
    read_catalogue,
    write_header,
    write_skus,
)
from inventory.kit.database import Connection, Pool, connection, load_queries
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import CatalogueMoved, RoomArchived

SQL = load_queries("inventory")

# Rows that are in memory at once.
BATCH_ROWS = 2000
# One statement may go over the whole file, and waits for an earlier import of the same room.
STATEMENT_WAIT_S = 300.0
_DELIVERY = re.compile(CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to import, and the operator who imports it.

    `delivery` names the delivery that the units to receive belong to: a code, or empty for the one
    without a name. Each SKU is received once of each delivery. `seller` keeps the import to one
    seller's products.
    """

    file: BinaryIO
    who: str
    delivery: str = ""
    reason: str = ""
    seller: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of an import: rows by fate, and units.

    `received` are units that were received or would be now, `received_before` those of the file
    that came with an earlier import and do not come again.
    """

    rows: int
    added: int
    changed: int
    unchanged: int
    refused: int
    received: int
    received_before: int
    imported: bool


Tell = Callable[[str, float | None], None]


def _nothing(_: str, __: float | None) -> None:
    pass


class CatalogueImportStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load(
        self,
        room: str,
        source: Source,
        fates: BinaryIO,
        *,
        dry_run: bool = False,
        each_max: int | None = None,
        tell: Tell = _nothing,
    ) -> Report:
        """Import a file, all of it or nothing, and write each row's fate to `fates`.

        With `each_max` only so many rows of each fate are written.

        With `dry_run` nothing is imported. A fate is a line of JSON, `{"line", "sku", "fate"}` with
        `changes`, `receive` or `reasons`. When a real import is refused, only the refused rows are
        written. `tell` is told the step and, where that is known, the share of it that is done.
        Raises `UnreadableFile`, `NotFound` for a room that is not there, `BadRequest` for a
        delivery that is no code, and `CatalogueMoved` when another room takes a code at the same
        moment.
        """
        if source.delivery and not _DELIVERY.fullmatch(source.delivery):
            raise BadRequest(
                "A delivery is 1 to 63 letters, digits, dots, dashes and underscores of ASCII."
            )
        async with connection(self._pool) as borrowed:
            with _rules_named():
                async with borrowed.transaction():
                    columns = await self._copy(borrowed, source.file, tell)
                    tell("comparing", None)
                    plan = (room, columns, source.delivery, source.seller)
                    room_id = await borrowed.fetchval(
                        SQL["plan_import"], *plan, timeout=STATEMENT_WAIT_S
                    )
                    if room_id is None:
                        raise NotFound(f"There is no room {room!r}.")
                    counts = await borrowed.fetchrow(SQL["count_fates"], timeout=STATEMENT_WAIT_S)
                    assert counts is not None
                    imported = not dry_run and counts["refused"] == 0
                    # Before anything is written, so that sales wait no longer than they must.
                    await self._write_fates(
                        borrowed,
                        fates,
                        refused_alone=not dry_run and not imported,
                        each_max=each_max,
                    )
                    if imported:
                        tell("writing", None)
                        deed = (room_id, source.delivery, source.seller, source.who, source.reason)
                        await borrowed.execute(SQL["apply_import"], *deed, timeout=STATEMENT_WAIT_S)
        return Report(**counts, imported=imported)

    async def _copy(self, borrowed: Connection, file: BinaryIO, tell: Tell) -> list[str]:
        """Copy a file's rows into the import's table, some at a time; return its columns."""
        await borrowed.execute(SQL["begin_import"])
        size = max(file.seek(0, os.SEEK_END), 1)
        columns, rows = await asyncio.to_thread(read_catalogue, file)
        while batch := await asyncio.to_thread(_take, rows):
            tell("reading", min(file.tell() / size, 1.0))
            await borrowed.copy_records_to_table(
                "import_row",
                records=batch,
                columns=["line", *COLUMNS, "problems"],
                timeout=STATEMENT_WAIT_S,
            )
        return columns

    async def _write_fates(
        self, borrowed: Connection, fates: BinaryIO, *, refused_alone: bool, each_max: int | None
    ) -> None:
        # A cursor, so that the rows are sorted once and never all of them are here.
        rows = borrowed.cursor(
            SQL["list_fates"],
            refused_alone,
            each_max,
            prefetch=BATCH_ROWS,
            timeout=STATEMENT_WAIT_S,
        )
        async for row in rows:
            fates.write(_fate(row))

    async def dump(self, room: str, *, seller: int | None = None) -> AsyncIterator[str]:
        """Return a room's catalogue as a file, piece by piece.

        No transaction is open while a reader takes their time; what is changed meanwhile may be in
        it or not. Raises `NotFound` for an unknown room.
        """
        async with connection(self._pool) as borrowed:
            if not await borrowed.fetchval(SQL["room_exists"], room):
                raise NotFound(f"There is no room {room!r}.")
        yield write_header()
        after = ""
        while skus := await self._page(room, after, seller):
            yield write_skus(skus)
            after = skus[-1].sku

    async def _page(self, room: str, after: str, seller: int | None) -> list[ExportedSku]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["export_skus"], room, after, BATCH_ROWS, seller)
        return [ExportedSku(**row) for row in rows]


def _take(rows: Iterator[Row]) -> list[tuple[Any, ...]]:
    return [(row.line, *row.values, row.problems) for row in islice(rows, BATCH_ROWS)]


def _fate(row: asyncpg.Record) -> bytes:
    said: dict[str, Any] = {"line": row["line"], "sku": row["sku"], "fate": row["fate"]}
    if row["changes"]:
        said["changes"] = msgspec.json.decode(row["changes"])
    if row["receive"]:
        said["receive"] = row["receive"]
        if row["received"]:
            said["received_before"] = True
            said["received_at"] = row["received_at"]
            said["received_by"] = row["received_by"]
    if row["problems"]:
        said["reasons"] = row["problems"]
    return msgspec.json.encode(said) + b"\n"


@contextmanager
def _rules_named() -> Iterator[None]:
    try:
        yield
    except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError) as error:
        raise CatalogueMoved from error
    except asyncpg.CheckViolationError as error:
        # All other checks of the tables were made on the rows before.
        if error.constraint_name == "archived_room_stands":
            raise RoomArchived from error
        if error.constraint_name != "stock_lives_in_one_place":
            raise
        raise BadRequest("This room's stock lives in another shop.") from error
    except asyncpg.NumericValueOutOfRangeError as error:
        raise BadRequest("That is more than any stock can be.") from error
