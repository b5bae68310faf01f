"""The forms of the first sale are read as people fill them in."""

from datetime import UTC, datetime

import pytest

from waitroom.admin.first.answers import code_of, read_opening, read_product, read_room
from waitroom.admin.first.share import qr_of

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Autumn drop", "autumn-drop"),
        ("  Été à Paris! ", "ete-a-paris"),
        ("2 & 2", "2-2"),
        ("東京", "sale"),
        ("---", "sale"),
        ("a" * 39 + " b" * 9, "a" * 39),
    ],
)
def test_a_name_becomes_an_address(name: str, code: str) -> None:
    assert code_of(name) == code


def test_a_room_has_defaults_and_says_what_is_wrong_at_each_field() -> None:
    answer, problems = read_room({"name": "Prints", "currency": "eur"})
    assert (answer.code, answer.currency, answer.seats_max, problems.at) == (
        "prints",
        "EUR",
        20,
        {},
    )

    _, problems = read_room({"name": "\x00", "code": "no/slash", "currency": "XXQ", "seats": "1e3"})
    assert set(problems.at) == {"name", "code", "currency", "seats"}


def test_a_product_needs_a_name_a_price_and_units() -> None:
    form = {"name": "Harbour", "price": "45,50", "units": "25", "limit": ""}
    answer, problems = read_product(form, "EUR")
    assert (answer.price_minor, answer.units, answer.limit, problems.at) == (4550, 25, 2, {})

    _, problems = read_product({"price": "1.234", "units": "-1", "limit": "0"}, "EUR")
    assert set(problems.at) == {"name", "price", "units", "limit"}
    _, problems = read_product({**form, "price": "45.50", "units": ""}, "JPY")
    assert set(problems.at) == {"price", "units"}


@pytest.mark.parametrize(
    ("moment", "opens_at", "found"),
    [
        # Without a script the field is in UTC; with one, the hidden field has the browser's offset.
        ("", "2026-11-28T19:00", datetime(2026, 11, 28, 19, tzinfo=UTC)),
        ("2026-11-28T18:00:00.000Z", "2026-11-28T19:00", datetime(2026, 11, 28, 18, tzinfo=UTC)),
        ("2026-11-28T19:00+01:00", "", datetime(2026, 11, 28, 18, tzinfo=UTC)),
    ],
)
def test_a_time_is_in_utc_or_carries_its_offset(
    moment: str, opens_at: str, found: datetime
) -> None:
    form = {"when": "later", "moment": moment, "opens_at": opens_at, "draw": "yes"}
    answer, problems = read_opening(form, NOW)
    assert (answer.opens_at, answer.draw, problems.at) == (found, True, {})


@pytest.mark.parametrize("text", ["", "soon", "2026-11-28T11:59", "0001-01-01T00:00"])
def test_a_time_that_cannot_be_is_said_at_its_field(text: str) -> None:
    _, problems = read_opening({"when": "later", "opens_at": text}, NOW)
    assert set(problems.at) == {"opens_at"}
    answer, problems = read_opening({"when": "now", "opens_at": text, "draw": "yes"}, NOW)
    assert (answer.opens_at, answer.draw, problems.at) == (None, False, {})


def test_an_address_becomes_a_qr_code_in_two_forms() -> None:
    address = "https://queue.example/rooms/first-prints"
    assert qr_of(address, "png").startswith(b"\x89PNG")
    assert b"<script" not in qr_of(address, "svg")
    assert qr_of(address, "svg") != qr_of(address + "2", "svg")
