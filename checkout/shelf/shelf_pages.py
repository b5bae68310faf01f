"""Reads the goods that a page of the checkout shows. Every query has a bound."""

from collections.abc import Collection

from checkout.shelf.form import Sought
from checkout.shelf.shelf import Group, Shelf, grouped, groups_of
from inventory.api import Catalogue
from inventory.catalogue import Sku

PRODUCTS_SHOWN_MAX = 24
# Of each product; a page of its own has the others.
VARIANTS_SHOWN_MAX = 10
# Of a search, or of one product.
SKUS_SHOWN_MAX = 60


class Shelves:
    """The goods of rooms, page by page; what any shopper may see is read once a second."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def named(self, room: str, skus: Collection[str]) -> dict[str, Sku]:
        """Return those of a few SKUs that a room sells, by their codes, as they are now."""
        return {sku.sku: sku for sku in await self._catalogue.named(room, skus)}

    async def sells(self, room: str) -> bool:
        """Say whether a room sells anything, or lets shoppers through to another site."""
        return bool((await self._catalogue.products(room=room, limit=1, private=True)).found)

    async def shelf(
        self, room: str, page: Sought, *, wanted: Sku | None, chosen: Collection[Sku]
    ) -> Shelf:
        """Return a page of a room's goods.

        `wanted` is the SKU that the shopper came for, and the page begins with its product. What is
        `chosen` already stands on every page.
        """
        came_for = await self._came_for(room, wanted) if wanted else None
        above = {sku.sku for sku in came_for.skus} if came_for else set()
        groups, following = await self._groups(room, page, without=above)
        shown = above | {sku.sku for group in groups for sku in group.skus}
        return Shelf(
            page=page,
            came_for=came_for,
            chosen=grouped(chosen, without=shown),
            groups=groups,
            next=following,
        )

    async def _came_for(self, room: str, wanted: Sku) -> Group:
        """Return the product of a SKU with its first variants, that SKU before the others."""
        found = await self._catalogue.skus(
            room=room, product=wanted.product, limit=VARIANTS_SHOWN_MAX, private=True
        )
        others = [sku for sku in found.found if sku.sku != wanted.sku]
        return Group(
            product=wanted.product,
            name=wanted.product_name,
            skus=[wanted, *others],
            more=len(found.found) == VARIANTS_SHOWN_MAX,
        )

    async def _groups(
        self, room: str, page: Sought, *, without: Collection[str]
    ) -> tuple[list[Group], Sought | None]:
        if page.search or page.product:
            skus = await self._catalogue.skus(
                room=room,
                product=page.product or None,
                search=page.search or None,
                after=page.after,
                limit=SKUS_SHOWN_MAX,
                private=True,
            )
            last = skus.found[-1].sku if len(skus.found) == SKUS_SHOWN_MAX else ""
            groups = grouped(skus.found, without=without)
        else:
            products = await self._catalogue.products(
                room=room,
                after=page.after,
                limit=PRODUCTS_SHOWN_MAX,
                private=True,
                variants_max=VARIANTS_SHOWN_MAX,
            )
            full = len(products.found) == PRODUCTS_SHOWN_MAX
            last = products.found[-1].product if full else ""
            groups = groups_of(products.found, without=without)
        following = Sought(search=page.search, product=page.product, after=last)
        return groups, following if last else None
