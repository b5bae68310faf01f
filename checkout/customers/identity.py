"""The shop's identity provider: its keys, and what they say of a token."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import structlog
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import JWKRegistry, Key, OctKey

from checkout.customers.customer import (
    PUBLIC,
    SHARED,
    Customer,
    Header,
    Rules,
    read_claims,
    read_header,
)
from checkout.refusals import (
    CustomersNotConfigured,
    CustomerTokenInvalid,
    Fault,
    IdentityProviderAway,
)

log = structlog.get_logger()

# The provider is asked again when its keys are older than this, so a key that it takes back is
# refused here as soon.
KEYS_FRESH_S = 600.0
# While it is away the keys it gave last go on, but not for ever.
KEYS_OLD_MAX_S = 24 * 3600.0
# Any client can send a token with an unknown `kid` or a wrong signature. It makes us ask at most
# this often.
NEW_KEY_PAUSE_S = 30.0
# A provider that does not answer is asked again after this long.
RETRY_PAUSE_S = 10.0
FETCH_WAIT_S = 3.0
KEYS_BYTES_MAX = 128 * 1024
KEYS_MAX = 50
# At most this many keys may fit one token; they are tried one after another.
KEYS_TRIED_MAX = 3
RSA_BITS_MIN = 2048


class _Registry(jws.JWSRegistry):
    """The algorithms of `checkout.customers.customer` and no others.

    The library's own look-up warns of the name EdDSA, which RFC 9864 replaces by Ed25519 and which
    providers still send. Unknown header members are to be ignored (RFC 7515, section 4).
    """

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)

    # The library keeps the name of the type to itself.
    def get_alg(self, name: str) -> Any:
        if name not in SHARED | PUBLIC:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY = _Registry()


@dataclass(frozen=True, slots=True)
class _PublicKey:
    kid: str | None
    algorithms: frozenset[str]
    key: Key


class ProviderKeys:
    """The provider's public keys, as it published them last.

    One fetch at a time, however many wait for it; a fetch that fails leaves the keys as they are.
    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        fetch_wait_s: float = FETCH_WAIT_S,
    ) -> None:
        self._url = url
        self._clock = clock
        self._fetch_wait_s = fetch_wait_s
        self._keys: list[_PublicKey] = []
        self._fetched_at = self._asked_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, header: Header) -> tuple[Key, ...]:
        """Return the keys that fit this header; raises `CustomerTokenInvalid` when none does."""
        if self._clock() - self._fetched_at > KEYS_FRESH_S:
            await self._refresh(pause_s=RETRY_PAUSE_S)
        keys = self._pick(header)
        if not keys:
            # The provider may have begun to sign with a new key.
            keys = await self.find_newer(header)
        if self._clock() - self._fetched_at > KEYS_OLD_MAX_S:
            raise IdentityProviderAway(retry_after_s=int(RETRY_PAUSE_S))
        if not keys:
            raise CustomerTokenInvalid(Fault.KEY)
        return keys

    async def find_newer(self, header: Header) -> tuple[Key, ...]:
        """Return the keys that fit this header and may have been published a moment ago.

        A provider that gives its keys no names, or the same name again, says nothing when it
        begins to sign with a new one: the old key no longer fits its tokens.
        """
        await self._refresh(pause_s=NEW_KEY_PAUSE_S)
        return self._pick(header)

    def _pick(self, header: Header) -> tuple[Key, ...]:
        fitting = [k for k in self._keys if header.alg in k.algorithms]
        if header.kid is not None:
            fitting = [k for k in fitting if k.kid == header.kid]
        # A provider that replaces a key without a name publishes the old and the new one for a
        # while. More than a few are none of that, and trying them all would cost time.
        return tuple(k.key for k in fitting) if len(fitting) <= KEYS_TRIED_MAX else ()

    async def _refresh(self, *, pause_s: float) -> None:
        if self._fetching is None:
            if self._clock() - self._asked_at < pause_s:
                return
            self._asked_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch(), name="provider-keys")
        # A request that ends early takes no other request's answer away.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            self._keys = _public_keys(await self._download())
            self._fetched_at = self._clock()
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            log.warning("provider_keys_not_read", url=self._url, error=repr(error))
        finally:
            self._fetching = None

    async def _download(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._fetch_wait_s)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            # A redirect could lead from https to anywhere.
            session.get(self._url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"the answer's status is {answer.status}")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > KEYS_BYTES_MAX:
                    raise ValueError(f"the answer has more than {KEYS_BYTES_MAX} bytes")
            return bytes(body)

    async def close(self) -> None:
        if self._fetching is not None:
            await asyncio.wait({self._fetching})


