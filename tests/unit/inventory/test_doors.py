"""One grammar and one set of bounds for each kind of value that comes in, at every door."""

import io
import pkgutil
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from itertools import product
from secrets import token_hex
from types import ModuleType
from uuid import uuid4

import msgspec
import pytest
from click import BadParameter
from hypothesis import given
from hypothesis import strategies as st
from msgspec.inspect import CustomType, StrType, StructType, type_info

import checkout
import inventory
import waitroom.admin
import waitroom.web
from inventory.catalogue import NewProduct, NewSku
from inventory.catalogue_csv import read_catalogue
from inventory.kit.doors.accept import prefers, prefers_html, takes_gzip
from inventory.kit.doors.cookies import SAME_NAME_MAX, values_of
from inventory.kit.doors.decoding import convert, decoder, field_of
from inventory.kit.doors.etags import has_seen
from inventory.kit.doors.keys import is_unique
from inventory.kit.doors.moments import FILTER_PATTERN, UnreadableMoment, parse_moment
from inventory.kit.doors.origins import origin_of, parse_origin
from inventory.kit.doors.texts import UnfitText, read_name, read_text
from waitroom.admin.bodies import PUBLIC_VALUE, ROOM_CHANGE, NewRoom, RoomChange
from waitroom.cli.options import MOMENT, NOTE, PUBLISHED, WHOLE
from waitroom.run.settings import SettingsError, load_settings

# Fields whose texts people read.
WORDS = {
    "name",
    "variant",
    "description",
    "message",
    "reason",
    "note",
    "public_value_source",
    "value",
}
# An account's name is a code that its store checks.
OWN_GRAMMAR = {"KeyWish.name", "NewOperator.name"}
MOMENTS = {
    "2026-11-22T10:00:00Z": datetime(2026, 11, 22, 10, tzinfo=UTC),
    "2026-11-22T10:00Z": datetime(2026, 11, 22, 10, tzinfo=UTC),
    "2026-11-22 12:00:00+02:00": datetime(2026, 11, 22, 10, tzinfo=UTC),
    "2026-11-22t10:00:00z": datetime(2026, 11, 22, 10, tzinfo=UTC),
    "2026-11-22T10:00:00.123456789-00:30": datetime(2026, 11, 22, 10, 30, 0, 123456, tzinfo=UTC),
    f"2026-11-22T10:00:00.{'1234567890' * 3}Z": datetime(
        2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC
    ),
    "2000-01-01T00:00:00Z": datetime(2000, 1, 1, tzinfo=UTC),
    "2199-12-31T23:59:59Z": datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC),
    "2200-01-01T01:00:00+02:00": datetime(2199, 12, 31, 23, tzinfo=UTC),
}
NO_MOMENTS = [
    "", "soon", "infinity", "-infinity", "epoch", "now", "1700000000", "NaN", "1e400",
    "2026-11-22", "2026-11-22T10:00:00", "2026-11-22T10:00", "10:00Z", "20261122T100000Z",
    "2026-W48-1T10:00:00Z", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+01:00",
    "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "+020265-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2000-01-01T00:30:00+01:00",
    "2026-12-31T23:59:60Z", "2026-11-22T24:00:00Z", "2026-02-30T10:00:00Z",
    "2026-11-22T10:00:00+01:00:30", "2026-11-22T10:00:00+25:00", "2026-11-22T10:00:00+0100",
    f"2026-11-22T10:00:00.{'1' * 31}Z", "2026-11-22T10:00:00 Europe/Berlin",
    "2026-11-22T10:00:00Z\0", "\uff12\uff1026-11-22T10:00:00Z",
]  # fmt: skip


def at_each_door(text: str) -> set[object]:
    """Return what the doors make of a text as a moment: the moments, or None where one refuses."""
    found: set[object] = set()
    body = msgspec.json.encode({"opens_at": text})
    try:
        found.add(ROOM_CHANGE.decode(body).opens_at)
    except msgspec.ValidationError:
        found.add(None)
    try:
        found.add(MOMENT.convert(text, None, None))
    except BadParameter:
        found.add(None)
    header, row = "sku,price_minor,on_sale_from\n", f'mug,1,"{text}"\n'
    if text and "\0" not in text:
        _, rows = read_catalogue(io.BytesIO((header + row).encode()))
        (read,) = list(rows)
        found.add(None if read.problems else read.values[14])
    return found


@pytest.mark.parametrize("text", MOMENTS)
def test_every_door_reads_a_moment_alike(text: str) -> None:
    assert at_each_door(text) == {MOMENTS[text]}


