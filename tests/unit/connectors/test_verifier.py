"""The Python connector judges passes as the table that all connectors share says."""

import json
import runpy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import ROOT
from waitroom_gate.passes import PassRefused, Revoked, keys_of, verify

from waitroom.gate.passes import Pass, PassKeys

FILE = ROOT / "connectors" / "cases.json"
TABLE = json.loads(FILE.read_text(encoding="utf-8"))
KEYS = keys_of(TABLE["jwks"])
SERVICE = PassKeys([bytes(32)])
SERVICE_KEYS = keys_of(msgspec.to_builtins(SERVICE.public))


def judged(text: str) -> str:
    try:
        verify(
            text,
            KEYS,
            issuer=TABLE["issuer"],
            room=TABLE["room"],
            now=TABLE["now"],
            revoked=TABLE["revoked"],
            issued_before=TABLE["issued_before"],
        )
    except PassRefused as refusal:
        return refusal.code
    return "good"


def test_every_case_is_judged_as_the_table_says() -> None:
    expected = {case["name"]: case["expect"] for case in TABLE["cases"]}

    assert {case["name"]: judged(case["pass"]) for case in TABLE["cases"]} == expected
    # A new case, or another format, is written by the tool.
    tool = runpy.run_path(str(ROOT / "tools" / "pass_cases.py"))
    assert FILE.read_text(encoding="utf-8") == tool["document"]()


@given(st.data(), st.integers(-5000, 5000), st.integers(0, 4000))
def test_what_the_service_mints_is_good_from_its_issue_to_its_end_and_only_there(
    data: st.DataObject, since_issue_s: int, holds_s: int
) -> None:
    number = data.draw(st.integers(1, (1 << 63) - 1))
    given_pass = Pass(
        issuer="https://queue.example",
        room="drop",
        session_id=number,
        turn=1,
        issued_at=10_000,
        expires_at=10_000 + holds_s,
    )
    revoked = data.draw(st.booleans())

    try:
        claims = verify(
            SERVICE.mint(given_pass),
            SERVICE_KEYS,
            issuer="https://queue.example",
            room="drop",
            now=10_000 + since_issue_s,
            revoked={SERVICE.public_id(number, 1)} if revoked else (),
        )
    except PassRefused:
        assert revoked or not -60 <= since_issue_s < holds_s
    else:
        assert not revoked
        assert -60 <= since_issue_s < holds_s
        assert claims.sub == SERVICE.public_id(number, 1)


@given(st.text(max_size=80) | st.text("abz019-_.=", max_size=80))
def test_no_text_of_a_stranger_is_good_or_an_error(text: str) -> None:
    assert judged(text) != "good"


@given(st.data())
def test_a_pass_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    text = TABLE["cases"][0]["pass"]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda one: one != text[at]))

    assert judged(text[:at] + other + text[at + 1 :]) != "good"


def test_revoked_ids_are_kept_as_long_as_their_passes_may_hold_and_no_longer() -> None:
    known = Revoked()

    def told(now: float, *ids: str, reset: bool = False, version: int = 1) -> None:
        document = {
            "version": version,
            "reset": reset,
            "more": False,
            "issued_before": None,
            "pass_s": 100,
            "revoked": list(ids),
        }
        known.take(document, now)

    told(0, "a", reset=True)
    for now in (50, 99, 101, 150, 199):
        told(now, f"b{now}")
        assert "a" in known
    told(202)
    assert "a" not in known
    assert "b150" in known
    told(203, "c", reset=True)
    assert ("b150" in known, "c" in known, len(known)) == (False, True, 1)


@pytest.mark.parametrize("key", [{"kty": "RSA", "kid": "x"}, {"kty": "OKP", "crv": "X25519"}])
def test_keys_of_other_kinds_are_left_out(key: dict[str, str]) -> None:
    assert keys_of({"keys": [key, *TABLE["jwks"]["keys"]]}).keys() == KEYS.keys()
