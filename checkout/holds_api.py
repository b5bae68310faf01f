"""The checkout over HTTP: sessions, holds and orders of admitted shoppers, for programs."""

from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from checkout.api import Checkout
from checkout.order import OrderBody, OrderRequest
from checkout.refusals import (
    ContentChanged,
    PaidTooSoon,
    PaymentDeclined,
    TooManyDeclines,
    TotalChanged,
)
from checkout.session import Session
from checkout.sessions import SessionBody, session_body
from inventory.hold import (
    ITEMS_MAX,
    Basket,
    HoldBody,
    HoldRequest,
    Item,
    body_hash,
    content_of,
    hold_body,
    idempotency_uuid,
)
from inventory.hold_store import Placed
from inventory.kit.doors.described import (
    KEY,
    LOCATION,
    OPTIONAL_KEY,
    RETRY_AFTER,
    Answer,
    Caller,
    described,
)
from inventory.kit.http import idempotency_key, json_response, read_body
from inventory.kit.language.asked import language_of
from inventory.kit.limits.classes import HOLDS, PAYMENTS, limited_as
from inventory.kit.problem import IdempotencyKeyReused, Unprocessable
from inventory.refusals import (
    AlreadyPaid,
    CustomerNeeded,
    ExtensionRefused,
    HoldExpired,
    LimitReached,
    NotOnSale,
    OutOfStock,
    PaymentRunning,
    TooManyActs,
    UnknownHold,
    UnknownSku,
)


class HoldChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PATCH: new quantities, or a later deadline."""

    items: Annotated[list[Item], Meta(max_length=ITEMS_MAX)] | None = None
    extend: bool = False


_BASKET = msgspec.json.Decoder(Basket)
_CHANGE = msgspec.json.Decoder(HoldChange)
_ORDER = msgspec.json.Decoder(OrderRequest)


_WITHOUT_UNITS = (OutOfStock, LimitReached, NotOnSale, UnknownSku, CustomerNeeded, TooManyActs)
_UNCHANGED = (UnknownHold, HoldExpired, AlreadyPaid, PaymentRunning)


class CheckoutApi:
    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/checkout/session", self.read_session),
            web.delete("/checkout/session", self.leave),
            web.delete("/checkout/wishes", self.drop_wishes),
            web.post("/checkout/holds", self.place_hold),
            web.get("/checkout/holds/{hold_id}", self.read_hold),
            web.patch("/checkout/holds/{hold_id}", self.change_hold),
            web.delete("/checkout/holds/{hold_id}", self.release_hold),
            web.post("/checkout/orders", self.place_order),
        ]

    @described(caller=Caller.SESSION, answer=SessionBody)
    async def read_session(self, request: web.Request) -> web.Response:
        """Return the session: its deadline, its holds, and the units that it waits for."""
        session = await self._checkout.sessions.of(request)
        view = await self._checkout.live_session(session)
        holds = await self._checkout.holds.held(session.session_id)
        wishes = await self._checkout.holds.wishes(session.session_id)
        return json_response(session_body(view, holds, wishes))

    @described(caller=Caller.SESSION, status=204)
    async def leave(self, request: web.Request) -> web.Response:
        """End the session. Its units go to other shoppers, and its seat to the next in line."""
        session = await self._checkout.sessions.of(request)
        await self._checkout.orders.leave(session.session_id)
        response = web.Response(status=204)
        self._checkout.sessions.forget(response, session)
        return response

    @described(caller=Caller.SESSION, status=204)
    async def drop_wishes(self, request: web.Request) -> web.Response:
        """Wait no longer for units that were refused and may come free."""
        session = await self._checkout.sessions.of(request)
        await self._checkout.holds.drop_wishes(session.session_id)
        return web.Response(status=204)

    @limited_as(HOLDS)
    @described(
        caller=Caller.SESSION,
        headers=(KEY,),
        body=Basket,
        answer=HoldBody,
        status=201,
        refusals=(*_WITHOUT_UNITS, IdempotencyKeyReused),
    )
    async def place_hold(self, request: web.Request) -> web.Response:
        """Hold units of one or more SKUs until a deadline.

        It is all or nothing, unless `partial` asks for what is left.
        """
        carried = self._checkout.sessions.carried(request)
        key = idempotency_key(request)
        assert key is not None
        basket = await read_body(request, _BASKET)
        quantities = basket.quantities()
        session = await self._checkout.sessions.meant(carried, skus=quantities)
        wish = HoldRequest(
            session_id=session.session_id,
            key=idempotency_uuid(key),
            body_hash=body_hash(quantities, partial=basket.partial),
            quantities=quantities,
            hold_id=uuid4(),
            partial=basket.partial,
        )
        placed = await self._checkout.hold_batchers.of(session.room).submit(wish)
        if placed.replay:
            hold = await self._checkout.holds.replayed(session.session_id, wish.key)
            return json_response(hold_body(hold), status=201)
        return json_response(_placed_body(placed), status=201)

    @limited_as(HOLDS)
    @described(
        caller=Caller.SESSION,
        headers=(OPTIONAL_KEY,),
        body=HoldChange,
        answer=HoldBody,
        refusals=(*_UNCHANGED, *_WITHOUT_UNITS, ExtensionRefused),
    )
    async def change_hold(self, request: web.Request) -> web.Response:
        """Change the quantities of a hold, or move its deadline.

        With a key, moving the deadline again under the same key moves it only once.
        """
        session, hold_id = await self._named_hold(request)
        change = await read_body(request, _CHANGE)
        if (change.items is None) == (not change.extend):
            raise Unprocessable('Say either {"items": […]} or {"extend": true}.')
        if change.items is not None:
            if not change.items:
                raise Unprocessable("A hold has at least one item; to give it up, delete it.")
            quantities = Basket(change.items).quantities()
            async with self._checkout.changing(session.session_id, hold_id) as holds:
                await holds.change(session.session_id, hold_id, quantities)
        else:
            key = idempotency_key(request, required=False)
            again = idempotency_uuid(key) if key else None
            async with self._checkout.changing(session.session_id, hold_id) as holds:
                await holds.extend(session.session_id, hold_id, key=again)
        return await self.read_hold(request)

    @described(caller=Caller.SESSION, status=204, refusals=_UNCHANGED)
    async def release_hold(self, request: web.Request) -> web.Response:
        """Give a hold up. Its units are on sale again at once."""
        session, hold_id = await self._named_hold(request)
        async with self._checkout.changing(session.session_id, hold_id) as holds:
            await holds.release(session.session_id, hold_id)
        return web.Response(status=204)

    @limited_as(PAYMENTS)
    @described(
        caller=Caller.SESSION,
        headers=(KEY,),
        body=OrderRequest,
        answer=OrderBody,
        status=201,
        answer_headers=(LOCATION,),
        also=(
            Answer(
                status=202,
                body=OrderBody,
                text="The gateway has not decided yet. Read the order until it has.",
                headers=(LOCATION, RETRY_AFTER),
            ),
        ),
        refusals=(
            *_UNCHANGED,
            PaymentDeclined,
            PaidTooSoon,
            TooManyDeclines,
            TotalChanged,
            ContentChanged,
            CustomerNeeded,
            IdempotencyKeyReused,
        ),
    )
    async def place_order(self, request: web.Request) -> web.Response:
        """Pay for a hold, and wait a few seconds for the outcome.

        A repeat with the same key joins the payment that the first one started.
        """
        carried = self._checkout.sessions.carried(request)
        key = idempotency_key(request)
        assert key is not None
        wish = await read_body(request, _ORDER)
        address = self._checkout.mail.checked(wish.email)
        session = await self._checkout.sessions.meant(carried, hold_id=wish.hold_id)
        order = await self._checkout.pay(
            session,
            hold_id=wish.hold_id,
            key=key,
            token=wish.payment.token,
            shown_minor=wish.total_minor,
            shown_content=wish.content,
        )
        await self._checkout.mail.queue(order, address, language=language_of(request).tag)
        return self._checkout.order_answer(order)

    async def _named_hold(self, request: web.Request) -> tuple[Session, UUID]:
        carried = self._checkout.sessions.carried(request)
        try:
            hold_id = UUID(request.match_info["hold_id"])
        except ValueError as error:
            raise UnknownHold from error
        return await self._checkout.sessions.meant(carried, hold_id=hold_id), hold_id

    @described(caller=Caller.SESSION, answer=HoldBody, refusals=(UnknownHold,))
    async def read_hold(self, request: web.Request) -> web.Response:
        """Return one hold of the session."""
        session, hold_id = await self._named_hold(request)
        return json_response(
            hold_body(await self._checkout.holds.read(session.session_id, hold_id))
        )


def _placed_body(placed: Placed) -> HoldBody:
    # A replay alone has no deadline, and is read again.
    assert placed.expires_at is not None
    return {
        "hold_id": placed.hold_id,
        "state": "held",
        "items": placed.lines,
        "total_minor": sum(line.quantity * line.price_minor for line in placed.lines),
        "content": content_of(placed.lines),
        "currency": placed.currency,
        "expires_at": placed.expires_at,
        "seconds_left": placed.seconds_left,
    }
