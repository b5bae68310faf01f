"""CSV files in the dialects of spreadsheets: what any of them writes is read as it was."""

import csv
import io
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inventory.kit.tables.cells import guarded, unguarded
from inventory.kit.tables.dialect import UnreadableTable
from inventory.kit.tables.reading import COLUMNS_MAX, LINE_LENGTH_MAX, Table
from inventory.kit.tables.whole import NotWhole, read_whole
from inventory.kit.tables.writing import write_rows

ROWS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """One way to write a table: what Excel, LibreOffice, Numbers and Google Sheets differ in."""

    encoding: str
    separator: str
    end: str
    named: bool
    quoted: bool
    columns_behind: int
    rows_behind: int
    short_rows: bool
    last_end: bool


spellings = st.builds(
    Spelling,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"]),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    named=st.booleans(),
    quoted=st.booleans(),
    columns_behind=st.integers(0, 3),
    rows_behind=st.integers(0, 3),
    short_rows=st.booleans(),
    last_end=st.booleans(),
)
letters = st.sampled_from([*"=+-@'\"\r\n\t,; aé字🏺"]) | st.characters(exclude_categories=["Cs"])
# A header with separators inside its names can be read in two ways.
names = st.text(letters, min_size=1, max_size=8).filter(
    lambda name: name.strip() and not set(name) & {*",;\t", "\ufeff"}
)
headers = st.lists(names, min_size=2, max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    header = draw(headers)
    width = len(header)
    cells = st.text(letters, max_size=12)
    row = st.lists(cells, min_size=width, max_size=width).filter(lambda row: "".join(row).strip())
    return [header, *draw(st.lists(row, max_size=5))]


def quoted(cell: str, how: Spelling) -> str:
    needed = how.quoted or set(cell) & {'"', "\r", "\n", how.separator}
    return '"' + cell.replace('"', '""') + '"' if needed else cell


def spell(table: list[list[str]], how: Spelling) -> bytes:
    out = io.StringIO(newline="")
    if how.named:
        out.write(f"sep={how.separator}{how.end}")
    width = len(table[0]) + how.columns_behind
    for row in [*table, *[[""]] * how.rows_behind]:
        last = max((n for n, cell in enumerate(row, 1) if cell), default=0)
        short = how.short_rows and row is not table[0]
        cells = row[:last] if short else [*row, *[""] * (width - len(row))]
        out.write(how.separator.join(quoted(cell, how) for cell in cells) + how.end)
    text = out.getvalue() if how.last_end else out.getvalue().removesuffix(how.end)
    mark = "\ufeff" if how.encoding.startswith("utf-16") else ""
    return (mark + text).encode(how.encoding)


def read(data: bytes) -> list[list[str]]:
    table = Table(io.BytesIO(data), rows_max=ROWS_MAX)
    return [table.columns, *(row.cells[: len(table.columns)] for row in table)]


@given(tables(), spellings)
def test_a_table_is_read_as_it_was_however_it_was_written(
    table: list[list[str]], how: Spelling
) -> None:
    assert read(spell(table, how)) == table


@given(tables(), st.sampled_from(",;\t"))
def test_what_is_written_for_a_spreadsheet_is_read_as_it_was(
    table: list[list[str]], separator: str
) -> None:
    assume(all(guarded(name) == name for name in table[0]))

    found = read(write_rows(table, separator=separator).encode())

    assert [[unguarded(cell) for cell in row] for row in found] == table


@given(st.text(letters, max_size=20), st.text(letters, max_size=20))
def test_the_guard_comes_off_again_and_no_two_cells_become_one(one: str, other: str) -> None:
    assert unguarded(guarded(one)) == one
    assert (guarded(one) == guarded(other)) is (one == other)


# With only these letters many texts have a sign where some separator begins a cell.
traps = st.text(st.sampled_from("=+-@;,\t\r\n\"' a"), max_size=12)


@given(traps, traps, st.sampled_from(",;\t"), st.sampled_from(",;\t"))
def test_no_cell_becomes_a_formula_at_whatever_separator_the_file_is_taken_apart(
    one: str, other: str, written: str, opened: str
) -> None:
    text = write_rows([["sku", one, other]], separator=written)

    # Spreadsheets take quotes in odd places as they come, as `csv` does when it is not strict.
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=opened):
        for cell in row:
            assert not cell.lstrip().startswith(tuple("=+-@")), text
            assert opened != written or not cell.startswith(tuple("\t\r\n")), text


