"""The payment gateway that the settings choose. Stripe's library is loaded only if it is chosen."""

from typing import TYPE_CHECKING

import structlog

from checkout.gateway.deterministic_gateway import open_test_gateway
from checkout.gateway.gateway import Gateway
from inventory.kit.database import Pool
from waitroom.run.service import Service
from waitroom.run.settings import Secrets, Settings

if TYPE_CHECKING:
    # The library is an extra, and takes a while to load.
    from checkout.gateway.stripe_webhooks import StripeApi

log = structlog.get_logger()


async def open_gateway(
    settings: Settings, secrets: Secrets, pool: Pool, *, stripe_api: str = ""
) -> Gateway:
    """Return the payment gateway of the settings; `stripe_api` is the address of a stand-in."""
    if settings.gateway == "test":
        if not settings.demo:
            log.warning("test_gateway_moves_no_money", hint='set gateway = "stripe" for a sale')
        return await open_test_gateway(pool)
    assert settings.gateway == "stripe", "see waitroom.cli.options.with_gateway"
    from checkout.gateway.stripe_gateway import StripeGateway  # noqa: PLC0415 - an extra

    return StripeGateway(
        pool,
        secret_key=secrets.stripe_secret_key,
        shop_url=settings.base_url,
        api_base=stripe_api,
    )


def stripe_api(service: Service, secrets: Secrets) -> "StripeApi":
    from checkout.gateway.stripe_gateway import StripeGateway  # noqa: PLC0415 - an extra
    from checkout.gateway.stripe_webhooks import StripeApi  # noqa: PLC0415

    assert isinstance(service.gateway, StripeGateway)
    if not secrets.stripe_webhook_secrets:
        log.warning("stripe_news_is_off", hint="payments move later without webhook secrets")
    return StripeApi(
        service.checkout,
        gateway=service.gateway,
        hear=service.payments.hear,
        compare=service.refunds.compare,
        webhook_secrets=secrets.stripe_webhook_secrets,
    )
