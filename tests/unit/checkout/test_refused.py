"""What a shopper in the checkout is told of a refusal."""

import pytest

from checkout.shelf.refused import explained
from inventory.hold import Verdict, refusal
from inventory.kit.language.catalogues import english


@pytest.mark.parametrize(
    ("verdict", "figure", "told"),
    [
        (Verdict.SESSION_LIMIT, 2, "Mug: at most 2 for each shopper."),
        (Verdict.ORDER_LIMIT, 2, "Mug: at most 2 for each order."),
        (Verdict.CUSTOMER_LIMIT, 2, "Mug: at most 2 for each customer."),
    ],
)
def test_a_limit_of_an_item_is_told_with_its_name(verdict: Verdict, figure: int, told: str) -> None:
    refused = refusal(verdict, sku="mug", figure=figure)

    said = explained(refused, english(), names={"mug": "Mug"}, in_line=False)

    assert said == told


@pytest.mark.parametrize(
    ("figure", "way_out"),
    [(0, "Pay for those that you hold, or try again in a minute."), (3, "at most 3 at a time.")],
)
def test_what_others_at_the_same_connection_hold_is_no_limit_of_the_shopper(
    figure: int, way_out: str
) -> None:
    refused = refusal(Verdict.NETWORK_LIMIT, sku="mug", figure=figure)

    said = explained(refused, english(), names={"mug": "Mug"}, in_line=False)

    assert said.startswith("Shoppers at your internet connection hold many items")
    assert said.endswith(way_out)
    assert "for each shopper" not in said
