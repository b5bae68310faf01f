"""The catalogue as a CSV file: its columns, what its cells may say, how they are written. Pure.

UTF-8 with or without a byte order mark, with commas or semicolons, the first line naming the
columns in any order. A cell that is empty takes the column's default; a column that is missing
leaves what is there as it is. `docs/sell/catalogue.md` has the table of columns.
"""

import csv
import difflib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO

from inventory.catalogue import CODE, LIMIT_MAX, LIMIT_PER_SESSION, PICTURE, PICTURE_LENGTH_MAX
from inventory.kit.cells import guarded, unguarded
from inventory.kit.doors.moments import UnreadableMoment, parse_moment
from inventory.kit.doors.texts import (
    DESCRIPTION_LENGTH_MAX,
    NAME_LENGTH_MAX,
    UnfitText,
    read_optional_name,
    read_text,
)
from inventory.money import UnreadableAmount, currencies, parse_minor
from inventory.refusals import UnreadableFile

ROWS_MAX = 200_000
LINE_LENGTH_MAX = 65_536
CELL_SHOWN_MAX = 40
_WHOLE = re.compile(r"[0-9]{1,18}")
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
        raise _Wrong("is a path under /static/, or empty")
    return text


def _currency(cell: str) -> str:
    text = cell.strip()
    if text and text not in currencies():
        raise _Wrong("is the code of a currency, such as EUR")
    return text


def _whole(low: int, high: int, default: int | None) -> Callable[[str], int | None]:
    def read(cell: str) -> int | None:
        text = cell.strip()
        if not text:
            return default
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise _Wrong(f"is a whole number from {low} to {high}, not {cell[:CELL_SHOWN_MAX]!r}")
        return int(text)

    return read


def _price(cell: str) -> int | None:
    if not cell.strip():
        raise _Wrong("is missing")
    try:
        return parse_minor(cell)
    except UnreadableAmount as error:
        raise _Wrong(f"is {error}, not {cell[:CELL_SHOWN_MAX]!r}") from error


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
# Receiving units is an event and not a state, so an exported file receives none.
EXPORTED = COLUMNS[:-1]


def lines_of(file: BinaryIO) -> Iterator[str]:
    """Return a file's lines; raises `UnreadableFile` for a line too long or not in UTF-8."""
    # `newline=""` leaves line ends inside quotes as they are.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    number = 0
    try:
        while line := text.readline(LINE_LENGTH_MAX):
            number += 1
            if len(line) >= LINE_LENGTH_MAX and not line.endswith("\n"):
                raise UnreadableFile(f"Line {number} is longer than {LINE_LENGTH_MAX} letters.")
            yield line
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"After line {number} there is something that is no UTF-8. Save the file as CSV UTF-8."
        ) from error
    finally:
        # The file is the caller's to close, and may have been by now.
        if not file.closed:
            text.detach()


def read_catalogue(lines: Iterator[str]) -> tuple[list[str], Iterator[Row]]:
    """Return the columns that a file has, and its rows one by one.

    Raises `UnreadableFile` for a header that cannot be, and while reading for quotes that do not
    close and for too many rows. Faults of a single row stand in its `problems`.
    """
    first = next(lines, "")
    # No column has a semicolon in its name.
    delimiter = ";" if ";" in first else ","
    cells = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    columns = _header(_next(cells, 1) or [])
    return columns, _rows(cells, columns)


def _header(cells: list[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
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


def _next(cells: Iterator[list[str]], line: int) -> list[str] | None:
    try:
        return next(cells, None)
    except csv.Error as error:
        raise UnreadableFile(f"From line {line} on the quotes make no sense: {error}.") from error


def _rows(cells: Any, columns: list[str]) -> Iterator[Row]:
    defaults = {name: None if name in _NEEDED else read("") for name, read in _READERS.items()}
    count, line = 0, cells.line_num + 1
    while (row := _next(cells, line)) is not None:
        # Spreadsheets write empty rows behind the last one.
        if any(cell.strip() for cell in row):
            count += 1
            if count > ROWS_MAX:
                raise UnreadableFile(f"A file has at most {ROWS_MAX} rows.")
            yield _row(row, line, columns, defaults)
        line = cells.line_num + 1


_NEEDED = frozenset({"sku", "price_minor"})


def _row(row: list[str], line: int, columns: list[str], defaults: Mapping[str, Any]) -> Row:
    values, problems = dict(defaults), []
    if len(row) != len(columns):
        problems.append(f"The row has {len(row)} cells and the first line {len(columns)}.")
    # Cells that are missing at the end count as empty.
    for name, cell in zip(columns, chain(row, [""] * len(columns)), strict=False):
        try:
            values[name] = _READERS[name](cell)
        except _Wrong as wrong:
            problems.append(f"{name} {wrong}.")
    values["sku"] = values["sku"] or ""
    return Row(line=line, values=tuple(values.values()), problems=problems)


def write_header() -> str:
    return _written([EXPORTED])


def write_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as lines of a file, in the order of `EXPORTED`."""
    return _written([_cell(row[name]) for name in EXPORTED] for row in rows)


def _written(rows: Iterable[Iterable[str]]) -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return lines.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str):
        return guarded(value)
    return str(value)
