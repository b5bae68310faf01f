"""A list of people as a CSV file, and the same file with a link for each person. Pure.

The file is UTF-8 with or without a byte order mark, with commas or semicolons. Its columns are
free, and its first line names them. The people's data is handed back and stored nowhere.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from inventory.kit.cells import guarded
from waitroom.line.invitation import COUNT_MAX
from waitroom.refusals import UnreadablePeople

FILE_BYTES_MAX = 32 * 1024 * 1024
LINK = "link"
_MARK = "\ufeff"
# Telephone numbers and negative amounts begin like formulas, but do no harm.
_HARMLESS = re.compile(r"[+-][0-9 ().,/-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """A file with one person in each of `count` rows; its `repr` shows none of them.

    It stays a text and is read row by row: with a hundred thousand rows in memory the garbage
    collector would halt the whole process.
    """

    text: str = field(repr=False)
    count: int
    delimiter: str
    marked: bool


def read_people(data: bytes) -> People:
    """Check a file; raises `UnreadablePeople`, whose text names lines but never their content."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        # Not `from error`, which holds the whole file.
        raise UnreadablePeople(
            f"In line {line} there is something that is no UTF-8. Save the file as CSV UTF-8."
        ) from None
    marked = text.startswith(_MARK)
    text = text.removeprefix(_MARK)
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    count = sum(1 for _ in _rows(text, delimiter)) - 1
    if not count:
        raise UnreadablePeople("There is nobody in the file: its first line names the columns.")
    return People(text=text, count=count, delimiter=delimiter, marked=marked)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Return the header and then each person's row, as long as the header."""
    # `newline=""` leaves line ends inside quotes as they are.
    cells = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    count = 0
    try:
        header = next(cells, [])
        _check_header(header)
        yield header
        for row in cells:
            # Spreadsheets write empty rows behind the last one.
            if any(cell.strip() for cell in row):
                count += 1
                if count > COUNT_MAX:
                    raise UnreadablePeople(f"A file has at most {COUNT_MAX:,} people.")
                yield _filled(row, len(header), cells.line_num)
    except csv.Error as error:
        raise UnreadablePeople(
            f"Up to line {cells.line_num} the quotes make no sense: {error}."
        ) from None


def _check_header(header: list[str]) -> None:
    names = [name.strip().lower() for name in header]
    if not any(names):
        raise UnreadablePeople("The first line must name the columns.")
    if LINK in names:
        raise UnreadablePeople(f"The file has a column {LINK!r} already.")


def _filled(row: list[str], width: int, line: int) -> list[str]:
    """Return a row padded to the number of columns, so that its link gets a column of its own."""
    if len(row) > width:
        raise UnreadablePeople(f"Line {line} has {len(row)} cells and the first line {width}.")
    return [*row, *[""] * (width - len(row))]


def write_people(people: People, links: Sequence[str]) -> bytes:
    """Return the file with a last column that has each person's link."""
    out = io.StringIO(_MARK if people.marked else "", newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, delimiter=people.delimiter, lineterminator="\r\n")
    rows = _rows(people.text, people.delimiter)
    writer.writerows(
        [*map(_cell, row), link] for row, link in zip(rows, [LINK, *links], strict=True)
    )
    return out.getvalue().encode()


def write_links(links: Sequence[str]) -> bytes:
    """Return a file that has only links, numbered from 1."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["number", LINK])
    writer.writerows(enumerate(links, start=1))
    return out.getvalue().encode()


def _cell(cell: str) -> str:
    return cell if _HARMLESS.fullmatch(cell) else guarded(cell)
