"""The program's own account of a run, read at its end: the tables, and the public log."""

import asyncio
import os
import sys
from dataclasses import replace

import asyncpg
from support import eventually

from chaos.stage import Stage
from chaos.told import Books, Order

# Orders whose driver was killed are driven on by another one after a while.
REST_WITHIN_S = 90.0
UNDECIDED = """
    SELECT count(*) FROM purchase
    WHERE state IN ('authorizing', 'authorized', 'voiding', 'returning')"""
ORDERS = """
    SELECT p.order_id::text, p.hold_id::text, p.state, sum(l.quantity)::int AS units,
           coalesce(g.state, '') AS at_gateway
    FROM purchase p JOIN purchase_line l USING (order_id)
    LEFT JOIN test_gateway.payment g ON g.payment_key = p.order_id::text
    GROUP BY p.order_id, g.state"""
STOCK = "SELECT sum(on_hand)::int AS received, sum(sold)::int AS sold FROM stock"
TAIL = "SELECT line, tail FROM line"
BREACHES = """
    SELECT to_jsonb(b)::text AS breach FROM conservation_breach b
    UNION ALL SELECT to_jsonb(m)::text FROM money_breach m"""


async def read_books(stage: Stage) -> Books:
    """Wait until every payment is decided, and read everything."""
    connection = await asyncpg.connect(stage.database_url)
    try:

        async def at_rest() -> bool:
            return bool(await connection.fetchval(UNDECIDED) == 0)

        late = ""
        try:
            await eventually(at_rest, within_s=REST_WITHIN_S, every_s=0.5)
        except AssertionError:
            late = f"payments are undecided after {REST_WITHIN_S:.0f} s"
        stock = await connection.fetchrow(STOCK)
        orders = [Order(**dict(row)) for row in await connection.fetch(ORDERS)]
        if stage.stripe is not None:
            states = await stage.stripe.states()
            orders = [replace(one, at_gateway=states.get(one.order_id, "")) for one in orders]
        breaches = [row["breach"] for row in await connection.fetch(BREACHES)]
        tails = {row["line"]: row["tail"] for row in await connection.fetch(TAIL)}
    finally:
        await connection.close()
    return Books(
        **dict(stock),
        orders=orders,
        tails=tails,
        breaches=[*breaches, *([late] if late else [])],
        log_says=await _verify(stage.program.url),
    )


async def _verify(url: str) -> str:
    """Let `waitroom verify` look at the log, as anybody can."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "waitroom", "verify", f"{url}/rooms/drop"),
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return "" if process.returncode == 0 else said.decode(errors="replace")
