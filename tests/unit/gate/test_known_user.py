"""KnownUser V3: tokens, entries and cancellations, without a service."""

import hashlib
import hmac
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.gate.known_user.protocol import (
    CANCELLED_MAX,
    TARGET_LENGTH_MAX,
    Token,
    keyed_hash,
    mint,
    minutes_of,
    parse_cancellation,
    parse_cancellations,
    parse_entry,
    queue_id_of,
    read,
    with_token,
)

SECRET = "f3a1" * 16
QUEUE_ID = "c1f6d9a2-7b1e-4a55-9c3f-0d8e2b6a4f10"

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
tokens = st.builds(
    Token,
    event=names,
    queue_id=st.uuids().map(str),
    expires_at=st.integers(0, 10**11),
    extends=st.booleans(),
    cookie_min=st.none() | st.integers(1, 10_000),
    redirect_type=st.sampled_from(["queue", "safetynet", "idle"]),
    address_hash=st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex),
)


def test_a_token_is_spelt_as_the_protocol_says() -> None:
    token = Token(
        event="drop", queue_id=QUEUE_ID, expires_at=1796000000, cookie_min=10, address_hash="ab12"
    )

    text = mint(token, SECRET)

    signed = f"e_drop~q_{QUEUE_ID}~ts_1796000000~ce_false~cv_10~rt_queue~hip_ab12"
    expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert text == f"{signed}~h_{expected}"
    sliding = mint(Token(event="drop", queue_id="q", expires_at=1, extends=True), SECRET)
    assert sliding.startswith("e_drop~q_q~ts_1~ce_true~rt_queue~h_")


@given(token=tokens)
def test_a_token_reads_back_and_no_other_secret_opens_it(token: Token) -> None:
    text = mint(token, SECRET)

    assert read(text, SECRET) == token
    assert read(text, SECRET[::-1]) is None


@given(token=tokens, at=st.integers(0, 10**6), sign=st.sampled_from("0aZ_~-é"))
def test_a_token_with_one_changed_sign_is_not_read(token: Token, at: int, sign: str) -> None:
    text = mint(token, SECRET)
    place = at % len(text)
    changed = f"{text[:place]}{sign}{text[place + 1 :]}"

    assert changed == text or read(changed, SECRET) is None


@pytest.mark.parametrize("text", ["", "~h_", "h_", "e_drop~h_", "e_drop", "~~~", "é~h_é"])
def test_what_is_no_token_is_not_read(text: str) -> None:
    assert read(text, SECRET) is None
    # Correctly signed, but without a moment at which it expires.
    assert read(f"{text}~h_{keyed_hash(text, SECRET)}", SECRET) is None


def test_a_queue_id_is_a_uuid_that_differs_by_session_and_by_secret() -> None:
    ids = {queue_id_of(session, secret) for session in (1, 2) for secret in (SECRET, "other")}

    assert len(ids) == 4
    assert all(str(UUID(each)) == each for each in ids)
    assert queue_id_of(1, SECRET) in ids


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(-5, 1), (0, 1), (1, 1), (60, 1), (60.5, 2), (600, 10)]
)
def test_minutes_cover_the_time_and_are_never_zero(seconds: float, minutes: int) -> None:
    assert minutes_of(seconds) == minutes


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://s.example", "https://s.example?queueittoken=T"),
        ("https://s.example/a?b=1", "https://s.example/a?b=1&queueittoken=T"),
        ("https://s.example/a?", "https://s.example/a?queueittoken=T"),
        ("https://s.example/a#b?c", "https://s.example/a?queueittoken=T#b?c"),
        ("https://s.example/?queueittoken=old", "https://s.example/?queueittoken=T"),
        ("https://s.example/?QueueItToken=o&b=%20x", "https://s.example/?b=%20x&queueittoken=T"),
        ("https://s.example/?b=1&queueittoken=o#f", "https://s.example/?b=1&queueittoken=T#f"),
        ("https://s.example/?xqueueittoken=o", "https://s.example/?xqueueittoken=o&queueittoken=T"),
    ],
)
def test_a_target_gets_one_token_and_is_otherwise_kept(target: str, expected: str) -> None:
    assert with_token(target, "T") == expected


@given(
    query=st.lists(st.tuples(st.sampled_from(["a", "queueittoken"]), st.sampled_from(["", "1"]))),
    fragment=st.sampled_from(["", "#top"]),
)
def test_a_target_that_is_given_tokens_again_and_again_has_the_last(
    query: list[tuple[str, str]], fragment: str
) -> None:
    target = f"https://s.example/?{'&'.join(f'{k}={v}' for k, v in query)}{fragment}"

    found = urlsplit(with_token(with_token(target, "one"), "two"))

    pairs = parse_qsl(found.query, keep_blank_values=True)
    assert pairs == [*((k, v) for k, v in query if k == "a"), ("queueittoken", "two")]
    assert found.fragment == fragment[1:]


def test_an_entry_is_read_as_the_connector_writes_it() -> None:
    query = {
        "c": "Acme",
        "e": "drop",
        "ver": "javascript-5.0.1",
        "cver": "3",
        "man": "Checkout",
        "cid": "de-DE",
        "l": "Summer",
        "enqueuetoken": "ey.x.y",
        "t": "https://s.example/a?b=c d",
    }

    entry = parse_entry(query)

    assert entry is not None
    assert (entry.customer, entry.event, entry.culture) == ("acme", "drop", "de-DE")
    assert (entry.target, entry.enqueue_token) == ("https://s.example/a?b=c d", "ey.x.y")


@pytest.mark.parametrize(
    "query",
    [{}, {"c": "acme"}, {"e": "drop"}, {"c": "a_b", "e": "drop"}, {"c": "acme", "e": "../x"}],
)
def test_a_query_that_names_no_customer_and_event_is_no_entry(query: dict[str, str]) -> None:
    assert parse_entry(query) is None


def test_a_target_that_is_longer_than_any_page_is_left_out() -> None:
    long = "https://s.example/" + "a" * TARGET_LENGTH_MAX

    entry = parse_entry({"c": "acme", "e": "drop", "t": long})

    assert entry is not None
    assert entry.target == ""


def test_cancellations_are_read_in_both_forms() -> None:
    one = parse_cancellation("acme", "drop", QUEUE_ID, {"c": "acme", "r": "https://s.example/"})
    bare = parse_cancellation("acme", "drop", "", {})
    many = parse_cancellations("acme", {"wrl": f"drop~{QUEUE_ID}_other_bad id~x_"})

    assert one is not None
    assert bare is not None
    assert many is not None
    assert (one.visits, one.leads_to) == ({"drop": QUEUE_ID}, "https://s.example/")
    assert bare.visits == {"drop": ""}
    assert many.visits == {"drop": QUEUE_ID, "other": ""}


def test_a_cancellation_of_nothing_is_none_and_one_of_very_many_is_cut() -> None:
    many = parse_cancellations("acme", {"wrl": "_".join(f"r{i}" for i in range(1000))})

    assert many is not None
    assert len(many.visits) == CANCELLED_MAX
    assert parse_cancellations("acme", {}) is None
    assert parse_cancellation("a_b", "drop", "", {}) is None
    assert parse_cancellation("acme", "d/r", "", {}) is None
