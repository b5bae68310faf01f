"""Catalogues as CSV: what is written is read again, and what cannot be is refused by line."""

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import catalogue_csv
from inventory.catalogue_csv import (
    COLUMNS,
    EXPORTED,
    ExportedSku,
    Row,
    read_catalogue,
    write_header,
    write_skus,
)
from inventory.kit.doors.texts import UnfitText, read_optional_name, read_text
from inventory.refusals import UnreadableFile

# Whatever UTF-8 and PostgreSQL can hold, and often the signs that make trouble.
trouble = st.sampled_from([*"=+-@'\"\r\n\t,; \uff1d\ufeff\u2028é字🏺"])
letters = trouble | st.characters(exclude_categories=["Cs"])


def fits(read_cell: Callable[..., str], text: str) -> bool:
    """Say whether a door takes this text just as it is."""
    with suppress(UnfitText):
        return read_cell(text, length_max=40) == text
    return False


cells = st.text(letters, max_size=30)
texts = cells.filter(partial(fits, read_text))
names = texts.filter(partial(fits, read_optional_name))
codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
pictures = st.sampled_from(["", "/static/pictures/mug.svg"])
limits = st.none() | st.integers(1, 10_000_000)
zones = st.builds(lambda m: timezone(timedelta(minutes=m)), st.integers(-14 * 60, 14 * 60))
moments = st.none() | st.datetimes(datetime(2000, 1, 3), datetime(2199, 1, 1), timezones=zones)  # noqa: DTZ001 - the zones are drawn
rows = st.fixed_dictionaries(
    {
        "product": codes,
        "sku": codes,
        "product_name": names,
        "product_description": texts,
        "product_picture": pictures,
        "name": names,
        "variant": names,
        "description": texts,
        "picture": pictures,
        "price_minor": st.integers(0, 10**12),
        "currency": st.sampled_from(["EUR", "JPY"]),
        "limit_per_order": limits,
        "limit_per_session": st.integers(1, 1000),
        "limit_per_customer": limits,
        "on_sale_from": moments,
        "on_sale_until": moments,
        "low_at": st.integers(0, 1000),
    }
)


def read(text: str | bytes) -> list[Row]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read_catalogue(io.BytesIO(raw))[1])


def values(row: Row) -> dict[str, Any]:
    return dict(zip(COLUMNS, row.values, strict=True))


def problems(text: str) -> dict[int, list[str]]:
    return {row.line: row.problems for row in read(text) if row.problems}


# Most texts are drawn from characters of which some are refused.
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(rows, max_size=5), st.sampled_from(["", "\ufeff"]))
def test_what_is_written_is_read_again(wanted: list[dict[str, Any]], mark: str) -> None:
    found = read(mark + write_header() + write_skus(ExportedSku(**row) for row in wanted))

    assert [row.problems for row in found] == [[] for _ in wanted]
    assert [values(row) for row in found] == [{**row, "receive": 0} for row in wanted]


@given(texts)
def test_no_cell_that_is_written_is_a_formula(text: str) -> None:
    blank: dict[str, Any] = dict.fromkeys(EXPORTED, "")
    sku = ExportedSku(**{**blank, "name": text})

    (cells,) = csv.reader(io.StringIO(write_skus([sku]), newline=""))

    assert not cells[EXPORTED.index("name")].startswith(tuple("=+-@\t\r\n\uff1d"))


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(raw: bytes) -> None:
    with suppress(UnreadableFile):
        assert all(row.line > 1 for row in read(b"sku,price_minor,name\n" + raw))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_commas_or_semicolons_separate_cells_and_any_line_ends_end_rows(
    delimiter: str, end: str
) -> None:
    lines = ["SKU; name ;price_minor", 'mug;"Mug, ""large""";900', "", ";;", "cup;Cup;700"]

    found = read(end.join(line.replace(";", delimiter) for line in lines))

    assert [values(row)["sku"] for row in found] == ["mug", "cup"]
    assert values(found[0])["name"] == 'Mug, "large"'
    assert [row.line for row in found] == [2, 5]


