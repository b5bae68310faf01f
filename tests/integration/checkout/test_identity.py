"""Tokens of a real provider, real forgeries, and a provider that changes its keys or is away."""

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from joserfc import jwk
from provider import AUDIENCE, KINDS, Provider, sign

from checkout.customers.customer import TOKEN_BYTES_MAX, Rules
from checkout.customers.identity import (
    KEYS_BYTES_MAX,
    KEYS_FRESH_S,
    KEYS_OLD_MAX_S,
    NEW_KEY_PAUSE_S,
    RETRY_PAUSE_S,
    Identity,
    ProviderKeys,
    open_identity,
)
from checkout.refusals import (
    CustomersNotConfigured,
    CustomerTokenInvalid,
    Fault,
    IdentityProviderAway,
)

# Supabase's legacy secret looks like base64 and is not to be decoded.
SECRET = "c3VwYWJhc2UtbGVnYWN5LWp3dC1zZWNyZXQtd2l0aC1lbm91Z2gtYml0cw=="


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as made:
        made.add_key("k1")
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


def by_keys(provider: Provider, clock: Clock | None = None, *, secret: str = "") -> Identity:
    keys = ProviderKeys(provider.url, clock=clock or Clock(), fetch_wait_s=0.5)
    rules = Rules(issuer=provider.issuer, audience=AUDIENCE)
    return Identity(rules, keys=keys, secret=secret)


def by_secret(provider: Provider) -> Identity:
    return Identity(Rules(issuer=provider.issuer, audience=AUDIENCE), secret=SECRET)


async def fault(identity: Identity, token: str) -> Fault:
    with pytest.raises(CustomerTokenInvalid) as raised:
        await identity.customer(token)
    return raised.value.fault


def shared(provider: Provider, secret: str = SECRET, alg: str = "HS256", **changes: Any) -> str:
    return sign(provider.claims(**changes), jwk.OctKey.import_key(secret), alg)


async def test_a_shared_secret_is_taken_as_the_text_that_it_is(provider: Provider) -> None:
    found = await by_secret(provider).customer(shared(provider))

    assert (found.subject, found.email) == ("ann", "ann@example.com")


@pytest.mark.parametrize("alg", sorted(KINDS))
async def test_a_public_key_of_each_kind_checks_its_tokens(provider: Provider, alg: str) -> None:
    provider.add_key("k2", alg)

    found = await by_keys(provider).customer(provider.token(kid="k2"))

    assert (found.issuer, found.subject) == (provider.issuer, "ann")


async def test_the_keys_of_an_issuer_are_found_without_an_address(provider: Provider) -> None:
    identity = open_identity(issuer=provider.issuer, audience=AUDIENCE, jwks_url="", secret="")

    assert (await identity.customer(provider.token())).subject == "ann"


async def test_a_provider_that_moves_from_a_secret_to_keys_has_both_accepted(
    provider: Provider,
) -> None:
    identity = by_keys(provider, secret=SECRET)

    assert (await identity.customer(shared(provider))).subject == "ann"
    assert (await identity.customer(provider.token())).subject == "ann"


async def test_without_a_provider_there_are_no_customers() -> None:
    identity = open_identity(issuer="", audience="", jwks_url="", secret="")

    with pytest.raises(CustomersNotConfigured):
        await identity.customer("e30.e30.c2ln")


async def test_the_wrong_time_issuer_and_audience_are_refused_after_the_signature(
    provider: Provider,
) -> None:
    identity, now = by_keys(provider), int(time.time())

    found = [
        await fault(identity, provider.token(**changes))
        for changes in (
            {"exp": now - 60},
            {"nbf": now + 60},
            {"iat": now + 60},
            {"exp": now + 10 * 365 * 86400},
            {"iss": "https://other.example"},
            {"aud": "anon"},
            {"sub": ...},
            {"is_anonymous": True},
        )
    ]

    assert found == [
        Fault.EXPIRED,
        Fault.EARLY,
        Fault.EARLY,
        Fault.LIFE,
        Fault.ISSUER,
        Fault.AUDIENCE,
        Fault.CLAIMS,
        Fault.ANONYMOUS,
    ]


