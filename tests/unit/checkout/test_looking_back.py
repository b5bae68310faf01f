"""Orders and sales looked back on, as far as it is pure: words, receipts, files, spans, waits."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.history.cursor import CURSOR, Cursor, read_cursor
from checkout.history.order_file import ListedOrder
from checkout.history.receipt import WIDTH, as_text, receipt_of
from checkout.history.search import Words, read_words
from checkout.history.sheet import COLUMNS, header, rows_of
from checkout.history.status import StatusFilter, read_status
from checkout.order import (
    Order,
    OrderItem,
    OrderState,
    Status,
    operator_status,
    shopper_status,
)
from checkout.refund import Refund, RefundStage
from checkout.refusals import NoReceipt
from inventory.hold import Item
from inventory.kit.doors.query import QueryString
from inventory.kit.language.catalogues import english, language
from inventory.kit.problem import BadRequest
from inventory.kit.tables.cells import unguarded

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
ID = UUID(int=7)


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": ID,
        "number": "ABCD2345",
        "room": "drop",
        "hold_id": ID,
        "session": "1",
        "state": OrderState.PAID,
        "total_minor": 2000,
        "refunded_minor": 0,
        "refunding_minor": 0,
        "currency": "EUR",
        "partly_refunded": False,
        "called_off": False,
        "detail": "",
        "created_at": NOON,
        "paid_at": NOON,
        "items": [item()],
    }
    return Order(**{**values, **changes})


def item(**changes: Any) -> OrderItem:
    values: dict[str, Any] = {
        "sku": "mug",
        "name": "Mug",
        "quantity": 2,
        "price_minor": 1000,
        "refunded": 0,
        "returned": 0,
        "refunded_minor": 0,
    }
    return OrderItem(**{**values, **changes})


def a_refund(stage: RefundStage, amount_minor: int, **changes: Any) -> Refund:
    values: dict[str, Any] = {
        "refund_id": ID,
        "order_id": ID,
        "stage": stage,
        "amount_minor": amount_minor,
        "currency": "EUR",
        "gateway": "test",
        "restock": False,
        "by_hand": False,
        "who": "night",
        "reason": "private",
        "detail": "",
        "asked_at": NOON + HOUR,
        "ended_at": None if stage is RefundStage.ASKED else NOON + 2 * HOUR,
        "outside": False,
        "done_at": None,
        "items": [],
    }
    return Refund(**{**values, **changes})


# What an order is called.


@pytest.mark.parametrize(
    ("state", "refunded", "refunding", "status"),
    [
        ("authorizing", 0, 0, "authorizing"),
        ("authorized", 0, 0, "authorizing"),
        ("voiding", 0, 0, "authorizing"),
        ("paid", 0, 0, "paid"),
        ("paid", 0, 500, "paid"),
        ("paid", 500, 0, "partly_refunded"),
        ("paid", 500, 500, "partly_refunded"),
        ("paid", 500, 1500, "returning"),
        ("paid", 0, 2000, "returning"),
        ("returning", 0, 0, "returning"),
        ("refunded", 2000, 0, "refunded"),
        ("declined", 0, 0, "declined"),
        ("cancelled", 0, 0, "cancelled"),
    ],
)
def test_a_shopper_is_told_what_an_order_has_come_to(
    state: str, refunded: int, refunding: int, status: str
) -> None:
    found = order(state=OrderState(state), refunded_minor=refunded, refunding_minor=refunding)

    assert shopper_status(found) is Status(status)


def test_an_order_that_cost_nothing_is_paid_and_not_on_its_way_back() -> None:
    assert shopper_status(order(total_minor=0)) is Status.PAID


def test_operators_see_the_state_of_the_books_and_partial_refunds() -> None:
    assert operator_status(order(state=OrderState.VOIDING)) == "voiding"
    assert operator_status(order()) == "paid"
    assert operator_status(order(partly_refunded=True)) == "partly_refunded"
    assert operator_status(order(state=OrderState.REFUNDED)) == "refunded"


def test_a_status_is_read_or_refused() -> None:
    assert read_status("paid") == StatusFilter(state=OrderState.PAID, given_back=False)
    assert read_status("partly_refunded") == StatusFilter(state=OrderState.PAID, given_back=True)
    assert read_status("declined") == StatusFilter(state=OrderState.DECLINED)
    with pytest.raises(BadRequest, match="partly_refunded"):
        read_status("lost")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", None),
        ("  ", None),
        (str(ID), Words(order_id=ID)),
        ("abcd2345", Words(reference="ABCD2345")),
        ("ab cd-2345", Words(reference="ABCD2345")),
        ("bcd", Words(reference_part="BCD")),
        ("Ann@Example.com", Words(email="ann@example.com%")),
        ("a_b%@x", Words(email=r"a\_b\%@x%")),
    ],
)
def test_what_is_typed_is_an_id_a_number_or_an_address(text: str, words: Words | None) -> None:
    assert read_words(text) == words


@given(st.datetimes(datetime(1970, 1, 1), datetime(2286, 1, 1), timezones=st.just(UTC)), st.uuids())  # noqa: DTZ001 - the zone is given beside
def test_a_cursor_reads_back_and_fits_an_address(at: datetime, order_id: UUID) -> None:
    cursor = Cursor(at=at, order_id=order_id)

    assert read_cursor(str(cursor)) == cursor
    assert "+" not in str(cursor)


@given(st.from_regex(CURSOR.schema()["pattern"].replace("$", r"\Z")))
def test_every_cursor_of_the_described_form_is_read(text: str) -> None:
    found = read_cursor(CURSOR.of(QueryString(f"cursor={text}")))

    assert ("" if found is None else str(found).rjust(len(text), "0")) == text


def test_a_cursor_of_another_form_is_refused() -> None:
    for text in ("2026-11-22T10:00:00Z~6f6f9f8e-0000-4000-8000-000000000000", "1~", "~", "-1~x"):
        with pytest.raises(BadRequest, match="none of ours"):
            read_cursor(text)


# Receipts.


def euros(whole: str) -> str:
    return f"{whole},00\N{NO-BREAK SPACE}€"


def test_a_receipt_has_what_was_paid_and_what_went_back() -> None:
    refunds = [
        a_refund(RefundStage.DONE, 1000, items=[Item(sku="mug", quantity=1)]),
        a_refund(RefundStage.FAILED, 700),
        a_refund(RefundStage.ASKED, 300),
    ]

    text = as_text(
        receipt_of(order(refunded_minor=1000, refunding_minor=300), refunds, brand="Shop"),
        language("de"),
    )

    assert text.splitlines() == [
        "Shop",
        "Beleg zu Bestellung ABCD2345",
        "Bezahlt: 22.11.2026, 12:00 UTC",
        "",
        "2 \N{MULTIPLICATION SIGN} Mug" + euros("20").rjust(WIDTH - 7),
        f"    Einzelpreis: {euros('10')}",
        "-" * WIDTH,
        "Summe" + euros("20").rjust(WIDTH - 5),
        "Alle Preise enthalten die Steuer.",
        "",
        "Erstattungen",
        "Zurückgegeben: 22.11.2026, 14:00 UTC" + euros("-10").rjust(WIDTH - 36),
        "    1 \N{MULTIPLICATION SIGN} Mug",
        "Auf dem Rückweg seit 22.11.2026, 13:00 UTC" + euros("-3").rjust(WIDTH - 42),
        "-" * WIDTH,
        "Am Ende bezahlt" + euros("10").rjust(WIDTH - 15),
    ]


def test_there_is_no_receipt_for_what_was_never_paid() -> None:
    with pytest.raises(NoReceipt):
        receipt_of(order(state=OrderState.REFUNDED, paid_at=None), [], brand="Shop")


def test_a_name_cannot_write_lines_of_its_own_or_turn_the_others() -> None:
    name = "Mug\nTotal €0.00\r\n\u202e\u2066 gift\u2028x"
    bought = item(name=name, quantity=1, price_minor=2000)

    receipt = receipt_of(order(items=[bought]), [], brand="Shop\nof mine")

    assert receipt.brand == "Shop of mine"
    assert receipt.lines[0].name == "Mug Total €0.00 gift x"


@given(st.text(min_size=1, max_size=300), st.integers(1, 10**6), st.integers(0, 10**12))
def test_a_receipt_in_text_keeps_to_its_width(name: str, quantity: int, price: int) -> None:
    bought = item(name=name, quantity=quantity, price_minor=price)
    found = order(items=[bought], total_minor=quantity * price)

    text = as_text(receipt_of(found, [], brand="Shop"), english())

    assert all(len(row) <= WIDTH for row in text.split("\n"))


# The file.


def listed(name: str, email: str | None = None) -> ListedOrder:
    bought = item(name=name, refunded=1, refunded_minor=1000)
    found = order(items=[bought], refunded_minor=1000, partly_refunded=True, paid_at=None)
    return ListedOrder(order=found, customer_email=email)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
SIGNS = ["=", "+", "-", "@", "\t", "'=", "''@", "\N{FULLWIDTH EQUALS SIGN}"]
FORMULAS = st.builds(str.__add__, st.sampled_from(SIGNS), CELLS)


@given(CELLS | FORMULAS, CELLS | FORMULAS)
def test_no_cell_is_a_formula_and_every_cell_reads_back(name: str, email: str) -> None:
    text = header() + rows_of([listed(name, email)])

    (row,) = csv.DictReader(io.StringIO(text, newline=""))

    assert tuple(row) == COLUMNS
    for cell, value in ((row["name"], name), (row["customer_email"], email)):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert unguarded(cell) == value
    assert (row["paid_at"], row["line_total_minor"]) == ("", "2000")
