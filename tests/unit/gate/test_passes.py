"""A pass says what was signed, in one spelling, and nothing else reads as one."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from waitroom.gate.passes import PASS_TYPE, Pass, PassKeys, PassUnreadable, pass_ends

OLD, NEW = bytes.fromhex("11" * 32), bytes.fromhex("22" * 32)
KEYS = PassKeys([OLD, NEW])
GIVEN = Pass(
    issuer="https://queue.example",
    room="drop",
    session_id=7,
    turn=1,
    issued_at=1000,
    expires_at=1300,
)


def parts_of(text: str) -> list[dict[str, object]]:
    return [
        json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in text.split(".")[:2]
    ]


def signed_as(header: dict[str, object]) -> str:
    """Return the claims of a good pass under another header, signed by the newest key."""
    secret = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waitroom.pass-key.1").derive(NEW)
    body = KEYS.mint(GIVEN).split(".")[1]
    signed = f"{text_of(json.dumps(header).encode())}.{body}"
    signature = Ed25519PrivateKey.from_private_bytes(secret).sign(signed.encode())
    return f"{signed}.{text_of(signature)}"


def text_of(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.integers(1, (1 << 63) - 1), st.integers(1, 1 << 30), st.from_regex(r"[a-z0-9-]{1,63}"))
def test_a_pass_says_what_was_given(session_id: int, turn: int, room: str) -> None:
    given_pass = replace(GIVEN, session_id=session_id, turn=turn, room=room)

    assert KEYS.read(KEYS.mint(given_pass)) == given_pass


# The library calls the name EdDSA outdated; many connectors know no other.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_another_library_verifies_a_pass_by_the_published_keys() -> None:
    text = KEYS.mint(GIVEN)

    token = jwt.decode(
        text, KeySet.import_key_set(msgspec.to_builtins(KEYS.public)), algorithms=["EdDSA"]
    )

    assert token.header == {
        "alg": "EdDSA",
        "kid": msgspec.to_builtins(KEYS.public)["keys"][0]["kid"],
        "typ": PASS_TYPE,
    }
    assert token.claims == {
        "iss": GIVEN.issuer,
        "aud": "drop",
        "sub": KEYS.public_id(7, 1),
        "iat": 1000,
        "exp": 1300,
    }
    for key in msgspec.to_builtins(KEYS.public)["keys"]:
        assert OKPKey.import_key(key).thumbprint() == key["kid"]
        assert not {"d", "k"} & key.keys()


def test_a_rotation_overlaps_and_keeps_the_ids() -> None:
    before, after = PassKeys([OLD]), PassKeys([NEW])

    assert KEYS.read(before.mint(GIVEN)) == GIVEN
    assert KEYS.public_id(7, 1) == before.public_id(7, 1)
    assert {key["kid"] for key in msgspec.to_builtins(KEYS.public)["keys"]} == {
        msgspec.to_builtins(keys.public)["keys"][0]["kid"] for keys in (before, after)
    }
    for keys in (before, after):
        with pytest.raises(PassUnreadable):
            keys.read(PassKeys([bytes(32)]).mint(GIVEN))
    # The newest key signs; the oldest alone gave the id.
    with pytest.raises(PassUnreadable):
        after.read(KEYS.mint(GIVEN))


def test_public_ids_show_no_order_and_nothing_of_the_number() -> None:
    ids = [KEYS.public_id(number, 1) for number in range(1, 200)]

    assert len({one[:5] for one in ids}) > 190
    assert all(len(one) == 22 for one in ids)


@given(st.data())
def test_a_pass_has_one_spelling(data: st.DataObject) -> None:
    text = KEYS.mint(GIVEN)
    at = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.characters(codec="utf-8").filter(lambda one: one != text[at]))

    for changed in (text[:at] + sign + text[at + 1 :], text[:at] + text[at + 1 :], text + sign):
        with pytest.raises(PassUnreadable):
            KEYS.read(changed)


@given(st.text() | st.text("abcXYZ019-_.=", max_size=60))
def test_any_other_text_is_no_pass(text: str) -> None:
    with pytest.raises(PassUnreadable):
        KEYS.read(text)


def test_a_token_of_another_kind_or_algorithm_is_no_pass() -> None:
    header = parts_of(KEYS.mint(GIVEN))[0]

    assert KEYS.read(signed_as(header)) == GIVEN
    for changed in ({"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"kid": "other"}):
        with pytest.raises(PassUnreadable):
            KEYS.read(signed_as({**header, **changed}))
    unsigned = signed_as({**header, "alg": "none"}).rpartition(".")[0] + "."
    with pytest.raises(PassUnreadable):
        KEYS.read(unsigned)


@given(st.integers(0, 1 << 40), st.integers(30, 86_400), st.floats(-1e6, 1e6))
def test_a_pass_never_outlives_its_session(now: int, pass_s: int, seconds_left: float) -> None:
    ends = pass_ends(now=now, pass_s=pass_s, seconds_left=seconds_left)

    assert now <= ends <= now + pass_s
    assert ends <= now + max(0.0, seconds_left)
