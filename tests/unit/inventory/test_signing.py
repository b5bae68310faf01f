"""A seal opens what it has signed, for its purpose, and nothing else."""

import hmac
from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.session import Session, SessionSeal
from inventory.kit.signing import KeyedHash, Seal, url_safe
from inventory.refusals import SessionOver

KEY, NEXT = b"k" * 32, b"n" * 32


@given(text=st.text(st.characters(codec="ascii"), max_size=100))
def test_what_was_signed_is_opened(text: str) -> None:
    seal = Seal([KEY], "a.1")

    assert seal.open(seal.sign(text)) == text


@given(text=st.text(st.characters(codec="ascii"), max_size=100))
def test_a_string_sealed_for_one_purpose_is_worthless_for_another(text: str) -> None:
    sealed = Seal([KEY], "a.1").sign(text)

    assert Seal([KEY], "a.2").open(sealed) is None
    assert Seal([KEY], "b.1").open(sealed) is None


@given(sealed=st.text(max_size=100))
def test_whatever_is_sent_is_refused_and_never_an_error(sealed: str) -> None:
    assert Seal([KEY], "a.1").open(sealed) is None


@pytest.mark.parametrize("sealed", ["", "~", "~~", "a~", "~a", "\ud800", "a~\ud800", "a\x00~b"])
def test_an_odd_string_is_refused(sealed: str) -> None:
    assert Seal([KEY], "a.1").open(sealed) is None


def test_the_newest_key_signs_and_all_keys_open() -> None:
    rotated = Seal([KEY, NEXT], "a.1")

    assert Seal([NEXT], "a.1").open(rotated.sign("x")) == "x"
    assert Seal([KEY], "a.1").open(rotated.sign("x")) is None
    assert rotated.open(Seal([KEY], "a.1").sign("x")) == "x"


@given(key=st.binary(max_size=100), text=st.binary(max_size=200))
def test_the_quick_ways_give_what_the_library_gives(key: bytes, text: bytes) -> None:
    assert KeyedHash(key).digest(text) == hmac.digest(key, text, "sha256")
    assert url_safe(text) == urlsafe_b64encode(text).rstrip(b"=").decode()


def test_a_seal_needs_a_key() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Seal([], "a.1")


@given(
    session_id=st.integers(1, 2**63 - 1),
    room=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
)
def test_a_signed_session_comes_back_as_it_was(session_id: int, room: str) -> None:
    seal = SessionSeal([KEY])
    session = Session(session_id=session_id, room=room)

    assert seal.open(seal.sign(session)) == session


def test_a_network_keeps_its_mark_when_the_oldest_key_is_retired() -> None:
    salt, newer = uuid4(), b"n" * 32
    before = SessionSeal([KEY, newer], first=KEY).mark("192.0.2.7", salt=salt)

    assert SessionSeal([newer], first=KEY).mark("192.0.2.7", salt=salt) == before
    assert SessionSeal([KEY]).mark("192.0.2.7", salt=salt) == before
    assert SessionSeal([newer], first=KEY).mark("192.0.2.8", salt=salt) != before


@pytest.mark.parametrize("token", ["", "1.drop", "1.drop~", "~", "é"])
def test_what_we_did_not_sign_is_no_session(token: str) -> None:
    with pytest.raises(SessionOver):
        SessionSeal([KEY]).open(token)


@pytest.mark.parametrize("text", ["0.drop", "01.drop", "1.Drop", "1.", "1.-drop", "1.drop\n", "x"])
def test_a_session_has_one_spelling(text: str) -> None:
    sealed = Seal([KEY], "waitroom.session.1").sign(text)

    with pytest.raises(SessionOver):
        SessionSeal([KEY]).open(sealed)
