"""Passes: the right of a shopper whom a room let in, which a site verifies by itself. Pure.

A pass is a JWT (RFC 7519) signed with Ed25519 (RFC 8037). It names the room, a public id of the
session, and a deadline that is never later than the session's. A site needs the public keys and the
list of revoked ids to check it, and no request to the service. docs/integrate/offline.md describes
the format for the authors of other connectors.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# No other token of the service has this type (RFC 8725, section 3.11).
PASS_TYPE = "waitroom-pass+jwt"  # noqa: S105 - the name of a type
PASS_LENGTH_MAX = 1024

_KEY_BYTES = 32
# One block of AES: the session's number, and its turn.
_ID = Struct(">qq")
_KEY_INFO = b"waitroom.pass-key.1"
_ID_INFO = b"waitroom.pass-id.1"
_Shape = TypeVar("_Shape")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What a pass says; both moments are in seconds since 1970."""

    # The service's address, as browsers know it.
    issuer: str
    room: str
    # The session's number in the books, and how often the number was called by then: a shopper who
    # comes back later has another session under one number. A pass shows both enciphered.
    session_id: int
    turn: int
    issued_at: int
    expires_at: int


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    sub: str
    iat: int
    exp: int


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that verifies passes, as a JWK (RFC 7517 and RFC 8037)."""

    kty: str
    crv: str
    # The 32 bytes of the key, in base64url.
    x: str
    # The thumbprint of the key (RFC 7638), which a pass names in its header.
    kid: str
    use: str
    alg: str


class KeySet(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that verify passes, as a JWK set (RFC 7517)."""

    # The one that signs first.
    keys: list[PublicKey]


class PassUnreadable(ValueError):
    """A text is no pass that this service signed."""


class PassKeys:
    """Mint passes and read them back.

    Each of `secrets` gives a key pair; the last signs, and all are published, so a rotation
    overlaps. The ids come from `first`, the first key that the service had, so a session has the
    same public id in each of its passes.
    """

    def __init__(self, secrets: Sequence[bytes], *, first: bytes | None = None) -> None:
        self._signs = _PassKey(secrets[-1])
        # The one that signs comes first.
        self._keys = {key.key_id: key for key in [self._signs, *map(_PassKey, reversed(secrets))]}
        ids = _derived(secrets[0] if first is None else first, _ID_INFO)
        self._ids = Cipher(AES(ids), ECB())  # noqa: S305 - a single block

    @property
    def public(self) -> KeySet:
        """Return the public keys."""
        return KeySet(keys=[key.public for key in self._keys.values()])

    def public_id(self, session_id: int, turn: int) -> str:
        """Return the id of a session that strangers may see.

        It is one enciphered block: random to everybody else, and back to its numbers without a
        look-up.
        """
        encryptor = self._ids.encryptor()
        block = encryptor.update(_ID.pack(session_id, turn)) + encryptor.finalize()
        return _text(block)

    def mint(self, given: Pass) -> str:
        """Return the signed text of a pass."""
        claims = _Claims(
            iss=given.issuer,
            aud=given.room,
            sub=self.public_id(given.session_id, given.turn),
            iat=given.issued_at,
            exp=given.expires_at,
        )
        return self._signs.sign(msgspec.json.encode(claims))

    def read(self, text: str) -> Pass:
        """Return what a pass of ours says, be it over or not; raises `PassUnreadable`."""
        if len(text) > PASS_LENGTH_MAX or text.count(".") != 2 or not text.isascii():
            raise PassUnreadable
        head, body, signature = text.split(".")
        header = _decoded(head, _HEADER)
        key = self._keys.get(header.kid)
        if key is None or header.alg != "EdDSA" or header.typ != PASS_TYPE:
            raise PassUnreadable
        key.verify(_raw(signature), f"{head}.{body}".encode())
        claims = _decoded(body, _CLAIMS)
        session_id, turn = self._numbers_of(claims.sub)
        return Pass(
            issuer=claims.iss,
            room=claims.aud,
            session_id=session_id,
            turn=turn,
            issued_at=claims.iat,
            expires_at=claims.exp,
        )

    def _numbers_of(self, public_id: str) -> tuple[int, int]:
        block = _raw(public_id)
        if len(block) != _ID.size:
            raise PassUnreadable
        decryptor = self._ids.decryptor()
        session_id, turn = _ID.unpack(decryptor.update(block) + decryptor.finalize())
        if not (session_id > 0 and 0 < turn < 1 << 31):
            # The first secret was exchanged since, and with it all ids.
            raise PassUnreadable
        return session_id, turn


class _PassKey:
    """One key pair, and the beginning of every pass that it signs."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_derived(secret, _KEY_INFO))
        self._public = self._key.public_key()
        x = _text(self._public.public_bytes_raw())
        # The thumbprint of RFC 7638: the members in order, without blanks.
        named = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
        self.key_id = _text(sha256(named.encode()).digest())
        self.public = PublicKey(
            kty="OKP", crv="Ed25519", x=x, kid=self.key_id, use="sig", alg="EdDSA"
        )
        header = _Header(alg="EdDSA", kid=self.key_id, typ=PASS_TYPE)
        self._head = _text(msgspec.json.encode(header))

    def sign(self, claims: bytes) -> str:
        signed = f"{self._head}.{_text(claims)}"
        return f"{signed}.{_text(self._key.sign(signed.encode()))}"

    def verify(self, signature: bytes, signed: bytes) -> None:
        try:
            self._public.verify(signature, signed)
        except InvalidSignature as error:
            raise PassUnreadable from error


def pass_ends(*, now: int, pass_s: int, seconds_left: float) -> int:
    """Return when a pass runs out that is minted now: with its session at the latest.

    A session's end on the wall clock only ever moves to later, while the shoppers' clock stands
    still, so a pass never outlives its session.
    """
    return now + min(pass_s, max(0, int(seconds_left)))


def _derived(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(secret)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _raw(text: str) -> bytes:
    """Return the bytes of base64url without padding, in its one spelling."""
    if _BASE64URL.fullmatch(text) is None or len(text) % 4 == 1:
        raise PassUnreadable
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _text(raw) != text:
        raise PassUnreadable
    return raw


def _decoded(text: str, decoder: "msgspec.json.Decoder[_Shape]") -> _Shape:
    try:
        return decoder.decode(_raw(text))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PassUnreadable from error


_HEADER = msgspec.json.Decoder(_Header)
_CLAIMS = msgspec.json.Decoder(_Claims)
