"""A room that a worker does not know: "not found" is said only when it is sure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient
from prometheus_client import REGISTRY
from support import PASSWORD, authorization, execute, open_room, secrets

from waitroom.desk.board import Board
from waitroom.desk.public_log import PublicLog
from waitroom.log.signing import LogKey
from waitroom.run.app import Service
from waitroom.store.line_store import LineStore

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
OpenService = Callable[..., Awaitable[Service]]

CALLS = [
    ("GET", "/"),
    ("GET", "/rooms"),
    ("GET", "/rooms/drop"),
    ("GET", "/rooms/drop/state"),
    ("GET", "/rooms/drop/log"),
    ("GET", "/rooms/drop/profiles"),
    ("GET", "/rooms/drop/tickets/me"),
    ("POST", "/rooms/drop/tickets"),
    ("POST", "/rooms/drop/join"),
    ("GET", "/shop/drop"),
    ("GET", "/check?room=drop"),
]


class AwayPool:
    """A pool whose connections are refused until PostgreSQL answers."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.shares = pool.shares
        self.answered = pool.answered
        self.answers = False

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator[Any]:
        if not self.answers:
            raise asyncpg.CannotConnectNowError("the database system is starting up")
        async with self._pool.acquire(**options) as connection:
            yield connection


def without_postgresql(service: Service) -> AwayPool:
    """Give a service a board that could not read any room yet."""
    pool = AwayPool(service.pool)
    service.board = Board(
        store=LineStore(pool),  # type: ignore[arg-type]
        memory=service.memory,
        seal=service.board.seal,
    )
    service.public_log = PublicLog(
        service.board, store=service.log, log_key=LogKey(secrets().keys[0])
    )
    return pool


def look_ups() -> float:
    labels = {"batcher": "rooms"}
    return REGISTRY.get_sample_value("waitroom_batches_total", labels) or 0.0


@pytest.mark.parametrize(("method", "url"), CALLS)
async def test_a_worker_that_has_read_no_room_yet_says_when_to_try_again(
    service: Service, clients: Clients, method: str, url: str
) -> None:
    await open_room(service)
    without_postgresql(service)
    client = await clients(service)

    answer = await client.request(method, url, allow_redirects=False)

    assert (answer.status, (await answer.json())["code"]) == (503, "engine_down")
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_worker_serves_a_room_as_soon_as_its_database_answers(
    service: Service, clients: Clients
) -> None:
    await open_room(service)
    pool = without_postgresql(service)
    client = await clients(service)
    await client.get("/rooms/drop")

    pool.answers = True

    assert (await client.get("/rooms/drop")).status == 200


async def test_another_worker_serves_a_room_that_was_made_a_moment_ago(
    services: OpenService, clients: Clients
) -> None:
    first, second = await services(), await services()
    await second.board.refresh(rooms=True)
    client = await clients(second)
    await open_room(first, seats_max=0)

    joined = await client.post("/rooms/drop/tickets")

    assert joined.status == 201
    ticket = authorization((await joined.json())["ticket"])
    assert (await client.get("/rooms/drop/tickets/me", headers=ticket)).status == 200


async def test_an_operator_can_act_on_a_room_that_another_worker_made(
    services: OpenService, clients: Clients
) -> None:
    first, second = await services(), await services()
    await second.board.refresh(rooms=True)
    client = await clients(second)
    await first.operators.add("eve", role="viewer", password=PASSWORD)
    form = {"name": "eve", "password": PASSWORD}
    signed_in = await client.post("/admin/login", data=form, allow_redirects=False)
    as_viewer = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
    await open_room(first)

    looked = await client.get("/admin/rooms/drop/places/main-1/1", headers=as_viewer)

    assert "number has been given yet" in (await looked.json())["detail"]


@pytest.mark.parametrize(
    "room", ["nowhere", "no%00where", "No-Where", "%F0%9F%8E%AB", "x" * 64, "a%2Fb"]
)
async def test_no_room_by_that_name_is_said_when_it_is_sure(
    service: Service, clients: Clients, room: str
) -> None:
    await open_room(service)
    client = await clients(service)

    answer = await client.get(f"/rooms/{room}/state")

    assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_unknown_rooms_cost_the_database_few_questions(
    service: Service, clients: Clients
) -> None:
    await open_room(service)
    client = await clients(service)
    before = look_ups()

    answers = await asyncio.gather(*(client.get(f"/rooms/not-{i}/state") for i in range(300)))

    assert {answer.status for answer in answers} == {404}
    assert 0 < look_ups() - before < 30


async def test_a_room_that_cannot_be_read_is_not_said_to_be_unknown(
    service: Service, clients: Clients
) -> None:
    await open_room(service, "broken", skus={})
    await execute(service, "ALTER TABLE room DROP CONSTRAINT moments_are_of_our_time")
    await execute(service, "UPDATE room SET message_at = 'infinity'")
    await service.board.refresh(rooms=True)
    client = await clients(service)

    answer = await client.get("/rooms/broken/state")

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
