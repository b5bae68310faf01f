"""Customers: who the shop's identity provider says that a shopper is. Pure: no clock, no engine."""

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

import msgspec

from checkout.refusals import CustomerTokenInvalid, Fault

# A token is a header of a request, and servers bound those at 8 KiB.
TOKEN_BYTES_MAX = 8192
# How far the provider's clock may be from ours.
LEEWAY_S = 30
# A token that is good for longer is not a sign-in but a leaked key.
LIFE_MAX_S = 7 * 24 * 3600
# OpenID Connect Core 1.0, section 2: a `sub` has at most 255 signs.
SUBJECT_LENGTH_MAX = 255
# RFC 5321, section 4.5.3.1: 64 before the @ and 255 after it.
EMAIL_LENGTH_MAX = 320

# The algorithms that each kind of key can have signed with. A shared secret signs HS256 alone, and
# a public key never does: a token that names HS256 and is "signed" with a public key is forged.
SHARED = frozenset({"HS256"})
PUBLIC = frozenset({"RS256", "ES256", "EdDSA", "Ed25519"})
# RFC 8725, section 3.11: one provider signs more than one kind of token.
_TYPES = frozenset({"", "jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_FORM = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Whom a token speaks for: `subject` is the provider's name for them, and never changes."""

    issuer: str
    subject: str
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The claims of a token that is meant for this shop."""

    issuer: str
    audience: str


class Header(msgspec.Struct, frozen=True):
    """A token's header, as far as it decides which key to ask. Key addresses in it are ignored."""

    alg: str
    kid: str | None = None
    typ: str = ""
    crit: Any = None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: int | float
    nbf: int | float | None = None
    iat: int | float | None = None
    email: Any = None
    email_verified: Any = None
    is_anonymous: Any = None


_HEADER = msgspec.json.Decoder(Header)
_CLAIMS = msgspec.json.Decoder(_Claims)


def read_header(token: str) -> Header:
    """Return a token's header, not yet believed; raises `CustomerTokenInvalid`."""
    match = _FORM.fullmatch(token) if len(token) <= TOKEN_BYTES_MAX else None
    if match is None:
        raise CustomerTokenInvalid(Fault.FORM)
    try:
        header = _HEADER.decode(urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)))
    except (ValueError, RecursionError) as error:
        raise CustomerTokenInvalid(Fault.FORM) from error
    # No extension is understood here, so one that must be understood is refused (RFC 7515, 4.1.11).
    if header.crit is not None or header.typ.lower() not in _TYPES:
        raise CustomerTokenInvalid(Fault.TYPE)
    if header.alg not in SHARED | PUBLIC:
        raise CustomerTokenInvalid(Fault.ALGORITHM)
    return header


def read_claims(payload: bytes, rules: Rules, *, now: float) -> Customer:
    """Return the customer in a signed payload; raises `CustomerTokenInvalid`.

    `now` is Unix time in seconds. Issuer, subject, audience and expiry must be there.
    """
    try:
        claims = _CLAIMS.decode(payload)
    except (ValueError, RecursionError) as error:
        raise CustomerTokenInvalid(Fault.CLAIMS) from error
    if claims.iss != rules.issuer:
        raise CustomerTokenInvalid(Fault.ISSUER)
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if rules.audience not in audiences:
        raise CustomerTokenInvalid(Fault.AUDIENCE)
    _check_times(claims, now)
    if not claims.sub.strip() or len(claims.sub) > SUBJECT_LENGTH_MAX or "\0" in claims.sub:
        raise CustomerTokenInvalid(Fault.SUBJECT)
    # Anonymous identities cost nothing, so limits per customer would bound nothing.
    if claims.is_anonymous is not None and claims.is_anonymous is not False:
        raise CustomerTokenInvalid(Fault.ANONYMOUS)
    return Customer(issuer=claims.iss, subject=claims.sub, email=_email(claims))


def _check_times(claims: _Claims, now: float) -> None:
    if claims.exp <= now - LEEWAY_S:
        raise CustomerTokenInvalid(Fault.EXPIRED)
    if max(claims.nbf or 0, claims.iat or 0) > now + LEEWAY_S:
        raise CustomerTokenInvalid(Fault.EARLY)
    oldest = now - LIFE_MAX_S - LEEWAY_S
    if claims.exp > now + LIFE_MAX_S + LEEWAY_S or (claims.iat is not None and claims.iat < oldest):
        raise CustomerTokenInvalid(Fault.LIFE)


def _email(claims: _Claims) -> str:
    """Return the address, unless the provider says that it is not verified."""
    known = claims.email_verified is not False and isinstance(claims.email, str)
    address: str = claims.email if known else ""
    usable = address.isprintable() and len(address) <= EMAIL_LENGTH_MAX
    return address if usable else ""
