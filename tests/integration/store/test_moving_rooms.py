"""A room moves between two databases: all of it, once, whatever breaks off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
from support import execute, open_room, secrets, settings

from inventory.kit.servers.servers import connect_once
from waitroom.log.chain import LogEntry
from waitroom.log.verify.finding import all_holds
from waitroom.log.verify.links import ChainAudit
from waitroom.run.app import Service, open_service
from waitroom.store.shards import moving
from waitroom.store.shards.moving import CannotMove, Move, move

OTHER = "autumn"


@pytest.fixture
async def other(second_postgres_url: str, second_valkey_url: str) -> AsyncIterator[Service]:
    made = settings(second_postgres_url, second_valkey_url)
    async with open_service(made, secrets(), roles=frozenset()) as service:
        yield service


@asynccontextmanager
async def connected(*services: Service) -> AsyncIterator[list[Any]]:
    found = [await connect_once(one.settings.postgres_url) for one in services]
    try:
        yield found
    finally:
        for one in found:
            with suppress(asyncpg.InterfaceError):
                await one.close()


async def moved(source: Service, target: Service, *, to: str = OTHER, room: str = "drop") -> None:
    async with connected(source, target) as (one, two):
        await move(one, two, room=room, to=to, who="cli")


async def log_of(service: Service, room: str = "drop") -> list[LogEntry]:
    query = """SELECT e.* FROM room m JOIN log_head h USING (room_id),
               log_between(m.room_id, 1, h.seq) e WHERE m.room = $1 ORDER BY e.seq"""
    return [LogEntry(**dict(row)) for row in await execute(service, query, room)]


async def books_agree(*services: Service, room: str = "drop") -> bool:
    """Say whether every ledger balances, and the log of the room is whole where it is last."""
    chain = ChainAudit()
    for entry in await log_of(services[-1], room):
        chain.feed(entry)
    breaches = [await one.ledger.breaches() for one in services]
    return all_holds(chain.findings()) and not any(breaches)


async def test_a_room_goes_with_its_rules_goods_units_and_log(
    service: Service, other: Service
) -> None:
    await open_room(service, skus={"mug": 5, "cup": 3}, status="scheduled", seats_max=7)
    before = await log_of(service)

    await moved(service, other)

    rules = await other.rooms.read("drop")
    assert (rules.status, rules.seats_max, rules.name) == ("scheduled", 7, "Drop")
    balances = {sku: (await other.stock.read(sku)).available for sku in ("mug", "cup")}
    assert balances == {"mug": 5, "cup": 3}
    assert {sku: (await service.stock.read(sku)).available for sku in balances} == {
        "mug": 0,
        "cup": 0,
    }
    assert (await log_of(other))[: len(before)] == before
    assert await books_agree(service, other)


async def test_a_room_that_left_never_opens_again_where_it_was(
    service: Service, other: Service
) -> None:
    await open_room(service, status="scheduled")
    await moved(service, other)

    for deed in (
        service.rooms.set_status("drop", "open", who="test"),
        service.rooms.reset("drop", who="test", reason="again"),
        service.ledger.move("mug", kind="received", quantity=1, who="test", reason=""),
    ):
        with pytest.raises(Exception, match=r"ended|archived"):
            await deed
    await other.rooms.set_status("drop", "open", who="test")
    await service.board.refresh(rooms=True)
    assert "drop" not in service.board.rooms


@pytest.mark.parametrize("when", ["before", "between", "after"])
async def test_a_move_that_breaks_off_anywhere_is_ended_by_the_next(
    service: Service, other: Service, when: str
) -> None:
    await open_room(service, skus={"mug": 5}, status="scheduled")
    async with connected(service, other) as (source, target):
        broken = Move(source=source, target=target, room="drop", to=OTHER, who="cli")
        await broken.begin()
        if when != "before":
            await broken.leave()
        if when == "after":
            await broken.arrive()  # The source has not heard of it.
        source.terminate()
        target.terminate()
    lives = [
        bool(await execute(one, "SELECT FROM room WHERE status = 'scheduled'"))
        for one in (service, other)
    ]
    assert (
        lives
        == {
            "before": [True, False],
            "between": [False, False],
            "after": [False, True],
        }[when]
    )

    for _ in range(2):
        await moved(service, other)

    assert (await other.stock.read("mug")).available == 5
    homes = {home.room: home for home in await service.home_store.homes()}
    assert (homes["drop"].away, homes["drop"].arrived) == (True, True)
    assert await books_agree(service, other)


async def test_a_room_stays_while_anything_goes_on_in_it(service: Service, other: Service) -> None:
    await open_room(service)
    with pytest.raises(CannotMove, match="its sale goes on"):
        await moved(service, other)
    with pytest.raises(CannotMove, match="no room nowhere"):
        await moved(service, other, room="nowhere")

    assert (await service.stock.read("mug")).available == 5
    assert [home.away for home in await service.home_store.homes()] == [False]


async def test_codes_that_the_other_shard_uses_are_named(service: Service, other: Service) -> None:
    await open_room(service, status="scheduled")
    await open_room(other, "mugs", skus={"Mug": 1}, status="scheduled")

    with pytest.raises(CannotMove, match=f"the shard {OTHER} has a product Mug already"):
        await moved(service, other)

    assert (await service.rooms.read("drop")).status == "scheduled"


async def test_sellers_are_found_by_their_names(service: Service, other: Service) -> None:
    await open_room(service, skus={}, status="scheduled")
    await service.operators.add("anna", role="seller", password="a long password of hers")
    (anna,) = await execute(service, "SELECT operator_id FROM operator WHERE name = 'anna'")
    await service.products.add("bowl", room="drop", name="Bowl", seller=anna["operator_id"])

    with pytest.raises(CannotMove, match="has no account of the seller anna"):
        await moved(service, other)
    await other.operators.add("ben", role="seller", password="a long password of his")
    await other.operators.add("anna", role="seller", password="a long password of hers")
    await moved(service, other)

    named = "SELECT o.name FROM product p JOIN operator o ON o.operator_id = p.seller_id"
    assert [row["name"] for row in await execute(other, named)] == ["anna"]


async def test_a_room_that_comes_back_finds_its_names_free(
    service: Service, other: Service
) -> None:
    await open_room(service, skus={"mug": 5}, status="scheduled")
    await moved(service, other)
    await other.rooms.set_status("drop", "open", who="test")
    await other.rooms.set_status("drop", "ended", who="test")

    await moved(other, service, to="main")

    assert (await service.stock.read("mug")).available == 5
    await service.rooms.reset("drop", who="test", reason="the next sale")
    await service.rooms.set_status("drop", "open", who="test")
    assert await books_agree(other, service)
    left = [home for home in await service.home_store.homes() if home.away]
    assert [home.room.startswith("drop-until-") for home in left] == [True]


async def test_a_log_that_lost_an_entry_on_its_way_is_refused(
    service: Service, other: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_room(service, status="scheduled")
    lossy = "SELECT take_in_log($1, trim_array($2::text[], 1))"
    monkeypatch.setitem(moving.SQL, "take_in_log", lossy)

    with pytest.raises(asyncpg.PostgresError, match="not the one that it left with"):
        await moved(service, other)

    assert (await service.rooms.read("drop")).status == "scheduled"
    assert await execute(other, "SELECT FROM room") == []
