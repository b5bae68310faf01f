"""A copy of the database is made in mid-sale and brought back: what is then true for shoppers."""

import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import structlog
from aiohttp.test_utils import TestClient
from programs import Command
from support import (
    Shopper,
    admitted,
    authorization,
    eventually,
    execute,
    log_is_whole,
    open_room,
    owner_url,
    tick,
)

from waitroom.run.app import Service

Client = TestClient[object, object]
OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[Client]]


@pytest.fixture
async def empty_url(postgres_url: str) -> AsyncIterator[str]:
    """A database without tables, on the same engine."""
    name = f"empty_{uuid4().hex[:8]}"
    owner = await asyncpg.connect(owner_url(postgres_url))
    await owner.execute(f"CREATE DATABASE {name}")
    yield re.sub(r"/[^/?]+\?", f"/{name}?", postgres_url)
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()


def run(
    waitroom: Command, url: str, valkey_url: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    return waitroom(
        *arguments,
        WAITROOM_POSTGRES_URL=url,
        WAITROOM_POSTGRES_OWNER_URL=owner_url(url),
        WAITROOM_VALKEY_URL=valkey_url,
    )


async def join(client: Client, count: int) -> list[Shopper]:
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
    return shoppers


async def test_numbers_that_were_given_after_a_copy_stand_when_it_is_brought_back(
    service: Service,
    client: Client,
    services: OpenService,
    clients: Serve,
    waitroom: Command,
    postgres_url: str,
    empty_url: str,
    valkey_url: str,
    tmp_path: Path,
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=1)
    await tick(service)
    buyer = await admitted(client)
    early = await join(client, 4)
    await tick(service)
    file = tmp_path / "sale.copy"
    copied = run(waitroom, postgres_url, valkey_url, "backup", str(file))
    assert copied.returncode == 0, copied.stderr
    assert file.stat().st_mode & 0o077 == 0
    late = await join(client, 30)
    await tick(service)

    refused = run(waitroom, postgres_url, valkey_url, "restore", str(file))
    done = run(waitroom, empty_url, valkey_url, "restore", str(file))

    assert refused.returncode == 2
    assert "has tables already" in refused.stderr
    assert done.returncode == 0, done.stderr
    # Beyond the last document's number a few more may have been given.
    assert "line main-1 goes on after number 55 (copy: 5)" in done.stdout
    other = await services(postgres_url=empty_url)
    again = await clients(other)

    async def paused() -> bool:
        # The leader of before is in office until its lease is over.
        await tick(other)
        return (await (await again.get("/rooms/drop/state")).json())["status"] == "paused"

    await eventually(paused)
    for shopper in (*early, *late):
        place = await (
            await again.get("/rooms/drop/tickets/me", headers=authorization(shopper.ticket))
        ).json()
        assert (place["number"], place["status"]) == (shopper.number, "waiting")
    await other.rooms.set_status("drop", "open", who="test")
    newcomer = Shopper(again)
    await newcomer.join()
    assert newcomer.number == 56
    session = await again.get("/checkout/session", headers=authorization(buyer.session))
    assert session.status == 200
    assert await log_is_whole(other)
    kinds = [
        row["kind"]
        for row in await execute(other, "SELECT body::json ->> 'kind' AS kind FROM log_entry")
    ]
    assert kinds.count("restored") == 1


async def test_where_nothing_tells_how_far_a_line_had_come_the_operator_says_it(
    service: Service,
    client: Client,
    waitroom: Command,
    postgres_url: str,
    valkey_url: str,
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await join(client, 3)

    unknown = run(waitroom, postgres_url, valkey_url, "restored")
    said = run(waitroom, postgres_url, valkey_url, "restored", "--spare", "10")

    assert unknown.returncode == 2
    assert "drop, line main-1" in unknown.stderr
    assert "--spare" in unknown.stderr
    assert said.returncode == 0, said.stderr
    assert "goes on after number 13 (copy: 3)" in said.stdout


async def test_a_ticket_with_a_number_that_the_database_lacks_is_taken_up(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    shoppers = await join(client, 5)
    # As if the last two joins had not been there yet when the copy was made.
    await execute(service, "UPDATE line SET tail = 3")

    async def met(shopper: Shopper) -> int:
        answer = await client.get("/rooms/drop/tickets/me", headers=authorization(shopper.ticket))
        assert (await answer.json())["number"] == shopper.number
        return int((await execute(service, "SELECT tail FROM line"))[0]["tail"])

    lines = await service.places.note_restored("drop", who="test", reason="")
    assert [(line.line, line.last_number) for line in lines] == [("main-1", 3)]
    assert await met(shoppers[4]) == 5
    (row,) = await execute(
        service,
        "SELECT body::jsonb - 'seq' - 'at' AS facts FROM log_entry ORDER BY seq DESC LIMIT 1",
    )
    assert '"first": 4' in row["facts"]
    assert '"last": 5' in row["facts"]
    newcomer = Shopper(client)
    await newcomer.join()
    assert newcomer.number == 6


async def test_without_the_operators_word_such_a_number_is_only_logged(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    *_, last = await join(client, 5)
    await execute(service, "UPDATE line SET tail = 3")

    with structlog.testing.capture_logs() as said:
        for _ in range(3):
            await client.get("/rooms/drop/tickets/me", headers=authorization(last.ticket))

    assert [line["event"] for line in said if line["event"] == "database_is_too_old"] == [
        "database_is_too_old"
    ]
    assert (await execute(service, "SELECT tail FROM line"))[0]["tail"] == 3
