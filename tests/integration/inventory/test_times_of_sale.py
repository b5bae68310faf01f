"""What is off sale is a balance: kept by every change of stock and times, and read at once."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import (
    as_owner,
    execute,
    shift_clock,
)

from waitroom.run.app import Service

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
OFF_SALE = (
    "SELECT units_off_sale(1, interval '0') AS now, units_off_sale(1, interval '900') AS soon"
)
# The same, counted by SKU.
COUNTED = """
SELECT COALESCE(sum(free) FILTER (WHERE NOT is_sold_for(k, '0')), 0)::bigint AS now,
       COALESCE(sum(free) FILTER (WHERE NOT is_sold_for(k, '900')), 0)::bigint AS soon
FROM (SELECT k, GREATEST(s.on_hand - s.held - s.sold, 0) AS free
      FROM sku k JOIN stock s USING (sku_id)) x"""


async def off_sale(service: Service) -> dict[str, int]:
    (kept,), (counted,) = await execute(service, OFF_SALE), await execute(service, COUNTED)
    assert dict(kept) == dict(counted)
    return dict(kept)


async def agree(service: Service) -> dict[str, int]:
    assert await service.ledger.breaches() == []
    return await off_sale(service)


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


@pytest.mark.parametrize("passed", ["by a hold", "by the sweep", "by nobody"])
async def test_what_begins_and_ends_counts_from_its_moment_on(
    service: Service, passed: str
) -> None:
    skus = {"open": 1, "early": 2, "late": 4, "brief": 8, "over": 16, "always": 32}
    await open_gate(service, skus=skus, claim_window_s=900, limit=32, order_units_max=None)
    (session,) = await sessions_in(service, 1)
    began, passed_s = await clock(service), 0.0
    times = {
        "open": (-1000, 2000), "early": (-1000, 600), "late": (600, 2000), "brief": (300, 600),
        "over": (-1000, -100),
    }  # fmt: skip
    for sku, (start, end) in times.items():
        await set_times(service, sku, *(began + timedelta(seconds=s) for s in (start, end)))

    # Some time before and after each beginning and end, and back again.
    expected = {
        0: (28, 30), 250: (28, 30), 310: (20, 30), 550: (20, 30), 610: (26, 26), 1050: (26, 26),
        1110: (26, 31), 2010: (31, 31), 615: (26, 26), 315: (20, 30), -1050: (31, 31),
        3000: (31, 31),
    }  # fmt: skip
    for moment, (shut, closing) in expected.items():
        by_s = moment - passed_s - (await clock(service) - began).total_seconds()
        await let_time_pass(service, by_s)
        passed_s += by_s
        if passed == "by a hold":
            await hold(service, session, always=1)
        if passed == "by the sweep" and await service.holds.rooms_with_times_passed():
            await service.holds.pass_times(1)
            assert by_s < 0 or await service.holds.rooms_with_times_passed() == []
        assert await agree(service) == {"now": shut, "soon": closing}, moment


async def clock(service: Service) -> datetime:
    moment: datetime = (await execute(service, "SELECT clock_timestamp() AS t"))[0]["t"]
    return moment


async def let_time_pass(service: Service, seconds: float) -> None:
    """Move every time of sale, as if so much time had passed."""
    by = timedelta(seconds=seconds)
    async with as_owner(service.pool) as connection:
        await connection.execute("ALTER TABLE sku DISABLE TRIGGER stock_follows_its_sale_time")
        for table in ("sku", "sale_time"):
            await connection.execute(
                f"""UPDATE {table} SET on_sale_from = on_sale_from - $1::interval,
                        on_sale_until = on_sale_until - $1::interval""",
                by,
            )
        await connection.execute(
            """UPDATE off_sale SET opened_to = opened_to - $1::interval,
                   shut_to = shut_to - $1::interval, closing_to = closing_to - $1::interval""",
            by,
        )
        await connection.execute("ALTER TABLE sku ENABLE TRIGGER stock_follows_its_sale_time")


# A time of sale for each SKU, half of them past.
MANY = """
    WITH made AS (INSERT INTO product (product, room_id, name) VALUES ('many', 1, 'Many')
                  RETURNING product_id)
    INSERT INTO sku (sku, product_id, room_id, name, price_minor, currency,
                     on_sale_from, on_sale_until)
    SELECT 'many-' || n, product_id, 1, 'One of many', 100, m.currency,
           t.at, t.at + interval '60 hours'
    FROM made, room m, generate_series(-1499, 1500) n,
        LATERAL (SELECT clock_timestamp() + n * interval '1 hour' - interval '30 minutes' AS at) t
    WHERE m.room_id = 1"""
ROWS = """SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables
          WHERE relname = 'sale_time'"""


async def test_a_large_catalogue_with_times_costs_a_hold_nothing(service: Service) -> None:
    await open_gate(service, skus={"mug": 10})

    async def rows(*acts: str) -> int:
        async with as_owner(service.pool) as connection:
            before = await connection.fetchval(ROWS)
            for act in acts:
                await connection.execute(act)
            return int(await connection.fetchval(ROWS) - before)

    await rows(MANY)
    made = await rows("INSERT INTO stock (sku_id) SELECT sku_id FROM sku WHERE sku LIKE 'many-%'")
    filled = await rows(
        "UPDATE stock SET on_hand = on_hand + 1 WHERE sku_id > 1",
        "UPDATE room_stock SET on_hand = on_hand + 3000 WHERE room_id = 1",
    )

    assert await off_sale(service) == {"now": 2940, "soon": 2940}
    # Each SKU finds its own time alone, and what is off sale is read from its balance.
    assert made < 4 * 3000
    assert filled < 4 * 3000
    assert await rows(OFF_SALE) < 20
