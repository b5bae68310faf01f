"""Shoppers who wait over HTTP, look exactly when they are told to, and come when called."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
from support import authorization

from waitroom.line.wait import row_at
from waitroom.load.bodies import StateBody

_STATE = msgspec.json.Decoder(StateBody)


def visitors(url: str) -> aiohttp.ClientSession:
    """Return a client that any number of pollers share; it keeps no cookies."""
    return aiohttp.ClientSession(
        url, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    )


@dataclass(slots=True, kw_only=True)
class Poller:
    """One shopper with a ticket. `looks` has what each look said: a status, and when to come back.

    `claims` are the answers to their claims; whoever is in time has one, and it is 201.
    """

    http: aiohttp.ClientSession
    room: str
    ticket: str
    line: str
    number: int
    told_s: float
    session: str = ""
    looks: list[tuple[str, float]] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)

    @classmethod
    async def join(cls, http: aiohttp.ClientSession, room: str = "drop") -> "Poller":
        async with http.post(f"/rooms/{room}/tickets") as answer:
            body = await answer.json()
            assert answer.status == 201, body
        return cls(
            http=http,
            room=room,
            ticket=body["ticket"],
            line=body["line"],
            number=body["number"],
            told_s=body["poll_s"],
        )

    @classmethod
    async def join_together(cls, http: aiohttp.ClientSession, count: int) -> list["Poller"]:
        """Let this many join at once, and return them in order of their numbers."""
        joined = await asyncio.gather(*(cls.join(http) for _ in range(count)))
        return sorted(joined, key=lambda poller: poller.number)

    async def ask(self) -> str:
        """Ask for the ticket itself; return its status."""
        async with self.http.get(
            f"/rooms/{self.room}/tickets/me", headers=authorization(self.ticket)
        ) as answer:
            body = await answer.json()
            assert answer.status == 200, body
        self._saw(body["status"], body["poll_s"])
        return str(body["status"])

    async def read(self) -> str:
        """Read the state document; ask for the ticket only where the document is done with it."""
        async with self.http.get(f"/rooms/{self.room}/state") as answer:
            raw = await answer.read()
            assert answer.status == 200, raw
        (line,) = (line for line in _STATE.decode(raw).lines if line.line == self.line)
        if not line.head < self.number <= line.tail:
            return await self.ask()
        self._saw("waiting", row_at(line.table, self.number - line.head).poll_s)
        return "waiting"

    def _saw(self, status: str, poll_s: float) -> None:
        self.looks.append((status, poll_s))
        self.told_s = poll_s

    async def wait(self, look: Callable[["Poller"], Awaitable[str]]) -> None:
        """Look exactly when told to, until called; then come in at once."""
        while True:
            await asyncio.sleep(self.told_s)
            if await look(self) == "called":
                break
        await self.claim()

    async def wait_by_own_clock(self, poll_s: float) -> None:
        """Look every `poll_s` from a moment of one's own, whatever is told; then come in."""
        clock = asyncio.get_running_loop().time
        looks_at = clock() + random.uniform(0, poll_s)
        while True:
            await asyncio.sleep(max(looks_at - clock(), 0))
            if await self.ask() == "called":
                break
            looks_at += poll_s
        await self.claim()

    async def claim(self) -> None:
        async with self.http.post(
            f"/rooms/{self.room}/claims", headers=authorization(self.ticket)
        ) as answer:
            body = await answer.json()
        self.claims.append(answer.status)
        self.session = body.get("session", "")

    async def buy(self, sku: str) -> None:
        """Hold one unit and pay for it; the session is over with that."""
        await self.pay(await self.hold(sku))

    async def hold(self, sku: str) -> str:
        hold = await self._post("/checkout/holds", items=[{"sku": sku, "quantity": 1}])
        return str(hold["hold_id"])

    async def pay(self, hold_id: str) -> None:
        await self._post("/checkout/orders", hold_id=hold_id, payment={"token": "tok_approve"})

    async def leave(self) -> None:
        async with self.http.delete(
            "/checkout/session", headers=authorization(self.session)
        ) as answer:
            assert answer.status == 204, await answer.text()

    async def _post(self, path: str, **body: Any) -> Any:
        headers = {**authorization(self.session), "Idempotency-Key": str(uuid4())}
        async with self.http.post(path, json=body, headers=headers) as answer:
            said = await answer.json()
            assert answer.status == 201, said
        return said
