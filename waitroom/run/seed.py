"""The demonstration sale: a small shop with fourteen things and not enough of any."""

from dataclasses import dataclass

from inventory.ledger_store import LedgerStore
from inventory.stock_store import StockStore
from waitroom.line_store import LineStore

ROOM = "autumn-drop"
ROOM_NAME = "Autumn drop"
WHO = "demonstration"

# Small and quick, so that a newcomer sees the line move within a minute.
RULES = """{
    "seats_max": 20, "claim_window_s": 45, "session_s": 150, "hold_s": 90, "grace_s": 600,
    "policy": "guaranteed", "message": "Welcome. Two of each per person, shipped next week."
}"""


@dataclass(frozen=True, slots=True)
class _Product:
    picture: str
    name: str
    price_minor: int
    units: int
    description: str


PRODUCTS = (
    _Product("vase", "Tall vase", 6400, 8, "Wheel-thrown, ash glaze, 31 cm. No two are alike."),
    _Product("bowl", "Supper bowl", 2800, 12, "Stoneware, oatmeal outside, iron blue inside."),
    _Product("mug", "Morning mug", 2200, 16, "Holds a third of a litre and keeps it warm."),
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
        "print", "Harbour, linocut", 4500, 10, "Three colours, signed and numbered, 30 by 40 cm."
    ),
    _Product("scarf", "Lambswool scarf", 5200, 9, "Woven on a hand loom in rust and moss."),
    _Product("notebook", "Stitched notebook", 1600, 18, "Ninety-six pages that lie flat."),
    _Product("candle", "Beeswax candle", 1400, 20, "Burns for thirty hours and smells of summer."),
    _Product("planter", "Window planter", 3400, 8, "Terracotta with a saucer, for herbs."),
    _Product("tote", "Canvas tote", 2400, 14, "Heavy cotton, one inner pocket, room for a week."),
    _Product("chair", "Three-legged chair", 24000, 2, "Ash and paper cord. There are two."),
)


async def seed(lines: LineStore, stock: StockStore, ledger: LedgerStore) -> bool:
    """Make the demonstration sale unless it is there; say whether it was made."""
    if any(row["room"] == ROOM for row in await lines.rooms()):
        return False
    await lines.create_room(ROOM, ROOM_NAME, who=WHO)
    await lines.change_room(ROOM, RULES, who=WHO)
    for product in PRODUCTS:
        await stock.add(
            product.picture,
            room=ROOM,
            name=product.name,
            price_minor=product.price_minor,
            description=product.description,
            picture=f"/static/pictures/{product.picture}.svg",
            limit_per_session=2,
        )
        await ledger.move(
            product.picture,
            kind="received",
            quantity=product.units,
            who=WHO,
            reason="first delivery",
        )
    await lines.set_status(ROOM, "open", who=WHO)
    return True