@pytest.mark.parametrize("text", NO_MOMENTS)
def test_every_door_refuses_what_is_no_moment(text: str) -> None:
    assert at_each_door(text) == {None}


@given(st.integers(86400, 199 * 365 * 86400), st.integers(-1439, 1439))
def test_a_moment_is_read_back_from_any_offset(seconds: int, minutes: int) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    written = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()

    assert parse_moment(written) == moment


def test_the_form_of_filters_has_the_days_that_there_are_and_no_others() -> None:
    form = re.compile(FILTER_PATTERN)
    wrong = [
        day
        for year, month, number in product(range(2000, 2200), range(14), range(33))
        if (form.match(f"{(day := f'{year}-{month:02}-{number:02}')}T10:00") is not None)
        != _is_moment(f"{day}T10:00Z")
    ]

    assert wrong == []


def _is_moment(text: str) -> bool:
    with suppress(UnreadableMoment):
        return bool(parse_moment(text))
    return False


@given(st.text(max_size=40))
def test_any_text_is_a_moment_within_the_bounds_or_refused(text: str) -> None:
    try:
        moment = parse_moment(text)
    except UnreadableMoment:
        return
    assert 2000 <= moment.year <= 2199


@pytest.mark.parametrize("value", [b"5", b"1e400", b"true", b"[]", b"{}", b"1700000000"])
def test_a_moment_is_a_text_and_nothing_else(value: bytes) -> None:
    with pytest.raises(msgspec.ValidationError, match="opens_at"):
        ROOM_CHANGE.decode(b'{"opens_at":' + value + b"}")


