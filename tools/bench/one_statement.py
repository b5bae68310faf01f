"""The second yardstick: one hold for each request by a single statement, and so one round trip.

It is the best that a design with a statement for each request can do. The session is checked
before the hot rows are locked, the balances are kept by the tables' own constraints, and the locks
last for one insert and the commit. It looks at less than `place_holds`: at no promises, wishes,
times of sale, bounds on an order, limits of a customer or former holds of the session. It cannot
look twice: its snapshot is older than the locks for which it waits, so two requests of one session
at the same moment may pass its limit together. `place_holds` looks after it has its locks.
"""

from typing import Any
from uuid import UUID, uuid4

import asyncpg

from inventory.hold import body_hash
from inventory.kit.database import Pool
from inventory.kit.problem import IdempotencyKeyReused
from inventory.refusals import OutOfStock, SessionOver

PLACE = """
WITH session AS (
    SELECT x.admission_id, x.room_id, m.hold_s FROM admission x JOIN room m USING (room_id)
    WHERE x.admission_id = $1 AND x.state = 'claimed' AND x.expires_at > shopper_now()
    FOR NO KEY UPDATE OF x),
wanted AS MATERIALIZED (
    SELECT s.room_id, s.hold_s, k.sku_id, k.name, k.price_minor, k.currency
    FROM session s JOIN sku k ON k.room_id = s.room_id AND k.sku = $2
    WHERE $3 <= k.limit_per_session - (
        SELECT COALESCE(sum(l.quantity), 0) FROM hold h JOIN hold_line l USING (hold_id)
        WHERE h.session_id = $1 AND h.state IN ('held', 'confirmed') AND l.sku_id = k.sku_id)),
pooled AS (
    UPDATE room_stock r SET held = r.held + $3, holds = r.holds + 1
    FROM wanted w WHERE r.room_id = w.room_id RETURNING w.*),
shelved AS (
    UPDATE stock s SET held = s.held + $3 FROM pooled p WHERE s.sku_id = p.sku_id
    RETURNING p.*, shopper_now() AS placed_at),
placed AS (
    INSERT INTO hold
        (hold_id, session_id, room_id, idempotency_key, body_hash, placed_at, expires_at)
    SELECT $4, $1, room_id, $5, $6, placed_at, placed_at + make_interval(secs => hold_s)
    FROM shelved RETURNING hold_id, expires_at),
lined AS (
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
    SELECT p.hold_id, s.sku_id, $3, s.price_minor, p.expires_at FROM placed p, shelved s)
SELECT s.name, s.price_minor, s.currency, wall_time(p.expires_at) AS expires_at,
       extract(epoch FROM p.expires_at - s.placed_at)::float8 AS seconds_left
FROM placed p, shelved s"""


async def place(
    pool: Pool, session_id: int, key: UUID, quantities: dict[str, int]
) -> dict[str, Any]:
    ((sku, quantity),) = quantities.items()
    hold_id = uuid4()
    try:
        async with pool.acquire() as borrowed:
            row = await borrowed.fetchrow(
                PLACE, session_id, sku, quantity, hold_id, key, body_hash(quantities)
            )
    except asyncpg.CheckViolationError as error:
        raise OutOfStock from error
    except asyncpg.UniqueViolationError as error:
        raise IdempotencyKeyReused from error
    if row is None:
        # A shop would now ask which it was: session, SKU or limit.
        raise SessionOver
    price = row["price_minor"]
    return {
        "hold_id": hold_id,
        "state": "held",
        "items": [{"sku": sku, "name": row["name"], "quantity": quantity, "price_minor": price}],
        "total_minor": quantity * price,
        "currency": row["currency"],
        "expires_at": row["expires_at"],
        "seconds_left": row["seconds_left"],
    }
