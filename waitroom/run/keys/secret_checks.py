"""Secrets that go with settings: each needs the settings that it is for. Pure.

Each check raises `ValueError`, with a sentence for the operator who sets the service up.
"""

import importlib.util
from collections.abc import Sequence

from inventory.kit.doors.origins import is_safe_address
from waitroom.outgoing.mail.relay import parse_relay

# RFC 7518, section 3.2: a key for HS256 has at least the size of the hash.
JWT_SECRET_LENGTH_MIN = 32


def check_mail(smtp_url: str, *, mail_from: str) -> None:
    """Check the relay, which needs a sender."""
    if not smtp_url:
        return
    if not mail_from:
        raise ValueError("smtp_url needs the setting mail_from")
    try:
        parse_relay(smtp_url)
    except ValueError as error:
        raise ValueError(f"smtp_url cannot be used: {error}") from error


def check_stripe(secret_key: str, webhook_secrets: Sequence[str], *, gateway: str) -> None:
    """Check Stripe's secrets, and its library where Stripe is the gateway."""
    # A restricted key begins with rk_.
    if secret_key and not secret_key.startswith(("sk_", "rk_")):
        raise ValueError("stripe_secret_key is the key that begins with sk_ or rk_")
    if not all(secret.startswith("whsec_") for secret in webhook_secrets):
        raise ValueError("stripe_webhook_secrets each begin with whsec_")
    if gateway != "stripe":
        return
    if not secret_key:
        raise ValueError(
            'gateway = "stripe" needs stripe_secret_key in the secrets file, '
            "or WAITROOM_STRIPE_SECRET_KEY"
        )
    if importlib.util.find_spec("stripe") is None:
        raise ValueError('gateway = "stripe" needs its library: pip install "waitroom[stripe]"')


def check_customers(secret: str, *, issuer: str, jwks_url: str) -> None:
    """Check how the tokens of customers are verified: by a shared secret, or by public keys."""
    if not secret:
        if issuer and not (jwks_url or is_safe_address(issuer)):
            raise ValueError(
                "customer_issuer is no https address: say where its keys are in customer_jwks_url, "
                "or give customer_jwt_secret"
            )
        return
    if not issuer:
        raise ValueError("customer_jwt_secret needs the settings customer_issuer and _audience")
    if len(secret.encode()) < JWT_SECRET_LENGTH_MIN or "-----BEGIN" in secret:
        raise ValueError(
            f"customer_jwt_secret is a shared secret of at least {JWT_SECRET_LENGTH_MIN} letters; "
            "public keys are read from customer_jwks_url"
        )
