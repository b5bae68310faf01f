"""The first yardstick: one hold for each request, by `SELECT ... FOR UPDATE`, as it is mostly done.

It checks what `place_holds` checks of a session, a SKU and a key, writes the rows that it writes,
and takes the hot lock as late as it can.
"""

from typing import Any
from uuid import UUID, uuid4

from inventory.hold import body_hash
from inventory.kit.database import Connection, Pool
from inventory.kit.problem import IdempotencyKeyReused
from inventory.refusals import LimitReached, OutOfStock, SessionOver, UnknownSku

LOCK_SESSION = """
SELECT x.state = 'claimed' AND x.expires_at > shopper_now() AS live, x.room_id
FROM admission x WHERE x.admission_id = $1 FOR UPDATE"""

FIND_REPLAY = """
SELECT hold_id, body_hash FROM hold WHERE session_id = $1 AND idempotency_key = $2"""

COUNT_HAD = """
SELECT COALESCE(sum(l.quantity), 0)::int FROM hold h JOIN hold_line l USING (hold_id)
JOIN sku k USING (sku_id)
WHERE h.session_id = $1 AND h.state IN ('held', 'confirmed') AND k.sku = $2"""

LOCK_STOCK = """
SELECT k.sku_id, k.name, k.price_minor, k.currency, k.limit_per_session,
       LEAST(s.on_hand - s.held - s.sold, r.on_hand - r.held - r.sold - r.promised) AS free
FROM sku k JOIN stock s USING (sku_id) JOIN room_stock r USING (room_id)
WHERE k.sku = $1 AND k.room_id = $2 FOR UPDATE OF r, s"""

TAKE_ROOM_STOCK = "UPDATE room_stock SET held = held + $2, holds = holds + 1 WHERE room_id = $1"

TAKE_STOCK = "UPDATE stock SET held = held + $2 WHERE sku_id = $1"

ADD_HOLD = """
INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, placed_at, expires_at)
SELECT $1, $2, m.room_id, $4, $5, n, n + make_interval(secs => m.hold_s)
FROM room m, shopper_now() n WHERE m.room_id = $3
RETURNING expires_at AS due_at, wall_time(expires_at) AS expires_at,
    extract(epoch FROM expires_at - placed_at)::float8 AS seconds_left"""

ADD_LINE = """
INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
VALUES ($1, $2, $3, $4, $5)"""


async def place(
    pool: Pool, session_id: int, key: UUID, quantities: dict[str, int]
) -> dict[str, Any]:
    async with pool.acquire() as borrowed, borrowed.transaction():
        return await _place(borrowed, session_id, key, quantities)


async def _place(
    borrowed: Connection, session_id: int, key: UUID, quantities: dict[str, int]
) -> dict[str, Any]:
    ((sku, quantity),) = quantities.items()
    asked = body_hash(quantities)
    session = await borrowed.fetchrow(LOCK_SESSION, session_id)
    if session is None or not session["live"]:
        raise SessionOver
    if await borrowed.fetchrow(FIND_REPLAY, session_id, key) is not None:
        raise IdempotencyKeyReused
    had = await borrowed.fetchval(COUNT_HAD, session_id, sku)
    stock = await borrowed.fetchrow(LOCK_STOCK, sku, session["room_id"])
    if stock is None:
        raise UnknownSku
    if had + quantity > stock["limit_per_session"]:
        raise LimitReached
    if stock["free"] < quantity:
        raise OutOfStock
    hold_id = uuid4()
    await borrowed.execute(TAKE_ROOM_STOCK, session["room_id"], quantity)
    await borrowed.execute(TAKE_STOCK, stock["sku_id"], quantity)
    hold = await borrowed.fetchrow(ADD_HOLD, hold_id, session_id, session["room_id"], key, asked)
    assert hold is not None
    price = stock["price_minor"]
    await borrowed.execute(ADD_LINE, hold_id, stock["sku_id"], quantity, price, hold["due_at"])
    return {
        "hold_id": hold_id,
        "state": "held",
        "items": [{"sku": sku, "name": stock["name"], "quantity": quantity, "price_minor": price}],
        "total_minor": quantity * price,
        "currency": stock["currency"],
        "expires_at": hold["expires_at"],
        "seconds_left": hold["seconds_left"],
    }
