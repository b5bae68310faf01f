"""A request alone in its batch is answered as a batch of one is, and writes the same rows."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from shop import ask, open_gate, sessions_in, wish
from support import as_owner, open_room, size

from inventory.hold import HoldRequest
from inventory.hold_store import SQL, Placed
from inventory.kit.database import Connection
from waitroom.run.app import Service

NETWORK = b"network1"
MINE = "(SELECT min(admission_id) FROM admission)"
OTHER = "(SELECT min(admission_id) + 1 FROM admission)"
ROOM = "(SELECT room_id FROM room WHERE room = 'drop')"
MUG = "(SELECT sku_id FROM sku WHERE sku = 'mug')"

# What may stand in a hold's way, or go with it. Each is a state of its own, and they mix.
STATES: dict[str, tuple[str, ...]] = {
    "the session ran out": (
        f"""UPDATE admission SET expires_at = shopper_now() - interval '1 s'
            WHERE admission_id = {MINE}""",
    ),
    "the session has ended": (
        f"""UPDATE admission SET state = 'ended', ended_at = now()
            WHERE admission_id = {MINE}""",
    ),
    "more time": (f"UPDATE admission SET time_factor = 2 WHERE admission_id = {MINE}",),
    "customers only": ("UPDATE room SET customers_only = true",),
    "a customer": (
        f"""WITH c AS (INSERT INTO customer (issuer, subject) VALUES ('i', 's')
                       RETURNING customer_id)
            UPDATE admission SET customer_id = c.customer_id FROM c WHERE admission_id = {MINE}""",
    ),
    "a limit of a customer": ("UPDATE sku SET limit_per_customer = 1",),
    "a limit of an order": ("UPDATE sku SET limit_per_order = 2",),
    "a limit of a session": ("UPDATE sku SET limit_per_session = 1",),
    "a limit of all units": ("UPDATE room SET order_units_max = 1",),
    "no limit of all units": ("UPDATE room SET order_units_max = NULL",),
    "not yet on sale": (
        f"UPDATE sku SET on_sale_from = now() + interval '1 h' WHERE sku_id = {MUG}",
    ),
    "no longer on sale": (
        f"UPDATE sku SET on_sale_until = now() - interval '1 s' WHERE sku_id = {MUG}",
    ),
    "soon no longer on sale": (
        f"UPDATE sku SET on_sale_until = clock_timestamp() + interval '30 s' WHERE sku_id = {MUG}",
    ),
    "a network": (
        f"UPDATE admission SET network = '{NETWORK.decode()}' WHERE admission_id = {MINE}",
    ),
    "a network that holds some": (
        f"""INSERT INTO room_network (room_id, network, since, held)
            VALUES ({ROOM}, '{NETWORK.decode()}', now(), 2)""",
    ),
    "a network that never pays": (
        f"""INSERT INTO room_network (room_id, network, since, held, unpaid, lapsed)
            VALUES ({ROOM}, '{NETWORK.decode()}', now(), 1, 25, 25)""",
    ),
    "a small share": ("UPDATE room SET held_share_max = 0.1, order_units_max = 1",),
    "no bound of a share": ("UPDATE room SET held_share_max = 1",),
    "a promise to others": (
        f"UPDATE room_stock SET promised = 5 WHERE room_id = {ROOM}",
        f"UPDATE admission SET promised = 5 WHERE admission_id = {OTHER}",
    ),
    "a promise": (
        f"UPDATE room_stock SET promised = promised + 1 WHERE room_id = {ROOM}",
        f"UPDATE admission SET promised = 1 WHERE admission_id = {MINE}",
    ),
    "a promise of another SKU": (
        f"UPDATE room_stock SET promised = promised + 1 WHERE room_id = {ROOM}",
        "UPDATE stock SET promised = 1 WHERE sku_id = (SELECT sku_id FROM sku WHERE sku = 'vase')",
        f"""UPDATE admission SET promised = 1,
                promised_sku_id = (SELECT sku_id FROM sku WHERE sku = 'vase')
            WHERE admission_id = {MINE}""",
    ),
    "a promise of this SKU to others": (
        f"UPDATE stock SET promised = 3 WHERE sku_id = {MUG}",
        f"UPDATE room_stock SET promised = promised + 3 WHERE room_id = {ROOM}",
    ),
    "others wait for it": (
        f"""INSERT INTO wish (session_id, sku_id, line_id, passed_at, number, quantity)
            SELECT admission_id, {MUG}, line_id, now(), number, 2 FROM admission
            WHERE admission_id = {OTHER}""",
        f"UPDATE stock SET wished = 2 WHERE sku_id = {MUG}",
    ),
    "an endpoint that wants to know": (
        """INSERT INTO webhook_endpoint (url, kinds, salt, key_id)
           VALUES ('https://shop.example', '{hold.placed}', '\\x00', 'k')""",
    ),
    "few are left": (
        f"UPDATE stock SET sold = 4 WHERE sku_id = {MUG}",
        f"UPDATE room_stock SET sold = 4 WHERE room_id = {ROOM}",
    ),
    "none is left": (
        f"UPDATE stock SET sold = 6 WHERE sku_id = {MUG}",
        f"UPDATE room_stock SET sold = 6 WHERE room_id = {ROOM}",
    ),
}

# All that a hold writes, without the moments, and with the seconds to each deadline.
ROWS = """
SELECT jsonb_build_object(
    'holds', (SELECT jsonb_agg(to_jsonb(h) - '{placed_at,expires_at}'::text[]
            || jsonb_build_object('left', round(extract(epoch FROM h.expires_at - shopper_now())))
        ORDER BY h.hold_id) FROM hold h),
    'lines', (SELECT jsonb_agg(to_jsonb(l) - 'due_at'
            || jsonb_build_object('left', round(extract(epoch FROM l.due_at - shopper_now())))
        ORDER BY l.hold_id, l.sku_id) FROM hold_line l),
    'stock', (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.sku_id) FROM stock s),
    'rooms', (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.room_id) FROM room_stock r),
    'networks', (SELECT jsonb_agg(to_jsonb(n) - 'since' ORDER BY n.network) FROM room_network n),
    'admissions', (SELECT jsonb_agg(to_jsonb(a) ORDER BY a.admission_id) FROM admission a),
    'wishes', (SELECT jsonb_agg(to_jsonb(w) - 'asked_at' ORDER BY w.session_id, w.sku_id)
        FROM wish w),
    'events', (SELECT jsonb_agg(e.body - 'expires_at') FROM outbox_event e),
    'off_sale', (SELECT jsonb_agg(to_jsonb(o) - '{opened_to,shut_to,closing_to}'::text[])
        FROM off_sale o),
    'journeys', (SELECT jsonb_agg(c.admission_ids ORDER BY c.admission_ids)
        FROM journey_change c))"""

AS_A_BATCH = """
SELECT verdicts[1] AS verdict, figures[1] AS figure, seconds_left[1] AS seconds_left,
       given[1] AS given, prices[1] AS price, currencies[1] AS currency, names[1] AS name,
       must_settle
