"""Five attackers of a sale, over HTTP as a bot farm speaks it, each from an address of its own.

They know the API, wait for no page, and go on until they are cancelled. `Attackers` runs all five
and adds up what they got.
"""

import asyncio
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
from support import authorization

from waitroom.client.proving import PROOFS_MAX, solved

# The documentation's addresses (RFC 5737); a shopper of the simulated crowd has none of them.
NETWORK = "203.0.113.{}"
JOINING_AT_ONCE = 50
POLL_S, LAZY_POLL_S, AGAIN_S = 0.5, 5.0, 1.0
# What a bot asks of each SKU of a room.
GREED = 4
CARDS = 50
PROOF_STATUS = 428


def solve(challenge: Any) -> str:
    """Solve a challenge in a process of its own."""
    return asyncio.run(solved(challenge))


def _behind_others() -> None:
    os.nice(19)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """The number of places that each attacker asks for."""

    joins: int = 10_000
    denial: int = 24
    stuffed: int = 300
    snipers: int = 10
    testers: int = 10


@dataclass(slots=True, kw_only=True)
class Attacker:
    """One attacker: what it was answered, and the units that it bought."""

    http: aiohttp.ClientSession
    base_url: str
    room: str
    skus: list[str]
    address: str
    worker: ProcessPoolExecutor
    places: int = 0
    units: int = 0
    held_most: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _held: int = 0

    async def ask(
        self, method: str, path: str, *, token: str = "", body: Any = None
    ) -> tuple[int, Any]:
        headers = {
            "X-Forwarded-For": self.address,
            "Idempotency-Key": str(uuid4()),
            **(authorization(token) if token else {}),
        }
        try:
            async with self.http.request(
                method, f"{self.base_url}{path}", json=body, headers=headers
            ) as answer:
                said = await answer.json() if answer.content_length else {}
                if answer.status >= 400:
                    self.refused[said.get("code", str(answer.status))] += 1
                return answer.status, said
        except (aiohttp.ClientError, TimeoutError) as error:
            self.refused[type(error).__name__] += 1
            return 599, {}

    async def join(self) -> str | None:
        """Return a new place's ticket, or None. A proof of work is worked for."""
        path, body = f"/rooms/{self.room}/tickets", None
        status, said = await self.ask("POST", path)
        for _ in range(PROOFS_MAX):
            if status != PROOF_STATUS:
                break
            loop = asyncio.get_running_loop()
            body = {"proof": await loop.run_in_executor(self.worker, solve, said["challenge"])}
            status, said = await self.ask("POST", path, body=body)
        if status != 201:
            return None
        self.places += 1
        return str(said["ticket"])

    async def join_until_given(self) -> str:
        while True:
            ticket = await self.join()
            if ticket is not None:
                return ticket
            await asyncio.sleep(AGAIN_S)

    async def enter(self, ticket: str, *, poll_s: float) -> str | None:
        """Wait for the call, claim it at once, and return the session; None when it is over."""
        while True:
            status, said = await self.ask("GET", f"/rooms/{self.room}/tickets/me", token=ticket)
            if status == 200 and said["status"] in {"called", "missed", "claimed"}:
                status, said = await self.ask("POST", f"/rooms/{self.room}/claims", token=ticket)
                if status in {200, 201}:
                    return str(said["session"])
            elif status == 200 and said["status"] in {"left", "sold_out", "ended"}:
                return None
            await asyncio.sleep(poll_s)

    async def hold(self, session: str, units: int = GREED) -> Any:
        """Return a hold of as many units of everything as can be had, or None."""
        items = [{"sku": sku, "quantity": units} for sku in self.skus]
        body = {"items": items, "partial": True}
        status, said = await self.ask("POST", "/checkout/holds", token=session, body=body)
        if status != 201:
            return None
        self._held += sum(item["quantity"] for item in said["items"])
        self.held_most = max(self.held_most, self._held)
        return said

    def dropped(self, hold: Any) -> None:
        self._held -= sum(item["quantity"] for item in hold["items"])

    async def pay(self, session: str, hold: Any, card: str) -> int:
        body = {"hold_id": hold["hold_id"], "payment": {"token": card}}
        status, said = await self.ask("POST", "/checkout/orders", token=session, body=body)
        if said.get("code") == "paid_too_soon":
            await asyncio.sleep(float(said.get("retry_after_s", AGAIN_S)))
            return await self.pay(session, hold, card)
        if status == 201:
            self.units += sum(item["quantity"] for item in hold["items"])
        return status