NO_NAMES = [
    "", " ", "\u200b", "\u3164\u2800", "\u00ad\ufeff", "a\nb", "a\0",
    "a\x1b[31m", "a\u202eb", "a\x85", "a\u2028b", "x" * 201,
    # Marks and selectors with nothing to stand on, fillers, blank symbols, hidden notes.
    "\u0301", "\ufe0f", "\u034f", "\u17b4", "\u180b", "\u180f", "\U0001d159",
    "\U000e0100", "\U00016fe4",
    "\u115f", "\uffa0", "\U00013441", "\U0001d173", "\U000e0041", "\ufffc",
    "\ufff9", "a\ufff9b\ufffac\ufffb",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_every_door_refuses_a_name_that_shows_nothing_or_too_much(name: str) -> None:
    with pytest.raises(UnfitText):
        read_name(name)
    for kind, values in (
        (NewRoom, {"room": "drop", "name": name}),
        (NewProduct, {"product": "mug", "name": name}),
        (RoomChange, {"name": name}),
    ):
        with pytest.raises(msgspec.ValidationError, match="name"):
            decoder(kind).decode(msgspec.json.encode(values))
        with pytest.raises(msgspec.ValidationError, match="name"):
            convert(values, kind)


@pytest.mark.parametrize(
    "name", ["Mug", "杯", "👩\u200d🚀", "\u0645\u06cc\u200c\u062e", "A&B", " M "]
)
def test_a_name_that_can_be_read_is_taken_as_it_is(name: str) -> None:
    assert read_name(name) == name


def test_names_are_normalized_and_texts_may_have_lines() -> None:
    assert convert({"sku": "a", "price_minor": 1, "name": "Cafe\u0301"}, NewSku).name == "Café"
    assert read_text("one\r\ntwo\tthree", length_max=20) == "one\r\ntwo\tthree"
    with pytest.raises(UnfitText):
        read_text("\x07", length_max=20)


BAD_NOTES = ["\x1b[2J", "a\0", "\u200b", "\ufe0f", "x" * 501, "\ud800"]


@pytest.mark.parametrize("note", BAD_NOTES)
def test_a_note_is_blank_or_has_something_to_see(note: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="reason"):
        convert({"reason": note}, RoomChange)
    with pytest.raises(BadParameter):
        NOTE.convert(note, None, None)
    assert convert({"reason": ""}, RoomChange).reason == NOTE.convert("", None, None) == ""
    assert NOTE.convert("one\ntwo", None, None) == "one\ntwo"


@pytest.mark.parametrize("value", ["Cafe\u0301 42 \u212b", "0x5f", "\ufb01", "12 34"])
def test_both_doors_keep_a_public_value_exactly(value: str) -> None:
    assert PUBLIC_VALUE.decode(msgspec.json.encode({"value": value})).value == value
    assert PUBLISHED.convert(f" {value}\n", None, None) == value


@pytest.mark.parametrize(
    "value", ["", " ", "4\n2", "\x1b[2J", "4\u202e2", "\u200b", "x" * 501, "\ud800"]
)
def test_both_doors_refuse_a_public_value_that_cannot_be_compared(value: str) -> None:
    with pytest.raises((msgspec.ValidationError, BadParameter)):
        PUBLISHED.convert(value, None, None)
    with pytest.raises(msgspec.DecodeError):
        PUBLIC_VALUE.decode(msgspec.json.encode({"value": value.replace("\ud800", "\0")}))


def _modules() -> list[ModuleType]:
    """Return every module that may read a body."""
    return [
        import_module(found.name)
        for package in (inventory, checkout, waitroom.admin, waitroom.web)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]


def _fields(kind: object) -> Iterator[tuple[type, str, object]]:
    """Yield the fields of a type and of the types in it."""
    if isinstance(kind, StructType):
        for field in kind.fields:
            yield kind.cls, field.name, field.type
            yield from _fields(field.type)
    for inner in (*getattr(kind, "types", ()), getattr(kind, "item_type", None)):
        if inner is not None:
            yield from _fields(inner)


def test_every_body_reads_its_texts_by_their_types() -> None:
    plain, unread = set(), set()

    for module in _modules():
        for name, reader in vars(module).items():
            if not isinstance(reader, msgspec.json.Decoder):
                continue
            for cls, field, kind in _fields(type_info(reader.type)):
                kinds = getattr(kind, "types", (kind,))
                from_outside = cls.__struct_config__.forbid_unknown_fields
                words = field in WORDS and f"{cls.__name__}.{field}" not in OWN_GRAMMAR
                if from_outside and words and any(isinstance(one, StrType) for one in kinds):
                    plain.add(f"{cls.__name__}.{field}")
                if any(isinstance(one, CustomType) for one in kinds) and reader.dec_hook is None:
                    # Without the hook msgspec takes any text for such a field.
                    unread.add(f"{module.__name__}.{name}")

    assert (plain, unread) == (set(), set())


@pytest.mark.parametrize(
    "text", ["1_0", "\uff11\uff12", "+3", "1e2", "5.0", " 5", "", "0x1", "\u0663"]
)
def test_a_whole_number_is_written_in_digits_alone(text: str) -> None:
    with pytest.raises(BadParameter):
        WHOLE.convert(text, None, None)
    with pytest.raises(msgspec.ValidationError, match="seats_max"):
        convert({"seats_max": text}, RoomChange)
    with pytest.raises(SettingsError, match="workers"):
        load_settings(environment={"WAITROOM_WORKERS": text})


@pytest.mark.parametrize("figure", [0.123456789, 1e-12, 0.1234567, "0.00000012"])
def test_a_share_has_no_more_digits_than_are_kept(figure: float | str) -> None:
    with pytest.raises(msgspec.ValidationError, match="digits"):
        convert({"disappointed_max": figure}, RoomChange)
    assert convert({"disappointed_max": "0.123456"}, RoomChange).disappointed_max == 0.123456


@pytest.mark.parametrize("brand", ["", "A\nB", "\u200b", "x" * 201])
def test_a_brand_is_a_name(brand: str) -> None:
    with pytest.raises(SettingsError, match="brand"):
        load_settings(environment={"WAITROOM_BRAND": brand})


@pytest.mark.parametrize("code", ["mug\n", "mug ", "", "müg", "-mug", "a" * 64])
def test_a_code_is_one_word_of_ascii(code: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="sku"):
        convert({"sku": code, "price_minor": 1}, NewSku)


@pytest.mark.parametrize(
    "picture",
    [
        "/static/../../x", "/static/a/../b", "/static/./x", "/static//x", "/static/.x", "/static/",
        "/static", "//evil.example/x", "/static/%2e%2e/x", "/static/a\\..\\x", "/pictures/../x",
        "https://evil.example/x", "javascript:x", "/static/x\n",
    ],
)  # fmt: skip
def test_a_picture_stays_in_the_folder_that_it_names(picture: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="picture"):
        convert({"product": "mug", "name": "Mug", "picture": picture}, NewProduct)
    with pytest.raises(msgspec.ValidationError, match="picture"):
        convert({"sku": "mug", "price_minor": 1, "picture": picture}, NewSku)
    _, rows = read_catalogue(io.BytesIO(f'sku,price_minor,picture\nmug,1,"{picture}"\n'.encode()))
    (read,) = list(rows)
    # White space around a cell is none of its text.
    assert picture.endswith("\n") or read.problems[0].startswith("picture ")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "true", "9" * 400, "0x1"])