def test_a_row_is_known_by_its_line_in_the_spreadsheet() -> None:
    text = 'sku,description,price_minor\nmug,"two\nlines",1\ncup,Cup,x\n'

    assert list(problems(text)) == [3]


def test_an_empty_cell_is_the_default() -> None:
    (row,) = read("sku,price_minor,limit_per_session,low_at,limit_per_order,name\nmug,1,,,,\n")

    found = values(row)
    assert (found["limit_per_session"], found["low_at"], found["limit_per_order"]) == (4, 0, None)
    assert (found["name"], found["product"], found["receive"]) == ("", "", 0)
    assert row.problems == []


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        ({"sku": ""}, "sku"), ({"sku": "a b"}, "sku"), ({"sku": "é"}, "sku"),
        ({"sku": "x" * 64}, "sku"), ({"product": "/"}, "product"),
        ({"price_minor": ""}, "price_minor"), ({"price_minor": "9.50"}, "9.50"),
        ({"price_minor": "-1"}, "price_minor"), ({"price_minor": "9" * 30}, "price_minor"),
        ({"price_minor": "22,00"}, "minor units"), ({"price_minor": "1,234"}, "thousands"),
        ({"receive": "1E+3"}, "shortened"), ({"price_minor": "\u0663"}, "price_minor"),
        ({"currency": "euro"}, "currency"),
        ({"limit_per_order": "0"}, "limit_per_order"), ({"low_at": "-1"}, "low_at"),
        ({"receive": "10000001"}, "receive"), ({"name": "x" * 403}, "name"),
        ({"name": " \u200b"}, "visible"), ({"name": "a\0b"}, "control"),
        ({"description": "x" * 2001}, "description"),
        ({"picture": "https://elsewhere.example/x.png"}, "picture"),
        ({"picture": "//elsewhere.example/x.png"}, "picture"),
        ({"on_sale_from": "2026-10-01T18:00:00"}, "offset"), ({"on_sale_from": "soon"}, "offset"),
        ({"on_sale_until": "0001-01-01T00:00:00+14:00"}, "offset"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_is_refused_by_its_line(cells: dict[str, str], word: str) -> None:
    row = {"sku": "mug", "price_minor": "1", **cells}
    text = io.StringIO()
    csv.writer(text).writerows([row.keys(), row.values()])

    found = problems(text.getvalue())

    assert list(found) == [2]
    assert word in " ".join(found[2])


def test_every_problem_of_a_row_is_named() -> None:
    found = problems("sku,price_minor,,low_at\nmug,x,,y\ncup\ncan,1,2\ntin,1,,,\n")

    assert [len(found[line]) for line in (2, 3, 4)] == [2, 1, 1]
    assert found[3] == ["price_minor is missing."]
    assert "does not name" in found[4][0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "columns"), ("name,price_minor\n", "sku"), ("sku,sku\n", "twice"),
        ("sku,price_minr\n", "price_minor"), ("sku,colour\n", "colour"),
        ('sku,name\nmug,"open\n', "line 2"), ('sku,name\nmug,"a"b\n', "line 2"),
        (b"sku,name\nmug,M\xfcsli\n", "Line 2 .* UTF-8"), ("sku,,sku\n", "twice"),

    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_refused(text: str | bytes, word: str) -> None:
    with pytest.raises(UnreadableFile, match=word):
        read(text)


def test_a_file_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_csv, "ROWS_MAX", 2000)
    text = "sku,price_minor\n" + "mug,1\n" * 2001

    with pytest.raises(UnreadableFile, match="2,000"):
        read(text)


def test_moments_keep_their_instant() -> None:
    (row,) = read("sku,price_minor,on_sale_from\nmug,1,2026-10-01T18:00:00+02:00\n")

    assert values(row)["on_sale_from"] == datetime(2026, 10, 1, 16, tzinfo=UTC)