class _KeySet(msgspec.Struct):
    keys: list[msgspec.Raw]


class _Jwk(msgspec.Struct):
    """A published key (RFC 7517). The members of a private key are not even read."""

    kty: str
    kid: str | None = None
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None

    def algorithms(self) -> frozenset[str]:
        """Return what this key can have signed: nothing, for a kind that is not ours.

        A shared secret has no place in public, so `oct` keys are among those.
        """
        able = _KINDS.get((self.kty, self.crv), frozenset())
        return able if self.alg is None else able & {self.alg}


_KINDS = {
    ("RSA", None): frozenset({"RS256"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),
}


def _public_keys(body: bytes) -> list[_PublicKey]:
    """Return the usable keys of a JWKS; raises `ValueError` when it has none."""
    found = []
    for published in msgspec.json.decode(body, type=_KeySet).keys[:KEYS_MAX]:
        try:
            key = _public_key(msgspec.json.decode(published, type=_Jwk))
        except (JoseError, ValueError):
            # A kind of key that we do not know says nothing about the others.
            continue
        if key is not None:
            found.append(key)
    if not found:
        raise ValueError("there is no usable key in it")
    return found


def _public_key(jwk: _Jwk) -> _PublicKey | None:
    """Return a key for checking signatures, or None for one that is there for something else."""
    algorithms = jwk.algorithms()
    if jwk.use != "sig" or "verify" not in jwk.key_ops or not algorithms:
        return None
    if jwk.n is not None and len(jwk.n) * 6 < RSA_BITS_MIN:
        return None
    material = {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y, "n": jwk.n, "e": jwk.e}
    key = JWKRegistry.import_key({name: v for name, v in material.items() if v is not None})
    return _PublicKey(jwk.kid, algorithms, key)


class Identity:
    """Find the customer of a token.

    A shared secret checks HS256 tokens, the provider's public keys all others; either may be
    missing, and then its tokens are refused. Both at once is what a provider that moves from the
    one to the other needs.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        secret: str = "",
        keys: ProviderKeys | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._secret = OctKey.import_key(secret) if secret else None
        self._keys = keys
        self._clock = clock

    async def customer(self, token: str) -> Customer:
        """Return the customer of this token.

        Raises `CustomerTokenInvalid`, `CustomersNotConfigured`, or `IdentityProviderAway` when the
        provider's keys cannot be had.
        """
        if self._secret is None and self._keys is None:
            raise CustomersNotConfigured
        try:
            header = read_header(token)
            return read_claims(await self._payload(token, header), self._rules, now=self._clock())
        except CustomerTokenInvalid as refusal:
            log.info("customer_token_refused", fault=str(refusal.fault))
            raise

    async def _payload(self, token: str, header: Header) -> bytes:
        """Return a token's payload once its signature is checked."""
        if header.alg in SHARED:
            if self._secret is None:
                raise CustomerTokenInvalid(Fault.ALGORITHM)
            return _signed(token, (self._secret,))
        if self._keys is None:
            raise CustomerTokenInvalid(Fault.ALGORITHM)
        tried = await self._keys.find(header)
        try:
            return _signed(token, tried)
        except CustomerTokenInvalid:
            newer = await self._keys.find_newer(header)
            # Keys that were not read again are the same objects.
            if newer == tried or not newer:
                raise
        return _signed(token, newer)

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()


def open_identity(*, issuer: str, audience: str, jwks_url: str, secret: str) -> Identity:
    """Return what checks the tokens of the provider that the settings name, if they name one.

    Without a secret and an address the keys are where OpenID providers, Supabase among them, have
    them.
    """
    if issuer and not secret and not jwks_url:
        jwks_url = f"{issuer.rstrip('/')}/.well-known/jwks.json"
    return Identity(
        Rules(issuer=issuer, audience=audience),
        secret=secret,
        keys=ProviderKeys(jwks_url) if jwks_url else None,
    )


def _signed(token: str, keys: Sequence[Key]) -> bytes:
    """Return a token's payload once one of the keys checks its signature."""
    fault: Exception | None = None
    for key in keys:
        try:
            found = jws.deserialize_compact(token, key, registry=_REGISTRY)
        except (JoseError, ValueError, RecursionError) as error:
            fault = error
            continue
        assert found.payload is not None
        return found.payload
    raise CustomerTokenInvalid(Fault.SIGNATURE) from fault
