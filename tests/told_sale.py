"""A sale to a small crowd whose every answer is kept: what shoppers were told has to stay true."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from eager import eager
from outage import PatientCrowd, PatientWire
from support import execute, log_is_whole

from waitroom.client.http_client import Answer
from waitroom.run.app import Service

LOOK_EVERY_S = 0.2


@dataclass(slots=True)
class Told:
    """What shoppers were told: paid orders, the bearers of numbers, and heads of the log."""

    paid: dict[str, float] = field(default_factory=dict)
    numbers: dict[int, set[str]] = field(default_factory=dict)
    heads: dict[int, str] = field(default_factory=dict)

    def hear(self, answer: Answer) -> None:
        if answer.status not in {200, 201}:
            return
        try:
            body: Any = json.loads(answer.raw)
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        if body.get("status") == "paid" and "order_id" in body:
            self.paid.setdefault(body["order_id"], time.monotonic())
        if "ticket" in body and body.get("number"):
            # A repeated join gets the same ticket, to the letter.
            self.numbers.setdefault(body["number"], set()).add(body["ticket"])

    def paid_since(self, moment: float) -> list[float]:
        """Return how long after a moment each later order was told paid, in order."""
        return sorted(at - moment for at in self.paid.values() if at > moment)


class HearingWire(PatientWire):
    def __init__(self, url: str, told: Told) -> None:
        super().__init__(url)
        self._told = told

    async def once(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        answer = await super().once(method, path, headers=headers, raw=raw)
        self._told.hear(answer)
        return answer


class ToldCrowd(PatientCrowd):
    """A crowd that comes back after each 503, and what it was told.

    All have arrived after `arrive_s`. They are ten times as quick as people.
    """

    def __init__(self, url: str, *, shoppers: int, arrive_s: float) -> None:
        super().__init__(url, "drop", eager(shoppers, arrive_s=arrive_s))
        self.told = Told()
        self._wire = HearingWire(url, self.told)

    async def watch_log(self, url: str) -> None:
        """Keep every head of the public log that is shown, until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            while True:
                try:
                    async with http.get(f"{url}/rooms/drop/log/head") as answer:
                        if answer.status == 200:
                            body = await answer.json()
                            self.told.heads[body["seq"]] = body["hash"]
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(LOOK_EVERY_S)


async def untrue(service: Service, told: Told) -> list[str]:
    """Return everything that shoppers were told and that the books do not have."""
    rows = await execute(service, "SELECT order_id::text, state FROM purchase")
    orders = {row["order_id"]: row["state"] for row in rows}
    rows = await execute(service, "SELECT seq, encode(hash, 'hex') AS hash FROM log_entry")
    entries = {row["seq"]: row["hash"] for row in rows}
    ((tail,),) = await execute(service, "SELECT tail FROM line")
    found = [f"order {order} is lost" for order in told.paid if orders.get(order) != "paid"]
    found += [f"number {n} was given twice" for n, them in told.numbers.items() if len(them) > 1]
    found += [f"number {n} is beyond the tail" for n in told.numbers if n > tail]
    found += [
        f"entry {seq} of the log is another one"
        for seq, told_hash in told.heads.items()
        if entries.get(seq) != told_hash
    ]
    if breaches := await service.ledger.breaches():
        found.append(f"the books disagree: {breaches}")
    if not await log_is_whole(service):
        found.append("the log is not whole")
    return found
