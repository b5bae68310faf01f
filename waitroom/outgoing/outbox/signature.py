"""Secrets of endpoints, and the headers that Standard Webhooks signs with them."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook

from inventory.kit.signing import Root, SecretBook

PURPOSE = b"waitroom.webhook.1:"


class EndpointSecrets(SecretBook):
    """Derives the secrets of endpoints."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        super().__init__(keys, PURPOSE)

    def secret(self, root: Root) -> str | None:
        """Return `whsec_…`, or None if the key behind it is no longer kept."""
        derived = self.derive(root)
        return None if derived is None else f"whsec_{b64encode(derived).decode('ascii')}"


def sign(*, name: str, at: datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers of the specification, with one signature for each secret."""
    signatures = [Webhook(secret).sign(name, at, body) for secret in secrets]
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
