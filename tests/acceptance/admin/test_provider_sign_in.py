"""Operators sign in at an identity provider: what opens an account, and what does not."""

import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwk
from provider import sign
from signing_in import sign_in
from structlog.testing import capture_logs
from support import PASSWORD

from waitroom.admin.accounts.events import EventFilter
from waitroom.run.app import Service

Client = TestClient[Any, Any]
CLIENT, SECRET = "waitroom", "a secret of ours"
ANN = "ann@shop.example"


class OpenIdProvider:
    """A provider on a port of its own. `claims` and `described` change what it says."""

    def __init__(self) -> None:
        self.key = jwk.generate_key("EC", "P-256")
        self.claims: dict[str, Any] = {}
        self.described: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        # It answers for a code with what is no HTTP.
        self.is_broken = False
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._describe)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def issuer(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def _describe(self, request: web.Request) -> web.Response:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return web.json_response(told | self.described)

    async def _keys(self, request: web.Request) -> web.Response:
        public = {**self.key.as_dict(private=False), "kid": "k1", "alg": "ES256", "use": "sig"}
        return web.json_response({"keys": [public]})

    def authorize(self, address: str) -> str:
        """Sign the person in who was led here; return the address that leads back."""
        asked = {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["code_challenge_method"]) == (CLIENT, "S256")
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?code={code}&state={asked['state']}"

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.is_broken:
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n")
            request.transport.close()
        asked = self.codes.pop(str(form["code"]), None)
        known = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        digest = sha256(str(form["code_verifier"]).encode()).digest()
        proof = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or known != f"{CLIENT}:{SECRET.replace(' ', '+')}"
            or asked["code_challenge"] != proof
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "u-1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": ANN,
            "email_verified": True,
            "auth_time": now,
            **self.claims,
        }
        key = claims.pop("key", self.key)
        return web.json_response({"id_token": sign(claims, key, "ES256", kid="k1")})


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with OpenIdProvider() as started:
        yield started