def test_a_figure_is_a_number_within_its_bounds(value: str) -> None:
    for rule in ("disappointed_max", "seats_max", "session_s"):
        with pytest.raises(msgspec.ValidationError, match=rule):
            convert({rule: value}, RoomChange)
    for setting in ("WAITROOM_PAYMENT_WAIT_S", "WAITROOM_WORKERS", "WAITROOM_PORT"):
        with pytest.raises(SettingsError):
            load_settings(environment={setting: value})


@pytest.mark.parametrize(
    ("host", "origin", "same"),
    [
        ("shop.example", "https://shop.example", True),
        ("shop.example:443", "https://shop.example", True),
        ("shop.example", "https://shop.example:443", True),
        ("Shop.Example", "https://shop.example", True),
        ("shop.example", "HTTP://SHOP.EXAMPLE:80", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080", True),
        ("xn--bcher-kva.example", "https://b\u00fccher.example", True),
        ("b\u00fccher.example", "https://XN--BCHER-KVA.example", True),
        ("stra\u00dfe.example", "https://xn--strae-oqa.example", True),
        ("strasse.example", "https://stra\u00dfe.example", False),
        ("shop.example:8080", "http://shop.example", False),
        ("shop.example", "http://shop.example:443", False),
        ("shop.example", "https://shop.example.evil.example", False),
        ("shop.example", "https://evil.example", False),
        ("", "https://shop.example", False),
        ("shop.example, evil.example", "https://shop.example", False),
    ],
)
def test_an_origin_is_ours_whatever_its_case_and_usual_port(
    host: str, origin: str, *, same: bool
) -> None:
    assert parse_origin(origin).is_at(host) == same


NO_ORIGINS = [
    "", "null", "shop.example", "//shop.example", "http://", "http://[", "http://[::1",
    "https://a b", "https://u@a", "https://a/b", "http://a:x", "ftp://a", "https://a:99999",
    "https://a:0", "https://a?x", "https://'\"<script>", "https://*", "https://*.a", "https://a..b",
    "https://1.2.3", "https://1.2.3.999", "https://[::1%25eth0]", "https://[1.2.3.4]", "https://\u2028",
    "https:// a", "https://a,b", f"https://{'a' * 64}", f"https://{'a.' * 200}a", "https://xn--\u00fc",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_ORIGINS)
def test_what_is_no_origin_is_refused_in_requests_and_settings(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_origin(text)
    # The service may stand below a path of another site.
    if text and text != "https://a/b":
        with pytest.raises(SettingsError, match="public_url"):
            load_settings(environment={"WAITROOM_PUBLIC_URL": text})


@given(st.text(max_size=60))
def test_any_address_has_an_origin_or_none(text: str) -> None:
    found = origin_of(text)

    assert found is None or found.address.isascii()
    assert found is None or parse_origin(found.address) == found


@pytest.mark.parametrize(
    ("header", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("TEXT/HTML; q=0.5", True),
        ("text/*", True),
        ("text/html;charset=utf-8", True),
        ("text/html, */*", True),
        ("text/html, application/json", True),
        ("application/json, text/html", False),
        ("application/problem+json, text/html;q=0.9", False),
        ("application/json;q=0.5, text/html;q=0.4, */*", False),
        ("application/json;q=0.5, text/html", True),
        ("text/html;q=0", False),
        ("text/html;q=0, */*", False),
        ("text/*;q=0.1, application/json;q=0.2", False),
        ("text/html;q=0.9, text/*;q=0.1, application/json;q=0.5", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("text/htmlx", False),
        ("text/html;level=1", False),
        ("text/html;q=nan", False),
        ("text/html;q=5", False),
        (",;=,;q=,", False),
    ],
)
def test_the_kind_of_answer_is_the_one_that_the_client_prefers(header: str, *, html: bool) -> None:
    assert prefers_html(header) == html


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        ("gzip, deflate, br, zstd", True),
        ("GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("gzip;q=0", False),
        ("gzip ; Q=0.000, br", False),
        ("*, gzip;q=0", False),
        ("*;q=0", False),
        ("br, gzippy", False),
    ],
)
def test_an_answer_is_packed_for_clients_that_take_it(header: str, *, packed: bool) -> None:
    assert takes_gzip(header) == packed


@pytest.mark.parametrize(
    ("header", "csv"),
    [
        ("text/csv", True),
        ("TEXT/CSV", True),
        ("text/csv, */*", True),
        ("text/csv, application/json;q=0.9", True),
        ("application/json, text/csv;q=0", False),
        ("application/json, text/csv;q=0.5", False),
        ("text/csvx", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_file_is_for_clients_that_prefer_it(header: str, *, csv: bool) -> None:
    assert prefers(header, "text/csv") == csv


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        (['"7"'], True),
        (['W/"7"'], True),
        ([' "7" '], True),
        (['"6", W/"7"'], True),
        (['"a,b","7"'], True),
        (['"6"', '"7"'], True),
        (["*"], True),
        ([" * "], True),
        ([], False),
        ([""], False),
        (['"6"'], False),
        (['"*"'], False),
        (["7"], False),
        (['"77", "7'], False),
        (['w/"7"'], False),
        (['"6" "7"'], False),
    ],
)
def test_a_version_is_seen_that_any_tag_of_the_client_names(
    lines: list[str], *, seen: bool
) -> None:
    assert has_seen(lines, '"7"') == seen


def test_all_cookies_of_one_name_are_found_in_their_order() -> None:
    lines = ['a=1; b="x"; a=2;a = 3 ; c', "a=", "aa=4; a=5==; ;=;"]

    assert values_of(lines, "a") == ["1", "2", "3", "", "5=="]
    assert values_of(lines, "b") == ["x"]
    assert values_of(lines, "c") == []
    assert len(values_of(["a=1;" * 1000], "a")) == SAME_NAME_MAX


UNIQUE = [
    "6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f60",
    "6F0C9F1E4C574D0E9A0B1D2C3B4A5F60",
    "01JDV7Q1Z3M8K5T2W9X4Y6B0CN",
    "01jdv7q1z3m8k5t2w9x4y6b0cn",
    "join-6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f60",
    "018f3a2b-7c1d-7e42-9b6a-5d0c4e8f1a37:drop",
    "order_b1946ac92492d2347c6235b4d2611184",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
]
COMMON = [
    "order-42",
    "order-000000000000000000042",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-4000-8000-000000000042",
    "12345678-1234-1234-1234-123456789012",
    "12345678-1234-4234-8234-123456789012",
    "0123456789abcdef0123456789abcdef",
    "deadbeefdeadbeefdeadbeefdeadbeef",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "2026-11-29T10:00:00.000Z",
    "20261129T100000Z-0000000001",
    "20261129T100000Z0000000001",
    "20261129100000123456789012345678",
    "123456789012345678901234567890",
    "anna.lindqvist42@example.com",
    "my-new-phone-for-the-autumn-drop",
    "Order 42 of Anna Lindqvist",
    "checkout:customer:1234:order:42",
    "joinWaitingRoom-drop-attempt-1",
    "Order #42 (2nd try) for shop",
    "order-42a-shop-berlin-2026",
    "McDonald-order-42-counter-3",
    "checkout-00000000-0000-0000-0000-000000000000",
    "thisismyidempotencykey42",
    "iPhone15Pro-order-42-retry",
    "2026-11-29T10:00:00+01:00#1st",
    "customer_id=42&order_id=17b&x",
    "MyFirstOrder2026InTheShopOfAnna42",
    "01OrderOfThePhoneForAnna42",
    # Random, but in no form of an id.
    "jx9WkP2-aT_0uLr7QzV5nA",
    "q7c1m9z4k2w8x5t0p3r6n",
    # One digit too few, and two ids that only touch.
    "6f0c9f1e4c574d0e9a0b1d2c3b4a5f6",
    "6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f6",
    "x6f0c9f1e4c574d0e9a0b1d2c3b4a5f60y",
    "\u00e9" * 40,
]


def test_a_key_stands_alone_if_no_stranger_would_send_it() -> None:
    generated = [str(uuid4()) for _ in range(1000)] + [token_hex(16) for _ in range(1000)]

    assert [key for key in [*UNIQUE, *generated] if not is_unique(key)] == []
    assert [key for key in COMMON if is_unique(key)] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sku": "mug", "price_minor": -1}, "price_minor"),
        ({"sku": "mug"}, "price_minor"),
        ({"sku": "mug", "price_minor": 1, "on_sale_from": "soon"}, "on_sale_from"),
        ({"sku": "mug", "price_minor": 1, "colour": "blue"}, ""),
    ],
)
def test_a_refused_value_is_told_with_the_field_that_it_stands_in(
    body: dict[str, object], field: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        decoder(NewSku).decode(msgspec.json.encode(body))

    assert field_of(refused.value) == field
