"""What a change of a hold may ask for."""

import msgspec
import pytest

from checkout.holds_api import HoldChange
from inventory.hold import ITEMS_MAX


def test_a_hold_grows_to_no_more_items_than_a_new_one_has() -> None:
    items = [{"sku": f"sku-{i}", "quantity": 1} for i in range(ITEMS_MAX + 1)]

    change = msgspec.convert({"items": items[1:]}, HoldChange)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"items": items}, HoldChange)

    assert change.items is not None
    assert len(change.items) == ITEMS_MAX
