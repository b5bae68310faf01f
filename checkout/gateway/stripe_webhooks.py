"""Stripe over HTTP: the news it sends, and the shopper's way to the bank and back.

News only says where to look: whatever it tells, the order is driven by what Stripe answers when
it is asked. So it may come twice, late, in any order or not at all; then the settling loop finds
out, only later.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
import stripe
import structlog
from aiohttp import web

from checkout.api import Checkout, find_order
from checkout.gateway.gateway import GatewayError
from checkout.gateway.stripe_gateway import StripeGateway
from checkout.order import CLOSED, UNSETTLED, OrderState
from checkout.refusals import NotSigned, UnknownOrder
from inventory.kit.http import json_response, read_raw, wants_html
from inventory.kit.limits.classes import SERVICES, limited_as
from inventory.kit.problem import BadRequest, Busy

log = structlog.get_logger()

# Stripe's clock and ours may be apart by this much, either way; the library bounds the past alone.
CLOCK_APART_MAX_S = 300
# Stripe sends again what is not answered soon; the look goes on meanwhile.
ANSWER_WITHIN_S = 8.0
# Orders that are looked at at once, or wait for it, in this process.
LOOKS_MAX = 256
# Events that are remembered as heard, so that a repeat costs nothing.
HEARD_MAX = 4096
CLOSE_WAIT_S = 5.0

# Events of refunds, which may be none of ours, or have been done before they failed.
REFUND_NEWS = frozenset(
    {
        "charge.refunded",
        "charge.refund.updated",
        "refund.created",
        "refund.failed",
        "refund.updated",
    }
)
# Events that may move an order. All others, the making of an intent included, are ignored.
NEWS = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
    }
    | REFUND_NEWS
)


class StripeObject(msgspec.Struct, frozen=True):
    """The subject of an event: an intent, or an object that names its intent."""

    id: str = ""
    object: str = ""
    payment_intent: Any = None


class EventData(msgspec.Struct, frozen=True):
    object: StripeObject


class StripeEvent(msgspec.Struct, frozen=True):
    """As much of an event as is read; Stripe may add to the rest."""

    id: str
    type: str
    data: EventData

    @property
    def intent_id(self) -> str:
        about = self.data.object
        found = about.id if about.object == "payment_intent" else about.payment_intent
        return found if isinstance(found, str) else ""


_EVENT = msgspec.json.Decoder(StripeEvent)


class Looks:
    """Look at orders, each once at a time; who comes while one is looked at shares the next look.

    The look that has begun is not enough for them: it may have asked before their news was true.
    """

    def __init__(self, look: Callable[[UUID], Awaitable[None]]) -> None:
        self._look = look
        self._waiting: dict[UUID, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def at(self, order_id: UUID) -> None:
        """Return when the order was looked at; raises `Busy` when that takes too long."""
        task = self._waiting.get(order_id)
        if task is None:
            if len(self._running) >= LOOKS_MAX:
                raise Busy
            task = asyncio.create_task(self._take_turn(order_id), name=f"look-{order_id}")
            self._waiting[order_id] = task
            self._running.add(task)
            task.add_done_callback(self._end)
        # A request that stops waiting does not stop the look: others may be waiting for it too.
        done, _ = await asyncio.wait({task}, timeout=ANSWER_WITHIN_S)
        if not done:
            raise Busy
        task.result()

    async def _take_turn(self, order_id: UUID) -> None:
        lock = self._locks.setdefault(order_id, asyncio.Lock())
        async with lock:
            del self._waiting[order_id]
            await self._look(order_id)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Those who waited for it may have gone.
            log.warning("stripe_look_failed", look=task.get_name(), error=repr(error))

    async def close(self) -> None:
        """Finish what has begun; what takes longer is left to the settling loop."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_WAIT_S)
        for task in self._running:
            task.cancel()