async def join_much(bot: Attacker, times: int) -> None:
    """Take as many places as the service gives."""
    left = iter(range(times))

    async def take() -> None:
        for _ in left:
            await bot.join()

    await asyncio.gather(*(take() for _ in range(JOINING_AT_ONCE)))


async def deny(bot: Attacker, tickets: int) -> None:
    """Hold as much as can be had for as long as possible, and pay for nothing."""

    async def sit() -> None:
        while True:
            session = await bot.enter(await bot.join_until_given(), poll_s=POLL_S)
            status = 200
            while session is not None and status != 401:
                hold = await bot.hold(session)
                if hold is None:
                    await asyncio.sleep(AGAIN_S)
                    status, _ = await bot.ask("GET", "/checkout/session", token=session)
                    continue
                path = f"/checkout/holds/{hold['hold_id']}"
                await asyncio.sleep(max(hold["seconds_left"] - 2, 1))
                status, said = await bot.ask("PATCH", path, token=session, body={"extend": True})
                if status == 200:
                    await asyncio.sleep(max(said["seconds_left"] - 1, 1))
                await bot.ask("DELETE", path, token=session)
                bot.dropped(hold)

    await asyncio.gather(*(sit() for _ in range(tickets)))


async def snipe(bot: Attacker, tickets: int, *, poll_s: float = 0.2) -> None:
    """Claim in the second of the call, buy as much as can be had at once, and join again."""

    async def buy() -> None:
        while True:
            session = await bot.enter(await bot.join_until_given(), poll_s=poll_s)
            hold = None if session is None else await bot.hold(session)
            if session is not None and hold is not None:
                await bot.pay(session, hold, "tok_approve")
                bot.dropped(hold)
            await asyncio.sleep(poll_s)

    await asyncio.gather(*(buy() for _ in range(tickets)))


async def stuff(bot: Attacker, entries: int) -> None:
    """Enter the draw many times before the opening, and buy with every entry that comes up."""
    await snipe(bot, entries, poll_s=LAZY_POLL_S)


async def test_cards(bot: Attacker, tickets: int) -> None:
    """Try one stolen card after the other."""

    async def try_all() -> None:
        while True:
            session = await bot.enter(await bot.join_until_given(), poll_s=POLL_S)
            for _ in range(CARDS if session is not None else 0):
                assert session is not None
                hold = await bot.hold(session, units=1)
                if hold is None:
                    await asyncio.sleep(AGAIN_S)
                    break
                while await bot.pay(session, hold, "tok_decline") == 402:
                    pass
                await bot.ask("DELETE", f"/checkout/holds/{hold['hold_id']}", token=session)
                bot.dropped(hold)
            await asyncio.sleep(AGAIN_S)

    await asyncio.gather(*(try_all() for _ in range(tickets)))


test_cards.__test__ = False  # type: ignore[attr-defined]
Attack = Callable[[Attacker, int], Coroutine[Any, Any, None]]


class Attackers:
    """All five at once, until `stop`. `bots` has each by its name."""

    def __init__(self, base_url: str, room: str, skus: list[str], strength: Strength) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256), timeout=aiohttp.ClientTimeout(total=30)
        )
        attacks: dict[str, tuple[Attack, int]] = {
            "joins from one address": (join_much, strength.joins),
            "denial of inventory": (deny, strength.denial),
            "draw stuffing": (stuff, strength.stuffed),
            "sniping": (snipe, strength.snipers),
            "card testing": (test_cards, strength.testers),
        }
        # They work for proofs with what the machine has left, since their own machine is elsewhere.
        self._worker = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_behind_others
        )
        self.bots: dict[str, Attacker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        for number, (name, (attack, times)) in enumerate(attacks.items(), 1):
            bot = Attacker(
                http=self._http,
                base_url=base_url,
                room=room,
                skus=skus,
                address=NETWORK.format(number),
                worker=self._worker,
            )
            self.bots[name] = bot
            self._tasks.append(asyncio.create_task(attack(bot, times), name=name))

    @property
    def units(self) -> int:
        return sum(bot.units for bot in self.bots.values())

    async def stop(self) -> None:
        """End the attack; raises an attacker's own bug."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._worker.shutdown(wait=False, cancel_futures=True)
        await self._http.close()
