"""The page and the gateway count money alike for Stripe."""

import json
import re

from checkout.gateway import stripe_gateway
from inventory.kit.pages import static_folder


def test_the_page_knows_the_currencies_that_stripe_counts_otherwise() -> None:
    script = (static_folder() / "js" / "stripe.js").read_text()
    found = re.search(r"STRIPE_DIGITS = \{(.*?)\}", script)

    assert found is not None
    digits = json.loads("{" + re.sub(r"(\w+):", r'"\1":', found[1]) + "}")
    assert digits == stripe_gateway._STRIPE_DIGITS  # noqa: SLF001 - the page has a copy