def test_telephone_numbers_and_amounts_may_stay() -> None:
    for cell in ("+49 30 / 123-4", "-12,50", "Berlin, +49 30 1", "+1 (2); -3"):
        assert guarded(cell, numbers_stay=True) == cell
    assert guarded("+1;=cmd", numbers_stay=True) == "+1;'=cmd"
    assert guarded("-2+3", numbers_stay=True) == "'-2+3"


def lines(data: bytes) -> list[int]:
    return [row.line for row in Table(io.BytesIO(data), rows_max=ROWS_MAX)]


def test_lines_are_numbered_as_the_spreadsheet_numbers_its_rows() -> None:
    assert lines(b'sep=;\r\nname;note\r\nA;"two\r\nlines"\r\n;\r\n\r\nB;\r\n') == [2, 5]


def test_a_row_tells_of_cells_without_a_column() -> None:
    table = Table(io.BytesIO(b"a,b,,\n1,2,,\n1,2,x,\n"), rows_max=ROWS_MAX)

    assert [row.surplus for row in table] == [False, True]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "first line"),
        (b",,\na,b,c\n", "first line"),
        (b"a,b\n1,2\nCh\xe2teau,\xe9t\xe9\n", "Line 3 .* CSV UTF-8"),
        (b'a,b\n"1\n\n2",\n\nCh\xe2teau,\n', "Line 4 .* CSV UTF-8"),
        (b"sep=;\r\nCh\xe2teau;b\r\n", "Line 1 "),
        ("\ufeffa\n1\n".encode("utf-16-le") + b"x", "Line 3 .* CSV UTF-8"),
        ("\ufeffa\n\ud800\n".encode("utf-16-le", "surrogatepass"), "Line 2 .* CSV UTF-8"),
        ("\ufeffa\n".encode("utf-32-le"), "UTF-32"),
        (b"x," * COLUMNS_MAX + b"x\n", "at most 256 columns"),
        (b"PK\x03\x04\x14\0", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),
        (b"sep=:\na:b\n", "separator"),
        (b'a,b\n1,2\n1,"x\n2,y\n', "From line 3 "),
        (b'a,b\n"1"2,2\n', "From line 2 "),
        (b"a\n" + b"x" * LINE_LENGTH_MAX, "Line 2 is longer"),
        (b"a\n" + b"x\n" * (ROWS_MAX + 1), "at most 50 rows"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableTable, match=said):
        read(data)


def test_utf_16_is_known_without_a_mark_and_a_header_may_hold_other_separators() -> None:
    assert read("name\tnote\nA\té\n".encode("utf-16-le"))[1] == ["A", "é"]
    assert read("name\tnote\nA\té\n".encode("utf-16-be"))[1] == ["A", "é"]
    assert read(b"Name, first;E-mail, home;Note\nDoe, J;j@x;y\n")[0] == [
        "Name, first", "E-mail, home", "Note",
    ]  # fmt: skip
    assert read(b"name,note\na;b;c,d;e\n")[1] == ["a;b;c", "d;e"]
    assert read(b"name\na;b\n") == [["name"], ["a;b"]]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(UnreadableTable):
        assert all(line > 1 for line in lines(data))


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("0", 0), (" 2200 ", 2200), ("\u00a012", 12), ("1.234.567", 1_234_567),
        ("1,234,567", 1_234_567), ("1 234", 1234), ("1\u202f234\u202f567", 1_234_567),
        ("1'234", 1234), ("1\u2019234", 1234), ("10,00", 10), ("10.0", 10), ("1.234,00", 1234),
        ("1,234.0", 1234), ("1 234,00", 1234), ("9" * 18, 10**18 - 1),
    ],
)  # fmt: skip
def test_a_whole_number_is_read_in_each_form_that_can_mean_one_thing(
    cell: str, number: int
) -> None:
    assert read_whole(cell, decimals=True) == number


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        *((cell, "^$") for cell in (
            "", "x", "-5", "+5", "1_000", "\uff12\uff12", "\u0663", "9" * 19, "1,23,456", "0x10",
            "12,345.678", "1.234 567",
        )),
        ("1,234", "thousands or decimals"), ("1.505", "thousands or decimals"),
        ("1E+3", "shortened"), ("1,23457E+11", "shortened"),
    ],
)  # fmt: skip
def test_what_may_be_another_number_is_refused(cell: str, said: str) -> None:
    for decimals in (True, False):
        with pytest.raises(NotWhole, match=said):
            read_whole(cell, decimals=decimals)


@pytest.mark.parametrize("cell", ["22,00", "22.0", "1.234,00", "9.50", "1.234,56"])
def test_minor_units_have_no_decimals(cell: str) -> None:
    with pytest.raises(NotWhole, match="minor units"):
        read_whole(cell, decimals=False)
