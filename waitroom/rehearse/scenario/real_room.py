"""A real room's rules and stock, for a rehearsal of its sale."""

from datetime import UTC, datetime

import msgspec

from inventory.kit.database import Pool
from inventory.ledger_store import LedgerStore
from waitroom.rehearse.scenario.scenario import SKUS_MAX, Rules, ScenarioError, Sku, Stock
from waitroom.store.room_store import RoomStore


async def rules_and_stock(pool: Pool, room: str) -> tuple[Rules, Stock]:
    """Read a room's rules, and what it has still to sell.

    Raises `ScenarioError` where there is nothing, and `NotFound` for an unknown room.
    """
    rules = await RoomStore(pool).read(room)
    balances = await LedgerStore(pool).at(room, datetime.now(UTC), limit=SKUS_MAX)
    left = {balance.sku: balance.on_hand - balance.sold for balance in balances}
    skus = tuple(Sku(sku=sku, units_share=units) for sku, units in left.items() if units > 0)
    if not skus:
        raise ScenarioError(f"the room {room} has nothing to sell")
    known = {name: getattr(rules, name) for name in Rules.__struct_fields__}
    units = sum(count for count in left.values() if count > 0)
    return msgspec.convert(known, Rules), Stock(units=units, skus=skus)
