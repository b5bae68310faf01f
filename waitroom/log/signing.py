"""The key that signs a room's log, and the check of its signatures. Pure.

Ed25519 (RFC 8032). The service signs two kinds of message: a closing, which fixes the entries of a
draw, and a head, which fixes the log up to an entry. Each message starts with its purpose, so a
signature over one can never pass for the other. docs/how-it-works/draw-and-log.md has test vectors.
"""

from datetime import datetime
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waitroom.log.chain import fields
from waitroom.log.entries import Hash, Number, Signature

_KEY_BYTES = 32
_LOG_KEY_INFO = b"waitroom.log-key.1"
_CLOSING = b"waitroom.closing.1"
_HEAD = b"waitroom.head.1"


class LogKey:
    """Signs closings and heads with a key derived from a secret by HKDF-SHA256 (RFC 5869).

    `secret` is the first signing key that the service had. It is kept for this alone after it has
    been retired, so the public key that a room has announced remains valid.
    """

    def __init__(self, secret: bytes) -> None:
        hkdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_LOG_KEY_INFO)
        self._key = Ed25519PrivateKey.from_private_bytes(hkdf.derive(secret))
        # The 32 bytes that a room announces.
        self.public: Final = self._key.public_key().public_bytes_raw()

    def sign_closing(self, *, room: str, line: str, count: int, head: bytes) -> bytes:
        """Sign the count of a draw's entries and the hash of the log entry that closed them."""
        return self._key.sign(_closing(room, line, count, head))

    def sign_head(self, *, room: str, seq: int, head: bytes) -> bytes:
        """Sign the sequence number and the hash of a log's last entry."""
        return self._key.sign(_head(room, seq, head))


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a room's log at some moment, as the service signs and serves it.

    `seq` and `hash` are those of the last entry, `key` is the public key. `at` is when it was
    signed, for people to read: the signature does not cover it.
    """

    room: str
    seq: Number
    hash: Hash
    at: datetime | None = None
    key: Hash
    signature: Signature

    def is_signed(self) -> bool:
        """Say whether the signature is this key's over this head."""
        return verify_head(
            bytes.fromhex(self.key),
            bytes.fromhex(self.signature),
            room=self.room,
            seq=self.seq,
            head=bytes.fromhex(self.hash),
        )


def verify_closing(
    public_key: bytes, signature: bytes, *, room: str, line: str, count: int, head: bytes
) -> bool:
    """Say whether a signature is this key's over this closing."""
    return _signed_by(public_key, signature, _closing(room, line, count, head))


def verify_head(public_key: bytes, signature: bytes, *, room: str, seq: int, head: bytes) -> bool:
    """Say whether a signature is this key's over this head."""
    return _signed_by(public_key, signature, _head(room, seq, head))


def _closing(room: str, line: str, count: int, head: bytes) -> bytes:
    return _CLOSING + fields(room.encode(), line.encode(), b"%d" % count, head)


def _head(room: str, seq: int, head: bytes) -> bytes:
    return _HEAD + fields(room.encode(), b"%d" % seq, head)


def _signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
