"""A room that is over becomes balances, batch by batch; log, orders and books stay whole."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp.test_utils import TestClient
from paying import a_basket, all_is_well, declined, news, refund
from shop import hold, open_gate, sessions_in
from support import execute, open_room, shift_clock, tick

from inventory.kit.problem import Refusal
from inventory.refusals import RoomArchived
from waitroom.log.chain import LogEntry
from waitroom.log.verify.finding import all_holds
from waitroom.log.verify.links import ChainAudit
from waitroom.refusals import SaleNotEnded, StillOpen
from waitroom.run.app import Service
from waitroom.store.archive_store import Retention

OpenService = Callable[..., Awaitable[Service]]
EMPTY_AFTERWARDS = ("hold", "hold_line", "hold_change", "admission", "place", "log_entry")
ORDERS = ("purchase", "payment_event", "refund", "stock_movement")
KEEP = Retention(
    archive_after=timedelta(days=1), people_after=timedelta(days=1), orders_after=timedelta(days=1)
)
FOR_EVER = Retention(archive_after=None, people_after=None, orders_after=None)


async def a_sale(service: Service) -> list[UUID]:
    """Run a sale with every kind of end, and return its two orders, the second given back."""
    await open_gate(service, skus={"mug": 20, "vase": 5, "lamp": 0})
    sessions = await sessions_in(service, 8)
    orders = []
    for session in sessions[:2]:
        # This one is over, and goes though its session has an order.
        await service.holds.release(session, await hold(service, session, vase=1))
        orders.append(await a_basket(service, session, mug=2))
    await service.refunds.drive(await refund(service, orders[1], full=True, restock=True))
    for session in sessions[2:6]:
        kept = await hold(service, session, mug=1, vase=1)
        await service.holds.change(session, kept, {"mug": 2, "vase": 1})
    await service.ledger.move("mug", kind="adjusted", quantity=-3, who="ada", reason="broken")
    await service.rooms.set_status("drop", "ended", who="ada")
    return orders


async def is_over(service: Service) -> None:
    await shift_clock(service, 10_000)
    await service.holds.expire(100)
    await service.office.end_due(100)


async def count(service: Service, table: str) -> int:
    (row,) = await execute(service, f"SELECT count(*) AS n FROM {table}")
    return int(row["n"])


async def entries(service: Service) -> list[LogEntry]:
    return await service.log.entries("drop", start=0, last=10_000, limit=1000)


async def shelf(service: Service) -> list[tuple[Any, ...]]:
    rows = await execute(service, "SELECT * FROM stock ORDER BY sku_id")
    return [tuple(row) for row in rows]


async def test_a_room_is_archived_when_nothing_is_open_and_not_before(service: Service) -> None:
    await open_room(service, "other", skus={})
    with pytest.raises(SaleNotEnded):
        await service.archive.seal("other", who="ada", reason="")
    await a_sale(service)
    with pytest.raises(StillOpen) as refused:
        await service.archive.seal("drop", who="ada", reason="")
    assert refused.value.fields["open"] == "sessions"
    await is_over(service)

    await service.archive.finish(await service.archive.seal("drop", who="ada", reason="tidy"))

    with pytest.raises(RoomArchived):
        await service.rooms.reset("drop", who="ada", reason="again")
    with pytest.raises(RoomArchived):
        await service.ledger.move("mug", kind="received", quantity=1, who="ada")
    assert (await service.rooms.read("drop")).status == "ended"


async def test_an_archive_that_breaks_off_anywhere_goes_on_and_keeps_the_books(
    services: OpenService,
) -> None:
    service = await services()
    orders = await a_sale(service)
    await is_over(service)
    log, before = await entries(service), await shelf(service)
    room_id = await service.archive.seal("drop", who="ada", reason="")

    steps = 0
    while await service.archive.step(room_id, batch_max=2):
        steps += 1
        # A process that dies in mid-batch leaves nothing of it: its transaction is rolled back.
        async with service.pool.acquire() as dying:
            killed = dying.transaction()
            await killed.start()
            await dying.fetchval("SELECT archive_step($1, 2)", room_id)
            await killed.rollback()
        assert await shelf(service) == before
        assert await entries(service) == log
        await all_is_well(service, f"step {steps}")

    assert steps > 10
    # What the two orders need is still there, and no more.
    left = {table: await count(service, table) for table in EMPTY_AFTERWARDS}
    assert left == {
        "hold": 2,
        "hold_line": 2,
        "hold_change": 0,
        "admission": 2,
        "place": 0,
        "log_entry": 0,
    }
    other = await services()
    assert [(await other.orders.read(order)).total_minor for order in orders] == [2000, 2000]
    await other.refunds.drive(await refund(other, orders[0], full=True, restock=True))
    await all_is_well(other)


async def test_the_log_of_an_archived_room_is_read_and_verified_as_before(
    service: Service, client: TestClient[Any, Any]
) -> None:
    await a_sale(service)
    await is_over(service)
    before, head = await entries(service), await service.log.head("drop")
    exceptions = await service.log.entries(
        "drop", start=0, last=head.seq, limit=50, exceptions=True
    )
    await service.archive.finish(await service.archive.seal("drop", who="ada", reason=""))
    await service.board.refresh(rooms=True)

    assert "drop" not in service.board.rooms
    answer = await (await client.get("/rooms/drop/log?limit=1000&format=json")).json()
    assert [(e["seq"], e["body"], e["hash"]) for e in answer["entries"]] == [
        (entry.seq, entry.body, entry.hash.hex()) for entry in before
    ]
    assert (await (await client.get("/rooms/drop/log/head")).json())["hash"] == head.hash.hex()
    chain = ChainAudit()
    for entry in before:
        chain.feed(entry)
    assert all_holds(chain.findings())
    for newest_first, begin in ((False, 0), (True, head.seq + 1)):
        for only, expected in ((True, exceptions), (False, before)):
            found = await service.log.entries(
                *("drop",),
                start=begin,
                last=head.seq,
                limit=1000,
                newest_first=newest_first,
                exceptions=only,
            )
            assert found == (expected[::-1] if newest_first else expected)
    with pytest.raises(RoomArchived):
        await service.fairness.report("drop")
    assert (await client.get("/rooms/drop")).status == 200


async def test_retention_takes_every_step_in_its_time(service: Service) -> None:
    await a_sale(service)
    await is_over(service)
    assert await count(service, "room_series") > 0
    before = await shelf(service)
    assert await service.archive.sweep(FOR_EVER, 100) == 0
    assert await service.archive.sweep(KEEP, 100) == 0

    await execute(service, "UPDATE retention SET ended_at = ended_at - interval '2 days'")
    rounds = 0
    while await service.archive.sweep(KEEP, 3):
        rounds += 1
        await all_is_well(service, f"round {rounds}")

    assert await shelf(service) == before
    for table in (*EMPTY_AFTERWARDS, *ORDERS, "room_series"):
        assert await count(service, table) == 0, table
    assert len(await entries(service)) > 5


async def test_one_room_that_cannot_be_archived_keeps_no_other_waiting(service: Service) -> None:
    await a_sale(service)
    await is_over(service)
    await open_room(service, "later", skus={})
    await service.rooms.set_status("later", "ended", who="ada")
    # The books of the first are wrong, and its archive says so.
    await execute(service, "UPDATE stock SET sold = sold + 1 WHERE sku_id = 1")
    await execute(service, "UPDATE retention SET ended_at = ended_at - interval '2 days'")

    while await service.archive.sweep(KEEP, 100):
        pass

    assert not await service.archive.is_archived("drop")
    assert await service.archive.is_archived("later")


async def test_what_was_archived_is_never_lost(service: Service) -> None:
    await a_sale(service)
    await is_over(service)
    await service.archive.finish(await service.archive.seal("drop", who="ada", reason=""))

    for sql in ("DELETE FROM log_page", "UPDATE log_page SET bodies = '{}'"):
        with pytest.raises(asyncpg.RaiseError, match="only ever added"):
            await execute(service, sql)


async def test_archived_rooms_cost_a_tick_nothing(service: Service) -> None:
    await a_sale(service)
    await is_over(service)
    await tick(service)
    await service.archive.finish(await service.archive.seal("drop", who="ada", reason=""))
    await open_room(service, "running", skus={})
    await tick(service, 3)

    assert await service.office.rooms_to_lead() == [2]
    assert set(service.board.rooms) == {"running"}
    assert set(await service.lines.states()) == {"running"}
    with pytest.raises(Refusal):
        await service.board.find("no-such-room")


async def test_records_that_belong_to_no_room_go_when_orders_of_their_age_do(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 20})
    old = "clock_timestamp() - interval '3 days'"
    await execute(
        service,
        f"INSERT INTO operator_action (at, who, action) SELECT {old}, 'ada', 'x' "
        "FROM generate_series(1, 5)",
    )
    await execute(service, "INSERT INTO operator_action (who, action) VALUES ('ada', 'new')")
    await execute(
        service,
        f"INSERT INTO operator_action (at, room_id, who, action) "
        f"SELECT {old}, room_id, 'ada', 'its room' FROM room",
    )
    await execute(
        service,
        "INSERT INTO sku_change (sku, room_id, what, who, at) "
        f"SELECT 'gone', room_id, 'deleted', 'ada', {old} FROM room",
    )

    await service.archive.sweep(FOR_EVER, 2)
    assert await count(service, "operator_action WHERE action = 'x'") == 5
    taken = [await service.archive.sweep(KEEP, 2) for _ in range(4)]

    assert taken == [2, 2, 1, 0]
    assert await count(service, "operator_action WHERE action IN ('new', 'its room')") == 2
    assert await count(service, "operator_action WHERE action = 'x'") == 0
    assert await count(service, "sku_change WHERE sku = 'gone'") == 0
    assert await count(service, "sku_change WHERE sku = 'mug'") == 1


async def test_late_money_in_an_archived_room_leaves_no_hold_behind(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    order_id = await declined(service, session, await hold(service, session, mug=2))
    await is_over(service)
    await service.rooms.set_status("drop", "ended", who="ada")
    await service.archive.finish(await service.archive.seal("drop", who="ada", reason=""))

    order = await news(service, order_id)
    await all_is_well(service)
    await execute(service, "UPDATE retention SET ended_at = ended_at - interval '2 days'")
    while await service.archive.sweep(KEEP, 100):
        pass

    assert order.state == "paid"
    for table in ("purchase", "hold", "hold_line", "admission"):
        assert await count(service, table) == 0, table
    assert await service.ledger.breaches() == []
