"""Operators: who may do what, and what their steering does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio as redis
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import (
    PASSWORD,
    Shopper,
    admitted,
    as_owner,
    eventually,
    execute,
    open_room,
    tick,
)

from inventory.kit.limits.gcra import Allowance, Buckets
from waitroom.desk.networks import BUSY_FROM
from waitroom.run.app import Service
from waitroom.store.room_store import SQL

Client = TestClient[Any, Any]


async def attempt(client: Client, name: str, password: str) -> ClientResponse:
    form = {"name": name, "password": password}
    return await client.post("/admin/login", data=form, allow_redirects=False)


@pytest.mark.parametrize(
    ("role", "look", "steer", "create"), [("viewer", 200, 403, 403), ("operator", 200, 200, 403),
                                          ("admin", 200, 200, 201)]
)  # fmt: skip
async def test_a_role_may_do_what_it_says(
    service: Service, client: Client, role: str, look: int, steer: int, create: int
) -> None:
    await open_room(service)
    as_role = await sign_in(service, client, role)

    looked = await client.get("/admin/rooms/drop", headers=as_role)
    steered = await client.patch("/admin/rooms/drop", json={"seats_max": 3}, headers=as_role)
    paused = await client.post("/admin/rooms/drop/pause", headers=as_role)
    created = await client.post(
        "/admin/rooms", json={"room": "new", "name": "New"}, headers=as_role
    )

    assert (looked.status, steered.status, created.status) == (look, steer, create)
    assert paused.status == steer


async def test_guessing_passwords_is_slowed_down_and_locks_nobody_else_out(
    services: Callable[..., Awaitable[Service]], clients: Callable[..., Awaitable[Client]]
) -> None:
    service = await services(sign_in_attempts_per_minute=3)
    client = await clients(service)
    await service.operators.add("night", role="operator", password=PASSWORD)

    answers = [await attempt(client, "night", "a wrong one") for _ in range(5)]

    assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].headers["RateLimit"].startswith('"sign-in";r=0')
    mark = service.security_events.mark_of("night")
    waited = await service.memory.allow(f"sign-in:name:{mark}", per_minute=30)
    assert waited == 0


async def test_valkey_keeps_no_address_and_nothing_that_was_typed_as_a_name(
    services: Callable[..., Awaitable[Service]], clients: Callable[..., Awaitable[Client]]
) -> None:
    service = await services(trusted_proxies=["127.0.0.0/8"])
    client, password, address = await clients(service), uuid4().hex, "198.51.100.77"
    form = {"name": password, "password": "a wrong one"}
    await client.post("/admin/login", data=form, headers={"X-Forwarded-For": address})
    for _ in range(BUSY_FROM):
        service.networks.gave("drop", address, line_id=1)
    await service.networks.exchange()

    async with redis.from_url(service.settings.valkey_url) as valkey:
        keys = [key async for key in valkey.scan_iter("waitroom:*")]
        counts = [await valkey.hgetall(key) for key in keys if key.startswith(b"waitroom:counts:")]

    buckets = [key for key in keys if key.startswith(b"waitroom:bucket:")]
    assert buckets, "the sign-in took from a bucket"
    assert any(int(count) >= BUSY_FROM for one in counts for count in one.values())
    for secret in (password, service.security_events.mark_of(password), address):
        assert secret not in str((keys, counts))


async def test_strangers_keep_no_operator_out_who_has_signed_in_here_before(
    services: Callable[..., Awaitable[Service]],
    clients: Callable[..., Awaitable[Client]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = await services(sign_in_attempts_per_minute=3, trusted_proxies=["127.0.0.0/8"])
    buckets = Buckets()

    # Time stands still, or buckets would fill while a busy machine makes the attempts.
    async def allow(bucket: str, *, per_minute: int) -> float:
        return buckets.take(("", bucket), Allowance(burst=per_minute, per_s=per_minute / 60), 1.0)

    monkeypatch.setattr(service.memory, "allow", allow)
    client = await clients(service)
    for name in ("night", "day"):
        await service.operators.add(name, role="operator", password=PASSWORD)

    async def tried(address: str, password: str, cookie: str = "", name: str = "night") -> int:
        headers = {"X-Forwarded-For": address, "Cookie": cookie}
        form = {"name": name, "password": password}
        answer = await client.post(
            "/admin/login", data=form, headers=headers, allow_redirects=False
        )
        return answer.status

    first = await attempt(client, "night", PASSWORD)
    known = next(
        text.partition(";")[0]
        for text in first.headers.getall("Set-Cookie")
        if "waitroom_device" in text
    )
    # Strangers use up the bucket of the name, from many addresses.
    wrong = [await tried(f"2001:db8:0:{n:x}::1", "a wrong one") for n in range(32)]

    assert set(wrong[:29]) == {401}
    assert set(wrong[-2:]) == {429}
    assert await tried("203.0.113.7", PASSWORD) == 429
    assert await tried("203.0.113.7", PASSWORD, cookie=known) == 303
    # A browser that is known is bounded too, known for one name alone, and not to be forged.
    forged = known[:-1] + ("A" if known[-1] != "A" else "E")
    assert await tried("203.0.113.9", PASSWORD, cookie=forged) == 429
    assert [await tried("203.0.113.8", "wrong", cookie=known) for _ in range(3)] == [401, 401, 429]
    assert await tried("203.0.113.9", PASSWORD, cookie=known, name="day") == 303
    # Behind a proxy that is trusted each client has a bound of its own.
    assert [await tried("198.51.100.1", "wrong", name="x") for _ in range(4)][-1] == 429
    assert await tried("198.51.100.2", PASSWORD, name="day") == 303


async def test_the_operators_cookie_is_kept_from_scripts_and_other_sites(
    services: Callable[..., Awaitable[Service]], clients: Callable[..., Awaitable[Client]]
) -> None:
    service = await services(public_url="https://queue.example")
    client = await clients(service)
    await service.operators.add("night", role="operator", password=PASSWORD)

    cookie = (await attempt(client, "night", PASSWORD)).headers["Set-Cookie"]

    assert cookie.startswith("__Host-")
    for flag in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert flag in cookie


async def test_signing_out_ends_the_session_at_the_server(service: Service, client: Client) -> None:
    await open_room(service)
    as_viewer = await sign_in(service, client, "viewer")

    await client.post("/admin/logout", headers=as_viewer, allow_redirects=False)

    assert (await client.get("/admin/rooms/drop", headers=as_viewer)).status == 401


async def test_while_paused_arrivals_wait_and_are_called_when_it_goes_on(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    as_operator = await sign_in(service, client, "operator")

    await client.post("/admin/rooms/drop/pause", json={"reason": "fire"}, headers=as_operator)
    shopper = Shopper(client)
    joined = await shopper.join()
    await tick(service, 2)
    state = await (await client.get("/rooms/drop/state")).json()
    while_paused = await shopper.me()
    await client.post("/admin/rooms/drop/resume", headers=as_operator)
    await tick(service)

    assert (joined["status"], while_paused["status"]) == ("waiting", "waiting")
    assert state["status"] == "paused"
    assert (await shopper.me())["status"] == "called"
    actions = await client.get("/admin/rooms/drop/actions", headers=as_operator)
    assert [a["reason"] for a in (await actions.json())["actions"]][:2] == ["", "fire"]


async def test_stock_cannot_fall_below_what_is_spoken_for(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    as_operator = await sign_in(service, client, "operator")
    await (await admitted(client)).hold(mug=2)

    async def move(**movement: Any) -> ClientResponse:
        keyed = {**as_operator, "Idempotency-Key": str(movement)}
        return await client.post("/admin/skus/mug/movements", json=movement, headers=keyed)

    below = await move(kind="adjusted", quantity=-2, reason="broken")
    without_reason = await move(kind="adjusted", quantity=-1)
    nothing = await move(kind="received", quantity=0)
    adjusted = await move(kind="adjusted", quantity=-1, reason="broken")
    received = await move(kind="received", quantity=10)

    assert (below.status, (await below.json())["code"]) == (409, "below_committed")
    assert (without_reason.status, nothing.status) == (400, 400)
    assert (adjusted.status, (await adjusted.json())["on_hand"]) == (200, 2)
    assert (await received.json())["available"] == 10
    assert await service.ledger.breaches() == []


async def test_an_ended_sale_stays_ended(service: Service, client: Client) -> None:
    await open_room(service)
    as_operator = await sign_in(service, client, "operator")

    unconfirmed = await client.post("/admin/rooms/drop/close", json={}, headers=as_operator)
    ended = await client.post(
        "/admin/rooms/drop/close", json={"confirm": "drop"}, headers=as_operator
    )
    reopened = await client.post("/admin/rooms/drop/open", headers=as_operator)

    assert (unconfirmed.status, ended.status, reopened.status) == (400, 200, 409)


async def test_records_of_actions_and_log_cannot_be_changed(service: Service) -> None:
    await open_room(service)

    for table in ("operator_action", "log_entry"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET room_id = room_id"):
            with pytest.raises(Exception, match="only ever added"):
                await execute(service, change)


async def test_operators_who_look_at_once_share_one_reading_of_the_figures(
    service: Service, client: Client
) -> None:
    await open_room(service)
    viewer = await sign_in(service, client, "viewer")
    waiting = """SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND query LIKE '%orders_paid%'"""

    async def some_wait() -> bool:
        return bool((await execute(service, waiting))[0]["n"])

    async with as_owner(service.pool) as other:
        await other.execute("LOCK TABLE purchase")
        looks = [
            asyncio.create_task(client.get("/admin/rooms/drop", headers=viewer)) for _ in range(5)
        ]
        await eventually(some_wait)
        await asyncio.sleep(0.3)
        (at_once,) = await execute(service, waiting)
    answers = [await (await look).json() for look in looks]

    assert at_once["n"] == 1
    assert len({answer["figures"]["at"] for answer in answers}) == 1


async def test_figures_read_the_places_of_their_own_room_alone(service: Service) -> None:
    await open_room(service)
    await open_room(service, "other", skus={})
    sql = """INSERT INTO admission (room_id, line_id, number, state, called_at, ended_at)
        SELECT room_id, line_id, n, 'missed', now(), now() FROM line JOIN room USING (room_id),
        generate_series(1, CASE room WHEN 'other' THEN 3000 ELSE 3 END) n"""
    await execute(service, sql)
    await execute(service, "ANALYZE admission")
    async with as_owner(service.pool) as connection:
        read = "SELECT pg_stat_get_xact_tuples_fetched(c) + pg_stat_get_xact_tuples_returned(c)"
        sql = f"{read} AS n FROM (SELECT 'admission'::regclass::oid) x(c)"
        (figures,) = await connection.fetch(SQL["read_figures"], "drop")
        (rows,) = await connection.fetch(sql)

    assert figures["missed"] == 3
    assert rows["n"] < 100
