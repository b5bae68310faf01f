"""Open holds by the hundred thousand, written by one statement each with balances that agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sale import Sale

# As many rows as one statement writes; their ids pass through its memory.
CHUNK = 50_000

DUE_FROM = "SELECT shopper_now() + make_interval(secs => $1)"

# Each hold has a session of its own, as in a crowd.
PLANT = """
WITH clock AS MATERIALIZED (SELECT shopper_now() AS t),
moved AS (
    UPDATE line SET tail = tail + $2, gate = tail + $2 WHERE line_id = $1 RETURNING tail, room_id),
admitted AS (
    INSERT INTO admission
        (room_id, line_id, number, state, ticket_id, called_at, claimed_at, expires_at)
    SELECT room_id, $1, n, 'claimed', '\\x00', t, t, t + interval '1 day'
    FROM clock, moved, generate_series(tail - $2 + 1, tail) n RETURNING admission_id, room_id),
placed AS (
    INSERT INTO hold
        (hold_id, session_id, room_id, idempotency_key, body_hash, placed_at, expires_at)
    SELECT gen_random_uuid(), admission_id, room_id, gen_random_uuid(), '\\x00', now(),
           $4::timestamptz + random() * $5::interval
    FROM admitted RETURNING hold_id, session_id, expires_at),
lined AS (
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
    SELECT hold_id, sku_id, 1, price_minor, expires_at FROM placed, sku WHERE sku = $3),
pooled AS (
    UPDATE room_stock SET held = held + $2, holds = holds + $2
    WHERE room_id = (SELECT room_id FROM moved)),
shelved AS (
    UPDATE stock SET held = held + $2 WHERE sku_id = (SELECT sku_id FROM sku WHERE sku = $3))
SELECT min(session_id) AS first_session, max(session_id) AS last_session FROM placed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """Holds that were planted: whose they are, and when they fall due, in shopper time."""

    sessions: range
    due_from: datetime
    due_until: datetime


async def plant(
    sale: Sale, *, sku: str, holds: int, due_in_s: float, within_s: float = 0.0
) -> Planted:
    """Plant open holds of one unit each that fall due within `within_s` of one moment."""
    due_from = await sale.connection.fetchval(DUE_FROM, due_in_s)
    within = timedelta(seconds=within_s)
    found = [
        await sale.connection.fetchrow(PLANT, sale.line(), chunk, sku, due_from, within)
        for chunk in _chunks(holds)
    ]
    return Planted(
        sessions=range(found[0]["first_session"], found[-1]["last_session"] + 1),
        due_from=due_from,
        due_until=due_from + within,
    )


def _chunks(holds: int) -> Iterator[int]:
    for start in range(0, holds, CHUNK):
        yield min(CHUNK, holds - start)