class StripeApi:
    """The addresses that a shop on Stripe has besides its checkout.

    Without webhook secrets there is no address for news, and orders wait for the settling loop.
    """

    def __init__(
        self,
        checkout: Checkout,
        *,
        gateway: StripeGateway,
        hear: Callable[[UUID], Awaitable[None]],
        compare: Callable[[UUID], Awaitable[object]],
        webhook_secrets: Sequence[str],
    ) -> None:
        self._checkout = checkout
        self._gateway = gateway
        self._hear = hear
        self._webhook_secrets = tuple(webhook_secrets)
        self._compare = compare
        self._looks = Looks(self._look)
        self._refund_looks = Looks(self._look_at_refunds)
        self._heard: OrderedDict[str, None] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        found = [
            web.get("/checkout/stripe/{order_id}", self.go_to_bank),
            web.get("/checkout/stripe/{order_id}/return", self.come_back),
        ]
        if self._webhook_secrets:
            found.append(web.post("/checkout/webhooks/stripe", self.take_news))
        return found

    async def close(self) -> None:
        await self._looks.close()
        await self._refund_looks.close()
        await self._gateway.close()

    @limited_as(SERVICES)
    async def take_news(self, request: web.Request) -> web.Response:
        """Answer 200 for what was looked at or is none of ours, 5xx for what shall come again."""
        # It is signed as it came.
        raw = await read_raw(request)
        check_signature(raw, request.headers.get("Stripe-Signature", ""), self._webhook_secrets)
        try:
            event = _EVENT.decode(raw)
        except msgspec.ValidationError:
            log.info("stripe_news_of_another_form")
            return web.Response()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest("The request body is not valid JSON.") from error
        if event.type in NEWS and event.intent_id and event.id not in self._heard:
            await self._act_on(event)
            self._heard[event.id] = None
            if len(self._heard) > HEARD_MAX:
                self._heard.popitem(last=False)
        return web.Response()

    async def _act_on(self, event: StripeEvent) -> None:
        key = await self._gateway.payment_of(event.intent_id)
        if key is None:
            # Another shop may use the same account.
            log.info("stripe_news_of_unknown_payment", kind=event.type, intent=event.intent_id)
            return
        try:
            looks = self._refund_looks if event.type in REFUND_NEWS else self._looks
            await looks.at(UUID(key))
        except UnknownOrder:
            log.warning("stripe_news_of_unknown_order", kind=event.type, order=key)
        except GatewayError as error:
            raise Busy from error

    async def _look(self, order_id: UUID) -> None:
        order = await self._checkout.orders.read(order_id)
        if order.state in CLOSED:
            # The settling loop does not look at closed orders, so this news must not get lost.
            await self._gateway.look_up(str(order_id))
        await self._hear(order_id)

    async def _look_at_refunds(self, order_id: UUID) -> None:
        await self._look(order_id)
        await self._compare(order_id)

    async def go_to_bank(self, request: web.Request) -> web.Response:
        """Send the shopper to the page on which their bank wants to see them, if it does."""
        order = await find_order(self._checkout, request)
        page = None
        if order.state is OrderState.AUTHORIZING:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    page = await self._gateway.next_step(str(order.order_id))
            except (GatewayError, TimeoutError) as error:
                raise Busy("Stripe does not answer; please try again in a moment.") from error
        if page is not None and not page.startswith("https://"):
            page = None
        if not wants_html(request):
            return json_response({"url": page})
        raise web.HTTPSeeOther(page or f"/checkout/orders/{order.order_id}")

    async def come_back(self, request: web.Request) -> web.Response:
        """Look at the order of a shopper coming back from the bank, and show it.

        Stripe adds a secret of the payment's to this address; the redirect leaves it behind.
        """
        order = await find_order(self._checkout, request)
        if order.state in UNSETTLED:
            try:
                await self._looks.at(order.order_id)
            except (Busy, GatewayError) as error:
                log.info("stripe_look_put_off", order=str(order.order_id), error=repr(error))
        raise web.HTTPSeeOther(f"/checkout/orders/{order.order_id}")


def check_signature(raw: bytes, header: str, webhook_secrets: Sequence[str]) -> None:
    """Raise `NotSigned` unless one of the secrets signed this body about now.

    The scheme is https://docs.stripe.com/webhooks/signature. Several secrets are good while one is
    being replaced by another.
    """
    try:
        stamp = next(part[2:] for part in header.split(",") if part.startswith("t="))
        early = int(stamp) - time.time() > CLOCK_APART_MAX_S
    except (StopIteration, ValueError):
        raise NotSigned from None
    if early:
        raise NotSigned("The signature's time is in the future.")
    for secret in webhook_secrets:
        try:
            stripe.WebhookSignature.verify_header(raw, header, secret, CLOCK_APART_MAX_S)
        except (stripe.SignatureVerificationError, ValueError, TypeError):
            # Bodies that are no text and signatures that are no ASCII fail in their own ways.
            continue
        return
    raise NotSigned