FROM place_holds(ROW (
    ARRAY[$1::uuid], ARRAY[$2::uuid], ARRAY[$3::bytea], ARRAY[$4::boolean], '{1}',
    ARRAY[$5::bigint], '{1,2}', '{1}', '{1}', ARRAY[$7::int], ARRAY[$6::text], '{1}',
    '{1}')::hold_batch, $8, false)"""
PLAINLY = "SELECT (place_plain_hold($1, $2, $3, $4, $5, $6)).verdict IS NOT NULL AS is_plain"


@asynccontextmanager
async def undone(connection: Connection) -> AsyncIterator[None]:
    """Undo all that is written within."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


@pytest.fixture
async def session(service: Service) -> int:
    await open_gate(service, skus={"mug": 6, "vase": 3}, hold_s=400)
    await open_room(service, "elsewhere", skus={"plate": 3}, policy="rate")
    mine, _ = await sessions_in(service, 2)
    return mine


async def asked(connection: Connection, query: str, *values: Any) -> dict[str, Any]:
    """Ask, and return the answer with all rows that there are then; nothing stays."""
    async with undone(connection):
        row = await connection.fetchrow(query, *values)
        assert row is not None
        answer = {name: value for name, value in row.items() if name != "expires"}
        return {**answer, "rows": await connection.fetchval(ROWS)}


