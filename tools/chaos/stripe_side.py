"""Stripe's side of a run: a stand-in that is slow, loses answers, and sends its news as it likes.

The books and the protocol are those of the tests (`tests/stripe_peer.py`); here the line breaks at
random, and news of payments come twice, in any order, or never.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from stripe_peer import APPROVED, DECLINED, SECRET_KEY, WEBHOOK_SECRET, Wire, running_localstripe

ADDRESS = "CHAOS_STRIPE"
ENVIRONMENT = {
    "WAITROOM_GATEWAY": "stripe",
    "WAITROOM_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
    "WAITROOM_STRIPE_SECRET_KEY": SECRET_KEY,
    "WAITROOM_STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
}
CARDS = (APPROVED,)
BAD_CARD = DECLINED
INTENTS, OURS = "/v1/payment_intents", "metadata[waitroom_payment]"
EVENTS = {
    "confirm": "payment_intent.amount_capturable_updated",
    "capture": "payment_intent.succeeded",
    "cancel": "payment_intent.canceled",
}
# Of all news this share never comes, and this share comes twice; each takes up to so many seconds.
FORGOTTEN, DOUBLED, NEWS_LATE_S = 0.3, 0.3, 6.0
AT_GATEWAY = {"requires_capture": "authorized", "succeeded": "captured", "canceled": "voided"}


@dataclass(slots=True, kw_only=True)
class Stripe(Wire):
    """`late_s` is how late each answer is, `lost_share` the share of them that never comes.

    `shop` is the address at which the program hears news.
    """

    dice: Random
    shop: str
    late_s: float = 0.0
    lost_share: float = 0.0
    intents: dict[str, str] = field(default_factory=dict)
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def carry(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.late_s)
        response = await Wire.carry(self, request)
        if self.dice.random() < self.lost_share:
            assert request.transport is not None
            request.transport.abort()
        return response

    async def _once(self, request: web.Request, fields: dict[str, str]) -> tuple[int, bytes]:
        """Pass a request on, note what it is for, and send news of it, or none."""
        status, raw = await Wire._once(self, request, fields)  # noqa: SLF001 - its parent
        _, _, act = request.path.removeprefix(INTENTS).strip("/").partition("/")
        with suppress(ValueError, KeyError):
            intent = json.loads(raw)
            if OURS in fields:
                self.intents[fields[OURS]] = intent["id"]
            if act in EVENTS and status == 200:
                self._will_tell(EVENTS[act], intent["id"])
        return status, raw

    def _will_tell(self, kind: str, intent_id: str) -> None:
        if self.dice.random() < FORGOTTEN:
            return
        body = json.dumps(
            {
                "id": f"evt_{uuid4().hex}",
                "object": "event",
                "type": kind,
                "data": {"object": {"id": intent_id, "object": "payment_intent"}},
                "livemode": False,
            }
        ).encode()
        for _ in range(2 if self.dice.random() < DOUBLED else 1):
            task = asyncio.create_task(self._tell(body, self.dice.uniform(0, NEWS_LATE_S)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, body: bytes, after_s: float) -> None:
        await asyncio.sleep(after_s)
        stamp = int(time.time())
        mac = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={stamp},v1={mac}"}
        with suppress(aiohttp.ClientError, TimeoutError):
            path = f"{self.shop}/checkout/webhooks/stripe"
            async with self.session.post(path, data=body, headers=headers) as answer:
                await answer.read()

    async def fall_silent(self) -> None:
        """Send no more news."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def states(self) -> dict[str, str]:
        """Return what became of the payment of each order."""
        found = {}
        for order_id, intent_id in self.intents.items():
            intent: dict[str, Any] = await self.ask("GET", f"{INTENTS}/{intent_id}")
            found[order_id] = AT_GATEWAY.get(intent["status"], "declined")
        return found


@asynccontextmanager
async def stripe_for(shop: str) -> AsyncIterator[Stripe]:
    """Start a stand-in for Stripe that sends its news to a shop."""
    with running_localstripe() as books:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            made = Stripe(books, session, dice=Random(0), shop=shop)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", made.carry)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            made.url = "http://127.0.0.1:{1}".format(*runner.addresses[0])
            try:
                yield made
            finally:
                await made.fall_silent()
                await runner.cleanup()
