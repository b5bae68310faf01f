"""What is off sale is a balance: kept by every change of stock and times, and read at once."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from shop import ask, hold, open_gate, sessions_in, wish
from support import execute, shift_clock

from waitroom.run.app import Service

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
OFF_SALE = "SELECT units_off_sale(1, interval '0') AS now, units_off_sale(1, interval '90') AS soon"
# The same, counted by SKU.
COUNTED = """
SELECT COALESCE(sum(free) FILTER (WHERE NOT is_sold_for(k, '0')), 0)::bigint AS now,
       COALESCE(sum(free) FILTER (WHERE NOT is_sold_for(k, '90')), 0)::bigint AS soon
FROM (SELECT k, GREATEST(s.on_hand - s.held - s.sold, 0) AS free
      FROM sku k JOIN stock s USING (sku_id)) x"""


async def agree(service: Service) -> dict[str, int]:
    (kept,), (counted,) = await execute(service, OFF_SALE), await execute(service, COUNTED)
    assert dict(kept) == dict(counted)
    assert await service.ledger.breaches() == []
    return dict(kept)


async def set_times(service: Service, sku: str, start: Any, end: Any) -> None:
    sql = "UPDATE sku SET on_sale_from = $2, on_sale_until = $3 WHERE sku = $1"
    await execute(service, sql, sku, start, end)


async def test_what_is_off_sale_follows_stock_and_times(service: Service) -> None:
    skus = {"mug": 10, "vase": 20, "lamp": 30}
    await open_gate(service, skus=skus, limit=9)
    (session,) = await sessions_in(service, 1)
    assert await agree(service) == {"now": 0, "soon": 0}

    await set_times(service, "vase", LATER, None)
    await set_times(service, "lamp", None, datetime.now(UTC) + timedelta(seconds=60))
    assert await agree(service) == {"now": 20, "soon": 50}

    held = await hold(service, session, lamp=4, mug=1)
    assert await agree(service) == {"now": 20, "soon": 46}
    await service.holds.change(session, held, {"lamp": 1})
    assert await agree(service) == {"now": 20, "soon": 49}
    await service.ledger.move("vase", kind="received", quantity=5, who="test")
    assert await agree(service) == {"now": 25, "soon": 54}
    await shift_clock(service, 4000)
    await service.holds.expire(10)
    assert await agree(service) == {"now": 25, "soon": 55}
    await set_times(service, "vase", None, None)
    await set_times(service, "lamp", LONG_AGO, LATER)
    assert await agree(service) == {"now": 0, "soon": 0}


async def test_new_times_and_holds_at_the_same_moment_leave_the_balance_right(
    service: Service,
) -> None:
    await open_gate(service, skus={f"sku-{i}": 50 for i in range(6)}, limit=50)
    sessions = await sessions_in(service, 6)
    dice = random.Random(1)
    ends = [None, LONG_AGO + timedelta(days=1), LATER]

    async def change() -> None:
        for _ in range(8):
            await set_times(service, f"sku-{dice.randrange(6)}", LONG_AGO, dice.choice(ends))

    async def shop(session: int) -> None:
        for _ in range(8):
            chosen = dice.sample(range(6), 3)
            await ask(service, wish(session, partial=True, **{f"sku-{i}": 1 for i in chosen}))

    async with asyncio.timeout(60):
        await asyncio.gather(change(), change(), *(shop(session) for session in sessions))

    await agree(service)


async def test_a_large_catalogue_with_times_costs_a_hold_nothing(service: Service) -> None:
    await open_gate(service, skus={"mug": 10})
    many = """
        WITH made AS (INSERT INTO product (product, room_id, name) VALUES ('many', 1, 'Many')
                      RETURNING product_id),
        added AS (
            INSERT INTO sku (sku, product_id, room_id, name, price_minor, currency, on_sale_from)
            SELECT 'many-' || n, product_id, 1, 'One of many', 100, m.currency, $1
            FROM made, room m, generate_series(1, 3000) n WHERE m.room_id = 1 RETURNING sku_id)
        SELECT count(*) FROM added"""

    async def fastest() -> float:
        async def once() -> float:
            started = time.perf_counter()
            await execute(service, OFF_SALE)
            return time.perf_counter() - started

        return min([await once() for _ in range(20)])

    await execute(service, many, LATER)
    before = await fastest()
    await execute(
        service, "INSERT INTO stock (sku_id) SELECT sku_id FROM sku WHERE sku LIKE 'many-%'"
    )
    for table in ("stock", "room_stock"):
        where = "sku_id > 1" if table == "stock" else "room_id = 1"
        units = 1 if table == "stock" else 3000
        await execute(service, f"UPDATE {table} SET on_hand = on_hand + {units} WHERE {where}")

    after = await fastest()

    assert dict((await execute(service, OFF_SALE))[0]) == {"now": 3000, "soon": 3000}
    assert after < 4 * before
