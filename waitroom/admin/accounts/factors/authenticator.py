"""Codes of authenticator apps (RFC 6238), and their secrets as the database keeps them."""

import os
from collections.abc import Sequence

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from inventory.kit.signing import KEY_ID_BYTES, Root, SecretBook

PURPOSE = b"waitroom.authenticator.1:"
STEP_S = 30
DIGITS = 6
# Clocks of phones may be this many steps early or late.
DRIFT_STEPS = 1
SALT_BYTES = 16
NONCE_BYTES = 12


class Authenticators:
    """Makes secrets of apps, seals them for the database, and finds the step of a code.

    The key of a seal is derived from a signing key of the service and a salt of its own, so a
    database that leaked gives no secret away. A seal names its signing key: older ones go on
    opening what they sealed, and each right code seals the secret with the newest.
    """

    def __init__(self, keys: Sequence[bytes], *, issuer: str) -> None:
        self._book = SecretBook(keys, PURPOSE)
        self._issuer = issuer

    def new(self, operator_id: int) -> bytes:
        """Return the sealed secret of a new app."""
        return self._seal(operator_id, pyotp.random_base32())

    def resealed(self, operator_id: int, sealed: bytes) -> bytes:
        """Return a secret sealed with the newest key, as it stands if that is so already."""
        if sealed.startswith(self._book.root(b"").key_id):
            return sealed
        secret = self.secret(operator_id, sealed)
        return sealed if secret is None else self._seal(operator_id, secret)

    def _seal(self, operator_id: int, secret: str) -> bytes:
        root = self._book.root(os.urandom(SALT_BYTES))
        key, nonce = self._book.derive(root), os.urandom(NONCE_BYTES)
        assert key is not None, "the newest key is always kept"
        closed = AESGCM(key).encrypt(nonce, secret.encode(), _about(operator_id))
        return root.key_id + root.salt + nonce + closed

    def secret(self, operator_id: int, sealed: bytes) -> str | None:
        """Return a secret in base32, or None when its key is no longer kept."""
        key_id, rest = sealed[:KEY_ID_BYTES], sealed[KEY_ID_BYTES:]
        salt, rest = rest[:SALT_BYTES], rest[SALT_BYTES:]
        key = self._book.derive(Root(salt=salt, key_id=key_id))
        if key is None:
            return None
        try:
            opened = AESGCM(key).decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], _about(operator_id)
            )
        except InvalidTag:
            return None
        return opened.decode()

    def address(self, secret: str, name: str) -> str:
        """Return the address that a QR code hands to an app."""
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=self._issuer)

    def step_of(
        self, operator_id: int, sealed: bytes, code: str, *, now_s: float, after: int
    ) -> int | None:
        """Return the time step of a right code that is later than the step `after`, else None."""
        secret, typed = self.secret(operator_id, sealed), "".join(code.split())
        if secret is None or len(typed) != DIGITS or not typed.isascii():
            return None
        app, now = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S), int(now_s) // STEP_S
        for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
            if pyotp.utils.strings_equal(app.generate_otp(step), typed) and step > after:
                return step
        return None


def _about(operator_id: int) -> bytes:
    # A sealed secret that is moved to another operator's row opens nothing.
    return str(operator_id).encode()
