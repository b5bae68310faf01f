"""The parameters of a query string: read once, bounded, and never taken for another value."""

from contextlib import suppress
from urllib.parse import quote

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.kit.doors.query import (
    FIELDS_MAX,
    VALUE_LENGTH_MAX,
    Choice,
    Flag,
    QueryString,
    Text,
    When,
    Whole,
)
from inventory.kit.doors.texts import read_note
from inventory.kit.problem import BadRequest

LIMIT = Whole(name="limit", text="", default=50, low=1, high=200)
NAME = Text(name="name", text="")
WORDS = Text(name="words", text="", has_lines=True, length_max=20)
NOTE = Text(name="note", text="", read=read_note, has_lines=True)
ORDER = Choice(name="order", text="", words=("newest", "oldest"))
DRY = Flag(name="dry", text="")
AT = When(name="at", text="")


@pytest.mark.parametrize(
    "value",
    ["１２", "%EF%BC%91%EF%BC%92", "٣", "-1", "0", "201", "9" * 40, "1e2", "0x1f", "", "+5", "5 "],  # noqa: RUF001
)
def test_a_number_is_written_in_plain_digits_within_its_bounds(value: str) -> None:
    with pytest.raises(BadRequest, match="limit must be a whole number from 1 to 200"):
        LIMIT.of(QueryString(f"limit={value}"))


@pytest.mark.parametrize(
    "value",
    [
        "a%00",
        "%1b[31m",
        "%7f",
        "%C2%85",
        "%ff%fe",
        "%ed%a0%80",
        "\udc80",
        "%EF%BF%BF",
        "a%0d%0aSet-Cookie:x=1",
        "x" * (VALUE_LENGTH_MAX + 1),
    ],
)
def test_a_value_that_is_no_line_of_text_is_refused_by_its_name(value: str) -> None:
    with pytest.raises(BadRequest, match="The parameter `name`"):
        NAME.of(QueryString(f"name={value}"))


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_text_is_refused_if_its_description_says_so_and_only_then(text: str) -> None:
    for parameter in (NAME, WORDS):
        with suppress(BadRequest):
            parameter.of(QueryString(f"{parameter.name}={quote(text)}"))
            assert fits(text, parameter)
            continue
        assert not fits(text, parameter)


def fits(text: str, parameter: Text) -> bool:
    return jsonschema_rs.is_valid(parameter.schema(), text)


def test_a_note_has_lines() -> None:
    assert NOTE.of(QueryString("note=one%0Atwo")) == "one\ntwo"


def test_a_repeated_parameter_is_refused_even_if_both_are_the_same() -> None:
    for parameter in (LIMIT, NAME, NOTE, ORDER, DRY, AT):
        asked = QueryString(f"{parameter.name}=1&{parameter.name}=1")

        with pytest.raises(BadRequest, match="more than once"):
            parameter.of(asked)


def test_an_unknown_word_stands_for_no_other() -> None:
    for parameter in (ORDER, DRY, AT):
        with pytest.raises(BadRequest, match=f"^{parameter.name} must be "):
            parameter.of(QueryString(f"{parameter.name}=Newest"))


def test_what_nobody_reads_is_not_looked_at() -> None:
    asked = QueryString("utm_campaign=fr%FChling&utm_campaign=%00&limit=7&name=caf%C3%A9+au+lait")

    assert (LIMIT.of(asked), NAME.of(asked), "utm_campaign" in asked) == (7, "café au lait", True)
    assert (DRY.of(asked), AT.of(asked), ORDER.of(asked)) == (None, None, None)


def test_a_query_has_a_bounded_number_of_parameters() -> None:
    assert len(QueryString("&".join(f"p{n}=1" for n in range(FIELDS_MAX)))) == FIELDS_MAX
    with pytest.raises(BadRequest, match="at most"):
        QueryString("&".join(f"p{n}=1" for n in range(FIELDS_MAX + 1)))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=100))
def test_a_text_arrives_as_it_was_sent(text: str) -> None:
    assert NAME.of(QueryString(f"name={quote(text)}")) == text


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_another_failure_than_a_refusal(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    for parameter in (LIMIT, NAME, NOTE, ORDER, DRY, AT):
        with suppress(BadRequest):
            parameter.of(QueryString(f"{parameter.name}={text}"))
