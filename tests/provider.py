"""An identity provider to test against: real keys, real tokens, and its key set over HTTP."""

import asyncio
import time
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwk, jws, jwt

# What Supabase gives new projects, and the others that are accepted.
KINDS: dict[str, tuple[Any, Any]] = {
    "ES256": ("EC", "P-256"),
    "RS256": ("RSA", 2048),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
AUDIENCE = "authenticated"
PATH = "/auth/v1/.well-known/jwks.json"


class _AnyAlgorithm(jws.JWSRegistry):
    """Sign with whatever a test names, without the library's warnings."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def sign(claims: dict[str, Any], key: Any, alg: str, **header: Any) -> str:
    registry = _AnyAlgorithm(strict_check_header=False)
    return jwt.encode({"alg": alg, **header}, claims, key, registry=registry)


class Provider:
    """A provider on a port of its own. `mode` says how it answers: good, away, moved, or silent."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.mode = "good"
        self.body: bytes | None = None
        self.asked = 0
        app = web.Application()
        app.router.add_get(PATH, self._answer)
        app.router.add_get("/elsewhere", self._answer_well)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def issuer(self) -> str:
        return str(self._server.make_url("/auth/v1"))

    @property
    def url(self) -> str:
        return str(self._server.make_url(PATH))

    def add_key(self, kid: str, alg: str = "ES256") -> Any:
        kind, size = KINDS[alg]
        key = jwk.generate_key(kind, size)
        self.keys[kid] = (alg, key)
        return key

    def key_set(self) -> dict[str, Any]:
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "alg": alg, "use": "sig"}
                for kid, (alg, key) in self.keys.items()
            ]
        }

    def claims(self, subject: str = "ann", **changes: Any) -> dict[str, Any]:
        """Return claims as Supabase Auth makes them."""
        now = int(time.time())
        made = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "exp": now + 3600,
            "iat": now,
            "email": f"{subject}@example.com",
            "phone": "",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "6f1c",
            "is_anonymous": False,
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"email_verified": True},
        }
        return {k: v for k, v in (made | changes).items() if v is not ...}

    def token(self, subject: str = "ann", *, kid: str = "k1", **changes: Any) -> str:
        alg, key = self.keys[kid]
        return sign(self.claims(subject, **changes), key, alg, kid=kid)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.mode == "away":
            raise web.HTTPServiceUnavailable
        if self.mode == "moved":
            raise web.HTTPFound("/elsewhere")
        if self.mode == "silent":
            await asyncio.Event().wait()
        return await self._answer_well(request)

    async def _answer_well(self, request: web.Request) -> web.Response:
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        return web.json_response(self.key_set())
