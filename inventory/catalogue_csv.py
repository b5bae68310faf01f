"""The catalogue as a CSV file: its columns, what its cells may say, how they are written. Pure.

The first line names the columns in any order; `inventory.kit.tables` tells in which forms a file
may come. A cell that is empty takes the column's default; a column that is missing leaves what is
there as it is. `docs/sell/catalogue.md` has the table of columns.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec

from inventory.catalogue import CODE, LIMIT_MAX, LIMIT_PER_SESSION, PICTURE, PICTURE_LENGTH_MAX
from inventory.kit.doors.moments import UnreadableMoment, parse_moment
from inventory.kit.doors.texts import (
    DESCRIPTION_LENGTH_MAX,
    NAME_LENGTH_MAX,
    UnfitText,
    read_optional_name,
    read_text,
)
from inventory.kit.tables.cells import unguarded
from inventory.kit.tables.dialect import UnreadableTable
from inventory.kit.tables.reading import Table, TableRow
from inventory.kit.tables.whole import NotWhole, read_whole
from inventory.kit.tables.writing import write_rows
from inventory.money import AMOUNT_MAX, currencies
from inventory.refusals import UnreadableFile

ROWS_MAX = 200_000
CELL_SHOWN_MAX = 40
_CODE = re.compile(CODE)
_PICTURE = re.compile(PICTURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a file: `values` in the order of `COLUMNS`, and what is wrong with it."""

    line: int
    values: tuple[Any, ...]
    problems: list[str]


class _Wrong(ValueError):
    """A cell cannot be what it says; the message goes on after the column's name."""


def _text(length_max: int, read_cell: Callable[..., str] = read_text) -> Callable[[str], str]:
    def read(cell: str) -> str:
        try:
            return read_cell(unguarded(cell), length_max=length_max)
        except UnfitText as error:
            raise _Wrong(str(error)) from error

    return read


def _name(length_max: int) -> Callable[[str], str]:
    """Return a reader of names, which may be left empty."""
    return _text(length_max, read_optional_name)


def _code(cell: str) -> str:
    text = cell.strip()
    if text and not _CODE.fullmatch(text):
        raise _Wrong("is 1 to 63 letters, digits, dots, dashes and underscores of ASCII")
    return text


def _sku(cell: str) -> str:
    if not cell.strip():
        raise _Wrong("is missing")
    return _code(cell)


def _picture(cell: str) -> str:
    text = unguarded(cell).strip()
    if len(text) > PICTURE_LENGTH_MAX or not _PICTURE.fullmatch(text):
        raise _Wrong("is the address of an uploaded picture, a path under /static/, or empty")
    return text


def _currency(cell: str) -> str:
    text = cell.strip()
    if text and text not in currencies():
        raise _Wrong("is the code of a currency, such as EUR")
    return text


def _whole(
    low: int, high: int, default: int | None, *, decimals: bool = True
) -> Callable[[str], int | None]:
    def read(cell: str) -> int | None:
        if not cell.strip():
            return default
        said = f"is a whole number from {low} to {high}, not {cell[:CELL_SHOWN_MAX]!r}"
        try:
            number = read_whole(cell, decimals=decimals)
        except NotWhole as hint:
            raise _Wrong(f"{said}{hint}") from hint
        if not low <= number <= high:
            raise _Wrong(said)
        return number

    return read


_AMOUNT = _whole(0, AMOUNT_MAX, None, decimals=False)


def _price(cell: str) -> int | None:
    if not cell.strip():
        raise _Wrong("is missing")
    return _AMOUNT(cell)


def _moment(cell: str) -> datetime | None:
    if not cell.strip():
        return None
    try:
        return parse_moment(cell)
    except UnreadableMoment as error:
        raise _Wrong(f"is {error}, not {cell[:CELL_SHOWN_MAX]!r}") from error