@pytest.fixture
async def service(
    services: Callable[..., Awaitable[Service]],
    provider: OpenIdProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> Service:
    opened = await services(
        operator_issuer=provider.issuer,
        operator_client_id=CLIENT,
        sign_in_attempts_per_minute=1000,
    )
    assert opened.provider is not None
    monkeypatch.setattr(opened.provider, "_secret", SECRET)
    return opened


def cookies_of(answer: ClientResponse) -> dict[str, str]:
    pairs = [one.partition(";")[0] for one in answer.headers.getall("Set-Cookie", ())]
    return {"Cookie": "; ".join(pair for pair in pairs if not pair.endswith(("=", '=""')))}


async def begin(client: Client, to: str = "/admin/people") -> tuple[str, dict[str, str]]:
    """Set out for the provider; return its address and the cookie that the browser keeps."""
    url = f"/admin/login/provider?to={to}"
    answer = await client.get(url, allow_redirects=False)
    assert answer.status == 303, await answer.text()
    kept = answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in kept
    assert "HttpOnly" in kept
    return answer.headers["Location"], cookies_of(answer)


async def come_back(client: Client, provider: OpenIdProvider) -> ClientResponse:
    there, cookie = await begin(client)
    return await client.get(provider.authorize(there), headers=cookie)


async def test_an_account_named_by_the_verified_address_opens_and_then_is_one_person_s(
    service: Service, client: Client, provider: OpenIdProvider
) -> None:
    await service.operators.add(ANN, role="admin", password=PASSWORD)
    provider.claims = {"email": ANN.title()}

    first = await come_back(client, provider)
    page, header = await first.text(), cookies_of(first)
    people = await client.get("/admin/operators", headers=header)
    provider.claims = {"email": "ann.newly@shop.example"}
    renamed = await come_back(client, provider)
    provider.claims = {"sub": "u-2"}
    stranger = await come_back(client, provider)
    boss = await sign_in(service, client, "admin", name="boss")
    forgotten = await client.delete(f"/admin/operators/{ANN}/provider", headers=boss)
    ended = await client.get("/admin/operators", headers=header)
    other = await come_back(client, provider)
    await service.operators.add("kim@shop.example", role="admin", password=PASSWORD)
    # The sign of the unit kelvin becomes a small k.
    provider.claims = {"sub": "u-3", "email": "\u212aim@shop.example"}
    kelvin = await come_back(client, provider)

    assert kelvin.status == 403
    assert (first.status, people.status) == (200, 200)
    assert 'content="0; url=/admin/people"' in page
    assert "SameSite=Strict" in first.headers.getall("Set-Cookie")[0]
    assert (renamed.status, stranger.status) == (200, 403)
    assert (await forgotten.json(), ended.status) == ({"forgotten": True}, 401)
    assert other.status == 200
    kinds = [
        (event.kind, event.who, event.detail.get("why"))
        for event in await service.event_store.find(EventFilter(), limit=50)
    ]
    assert kinds[::-1][:4] == [
        ("provider_linked", ANN, None),
        ("signed_in", ANN, None),
        ("signed_in", ANN, None),
        ("sign_in_failed", ANN, "no_account"),
    ]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "https://evil.example"}, 401),
        ({"aud": "another client"}, 401),
        ({"aud": [CLIENT, "another"], "azp": "another"}, 401),
        ({"exp": 1}, 401),
        ({"nonce": "another"}, 401),
        ({"auth_time": 1}, 401),
        ({"auth_time": None}, 401),
        ({"key": jwk.generate_key("EC", "P-256")}, 401),
        ({"email_verified": False}, 403),
        ({"email_verified": None}, 403),
        ({"email": "bo@shop.example"}, 403),
    ],
)
async def test_a_token_that_does_not_hold_opens_nothing(
    service: Service,
    client: Client,
    provider: OpenIdProvider,
    claims: dict[str, Any],
    status: int,
) -> None:
    await service.operators.add(ANN, role="admin", password=PASSWORD)
    provider.claims = claims

    answer = await come_back(client, provider)

    assert (answer.status, "waitroom_operator" in str(answer.headers)) == (status, False)


async def test_an_answer_fits_the_browser_that_began_and_works_once(
    service: Service, client: Client, provider: OpenIdProvider
) -> None:
    await service.operators.add(ANN, role="admin", password=PASSWORD)
    there, cookie = await begin(client)
    back = provider.authorize(there)
    _, elsewhere = await begin(client)

    mixed = await client.get(f"{back}&iss=https://evil.example", headers=cookie)
    without = await client.get(back)
    foreign = await client.get(back, headers=elsewhere)
    denied = await client.get(f"{urlsplit(back).path}?error=access_denied", headers=cookie)
    good = await client.get(back, headers=cookie)
    again = await client.get(back, headers=cookie)

    assert [one.status for one in (mixed, without, foreign, denied)] == [401] * 4
    assert (good.status, again.status) == (200, 401)


async def test_an_answer_that_is_no_http_tells_the_log_no_secret(
    client: Client, provider: OpenIdProvider
) -> None:
    provider.is_broken = True

    with capture_logs() as logged:
        answer = await come_back(client, provider)

    told = [line for line in logged if line["event"] == "operator_provider_away"]
    assert (answer.status, len(told)) == (503, 1)
    assert "Basic" not in str(told)
    assert urlsafe_b64encode(f"{CLIENT}:".encode()).decode()[:10] not in str(told)


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "http://192.0.2.1/keys"},
    ],
)
async def test_a_description_of_another_issuer_or_without_tls_leads_nowhere(
    client: Client, provider: OpenIdProvider, described: dict[str, Any]
) -> None:
    provider.described = described

    answer = await client.get("/admin/login/provider", allow_redirects=False)

    assert (answer.status, "does not answer" in await answer.text()) == (503, True)
