"""The SKU that a shopper comes for."""

from contextlib import suppress

from inventory.api import Catalogue
from inventory.catalogue import is_code
from inventory.kit.problem import NotFound
from waitroom.desk.standing import TicketStanding
from waitroom.web.waiting.shown import WantedSku, named_by


async def wanted_by(
    asked_for: str, standing: TicketStanding | None, room: str, catalogue: Catalogue
) -> WantedSku | None:
    """Return what the shopper comes for: the address says it, or the ticket names it."""
    named = named_by(standing)
    for sku, asked in ((asked_for, True), (named, False)):
        if not sku or (asked and sku == named) or not is_code(sku):
            continue
        # From the cache: however many come from a product's page, it is a query a second.
        with suppress(NotFound):
            found = await catalogue.read(sku)
            if found.room == room:
                return WantedSku(sku=found.sku, name=found.name, asked=asked)
    return None
