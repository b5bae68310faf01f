"""What tests share: a sale to act on, and a shopper's steps through it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from inventory.kit.database import Connection, Pool
from waitroom.gate.rules import GateRules
from waitroom.log.chain import LogEntry
from waitroom.log.verify.finding import all_holds
from waitroom.log.verify.links import ChainAudit
from waitroom.run.app import Service
from waitroom.run.engines.postgres import OWNER, RUNNING
from waitroom.run.settings import Secrets, Settings

KEY = "11" * 32
PASSWORD = "correct horse battery staple"


def secrets() -> Secrets:
    return Secrets(signing_keys=[KEY])


def settings(postgres_url: str, valkey_url: str, **changes: Any) -> Settings:
    values = {
        "postgres_url": postgres_url,
        "valkey_url": valkey_url,
        "drain_s": 0.0,
        "payment_wait_s": 2.0,
        "gateway": "test",
        # Tests speak as the proxy before the service, which names clients and hosts.
        "trusted_proxies": ["127.0.0.1"],
        **changes,
    }
    return msgspec.convert(values, Settings)


def database_url(url: str, name: str) -> str:
    """Return the address of another database on the same engine."""
    return url.replace("/waitroom?", f"/{name}?")


def owner_url(url: str) -> str:
    """Return the address at which the owner of the tables reaches the same database."""
    return url.replace(f"://{RUNNING}@", f"://{OWNER}@")


def size(name: str, quick: int) -> int:
    """Return how large a test is: `quick`, unless `make endure` sets another size."""
    return int(os.environ.get(f"TEST_{name}", quick))


async def open_room(
    service: Service,
    room: str = "drop",
    *,
    skus: dict[str, int] | None = None,
    limit: int = 4,
    status: str = "open",
    **rules: Any,
) -> None:
    """Make a room with SKUs and units on hand, open it, and tell the board."""
    # With promises what is called for how many units is arithmetic; a policy that learns is not.
    # Tests pay at once, and their shoppers share one address.
    usual = {"policy": "guaranteed", "pay_after_s": 0, "proof_of_work": "never"}
    rules = {**usual, **rules}
    encoded = msgspec.json.encode(rules).decode()
    await service.rooms.create(room, room.title(), rules=encoded, who="test")
    for sku, units in (skus if skus is not None else {"mug": 5}).items():
        await service.stock.add(
            sku, room=room, name=sku.title(), price_minor=1000, limit_per_session=limit
        )
        if units:
            await service.ledger.move(sku, kind="received", quantity=units, who="test", reason="")
    if status != "scheduled":
        await service.rooms.set_status(room, status, who="test")
    await service.board.refresh(rooms=True)


async def set_gate(service: Service, room: str = "drop", **rules: Any) -> None:
    """Let a room stand in front of a site by these rules."""
    await service.gate_store.put(room, GateRules(**rules), was=None, who="test", reason="")
    await service.gates.refresh()


async def tick(service: Service, times: int = 1) -> None:
    """Let the controller and the board take a step; needs no loop of theirs to run."""
    for _ in range(times):
        await service.controller.tick()
        await service.board.refresh()


@asynccontextmanager
async def as_owner(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection with the rights of the tables' owner, in a transaction.

    Programs have fewer: tests arrange what no process that sells may do.
    """
    async with pool.acquire() as connection, connection.transaction():
        # A program that a test set up for itself may be the owner.
        become = "SELECT set_config('role', $1, true) WHERE current_user = $2"
        await connection.execute(become, OWNER, RUNNING)
        yield connection


async def execute(service: Service, sql: str, *values: Any) -> Any:
    """Run a statement with the rights of the tables' owner."""
    async with as_owner(service.pool) as connection:
        return await connection.fetch(sql, *values)


