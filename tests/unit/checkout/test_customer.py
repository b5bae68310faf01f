"""What a customer's token has to say, and what it must not."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.customers.customer import (
    EMAIL_LENGTH_MAX,
    LEEWAY_S,
    LIFE_MAX_S,
    PUBLIC,
    SHARED,
    SUBJECT_LENGTH_MAX,
    TOKEN_BYTES_MAX,
    Customer,
    Fault,
    Rules,
    read_claims,
    read_header,
)
from checkout.refusals import CustomerTokenInvalid
from inventory.kit.doors.origins import is_safe_address

NOW = 1_800_000_000
RULES = Rules(issuer="https://id.example/auth/v1", audience="authenticated")
GOOD: dict[str, Any] = {
    "iss": RULES.issuer,
    "aud": RULES.audience,
    "sub": "5d1c",
    "exp": NOW + 3600,
    "iat": NOW,
    "email": "ann@example.com",
}


def payload(**changes: Any) -> bytes:
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...}).encode()


def fault_of(**changes: Any) -> Fault:
    with pytest.raises(CustomerTokenInvalid) as raised:
        read_claims(payload(**changes), RULES, now=NOW)
    return raised.value.fault


def with_header(header: Any) -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return f"{urlsafe_b64encode(text).rstrip(b'=').decode()}.e30.c2ln"


def test_a_good_token_names_the_customer() -> None:
    found = read_claims(payload(), RULES, now=NOW)

    assert found == Customer(issuer=RULES.issuer, subject="5d1c", email="ann@example.com")


@pytest.mark.parametrize("audience", ["authenticated", ["authenticated"], ["x", "authenticated"]])
def test_the_audience_may_be_one_of_several(audience: Any) -> None:
    assert read_claims(payload(aud=audience), RULES, now=NOW).subject == "5d1c"


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp"])
def test_what_a_token_must_say_cannot_be_left_out(name: str) -> None:
    assert fault_of(**{name: ...}) is Fault.CLAIMS


@pytest.mark.parametrize(
    ("claim", "value", "fault"),
    [
        ("iss", "https://id.example/auth/v1/", Fault.ISSUER),
        ("iss", "https://other.example", Fault.ISSUER),
        ("iss", "", Fault.ISSUER),
        ("aud", "anon", Fault.AUDIENCE),
        ("aud", [], Fault.AUDIENCE),
        ("aud", "authenticated2", Fault.AUDIENCE),
        ("sub", "", Fault.SUBJECT),
        ("sub", "  ", Fault.SUBJECT),
        ("sub", "a\0b", Fault.SUBJECT),
        ("sub", "s" * (SUBJECT_LENGTH_MAX + 1), Fault.SUBJECT),
        ("sub", 7, Fault.CLAIMS),
        ("aud", [7], Fault.CLAIMS),
        ("aud", {"authenticated": True}, Fault.CLAIMS),
        ("exp", "soon", Fault.CLAIMS),
        ("exp", True, Fault.CLAIMS),
        ("exp", None, Fault.CLAIMS),
        ("exp", float("nan"), Fault.CLAIMS),
        ("exp", float("inf"), Fault.CLAIMS),
        ("exp", 10**30, Fault.LIFE),
        ("exp", -(10**30), Fault.EXPIRED),
        ("is_anonymous", True, Fault.ANONYMOUS),
        ("is_anonymous", "true", Fault.ANONYMOUS),
    ],
)
def test_a_claim_that_is_wrong_is_refused(claim: str, value: Any, fault: Fault) -> None:
    assert fault_of(**{claim: value}) is fault


@pytest.mark.parametrize(
    ("claim", "last_good", "first_bad", "fault"),
    [
        ("exp", NOW - LEEWAY_S + 1, NOW - LEEWAY_S, Fault.EXPIRED),
        ("exp", NOW + LIFE_MAX_S + LEEWAY_S, NOW + LIFE_MAX_S + LEEWAY_S + 1, Fault.LIFE),
        ("nbf", NOW + LEEWAY_S, NOW + LEEWAY_S + 1, Fault.EARLY),
        ("iat", NOW + LEEWAY_S, NOW + LEEWAY_S + 1, Fault.EARLY),
        ("iat", NOW - LIFE_MAX_S - LEEWAY_S, NOW - LIFE_MAX_S - LEEWAY_S - 1, Fault.LIFE),
    ],
)
def test_every_moment_has_a_bound_on_both_sides(
    claim: str, last_good: int, first_bad: int, fault: Fault
) -> None:
    assert read_claims(payload(**{claim: last_good}), RULES, now=NOW).subject == "5d1c"
    assert fault_of(**{claim: first_bad}) is fault


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b"[" * 5000, b'{"a":' * 5000]
)
def test_a_payload_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(CustomerTokenInvalid) as raised:
        read_claims(text, RULES, now=NOW)

    assert raised.value.fault is Fault.CLAIMS


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": ...}, ""),
        ({"email": None}, ""),
        ({"email": 7}, ""),
        ({"email": "a\nb@example.com"}, ""),
        ({"email": "a" * (EMAIL_LENGTH_MAX + 1)}, ""),
        ({"email_verified": False}, ""),
        ({"email_verified": True}, "ann@example.com"),
        ({"email_verified": "true"}, "ann@example.com"),
    ],
)
def test_an_address_is_taken_only_if_it_is_one_and_nobody_doubts_it(
    claims: dict[str, Any], email: str
) -> None:
    assert read_claims(payload(**claims), RULES, now=NOW).email == email


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "nbf", "is_anonymous", "email_verified"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_whatever_a_token_says_it_names_our_customer_or_is_refused(changes: dict[str, Any]) -> None:
    try:
        found = read_claims(payload(**changes), RULES, now=NOW)
    except CustomerTokenInvalid:
        return

    said = GOOD | changes
    assert (found.issuer, found.subject) == (said["iss"], said["sub"])
    assert NOW - LEEWAY_S < said["exp"] <= NOW + LIFE_MAX_S + LEEWAY_S
    assert RULES.audience in said["aud"]


@pytest.mark.parametrize("alg", sorted(SHARED | PUBLIC))
def test_a_header_names_algorithm_and_key(alg: str) -> None:
    header = read_header(with_header({"alg": alg, "kid": "k1", "typ": "JWT", "x": [1]}))

    assert (header.alg, header.kid) == (alg, "k1")


def test_a_key_belongs_to_one_family_of_algorithms() -> None:
    assert not SHARED & PUBLIC


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ({"alg": "none"}, Fault.ALGORITHM),
        ({"alg": "None"}, Fault.ALGORITHM),
        ({"alg": ""}, Fault.ALGORITHM),
        ({"alg": "HS512"}, Fault.ALGORITHM),
        ({"alg": "RS512"}, Fault.ALGORITHM),
        ({"alg": "hs256"}, Fault.ALGORITHM),
        ({"alg": ["HS256"]}, Fault.FORM),
        ({"alg": "HS256", "kid": 1}, Fault.FORM),
        ({}, Fault.FORM),
        ([["alg", "HS256"]], Fault.FORM),
        (["alg"], Fault.FORM),
        (b"{", Fault.FORM),
        (b"\xff\xfe", Fault.FORM),
        (b"[" * 4000, Fault.FORM),
        ({"alg": "HS256", "crit": ["b64"], "b64": False}, Fault.TYPE),
        ({"alg": "HS256", "crit": []}, Fault.TYPE),
        ({"alg": "HS256", "typ": "logout+jwt"}, Fault.TYPE),
    ],
)
def test_a_header_that_is_not_ours_is_refused(header: Any, fault: Fault) -> None:
    with pytest.raises(CustomerTokenInvalid) as raised:
        read_header(with_header(header))

    assert raised.value.fault is fault


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "e30.e30",
        "e30.e30.",
        "e30..c2ln",
        "e30.e30.c2ln.e30",
        "e30=.e30.c2ln",
        " e30.e30.c2ln",
        "e30.e30.c2ln\n",
        "ä.ä.ä",
        f"e30.{'a' * TOKEN_BYTES_MAX}.c2ln",
    ],
)
def test_what_has_not_the_form_of_a_token_is_refused(token: str) -> None:
    with pytest.raises(CustomerTokenInvalid) as raised:
        read_header(token)

    assert raised.value.fault is Fault.FORM


@given(st.text() | st.binary().map(with_header))
def test_no_text_breaks_the_reading_of_a_header(token: str) -> None:
    try:
        header = read_header(token)
    except CustomerTokenInvalid:
        return

    assert header.alg in SHARED | PUBLIC


@pytest.mark.parametrize("fault", list(Fault))
def test_a_refusal_tells_a_forger_nothing(fault: Fault) -> None:
    body = CustomerTokenInvalid(fault).body()

    assert (body["status"], body["code"]) == (401, "customer_token_invalid")
    assert body["reason"] in {"expired", "early", "anonymous", "not_accepted"}
    told_apart = {Fault.EXPIRED, Fault.EARLY, Fault.ANONYMOUS}
    assert (body["reason"] == "not_accepted") == (fault not in told_apart)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example/keys", True),
        ("http://localhost:9/keys", True),
        ("http://127.0.0.1/keys", True),
        ("http://127.8.8.8/keys", True),
        ("http://[::1]:8080/keys", True),
        ("http://id.example/keys", False),
        ("http://localhost.id.example/keys", False),
        ("http://10.0.0.1/keys", False),
        ("https://", False),
        ("https:id.example", False),
        ("ftp://localhost/keys", False),
        ("file:///etc/passwd", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_keys_are_read_by_https_or_from_this_machine(url: str, safe: bool) -> None:  # noqa: FBT001 - a column
    assert is_safe_address(url) is safe