async def both_ways(connection: Connection, request: HoldRequest, *, final: bool) -> dict[str, Any]:
    """Place a hold alone and as a batch, check that it is the same, and return what it was."""
    ((sku, units),) = request.quantities.items()
    values = (request.hold_id, request.key, request.body_hash, request.partial)
    values = (*values, request.session_id, sku, units, final)
    alone = await asked(connection, SQL["place_hold"], *values)
    batch = await asked(connection, AS_A_BATCH, *values)
    if alone["verdict"] == "placed":
        assert alone == batch
    else:
        # Of a request that is refused nobody reads more.
        told = ("verdict", "figure", "must_settle", "rows")
        assert {name: alone[name] for name in told} == {name: batch[name] for name in told}
    return alone


async def is_plain(connection: Connection, request: HoldRequest) -> bool:
    ((sku, units),) = request.quantities.items()
    values = (request.hold_id, request.key, request.body_hash, request.session_id, sku, units)
    return bool((await asked(connection, PLAINLY, *values))["is_plain"])


async def arrange(connection: Connection, *states: str) -> None:
    for state in states:
        for sql in STATES[state]:
            await connection.execute(sql)


@pytest.mark.parametrize("state", STATES)
async def test_a_lone_request_is_answered_as_a_batch_of_one(
    service: Service, session: int, state: str
) -> None:
    async with as_owner(service.pool) as connection:
        await arrange(connection, state)

        for sku, units in (("mug", 1), ("mug", 3), ("plate", 1), ("cup", 1)):
            for partial in (False, True):
                request = wish(session, partial=partial, **{sku: units})
                for final in (False, True):
                    await both_ways(connection, request, final=final)


async def test_a_lone_request_is_answered_as_a_batch_of_one_whatever_comes_together(
    service: Service, session: int
) -> None:
    dice = random.Random(58)
    seen: Counter[str] = Counter()
    async with as_owner(service.pool) as connection:
        for _ in range(size("MIXTURES", 300)):
            request = wish(session, partial=dice.random() < 0.3, mug=dice.choice([1, 1, 3]))
            states = dice.sample(list(STATES), dice.randint(0, 5))
            async with undone(connection):
                try:
                    await arrange(connection, *states)
                except asyncpg.IntegrityConstraintViolationError:
                    # These cannot be together: more would be sold or promised than there is.
                    continue
                answer = await both_ways(connection, request, final=dice.random() < 0.5)
                seen[answer["verdict"]] += 1
                seen["plain"] += await is_plain(connection, request)

    # Both ways have been taken, often and to many ends.
    assert seen["placed"] > seen["plain"] > seen.total() / 8, seen
    refused = {"session_over", "customer_needed", "not_on_sale", "out_of_stock", "session_limit"}
    assert refused <= set(seen), seen


async def test_what_a_session_has_counts_for_a_lone_request(service: Service, session: int) -> None:
    earlier = wish(session, mug=2)
    assert isinstance(await ask(service, earlier), Placed)
    async with as_owner(service.pool) as connection:
        again = wish(session, key=earlier.key, mug=2)
        other = wish(session, key=earlier.key, mug=1)
        more = wish(session, mug=2)
        too_many = wish(session, mug=3)
        requests = (again, other, more, too_many)

        answers = [await both_ways(connection, one, final=False) for one in requests]

        assert [answer["verdict"] for answer in answers] == [
            "replay",
            "other_body",
            "placed",
            "session_limit",
        ]
        assert not any([await is_plain(connection, one) for one in requests])


async def test_lone_requests_of_one_session_at_one_moment_share_its_limit(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 99}, limit=1)
    sessions = await sessions_in(service, 12)

    for session in sessions:
        answers = await asyncio.gather(*(ask(service, wish(session, mug=1)) for _ in range(4)))

        assert sum(isinstance(answer, Placed) for answer in answers) == 1, answers
    assert (await service.stock.read("mug")).held == len(sessions)
