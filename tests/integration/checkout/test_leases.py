"""Leases of processes that died are free soon after, and those of a stalled database are not."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient
from paying import all_is_well, an_order
from support import admitted, eventually, execute, open_room, tick

from checkout.driving import lease_holder
from checkout.driving.lease_holder import LeaseHolder
from checkout.driving.leased import LEASE
from checkout.order import OrderState
from checkout.order_store import OrderStore
from inventory.kit.problem import EngineDown
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[TestClient[Any, Any]]]

SILENT_S = 4.0

# A process that drives an order, and is killed.
DRIVER = """
import asyncio, sys
from uuid import UUID
from checkout.driving.lease_holder import LeaseHolder
from checkout.order_store import OrderStore
from inventory.kit.database import open_pool

async def drive(url, pooler, order_id):
    pool = await open_pool(url, size_max=2, pooler=bool(pooler))
    holder = LeaseHolder(pool)
    await holder.beat()
    orders = OrderStore(pool, holder=holder.name)
    assert await orders.take_one(UUID(order_id), lease_s=3600)
    print("driving", flush=True)
    await holder.run()

asyncio.run(drive(*sys.argv[1:]))
"""


async def is_free(service: Service, order_id: UUID) -> bool:
    (row,) = await execute(
        service,
        "SELECT driven_until <= clock_timestamp() AS free FROM purchase WHERE order_id = $1",
        order_id,
    )
    return bool(row["free"])


async def driven_by_another(service: Service, order_id: UUID) -> LeaseHolder:
    """Let another process drive an order; return that process."""
    other = LeaseHolder(service.pool)
    await other.beat()
    await execute(service, "UPDATE purchase SET driven_until = '2000-01-01'")
    assert await OrderStore(service.pool, holder=other.name).take_one(order_id, lease_s=3600)
    return other


async def silent(service: Service, holder: LeaseHolder) -> None:
    sql = "UPDATE lease_holder SET beat_at = beat_at - make_interval(secs => $2) WHERE holder = $1"
    await execute(service, sql, holder.name, SILENT_S)


async def steady(service: Service) -> LeaseHolder:
    """Return a process that has been heard of for long."""
    await service.lease_holder.beat()
    await execute(
        service,
        "UPDATE lease_holder SET steady_since = steady_since - interval '1 hour' WHERE holder = $1",
        service.lease_holder.name,
    )
    return service.lease_holder


async def replies_have_come(service: Service) -> None:
    """Let so much time pass that each reply that was on its way has come, or will never."""
    sql = "UPDATE purchase SET driven_until = driven_until - make_interval(secs => $1)"
    await execute(service, sql, lease_holder.FORGOTTEN_AFTER_S)


async def test_an_order_of_a_killed_process_is_driven_on_long_before_its_lease_is_over(
    service: Service,
) -> None:
    order_id = await an_order(service)
    await execute(service, "UPDATE purchase SET driven_until = '2000-01-01'")
    url, pooler = service.settings.postgres_url, service.settings.postgres_pooler
    arguments = (url, "pooler" if pooler else "", str(order_id))
    driver = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DRIVER, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert driver.stdout is not None
    assert await driver.stdout.readline() == b"driving\n"

    async def beat_and_look() -> bool:
        await service.lease_holder.beat()
        return await is_free(service, order_id)

    for _ in range(3):
        alive = await beat_and_look()
    driver.send_signal(signal.SIGKILL)
    await driver.wait()
    await eventually(beat_and_look, every_s=0.5)
    taken = await service.payments.settle_idle()

    assert (alive, taken) == (False, 1)
    assert (await service.orders.read(order_id)).state is OrderState.PAID
    await all_is_well(service)


async def test_a_stall_of_the_database_makes_nobody_dead(service: Service) -> None:
    order_id = await an_order(service)
    one, other = await steady(service), await driven_by_another(service, order_id)
    await silent(service, one)
    await silent(service, other)

    await one.beat()
    await other.beat()
    stalled = await is_free(service, order_id)
    await steady(service)
    await one.beat()
    lives = await is_free(service, order_id)
    await silent(service, other)
    await one.beat()

    assert (stalled, lives) == (False, False)
    assert await is_free(service, order_id)


async def test_a_process_that_ends_leaves_its_work_to_others_at_once(service: Service) -> None:
    order_id = await an_order(service)
    other = await driven_by_another(service, order_id)

    await other.end()

    assert await is_free(service, order_id)


async def test_a_process_that_was_frozen_does_not_put_off_the_work_of_another(
    service: Service,
) -> None:
    order_id = await an_order(service)
    frozen = await driven_by_another(service, order_id)
    await silent(service, frozen)
    await (await steady(service)).beat()
    assert await service.orders.take_one(order_id, lease_s=3600)

    await OrderStore(service.pool, holder=frozen.name).put_off(order_id, wait_s=0.0)

    assert not await is_free(service, order_id)


async def test_what_a_dead_sender_was_sending_is_due_and_what_waits_goes_on_waiting(
    service: Service,
) -> None:
    dead = LeaseHolder(service.pool)
    await dead.beat()
    await execute(
        service,
        "INSERT INTO mail (address, kind, facts, next_at, sent_by)"
        " SELECT 'a@b.example', 'called_for_returns', '{}', clock_timestamp() + interval '1 hour',"
        " x FROM unnest(ARRAY[$1, NULL]::uuid[]) x",
        dead.name,
    )
    await silent(service, dead)

    await (await steady(service)).beat()

    due = await execute(service, "SELECT next_at <= clock_timestamp() AS due FROM mail ORDER BY 1")
    assert [row["due"] for row in due] == [False, True]


async def test_what_a_process_took_without_hearing_of_it_is_free_soon_and_what_it_drives_is_not(
    service: Service,
) -> None:
    order_id = await an_order(service)
    await execute(service, "UPDATE purchase SET driven_until = '2000-01-01'")
    assert await service.orders.take_one(order_id, lease_s=LEASE.length_s)

    await service.lease_holder.beat()
    at_once = await is_free(service, order_id)
    await replies_have_come(service)
    with service.lease_holder.driven.drives(order_id):
        await service.lease_holder.beat()
        driven = await is_free(service, order_id)
    await service.lease_holder.beat()

    assert (at_once, driven) == (False, False)
    assert await service.payments.settle_idle() == 1
    assert (await service.orders.read(order_id)).state is OrderState.PAID
    assert not list(service.lease_holder.driven)
    await all_is_well(service)


@pytest.mark.parametrize("is_away", [False, True])
async def test_a_payment_whose_beginning_got_no_reply_is_driven_by_its_repeat(
    services: OpenService, clients: Serve, monkeypatch: pytest.MonkeyPatch, *, is_away: bool
) -> None:
    service, other = await services(), await services()
    client, elsewhere = await clients(service), await clients(other)
    await open_room(service)
    await tick(service)
    await other.board.refresh(rooms=True)
    shopper, key = await admitted(client), str(uuid4())
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    begin = service.orders.start

    async def lose_reply(*values: Any, **named: Any) -> None:
        await begin(*values, **named)
        raise EngineDown

    async def find_nobody(*_: Any) -> None:
        raise EngineDown

    monkeypatch.setattr(service.orders, "start", lose_reply)
    if is_away:
        monkeypatch.setattr(service.orders, "let_go", find_nobody)
    lost = await shopper.pay(held, key=key)
    shopper.client = elsewhere
    await replies_have_come(service)
    await service.lease_holder.beat()

    async def paid() -> bool:
        return (await shopper.pay(held, key=key)).status == 201

    assert lost.status == 503
    assert await eventually(paid)
    await all_is_well(service)