async def test_the_keys_that_supabase_gives_to_programs_are_nobodys_sign_in(
    provider: Provider,
) -> None:
    # Its anon and service_role keys are tokens of the same secret, good for ten years.
    now = int(time.time())
    claims = {"iss": "supabase", "ref": "x", "role": "anon", "iat": now, "exp": now + 315_000_000}
    token = sign(claims, jwk.OctKey.import_key(SECRET), "HS256")

    assert await fault(by_secret(provider), token) is Fault.CLAIMS


async def test_a_public_key_is_never_taken_for_a_shared_secret(provider: Provider) -> None:
    rsa = provider.add_key("k2", "RS256")
    claims = provider.claims()
    published = rsa.as_pem(private=False)
    # The library refuses to make such a key, so the forger goes by hand.
    forged = [
        _by_hand({"alg": "HS256", "kid": kid}, claims, material)
        for kid in ("k1", "k2", "")
        for material in (published, json.dumps(provider.key_set()["keys"][1]).encode(), b"")
    ]

    for identity in (by_keys(provider), by_keys(provider, secret=SECRET), by_secret(provider)):
        for token in forged:
            assert await fault(identity, token) in {Fault.ALGORITHM, Fault.SIGNATURE}


def _by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    text = b".".join(parts)
    signature = urlsafe_b64encode(hmac.digest(secret or b"\0", text, "sha256")).rstrip(b"=")
    return f"{text.decode()}.{signature.decode()}"


async def test_a_token_that_nobody_signed_is_refused(provider: Provider) -> None:
    claims = provider.claims()
    naked = _by_hand({"alg": "none"}, claims, b"x").rpartition(".")[0]

    for identity in (by_keys(provider), by_secret(provider)):
        assert await fault(identity, f"{naked}.") is Fault.FORM
        assert await fault(identity, f"{naked}.c2ln") is Fault.ALGORITHM


async def test_a_key_checks_its_own_algorithm_and_no_other(provider: Provider) -> None:
    provider.add_key("rsa", "RS256")
    ours, theirs = provider.keys["k1"][1], provider.keys["rsa"][1]

    identity = by_keys(provider)

    crossed = [
        sign(provider.claims(), theirs, "RS256", kid="k1"),
        sign(provider.claims(), ours, "ES256", kid="rsa"),
        sign(provider.claims(), theirs, "PS256", kid="rsa"),
        sign(provider.claims(), theirs, "RS512", kid="rsa"),
    ]
    assert [await fault(identity, token) for token in crossed] == [
        Fault.KEY,
        Fault.KEY,
        Fault.ALGORITHM,
        Fault.ALGORITHM,
    ]


async def test_each_way_of_checking_refuses_the_tokens_of_the_other(provider: Provider) -> None:
    assert await fault(by_keys(provider), shared(provider)) is Fault.ALGORITHM
    assert await fault(by_secret(provider), provider.token()) is Fault.ALGORITHM
    assert await fault(by_secret(provider), shared(provider, "another " * 8)) is Fault.SIGNATURE
    assert await fault(by_secret(provider), shared(provider, alg="HS512")) is Fault.ALGORITHM


async def test_a_changed_token_and_a_key_of_the_forgers_own_are_refused(
    provider: Provider,
) -> None:
    identity, good = by_keys(provider), provider.token()
    head, body, signature = good.split(".")
    other = provider.token("bob").split(".")[1]
    own = jwk.generate_key("EC", "P-256")
    public = own.as_dict(private=False)

    forged = [
        f"{head}.{other}.{signature}",
        f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        f"{head}.{body}.{signature[:40]}",
        sign(provider.claims(), own, "ES256", kid="k1"),
        sign(provider.claims(), own, "ES256", kid="k1", jwk=public),
        sign(provider.claims(), own, "ES256", kid="k1", jku="http://127.0.0.1:1/keys"),
    ]

    assert [await fault(identity, token) for token in forged] == [Fault.SIGNATURE] * len(forged)
    assert (await identity.customer(good)).subject == "ann"


