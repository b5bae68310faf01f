"""Shoppers who are inside, in a process of their own: each holds a unit and pays for it, and rests.

Started as `inside.py {json}`; it prints what it saw as JSON: the seconds that each step took.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import uvloop

ANSWER_WAIT_S = 30.0
HOLD = b'{"items":[{"sku":"hot","quantity":1}]}'


@dataclass(slots=True, kw_only=True)
class Order:
    """What they do. `tokens` is a file with the token of one session in each line."""

    host: str
    port: int
    tokens: str
    seconds: float
    shoppers: int = 4
    rest_s: float = 0.05


@dataclass(slots=True)
class Seen:
    took_s: dict[str, list[float]] = field(default_factory=lambda: {"hold": [], "order": []})
    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Shopper:
    """One shopper over a kept connection."""

    def __init__(self, order: Order, seen: Seen) -> None:
        self._order = order
        self._seen = seen

    async def buy(self, tokens: list[str], until: float) -> None:
        order = self._order
        self._reader, self._writer = await asyncio.open_connection(order.host, order.port)
        while time.perf_counter() < until:
            token = tokens.pop()
            hold = await self._post("hold", "/checkout/holds", token, HOLD)
            if hold:
                paid = {"hold_id": hold["hold_id"], "payment": {"token": "tok_approve"}}
                await self._post("order", "/checkout/orders", token, json.dumps(paid).encode())
            await asyncio.sleep(order.rest_s)
        self._writer.close()

    async def _post(self, kind: str, path: str, token: str, body: bytes) -> dict[str, str]:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._order.host}:{self._order.port}\r\n"
            f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid4()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        began_at = time.perf_counter()
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(ANSWER_WAIT_S):
            answer = await self._reader.readuntil(b"\r\n\r\n")
            at = answer.index(b"Content-Length: ") + 16
            said = await self._reader.readexactly(int(answer[at : answer.index(b"\r", at)]))
        self._seen.took_s[kind].append(time.perf_counter() - began_at)
        status = answer[9:12].decode()
        self._seen.statuses[f"{kind} {status}"] += 1
        return json.loads(said) if status == "201" else {}


async def buy(order: Order, tokens: list[str]) -> Seen:
    seen, until = Seen(), time.perf_counter() + order.seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(order.shoppers):
            group.create_task(Shopper(order, seen).buy(tokens, until))
    return seen


if __name__ == "__main__":
    ordered = Order(**json.loads(sys.argv[1]))
    seen = uvloop.run(buy(ordered, Path(ordered.tokens).read_text().split()))
    json.dump({"took_s": seen.took_s, "statuses": seen.statuses}, sys.stdout)
