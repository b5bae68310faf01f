"""A list of people as a CSV file, and the same file with a link for each person.

`inventory.kit.tables` tells in which forms a file may come. Its columns are free, and its first
line names them. The people's data is handed back and stored nowhere.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from inventory.kit.tables.dialect import Dialect, UnreadableTable
from inventory.kit.tables.reading import Table
from inventory.kit.tables.writing import write_rows
from waitroom.line.invitation import COUNT_MAX
from waitroom.refusals import UnreadablePeople

FILE_BYTES_MAX = 32 * 1024 * 1024
LINK = "link"
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """A file with one person in each of `count` rows; its `repr` shows none of them.

    It stays a file and is read row by row: with a hundred thousand rows in memory the garbage
    collector would halt the whole process.
    """

    data: bytes = field(repr=False)
    count: int
    dialect: Dialect


def read_people(data: bytes) -> People:
    """Check a file; raises `UnreadablePeople`, whose text names lines but never their content."""
    with _named():
        table = Table(io.BytesIO(data), rows_max=COUNT_MAX)
        if LINK in {name.strip().lower() for name in table.columns}:
            raise UnreadablePeople(f"The file has a column {LINK!r} already.")
        count = sum(1 for _ in _rows(table))
    if not count:
        raise UnreadablePeople("There is nobody in the file: its first line names the columns.")
    return People(data=data, count=count, dialect=table.dialect)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except UnreadableTable as error:
        raise UnreadablePeople(str(error)) from None


def _rows(table: Table) -> Iterator[list[str]]:
    """Return each person's row, as long as the header, so that links get a column of their own."""
    for row in table:
        if row.surplus:
            raise UnreadablePeople(
                f"Line {row.line} has something in a column that the first line does not name."
            )
        yield row.cells[: len(table.columns)]


def write_people(people: People, links: Sequence[str]) -> bytes:
    """Return the file with a last column that has each person's link.

    It comes in UTF-8, with a mark if it came with one, and with the separator that it had.
    """
    table, dialect = Table(io.BytesIO(people.data), rows_max=COUNT_MAX), people.dialect
    rows = ([*cells, link] for cells, link in zip(_all_rows(table), [LINK, *links], strict=True))
    head = _MARK if dialect.mark else ""
    if dialect.named:
        head += f"sep={dialect.separator}\r\n"
    return (head + write_rows(rows, separator=dialect.separator, numbers_stay=True)).encode()


def _all_rows(table: Table) -> Iterator[list[str]]:
    yield table.columns
    yield from _rows(table)


def write_links(links: Sequence[str]) -> bytes:
    """Return a file that has only links, numbered from 1."""
    numbered = ([str(number), link] for number, link in enumerate(links, start=1))
    return (write_rows([["number", LINK]]) + write_rows(numbered)).encode()