async def test_a_token_without_the_name_of_a_key_is_tried_with_a_few(
    provider: Provider, clock: Clock
) -> None:
    identity = by_keys(provider, clock)
    nameless = sign(provider.claims(), provider.keys["k1"][1], "ES256")

    assert (await identity.customer(nameless)).subject == "ann"
    provider.add_key("k2")
    clock.now += KEYS_FRESH_S + 1
    assert (await identity.customer(nameless)).subject == "ann"
    for kid in ("k3", "k4"):
        provider.add_key(kid)
    clock.now += KEYS_FRESH_S + 1
    assert await fault(identity, nameless) is Fault.KEY


@pytest.mark.parametrize("name", [{}, {"kid": "same"}])
async def test_a_key_that_is_replaced_without_a_new_name_locks_no_customer_out(
    provider: Provider, clock: Clock, name: dict[str, str]
) -> None:
    def publish(*keys: Any) -> None:
        published = [{**key.as_dict(private=False), **name} for key in keys]
        provider.body = msgspec.json.encode({"keys": published})

    old, new = (jwk.generate_key("EC", "P-256") for _ in range(2))
    publish(old)
    identity = by_keys(provider, clock)
    await identity.customer(sign(provider.claims(), old, "ES256", **name))
    publish(new)
    token = sign(provider.claims("bob"), new, "ES256", **name)

    clock.now += NEW_KEY_PAUSE_S - 1
    assert await fault(identity, token) is Fault.SIGNATURE
    clock.now += 1
    found = await asyncio.gather(*(identity.customer(token) for _ in range(20)))

    assert {customer.subject for customer in found} == {"bob"}
    assert provider.asked == 2
    forged = sign(provider.claims(), jwk.generate_key("EC", "P-256"), "ES256", **name)
    for _ in range(20):
        assert await fault(identity, forged) is Fault.SIGNATURE
    clock.now += NEW_KEY_PAUSE_S
    for _ in range(20):
        assert await fault(identity, forged) is Fault.SIGNATURE
    assert provider.asked == 3


async def test_a_huge_token_is_refused_before_anybody_is_asked(provider: Provider) -> None:
    huge = provider.token(user_metadata={"note": "x" * TOKEN_BYTES_MAX})

    assert await fault(by_keys(provider), huge) is Fault.FORM
    assert provider.asked == 0


async def test_a_crowd_that_finds_no_keys_asks_for_them_once(provider: Provider) -> None:
    identity = by_keys(provider)

    found = await asyncio.gather(*(identity.customer(provider.token(f"s{i}")) for i in range(50)))

    assert [customer.subject for customer in found] == [f"s{i}" for i in range(50)]
    assert provider.asked == 1


async def test_who_hangs_up_takes_nobody_elses_answer_away(provider: Provider) -> None:
    identity = by_keys(provider)

    first = asyncio.create_task(identity.customer(provider.token()))
    second = asyncio.create_task(identity.customer(provider.token("bob")))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second).subject == "bob"


async def test_a_new_key_is_fetched_when_its_first_token_comes(
    provider: Provider, clock: Clock
) -> None:
    identity = by_keys(provider, clock)
    await identity.customer(provider.token())

    provider.add_key("k2", "RS256")
    clock.now += NEW_KEY_PAUSE_S
    found = await identity.customer(provider.token("bob", kid="k2"))

    assert found.subject == "bob"
    assert (await identity.customer(provider.token())).subject == "ann"
    assert provider.asked == 2


async def test_a_key_that_the_provider_took_back_is_refused_when_the_keys_are_due(
    provider: Provider, clock: Clock
) -> None:
    identity, token = by_keys(provider, clock), provider.token()
    await identity.customer(token)

    del provider.keys["k1"]
    provider.add_key("k2")
    clock.now += KEYS_FRESH_S
    assert (await identity.customer(token)).subject == "ann"
    clock.now += 1

    assert await fault(identity, token) is Fault.KEY


