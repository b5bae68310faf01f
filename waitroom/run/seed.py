"""The demonstration: a small shop with not enough of anything, and a draw a few minutes ahead."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from inventory.kit.problem import NotFound
from inventory.ledger_store import LedgerStore
from inventory.product_store import CatalogueStore
from inventory.sku_store import StockStore
from waitroom.store.room_store import RoomStore

ROOM = "autumn-drop"
ROOM_NAME = "Autumn drop"
WHO = "demonstration"

# Small and quick, so that a newcomer sees the line move within a minute.
RULES = """{
    "seats_max": 20, "claim_window_s": 45, "session_s": 150, "hold_s": 90, "grace_s": 600,
    "policy": "guaranteed", "message": "Welcome. Two of each per person, shipped next week."
}"""


# The second room: its doors are open, and the order is drawn when it opens.
DRAW_ROOM = "artists-proof"
DRAW_ROOM_NAME = "Artist's proof"
DRAW_IN = timedelta(minutes=10)
DRAW_RULES = """{
    "seats_max": 20, "claim_window_s": 45, "session_s": 150, "hold_s": 90, "grace_s": 600,
    "order_by": "draw", "fairness_public": true,
    "message": "Coming early gives no advantage: the order is drawn at the opening."
}"""
SALE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Product:
    """A thing, and what it comes in: each variant with its units and, if it differs, its price."""

    picture: str
    name: str
    price_minor: int
    units: int | dict[str, int]
    description: str
    dearer: tuple[str, int] | None = None
    for_a_while: bool = False

    def variants(self) -> dict[str, tuple[str, int, int]]:
        """Return the variant, price and units of each SKU."""
        if isinstance(self.units, int):
            return {self.picture: ("", self.price_minor, self.units)}
        prices = dict([self.dearer] if self.dearer else [])
        return {
            f"{self.picture}-{variant.split()[0].lower()}": (
                variant,
                prices.get(variant, self.price_minor),
                units,
            )
            for variant, units in self.units.items()
        }


PRODUCTS = (
    _Product("vase", "Tall vase", 6400, 8, "Wheel-thrown, ash glaze, 31 cm. No two are alike."),
    _Product("bowl", "Supper bowl", 2800, 12, "Stoneware, oatmeal outside, iron blue inside."),
    _Product(
        "mug",
        "Morning mug",
        2200,
        {"Oatmeal": 6, "Iron blue": 6, "Moss": 4},
        "Holds a third of a litre and keeps it warm.",
    ),
    _Product("plate", "Side plate", 1900, 12, "Twenty centimetres, with a hand-drawn rim."),
    _Product(
        "teapot", "Two-cup teapot", 7900, 5, "With a bamboo handle and a spout that does not drip."
    ),
    _Product(
        "lamp", "Paper lamp", 8800, 6, "Washi over an oak frame; the light of a late afternoon."
    ),
    _Product(
        "record", "Field recordings, vol. 3", 2600, 15, "Forty minutes of rain, pressed on 180 g."
    ),
    _Product(
        "print",
        "Harbour, linocut",
        4500,
        {"Small (30 by 40 cm)": 7, "Large (50 by 70 cm)": 3},
        "Three colours, signed and numbered.",
        dearer=("Large (50 by 70 cm)", 7800),
    ),
    _Product(
        "scarf",
        "Lambswool scarf",
        5200,
        {"Rust": 5, "Moss": 4},
        "Woven on a hand loom, a metre and eighty long.",
    ),
    _Product("notebook", "Stitched notebook", 1600, 18, "Ninety-six pages that lie flat."),
    _Product(
        "candle",
        "Beeswax candle",
        1400,
        20,
        "Burns for thirty hours and smells of summer. This month only.",
        for_a_while=True,
    ),
    _Product("planter", "Window planter", 3400, 8, "Terracotta with a saucer, for herbs."),
    _Product("tote", "Canvas tote", 2400, 14, "Heavy cotton, one inner pocket, room for a week."),
    _Product("chair", "Three-legged chair", 24000, 2, "Ash and paper cord. There are two."),
)


async def seed(
    rooms: RoomStore, stock: StockStore, products: CatalogueStore, ledger: LedgerStore
) -> bool:
    """Make the demonstration sale unless it is there; say whether it was made."""
    with suppress(NotFound):
        await rooms.read(ROOM)
        return False
    await rooms.create(ROOM, ROOM_NAME, rules=RULES, who=WHO)
    for product in PRODUCTS:
        await products.add(
            product.picture,
            room=ROOM,
            name=product.name,
            description=product.description,
            picture=f"/static/pictures/{product.picture}.svg",
            who=WHO,
        )
        await _add_variants(product, stock, ledger)
    await rooms.set_status(ROOM, "open", who=WHO)
    await _seed_draw(rooms, stock, products, ledger)
    return True


async def _seed_draw(
    rooms: RoomStore, stock: StockStore, products: CatalogueStore, ledger: LedgerStore
) -> None:
    await rooms.create(DRAW_ROOM, DRAW_ROOM_NAME, rules=DRAW_RULES, who=WHO)
    opens_at = {"opens_at": (datetime.now(UTC) + DRAW_IN).isoformat()}
    await rooms.change(DRAW_ROOM, msgspec.json.encode(opens_at).decode(), who=WHO)
    await products.add(
        "proof",
        room=DRAW_ROOM,
        name="Harbour, artist's proof",
        description="The first pulls of the block, before the edition. One for each person.",
        picture="/static/pictures/print.svg",
        who=WHO,
    )
    await stock.add(
        "proof", room=DRAW_ROOM, product="proof", price_minor=12000, limit_per_session=1
    )
    await ledger.move("proof", kind="received", quantity=12, who=WHO, reason="first delivery")


async def _add_variants(product: _Product, stock: StockStore, ledger: LedgerStore) -> None:
    sale_from = datetime.now(UTC) if product.for_a_while else None
    for sku, (variant, price_minor, units) in product.variants().items():
        await stock.add(
            sku,
            room=ROOM,
            product=product.picture,
            variant=variant,
            price_minor=price_minor,
            limit_per_session=2,
            on_sale_from=sale_from,
            on_sale_until=sale_from and sale_from + SALE,
            who=WHO,
        )
        await ledger.move(sku, kind="received", quantity=units, who=WHO, reason="first delivery")
