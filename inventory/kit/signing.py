"""Signed short strings, and secrets that are derived from the same keys.

Short strings are signed by itsdangerous with the settings that this project needs.

The library's defaults (SHA-1, django-concat) are replaced, as its documentation advises, by
HMAC-SHA256 with an HMAC-derived key per purpose. The derived keys are computed once: a signature
is on the hot path of every join and claim.
"""

import hmac
import re
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm

# Base64 decoding forgives stray signs and spare bits; one token shall have one spelling.
_SIGNATURE = re.compile(r"~[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_SIGNATURE_LENGTH = 44
_BLOCK_BYTES = 64
SALT_BYTES = 32
KEY_ID_BYTES = 8
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class _HmacSha256(SigningAlgorithm):
    """HMAC-SHA256 in one C call; the library's own class builds a Python object each time."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class _CachedSigner(Signer):
    def __init__(self, secret_keys: Sequence[bytes], salt: bytes) -> None:
        super().__init__(
            list(secret_keys),
            salt=salt,
            sep=b"~",
            key_derivation="hmac",
            digest_method=sha256,
            algorithm=_HmacSha256(),
        )
        derive = super().derive_key
        self._derived = {key: derive(key) for key in self.secret_keys}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        key = self.secret_keys[-1] if secret_key is None else secret_key
        assert isinstance(key, bytes)
        return self._derived[key]


class KeyedHash:
    """HMAC-SHA256 (RFC 2104) under one key: `hmac.digest`, in a third of its time.

    Both blocks of the key are the same for each text, so they are hashed once. A test holds the two
    against each other.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(
            _BLOCK_BYTES, b"\0"
        )
        self._inner, self._outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))

    def digest(self, text: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()


def url_safe(raw: bytes) -> str:
    """Return bytes in URL-safe base64 (RFC 4648, section 5), without the padding.

    The library's function calls two others, and takes twice as long.
    """
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


class Seal:
    """Sign and check strings for one purpose.

    The last of `secret_keys` signs, and all of them are accepted, so a rotation overlaps. `purpose`
    names the kind and its version, such as `waitroom.line.ticket.1`; a string sealed for one
    purpose is worthless for another.
    """

    def __init__(self, secret_keys: Sequence[bytes], purpose: str) -> None:
        if not secret_keys:
            raise ValueError("a seal needs at least one key")
        self._signer = _CachedSigner(secret_keys, purpose.encode())
        self._hash = KeyedHash(self._signer.derive_key())

    def sign(self, text: str) -> str:
        """Return the text with its signature: `Signer.sign` without the wrapping, and far faster.

        A test holds the two against each other.
        """
        return f"{text}~{url_safe(self._hash.digest(text.encode()))}"

    def open(self, sealed: str) -> str | None:
        """Return the signed text, or None when no key of ours made this signature."""
        text = sealed[:-_SIGNATURE_LENGTH]
        try:
            # Nearly everything was signed by the newest key: to sign again and compare is quickest.
            if sealed.isascii() and hmac.compare_digest(self.sign(text), sealed):
                return text
            if _SIGNATURE.fullmatch(sealed[-_SIGNATURE_LENGTH:]) is None:
                return None
            return self._signer.unsign(sealed.encode()).decode()
        except (BadSignature, UnicodeError):
            return None


def key_id(key: bytes, purpose: bytes) -> bytes:
    """Return the id of a signing key for a purpose; it gives nothing of the key away."""
    return sha256(purpose + b"id:" + key).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The origin of a secret: a random salt, and the id of a signing key of the service."""

    salt: bytes = field(repr=False)
    key_id: bytes


class SecretBook:
    """Derives secrets from the service's signing keys; the last makes new ones.

    No secret is stored. The database has its root alone, which gives nothing away without the keys,
    and the keys give nothing away without the root. `purpose` keeps the secrets of two kinds apart.
    """

    def __init__(self, keys: Sequence[bytes], purpose: bytes) -> None:
        self._purpose = purpose
        self._keys = {key_id(key, purpose): key for key in keys}
        self._newest = key_id(keys[-1], purpose)

    def root(self, salt: bytes) -> Root:
        """Return the root of a new secret; `salt` is random."""
        return Root(salt=salt, key_id=self._newest)

    def knows(self, key_id: bytes) -> bool:
        """Say whether the key of this id is still kept."""
        return key_id in self._keys

    def derive(self, root: Root) -> bytes | None:
        """Return 32 bytes, or None if the key behind them is no longer kept."""
        key = self._keys.get(root.key_id)
        return None if key is None else hmac.digest(key, self._purpose + root.salt, "sha256")
