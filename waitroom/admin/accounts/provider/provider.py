"""The operators' identity provider: its addresses, and the person that a code of it names."""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import quote_plus

import aiohttp
import msgspec
import structlog
from yarl import URL

from checkout.customers.customer import Rules
from checkout.customers.identity import Identity, ProviderKeys
from checkout.refusals import CustomerTokenInvalid, IdentityProviderAway
from inventory.kit.doors.origins import is_safe_address
from inventory.kit.signing import Seal
from waitroom.admin.accounts.refusals import ProviderAway, ProviderRefused, ProviderUndated

log = structlog.get_logger()

PURPOSE = "waitroom.admin.provider.1"
WELL_KNOWN = "/.well-known/openid-configuration"
ANSWER_WAIT_S = 5.0
ANSWER_BYTES_MAX = 128 * 1024
# The description is read again after this long; one that could not be read, after the pause.
FRESH_S = 3600.0
RETRY_PAUSE_S = 10.0
# A person who signed in at the provider longer ago than this has not proved anything just now.
PROVED_S = 600
LEEWAY_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The values that a browser keeps while its operator is at the provider."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def challenge(self) -> str:
        """Return the verifier's digest, which alone the provider learns first (RFC 7636, S256)."""
        digest = sha256(self.verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person that the provider names.

    `email` is "" unless the provider has verified it, and for an address that names no account.
    """

    issuer: str
    subject: str
    email: str


class _Description(msgspec.Struct, frozen=True):
    """A provider's description of itself (OpenID Connect Discovery 1.0), as far as it is needed."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class _Claims(msgspec.Struct, frozen=True):
    nonce: str = ""
    azp: str | None = None
    email_verified: bool | str | None = None
    auth_time: int | float | None = None


class Provider:
    """`keys` are the service's signing keys, which sign what a browser keeps meanwhile.

    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        secret: str,
        keys: Sequence[bytes],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self.seal = Seal(keys, PURPOSE)
        self._clock = clock
        self._description: _Description | None = None
        self._identity: Identity | None = None
        self._read_at = self._asked_at = float("-inf")
        self._reading = asyncio.Lock()

    async def address(self, begun: Begun, *, back: str) -> str:
        """Return the address at which a person signs in and is led `back`; raises `ProviderAway`.

        The person is always asked: a session at the provider that was left open proves nothing.
        """
        description, _ = await self._described()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": back,
            "scope": "openid email",
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": begun.challenge,
            "code_challenge_method": "S256",
            "prompt": "login",
            # A provider that is asked for a bound has to tell the moment (OpenID Connect Core 1.0,
            # section 2, `auth_time`).
            "max_age": str(PROVED_S),
        }
        return str(URL(description.authorization_endpoint).update_query(asked))

    async def person(self, code: str, begun: Begun, *, back: str) -> Person:
        """Return the person that a code names.

        Raises `ProviderRefused`, `ProviderUndated` and `ProviderAway`.
        """
        description, identity = await self._described()
        token = await self._redeem(description, code, begun, back=back)
        try:
            known = await identity.customer(token)
        except CustomerTokenInvalid as error:
            raise ProviderRefused from error
        except IdentityProviderAway as error:
            raise ProviderAway from error
        claims = _claims_of(token)
        foreign = claims.azp is not None and claims.azp != self._client_id
        if foreign or not compare_digest(claims.nonce.encode(), begun.nonce.encode()):
            raise ProviderRefused
        if claims.auth_time is None:
            raise ProviderUndated
        if claims.auth_time <= time.time() - PROVED_S - LEEWAY_S:
            raise ProviderRefused
        # In small letters some signs beyond ASCII are like those of another person's address.
        verified = claims.email_verified in {True, "true"} and known.email.isascii()
        return Person(
            issuer=known.issuer, subject=known.subject, email=known.email if verified else ""
        )

    async def _redeem(
        self, description: _Description, code: str, begun: Begun, *, back: str
    ) -> str:
        """Return the token that the provider gives for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "client_id": self._client_id,
            "code_verifier": begun.verifier,
        }
        headers: dict[str, str] = {}
        if self._secret:
            if "client_secret_basic" in description.token_endpoint_auth_methods_supported:
                # RFC 6749, section 2.3.1: both halves are written as in a form.
                name, secret = quote_plus(self._client_id), quote_plus(self._secret)
                headers["Authorization"] = aiohttp.encode_basic_auth(name, secret)
            else:
                form["client_secret"] = self._secret
        status, body = await self._ask(
            "POST", description.token_endpoint, form=form, headers=headers
        )
        if status >= 500:
            raise ProviderAway
        try:
            if status != 200:
                raise ValueError(f"the answer's status is {status}")
            return msgspec.json.decode(body, type=_Tokens).id_token
        except (ValueError, RecursionError) as error:
            log.warning("operator_code_refused", status=status)
            raise ProviderRefused from error

    async def _described(self) -> tuple[_Description, Identity]:
        """Return where the provider has everything, and what checks its tokens."""
        async with self._reading:
            now = self._clock()
            if now - self._read_at > FRESH_S and now - self._asked_at > RETRY_PAUSE_S:
                self._asked_at = now
                await self._read(now)
        if self._description is None or self._identity is None:
            raise ProviderAway
        return self._description, self._identity

    async def _read(self, now: float) -> None:
        """Read the description; one that cannot be read leaves the former in force."""
        try:
            status, body = await self._ask("GET", self.issuer.rstrip("/") + WELL_KNOWN)
            if status != 200:
                raise ValueError(f"the answer's status is {status}")
            found = msgspec.json.decode(body, type=_Description)
            _check(found, self.issuer)
        except (ProviderAway, ValueError, RecursionError) as error:
            log.warning("operator_provider_not_read", issuer=self.issuer, error=repr(error))
            return
        if self._description is None or found.jwks_uri != self._description.jwks_uri:
            self._identity = Identity(
                Rules(issuer=self.issuer, audience=self._client_id),
                keys=ProviderKeys(found.jwks_uri),
            )
        self._description, self._read_at = found, now

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Ask the provider; return the status and the body. No redirect is followed."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WAIT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method, url, data=form, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return answer.status, await _body_of(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # aiohttp's errors quote the request, and its headers hold our secret.
            log.warning("operator_provider_away", url=url, error=type(error).__name__)
            raise ProviderAway from error

    async def close(self) -> None:
        if self._identity is not None:
            await self._identity.close()


async def _body_of(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"more than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _check(found: _Description, issuer: str) -> None:
    """Raise `ValueError` for another issuer's description, and for addresses without TLS."""
    if found.issuer != issuer:
        raise ValueError("it is another issuer's")
    addresses = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
    if not all(map(is_safe_address, addresses)):
        raise ValueError("an address in it is neither https nor on this machine")


def _claims_of(token: str) -> _Claims:
    """Return the claims of a token whose signature was checked."""
    body = token.split(".")[1]
    try:
        return msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Claims)
    except (ValueError, RecursionError) as error:
        raise ProviderRefused from error
