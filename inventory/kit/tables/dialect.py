"""The dialect of a CSV file: its encoding and its separator, as its first bytes show them. Pure."""

import csv
import io
import re
from dataclasses import dataclass

SEPARATORS = (",", ";", "\t")
# The part of a file by which its separator is found.
HEAD_BYTES = 64 * 1024
_ROWS_TRIED_MAX = 20
_SAVE_AS = "Save the sheet as CSV UTF-8."

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
# An archive, as .xlsx, .ods and .numbers are, and the form of .xls.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
# The letters of a header without a mark show by their empty halves that they are UTF-16.
_UNMARKED = (
    (re.compile(rb"(?:[^\0]\0){2}"), "utf-16-le"),
    (re.compile(rb"(?:\0[^\0]){2}"), "utf-16-be"),
)
_NAMED = re.compile(r'"?sep=(.)"?[,;\t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)


class UnreadableTable(ValueError):
    """A file is no table. The message is a sentence that names lines, but never what is in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The spelling of one file.

    `mark` is the length of its byte order mark in bytes, 0 for none. `named` says that a line
    `sep=;` before the header names the separator.
    """

    encoding: str
    mark: int
    separator: str
    named: bool


def find_dialect(head: bytes) -> Dialect:
    """Return the dialect of a file with this head, which has up to `HEAD_BYTES` bytes.

    Raises `UnreadableTable` for what is no text and for a separator that no spreadsheet uses.
    """
    encoding, mark = _encoding(head)
    # Half a letter at the end is none of the header's.
    text = head[mark:].decode(encoding, errors="replace")
    if named := _NAMED.match(text):
        if named[1] not in SEPARATORS:
            raise UnreadableTable("The line sep= names a separator other than , or ; or a tab.")
        return Dialect(encoding=encoding, mark=mark, separator=named[1], named=True)
    separator = _best_separator(text, whole=len(head) < HEAD_BYTES)
    return Dialect(encoding=encoding, mark=mark, separator=separator, named=False)


def _encoding(head: bytes) -> tuple[str, int]:
    if head.startswith(_WORKBOOKS):
        raise UnreadableTable(f"The file is a workbook and no CSV. {_SAVE_AS}")
    if head.startswith(_UTF_32):
        raise UnreadableTable(f"The file is in UTF-32. {_SAVE_AS}")
    for sign, encoding in _MARKS:
        if head.startswith(sign):
            return encoding, len(sign)
    for letters, encoding in _UNMARKED:
        if letters.match(head):
            return encoding, 0
    return "utf-8", 0


def _best_separator(text: str, *, whole: bool) -> str:
    # A tie goes to the rarer sign: a comma stands in a header's words more often than a semicolon.
    rarest_first = reversed(SEPARATORS)
    best = max(rarest_first, key=lambda separator: _fitness(text, separator, whole=whole))
    # Without two columns there is nothing to compare. With commas a row that has more cells than
    # the header shows itself, and is refused.
    return best if _fitness(text, best, whole=whole) > _ONE_COLUMN else SEPARATORS[0]


_ONE_COLUMN = (0, 1)


def _fitness(text: str, separator: str, *, whole: bool) -> tuple[int, int]:
    """Return how well a separator fits: the rows as wide as the header, and that width."""
    rows = _first_rows(text, separator, whole=whole)
    width = len(rows[0]) if rows else 0
    if width <= 1:
        return _ONE_COLUMN
    return (1 + sum(len(row) == width for row in rows[1:]), width)


def _first_rows(text: str, separator: str, *, whole: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            rows.append(row)
            if len(rows) > _ROWS_TRIED_MAX:
                return rows
    except csv.Error:
        # The quotes make no sense with this separator, at least from here on.
        return rows
    return rows if whole else rows[:-1]
