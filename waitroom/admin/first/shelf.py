"""The goods of a first sale: a picture, a product with one variant, and its units."""

import re

from inventory.kit.doors.decoding import Json
from inventory.ledger_store import LedgerStore
from inventory.pictures.picture import NAME, read_picture
from inventory.pictures.picture_store import PictureStore
from inventory.product_store import CatalogueStore
from inventory.refusals import Taken
from inventory.sku_store import StockStore
from waitroom.admin.first.answers import ProductAnswer, code_of

# A name that is taken gets a number behind it, up to here.
CODES_TRIED = 50
PRODUCTS_SHOWN = 12
_PICTURE = re.compile(rf"/pictures/{NAME}")


class Shelf:
    def __init__(
        self,
        *,
        products: CatalogueStore,
        stock: StockStore,
        ledger: LedgerStore,
        pictures: PictureStore,
    ) -> None:
        self._products = products
        self._stock = stock
        self._ledger = ledger
        self._pictures = pictures

    async def keep(self, kept: str, sent: bytes, *, room: str, who: str) -> str:
        """Keep the picture that was sent, or go on with the one that was kept before.

        Returns its address, or "" for none. Raises `NotAPicture` and `PicturesTooMany`.
        """
        if not sent:
            return kept if _PICTURE.fullmatch(kept) else ""
        picture = read_picture(sent)
        await self._pictures.keep(picture, room=room, seller=None, who=who)
        return f"/pictures/{picture.name}"

    async def add(self, room: str, answer: ProductAnswer, *, picture: str, who: str) -> None:
        """Add a product with one variant and its units, under the first code that is free."""
        wanted = code_of(answer.name)
        for number in range(1, CODES_TRIED + 1):
            code = wanted if number == 1 else f"{wanted}-{number}"
            try:
                await self._add(code, room, answer, picture, who)
            except Taken:
                continue
            await self._ledger.move(code, kind="received", quantity=answer.units, who=who)
            return
        raise Taken

    async def _add(
        self, code: str, room: str, answer: ProductAnswer, picture: str, who: str
    ) -> None:
        await self._products.add(
            code,
            room=room,
            name=answer.name,
            description=answer.description,
            picture=picture,
            who=who,
        )
        await self._stock.add(
            code,
            room=room,
            product=code,
            price_minor=answer.price_minor,
            limit_per_session=answer.limit,
            who=who,
        )

    async def card_bodies(self, room: str) -> list[Json]:
        """Return the room's first products, as their cards show them."""
        found = await self._products.page(room=room, limit=PRODUCTS_SHOWN, private=True)
        return [
            {
                "name": product.name,
                "picture": product.picture,
                "price_minor": product.variants[0].price_minor,
                "currency": product.variants[0].currency,
                "units": sum(sku.available for sku in product.variants),
            }
            for product in found
            if product.variants
        ]
