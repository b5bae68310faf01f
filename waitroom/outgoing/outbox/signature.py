"""Secrets of endpoints, and the headers that Standard Webhooks signs with them.

No secret is stored. An endpoint has a random salt and the id of the signing key of the service from
which its secret is derived; the database alone gives none away, and the keys alone do neither.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from standardwebhooks import Webhook

PURPOSE = b"waitroom.webhook.1:"
SALT_BYTES = 32
KEY_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The origin of a secret: an endpoint's salt, and the id of a signing key."""

    salt: bytes = field(repr=False)
    key_id: bytes


def key_id_of(key: bytes) -> bytes:
    """Return what names a signing key without giving it away."""
    return sha256(PURPOSE + b"id:" + key).digest()[:KEY_ID_BYTES]


class SecretBook:
    """Derives secrets from the service's signing keys, oldest first; the last makes new ones."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {key_id_of(key): key for key in keys}
        self._newest = key_id_of(keys[-1])

    def root(self, salt: bytes) -> Root:
        """Return the root of a new secret; `salt` is random."""
        return Root(salt=salt, key_id=self._newest)

    def knows(self, key_id: bytes) -> bool:
        """Say whether the key of this id is still kept."""
        return key_id in self._keys

    def secret(self, root: Root) -> str | None:
        """Return `whsec_…`, or None if the key behind it is no longer kept."""
        key = self._keys.get(root.key_id)
        if key is None:
            return None
        derived = hmac.digest(key, PURPOSE + root.salt, "sha256")
        return f"whsec_{b64encode(derived).decode('ascii')}"


def sign(*, name: str, at: datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers of the specification, with one signature for each secret."""
    signatures = [Webhook(secret).sign(name, at, body) for secret in secrets]
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