# Each column with how its cells are read; what is read of an empty cell is the default, too, of a
# column that the file does not have.
_READERS: dict[str, Callable[[str], Any]] = {
    "product": _code,
    "sku": _sku,
    "product_name": _name(NAME_LENGTH_MAX),
    "product_description": _text(DESCRIPTION_LENGTH_MAX),
    "product_picture": _picture,
    # One that was made of its product's name and its variant may be that long.
    "name": _name(2 * NAME_LENGTH_MAX + len(", ")),
    "variant": _name(NAME_LENGTH_MAX),
    "description": _text(DESCRIPTION_LENGTH_MAX),
    "picture": _picture,
    "price_minor": _price,
    "currency": _currency,
    "limit_per_order": _whole(1, LIMIT_MAX, None),
    "limit_per_session": _whole(1, LIMIT_MAX, LIMIT_PER_SESSION),
    "limit_per_customer": _whole(1, LIMIT_MAX, None),
    "on_sale_from": _moment,
    "on_sale_until": _moment,
    "low_at": _whole(0, LIMIT_MAX, 0),
    "receive": _whole(0, LIMIT_MAX, 0),
}
COLUMNS = tuple(_READERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSku:
    """A SKU as an exported file has it, column by column; see `Sku` for what the figures mean.

    Receiving units is an event and not a state, so an exported file receives none.
    """

    product: str
    sku: str
    product_name: str
    product_description: str
    product_picture: str
    name: str
    variant: str
    description: str
    picture: str
    price_minor: int
    currency: str
    limit_per_order: int | None
    limit_per_session: int
    limit_per_customer: int | None
    on_sale_from: datetime | None
    on_sale_until: datetime | None
    low_at: int


EXPORTED = tuple(ExportedSku.__dataclass_fields__)


def read_catalogue(file: BinaryIO) -> tuple[list[str], Iterator[Row]]:
    """Return the columns that a file has, and its rows one by one.

    Raises `UnreadableFile` for a header that cannot be, and while reading for letters and quotes
    that cannot be read and for too many rows. Faults of a single row stand in its `problems`.
    """
    with _named():
        table = Table(file, rows_max=ROWS_MAX)
    names = [name.strip().lower() for name in table.columns]
    return _columns(names), _rows(table, names)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except UnreadableTable as error:
        raise UnreadableFile(str(error)) from None


def _columns(names: list[str]) -> list[str]:
    """Return the columns with a name; raises `UnreadableFile` for one that cannot be."""
    columns = [name for name in names if name]
    for name in columns:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f". There are {', '.join(COLUMNS)}."
            raise UnreadableFile(f"There is no column {name[:CELL_SHOWN_MAX]!r}{hint}")
        if columns.count(name) > 1:
            raise UnreadableFile(f"The column {name} is there twice.")
    if "sku" not in columns:
        raise UnreadableFile("The first line must name the columns, and one of them sku.")
    return columns


def _rows(table: Table, names: list[str]) -> Iterator[Row]:
    defaults = {name: None if name in _NEEDED else read("") for name, read in _READERS.items()}
    with _named():
        for row in table:
            yield _row(row, names, defaults)


_NEEDED = frozenset({"sku", "price_minor"})


def _row(row: TableRow, names: list[str], defaults: Mapping[str, Any]) -> Row:
    values, problems = dict(defaults), []
    lost = row.surplus
    for name, cell in zip(names, row.cells, strict=False):
        if not name:
            lost = lost or bool(cell.strip())
            continue
        try:
            values[name] = _READERS[name](cell)
        except _Wrong as wrong:
            problems.append(f"{name} {wrong}.")
    if lost:
        problems.append("There is something in a column that the first line does not name.")
    values["sku"] = values["sku"] or ""
    return Row(line=row.line, values=tuple(values.values()), problems=problems)


def write_header() -> str:
    return write_rows([EXPORTED])


def write_skus(skus: Iterable[ExportedSku]) -> str:
    """Return SKUs as lines of a file."""
    return write_rows([_cell(getattr(sku, name)) for name in EXPORTED] for sku in skus)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)


REPORT_COLUMNS = ("line", "sku", "fate", "changes", "receive", "reasons")


def report_head() -> bytes:
    """Return the first line of a report as a file."""
    return write_rows([REPORT_COLUMNS]).encode()


def report_rows(fates: Iterable[bytes]) -> bytes:
    """Return rows of a report; each fate is the JSON that an import tells of a row."""
    return write_rows([_report_row(msgspec.json.decode(fate)) for fate in fates]).encode()


def _report_row(fate: dict[str, Any]) -> list[str]:
    changes = fate.get("changes", {})
    told = "; ".join(
        f"{name}: {_shown(was)} to {_shown(now)}" for name, (was, now) in changes.items()
    )
    cells = (
        fate["line"],
        fate["sku"],
        fate["fate"],
        told,
        fate.get("receive"),
        " ".join(fate.get("reasons", ())),
    )
    return [_cell(cell) for cell in cells]


def _shown(value: Any) -> str:
    return "none" if value in {None, ""} else str(value)