async def test_unknown_keys_make_us_ask_only_so_often(provider: Provider, clock: Clock) -> None:
    identity = by_keys(provider, clock)
    stranger = jwk.generate_key("EC", "P-256")
    tokens = [sign(provider.claims(), stranger, "ES256", kid=f"x{i}") for i in range(100)]

    for _ in range(3):
        refused = await asyncio.gather(*(fault(identity, token) for token in tokens))
        assert set(refused) == {Fault.KEY}
        clock.now += NEW_KEY_PAUSE_S - 0.5

    # The first time they are fetched at all, and from then on once in each pause.
    assert provider.asked == 2


async def test_while_the_provider_is_away_its_last_keys_go_on_for_a_day(
    provider: Provider, clock: Clock
) -> None:
    identity = by_keys(provider, clock)
    await identity.customer(provider.token())

    provider.mode = "away"
    clock.now += KEYS_OLD_MAX_S - 1
    assert (await identity.customer(provider.token())).subject == "ann"
    clock.now += 2
    with pytest.raises(IdentityProviderAway) as raised:
        await identity.customer(provider.token())
    provider.mode = "good"
    clock.now += RETRY_PAUSE_S

    assert raised.value.status == 503
    assert raised.value.headers["Retry-After"] == str(int(RETRY_PAUSE_S))
    assert (await identity.customer(provider.token())).subject == "ann"


@pytest.mark.parametrize("mode", ["away", "silent", "moved"])
async def test_a_provider_that_never_answered_is_asked_again_after_a_pause(
    provider: Provider, clock: Clock, mode: str
) -> None:
    identity = by_keys(provider, clock)
    provider.mode = mode

    for _ in range(3):
        with pytest.raises(IdentityProviderAway):
            await identity.customer(provider.token())
    provider.mode = "good"
    clock.now += RETRY_PAUSE_S

    assert (await identity.customer(provider.token())).subject == "ann"
    assert provider.asked == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [1, null, "x", {}]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k1"}]}',
        b'{"keys": [' + b"[" * 3000 + b"]}",
        b'{"keys": ["' + b"x" * 200_000 + b'"]}',
    ],
    ids=lambda body: body[:40].decode(),
)
async def test_a_broken_key_set_leaves_the_keys_as_they_were(
    provider: Provider, clock: Clock, body: bytes
) -> None:
    identity = by_keys(provider, clock)
    await identity.customer(provider.token())

    provider.body = body
    clock.now += KEYS_FRESH_S + 1

    assert (await identity.customer(provider.token())).subject == "ann"
    assert provider.asked == 2


async def test_a_key_set_without_end_is_not_read_to_its_end(
    provider: Provider, clock: Clock
) -> None:
    provider.body = json.dumps({**provider.key_set(), "more": "x" * KEYS_BYTES_MAX}).encode()
    identity = by_keys(provider, clock)

    with pytest.raises(IdentityProviderAway):
        await identity.customer(provider.token())

    provider.body = json.dumps({**provider.key_set(), "more": "x" * 1000}).encode()
    clock.now += RETRY_PAUSE_S
    assert (await identity.customer(provider.token())).subject == "ann"


async def test_of_a_key_set_only_keys_for_signatures_are_taken(provider: Provider) -> None:
    weak = jwk.RSAKey.generate_key(2048).as_dict(private=False)
    good = provider.key_set()["keys"][0]
    secret = {"kty": "oct", "k": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY", "kid": "shared"}
    others = [
        secret,
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "signs", "key_ops": ["sign"]},
        {**good, "kid": "other", "alg": "ES512"},
        {**weak, "kid": "weak", "n": weak["n"][:200]},
        {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "curve"},
        {"kty": "new", "kid": "new"},
    ]
    provider.body = json.dumps({"keys": [*others, good]}).encode()
    identity = by_keys(provider)

    assert (await identity.customer(provider.token())).subject == "ann"
    key = provider.keys["k1"][1]
    for other in others:
        token = sign(provider.claims(), key, "ES256", kid=other["kid"])
        assert await fault(identity, token) is Fault.KEY
    forged = sign(provider.claims(), jwk.OctKey.import_key(secret), "HS256", kid="shared")
    assert await fault(identity, forged) is Fault.ALGORITHM
