"""Verify passes of a waitroom room. Pure: time, keys and revoked ids come in as arguments.

A pass is a JWT signed with Ed25519. docs/integrate/offline.md of waitroom describes the format.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PASS_TYPE = "waitroom-pass+jwt"  # noqa: S105 - the name of a type
PASS_LENGTH_MAX = 1024
# A site's clock may be behind the room's by so much.
CLOCK_SLACK_S = 60


class PassRefused(Exception):
    """A pass does not let its bearer in. `code` is stable, `status` is for programs."""

    def __init__(self, code: str, sentence: str, *, status: int = 403, claims: Any = None) -> None:
        super().__init__(sentence)
        self.code, self.status, self.claims = code, status, claims


@dataclass(frozen=True)
class Claims:
    """The claims of a pass. `sub` is the public id of the session; times are seconds since 1970."""

    iss: str
    aud: str
    sub: str
    iat: int
    exp: int


def verify(
    text: str,
    keys: Mapping[str, Ed25519PublicKey],
    *,
    issuer: str,
    room: str,
    now: float,
    revoked: Container[str] = (),
    issued_before: float = 0,
) -> Claims:
    """Return what a pass says that is good now; raises `PassRefused`, which says why not."""
    parts = text.split(".")
    if len(text) > PASS_LENGTH_MAX or len(parts) != 3:
        raise _unreadable()
    header, said = _decoded(parts[0]), _decoded(parts[1])
    if header.get("alg") != "EdDSA" or header.get("typ") != PASS_TYPE:
        raise _unreadable()
    key = keys.get(str(header.get("kid")))
    if key is None:
        raise PassRefused("pass_of_unknown_key", "No key of the room signed this pass.")
    try:
        key.verify(_raw(parts[2]), f"{parts[0]}.{parts[1]}".encode())
    except InvalidSignature:
        raise PassRefused("pass_forged", "The signature is not over this pass.") from None
    claims = _claims(said)
    if claims.iss != issuer:
        raise PassRefused("pass_of_another_service", "Another service gave this pass.")
    if claims.aud != room:
        raise PassRefused("pass_of_another_room", "This pass is for another room.")
    if claims.iat > now + CLOCK_SLACK_S:
        raise PassRefused("pass_not_yet", "This pass is not valid yet: compare the clocks.")
    if claims.sub in revoked:
        raise PassRefused("pass_revoked", "The session of this pass has ended.", status=429)
    if claims.exp <= now or claims.iat < issued_before:
        raise PassRefused("pass_over", "This pass has run out.", status=429, claims=claims)
    return claims


def _claims(said: dict[str, Any]) -> Claims:
    claims = Claims(*(said.get(name) for name in ("iss", "aud", "sub", "iat", "exp")))  # type: ignore[arg-type]
    texts, times = (claims.iss, claims.aud, claims.sub), (claims.iat, claims.exp)
    if not all(type(one) is str for one in texts) or not all(type(one) is int for one in times):
        raise _unreadable()
    return claims


def _unreadable() -> PassRefused:
    return PassRefused("pass_unreadable", "This is no pass of a room.")


def _raw(part: str) -> bytes:
    """Return the bytes of base64url without padding; it has one spelling."""
    try:
        raw = urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except ValueError:
        raise _unreadable() from None
    if urlsafe_b64encode(raw).rstrip(b"=") != part.encode("ascii"):
        raise _unreadable()
    return raw


def _decoded(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_raw(part))
    except (ValueError, RecursionError):
        raise _unreadable() from None
    if not isinstance(value, dict):
        raise _unreadable()
    return value


def claims_in(text: str) -> Claims:
    """Return what a pass says that was verified before."""
    return _claims(_decoded(text.split(".")[1]))


def keys_of(document: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """Return the keys of a JWK set by their ids; keys of another kind are left out."""
    return {
        str(key["kid"]): Ed25519PublicKey.from_public_bytes(_raw(key["x"]))
        for key in document["keys"]
        if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"
    }


class Revoked:
    """The ids of sessions that ended before their passes ran out.

    An id is kept for one to two times as long as a pass holds: after that its passes are over.
    """

    def __init__(self) -> None:
        self.version, self.issued_before = -1, 0.0
        self._new: set[str] = set()
        self._old: set[str] = set()
        self._turn_at = 0.0

    def __contains__(self, public_id: object) -> bool:
        return public_id in self._new or public_id in self._old

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def add(self, public_id: str) -> None:
        self._new.add(public_id)

    def take(self, document: Mapping[str, Any], now: float) -> bool:
        """Take a list of the room in, whole or what is new in it; say whether there is more."""
        if document["reset"] or now >= self._turn_at:
            self._old = set() if document["reset"] else self._new
            self._new, self._turn_at = set(), now + document["pass_s"]
        self._new.update(document["revoked"])
        self.version = document["version"]
        self.issued_before = max(self.issued_before, document["issued_before"] or 0)
        return bool(document["more"])
