"""A CSV file read row by row, with the line at which each row stands in a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from inventory.kit.tables.dialect import HEAD_BYTES, Dialect, UnreadableTable, find_dialect

LINE_LENGTH_MAX = 65_536
# Short rows are filled up, so a wide header would make a small file of short rows a large one.
COLUMNS_MAX = 256
# Bytes that are no letters become these, so that the line is known when they are found.
_NO_LETTERS = re.compile("[\ud800-\udfff]")
_NOT_UTF_8 = (
    "Line {line} has a letter that is not in UTF-8, as when a file is saved as Windows-1252. "
    "Save the file as CSV UTF-8: in Excel with that file type, in LibreOffice with the character "
    "set Unicode (UTF-8)."
)
_TOO_LONG = f"Line {{line}} is longer than {LINE_LENGTH_MAX} letters."


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row that is not empty.

    `line` counts as the spreadsheet does. `cells` are at least as many as the columns, and
    `surplus` says that there is something in a column behind the last named one.
    """

    line: int
    cells: list[str]
    surplus: bool


class Table:
    """A file's header, and its rows to be read once.

    Everything but the constructor reads on from where the file stands, so a table and its file
    belong to one reader at a time.
    """

    def __init__(self, file: BinaryIO, *, rows_max: int) -> None:
        """Read the header; raises `UnreadableTable`."""
        file.seek(0)
        self.dialect = find_dialect(file.read(HEAD_BYTES))
        self._rows_max = rows_max
        self._records = _records(file, self.dialect)
        _, cells = next(self._records, (1, []))
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            raise UnreadableTable("The first line must name the columns.")
        if len(cells) > COLUMNS_MAX:
            raise UnreadableTable(f"A file has at most {COLUMNS_MAX} columns.")
        self.columns = cells

    def __iter__(self) -> Iterator[TableRow]:
        """Return the rows; raises `UnreadableTable` where one cannot be read."""
        width, count = len(self.columns), 0
        for line, cells in self._records:
            if not any(map(str.strip, cells)):
                continue
            count += 1
            if count > self._rows_max:
                raise UnreadableTable(f"A file has at most {self._rows_max:,} rows.")
            missing, surplus = width - len(cells), any(map(str.strip, cells[width:]))
            padded = [*cells, *[""] * missing] if missing > 0 else cells
            yield TableRow(line=line, cells=padded, surplus=surplus)


class _BadLine(ValueError):
    """A line of the file cannot be read; the message has a place for the line of the sheet."""


def _records(file: BinaryIO, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Return each record of the file with its line in the sheet, the empty ones, too."""
    records = csv.reader(_lines(file, dialect), delimiter=dialect.separator, strict=True)
    line = 1
    while True:
        try:
            record = next(records, None)
        except csv.Error as error:
            said = f"From line {line} on the quotes make no sense: {error}."
            raise UnreadableTable(said) from None
        except _BadLine as error:
            raise UnreadableTable(str(error).format(line=line)) from None
        if record is None:
            return
        yield line, record
        line += 1


def _lines(file: BinaryIO, dialect: Dialect) -> Iterator[str]:
    file.seek(dialect.mark)
    errors = "surrogateescape" if dialect.encoding == "utf-8" else "surrogatepass"
    # `newline=""` leaves line ends inside quotes as they are.
    text = io.TextIOWrapper(file, encoding=dialect.encoding, errors=errors, newline="")
    try:
        if dialect.named:
            text.readline(LINE_LENGTH_MAX)
        while line := text.readline(LINE_LENGTH_MAX):
            if len(line) == LINE_LENGTH_MAX and not line.endswith(("\n", "\r")):
                raise _BadLine(_TOO_LONG)
            if _NO_LETTERS.search(line):
                raise _BadLine(_NOT_UTF_8)
            yield line
    except UnicodeDecodeError:
        # Half a letter of UTF-16 at the end. Not `from error`, which holds the file's content.
        raise _BadLine(_NOT_UTF_8) from None
    finally:
        # The file is the caller's to close, and may have been by now.
        if not file.closed:
            text.detach()