async def sold_by_a_seller(service: Service, product: str) -> None:
    """Give a product, and what was sold of it, to the one seller, and admit them to its room."""
    seller = "(SELECT operator_id FROM operator WHERE role = 'seller')"
    given = f"UPDATE product SET seller_id = {seller} WHERE product = $1 RETURNING product_id"
    (row,) = await execute(service, given, product)
    sold = f"""UPDATE purchase_line SET seller_id = {seller}
               WHERE sku_id IN (SELECT sku_id FROM sku WHERE product_id = $1)"""
    await execute(service, sold, row["product_id"])
    admitted = f"""INSERT INTO room_seller (room_id, seller_id, admitted_by)
                   SELECT room_id, {seller}, 'test' FROM product WHERE product_id = $1
                   ON CONFLICT DO NOTHING"""
    await execute(service, admitted, row["product_id"])


async def log_is_whole(service: Service) -> bool:
    """Say whether the log of the only room is a chain, whose every entry can be read."""
    chain = ChainAudit()
    for row in await execute(service, "SELECT seq, body, hash FROM log_entry ORDER BY seq"):
        chain.feed(LogEntry(**dict(row)))
    return all_holds(chain.findings())


async def shift_clock(service: Service, seconds: float) -> None:
    """Let the shoppers' clock go forward, as if so much time had passed."""
    await execute(
        service, "UPDATE office SET stopped = stopped - make_interval(secs => $1)", seconds
    )


async def eventually(
    check: Callable[[], Awaitable[Any]], *, within_s: float = 30.0, every_s: float = 0.05
) -> Any:
    """Return the first truthy answer; fail when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = await check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {within_s} s")
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), every_s)


@dataclass(slots=True)
class Shopper:
    """One shopper with a ticket and, once claimed, a session; sends them as bearer tokens."""

    client: TestClient[Any, Any]
    room: str = "drop"
    ticket: str = ""
    session: str = ""
    number: int = 0

    async def join(self, **headers: str) -> dict[str, Any]:
        answer = await self.client.post(f"/rooms/{self.room}/tickets", headers=headers)
        body: dict[str, Any] = await answer.json()
        assert answer.status in {200, 201}, body
        self.ticket, self.number = body["ticket"], body["number"]
        return body

    async def me(self) -> dict[str, Any]:
        answer = await self.client.get(
            f"/rooms/{self.room}/tickets/me", headers=authorization(self.ticket)
        )
        body: dict[str, Any] = await answer.json()
        return body

    async def claim(self) -> ClientResponse:
        answer = await self.client.post(
            f"/rooms/{self.room}/claims", headers=authorization(self.ticket)
        )
        if answer.status in {200, 201}:
            self.session = (await answer.json())["session"]
        return answer

    async def leave(self) -> ClientResponse:
        return await self.client.delete(
            f"/rooms/{self.room}/tickets/me", headers=authorization(self.ticket)
        )

    async def hold(self, key: str | None = None, **quantities: int) -> ClientResponse:
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
        return await self.client.post(
            "/checkout/holds",
            json={"items": items},
            headers={**authorization(self.session), "Idempotency-Key": key or str(uuid4())},
        )

    async def pay(
        self, hold_id: str, *, token: str = "tok_approve", key: str | None = None, **fields: Any
    ) -> ClientResponse:
        return await self.client.post(
            "/checkout/orders",
            json={"hold_id": hold_id, "payment": {"token": token}, **fields},
            headers={**authorization(self.session), "Idempotency-Key": key or str(uuid4())},
        )


def authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def join_together(shoppers: list[Shopper]) -> None:
    """Let all join at once, and put them in order of their numbers."""
    await asyncio.gather(*(shopper.join() for shopper in shoppers))
    shoppers.sort(key=lambda shopper: shopper.number)


async def admitted(client: TestClient[Any, Any], room: str = "drop") -> Shopper:
    """Return a shopper who has joined below the gate and claimed."""
    shopper = Shopper(client, room)
    body = await shopper.join()
    assert body["status"] == "called", body
    assert (await shopper.claim()).status == 201
    return shopper
