"""Passkeys: what counts as one that signed well."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from soft_passkey import PRESENT, SoftPasskey, encoded

from waitroom.admin.accounts.factors.passkeys import Credential, KnownPasskey, Passkeys
from waitroom.admin.accounts.refusals import WrongPasskey

CHALLENGE = b"c" * 32
ORIGIN = "https://queue.example"
BOOK = Passkeys(ORIGIN, brand="Waitroom")


def read(credential: dict[str, Any]) -> Credential:
    return msgspec.convert(credential, Credential)


def make(passkey: SoftPasskey) -> KnownPasskey:
    """Add a passkey for the operator 7."""
    options = BOOK.adding_body(CHALLENGE, operator_id=7, name="ann", known=[])
    new = BOOK.added(read(passkey.made(options)))
    return KnownPasskey(
        passkey_id=1, operator_id=7, operator="ann", public_key=new.public_key, sign_count=0
    )


def options() -> dict[str, Any]:
    return BOOK.proving_body(CHALLENGE, known=[])


def test_browsers_are_asked_for_a_passkey_that_verifies_its_user_and_says_whose_it_is() -> None:
    asked = BOOK.adding_body(CHALLENGE, operator_id=7, name="ann", known=[b"one"])

    assert asked["rp"] == {"name": "Waitroom", "id": "queue.example"}
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert [one["id"] for one in asked["excludeCredentials"]] == [encoded(b"one")]
    assert options()["userVerification"] == "required"


def test_a_passkey_that_signs_well_counts_up() -> None:
    passkey = SoftPasskey(ORIGIN, "queue.example")
    known = make(passkey)

    assert BOOK.count_of(read(passkey.signed(options())), known) == 1
    passkey.count = 40
    assert BOOK.count_of(read(passkey.signed(options())), replace(known, sign_count=1)) == 41


@pytest.mark.parametrize(
    "wrong",
    [
        "origin",
        "rp_id",
        "unverified",
        "count",
        "handle",
        "key",
        "text",
        "cbor",
        "challenge",
        "deep",
    ],
)
def test_a_passkey_that_signs_badly_is_refused(wrong: str) -> None:
    passkey = SoftPasskey(ORIGIN, "queue.example")
    known = make(passkey)
    if wrong == "origin":
        passkey.origin = "https://queue.example.evil"
    if wrong == "rp_id":
        passkey.rp_id = "evil"
    if wrong == "handle":
        passkey.handle = (8).to_bytes(8)
    if wrong == "count":
        known = replace(known, sign_count=5)
    if wrong == "key":
        known = replace(known, public_key=make(SoftPasskey(ORIGIN, "queue.example")).public_key)
    sent = passkey.signed(options(), flags=PRESENT if wrong == "unverified" else PRESENT | 4)
    if wrong == "text":
        sent["response"]["clientDataJSON"] = "~"
    if wrong == "cbor":
        sent["response"]["authenticatorData"] = encoded(b"\xff" * 40)
    if wrong == "challenge":
        sent["response"]["clientDataJSON"] = encoded(b'{"type": "webauthn.get"}')
    if wrong == "deep":
        sent["response"]["clientDataJSON"] = encoded(b"[" * 40_000)

    with pytest.raises(WrongPasskey):
        BOOK.count_of(read(sent), known)


def test_a_passkey_with_a_longer_id_than_the_standard_allows_is_refused() -> None:
    passkey = SoftPasskey(ORIGIN, "queue.example")
    passkey.id = bytes(1023)
    make(passkey)
    passkey.id = bytes(1024)

    with pytest.raises(WrongPasskey):
        make(passkey)


def test_what_is_no_new_passkey_is_not_added() -> None:
    passkey = SoftPasskey(ORIGIN, "queue.example")
    asked = BOOK.adding_body(CHALLENGE, operator_id=7, name="ann", known=[])
    good = passkey.made(asked)
    signed = passkey.signed(options())
    broken = {**good, "response": {**good["response"], "attestationObject": encoded(b"\x9f")}}
    other = {**good, "id": encoded(b"other")}

    for sent in (signed, broken, other, SoftPasskey("https://evil", "queue.example").made(asked)):
        with pytest.raises(WrongPasskey):
            BOOK.added(read(sent))
