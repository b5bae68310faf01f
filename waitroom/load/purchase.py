"""Inside: browse, put something into the basket, pay, leave."""

import asyncio
from typing import NoReturn
from urllib.parse import quote
from uuid import uuid4

import msgspec

from waitroom.client.http_client import Answer
from waitroom.load.behaviour import Plan, choose_sku
from waitroom.load.bodies import HoldBody, OrderBody, SkuBody, SkusBody
from waitroom.load.journey import Outcome, Over
from waitroom.load.requests import Requests
from waitroom.load.wire import problem_of

APPROVE, DECLINE = "tok_approve", "tok_decline"
# An undecided payment is polled at this interval, up to this many times: ten minutes in all, the
# time that a room gives the gateway by default.
ORDER_POLL_S = 2.0
ORDER_POLLS_MAX = 300
SKUS_PAGE = 200

_SKUS = msgspec.json.Decoder(SkusBody)
_HOLD = msgspec.json.Decoder(HoldBody)
_ORDER = msgspec.json.Decoder(OrderBody)


class Purchase:
    """The steps of a shopper with a session; every path ends in `Over`."""

    def __init__(self, requests: Requests, room: str, plan: Plan) -> None:
        self._requests = requests
        self._skus_path = f"/inventory/skus?room={quote(room, safe='')}&limit={SKUS_PAGE}"
        self._plan = plan
        self._journey = requests.journey

    async def run(self) -> NoReturn:
        skus = await self._browse()
        if not self._plan.wants:
            await self._quit(Outcome.BROWSED_ONLY)
        hold = await self._hold_something(skus)
        await asyncio.sleep(self._plan.pay_s)
        if not self._plan.pays:
            await self._quit(Outcome.ABANDONED)
        await self._pay(hold)

    async def _quit(self, outcome: Outcome, detail: str = "") -> NoReturn:
        if self._plan.polite:
            await self._requests.leave_session()
        raise Over(outcome, detail)

    async def _browse(self) -> list[SkuBody]:
        await asyncio.sleep(self._plan.browse_s)
        return await self._read_skus()

    async def _read_skus(self) -> list[SkuBody]:
        answer = await self._requests.ask("GET", self._skus_path)
        if not answer.good:
            raise Over(Outcome.FAILED, f"reading the catalogue: {problem_of(answer).code}")
        return _SKUS.decode(answer.raw).skus

    async def _hold_something(self, skus: list[SkuBody]) -> HoldBody:
        """Hold what this shopper likes best among what can still be had; return the hold."""
        tried: list[str] = []
        while len(tried) < self._plan.skus_tried_max:
            sku = choose_sku(skus, tried, self._plan.taste)
            if sku is None:
                break
            tried.append(sku.sku)
            hold = await self._hold(sku.sku, self._plan.quantity)
            if hold is not None:
                return hold
            # The page shows the figures anew after a refusal.
            skus = await self._read_skus()
        detail = f"tried {', '.join(tried)}"
        if choose_sku([sku for sku in skus if sku.available > 0], tried, 0) is not None:
            # Something else is there: that is a choice, and no broken promise.
            return await self._quit(Outcome.BROWSED_ONLY, detail)
        return await self._quit(Outcome.FOUND_NOTHING, detail)

    async def _hold(self, sku: str, quantity: int) -> HoldBody | None:
        """Hold units of one SKU, fewer if fewer can be had; None when there are none."""
        while quantity > 0:
            answer = await self._requests.clicked(
                "POST",
                "/checkout/holds",
                bearer=self._journey.session,
                key=str(uuid4()),
                body={"items": [{"sku": sku, "quantity": quantity}]},
                same="hold_id",
            )
            if answer.good:
                hold = _HOLD.decode(answer.raw)
                self._journey.hold_ids.append(hold.hold_id)
                return hold
            problem = problem_of(answer)
            if problem.code not in {"out_of_stock", "limit_reached"}:
                raise _refused(answer, "holding")
            possible = problem.available if problem.code == "out_of_stock" else problem.limit
            quantity = min(quantity - 1, possible)
        return None

    async def _pay(self, hold: HoldBody) -> NoReturn:
        if self._plan.first_card_good:
            await self._pay_with(APPROVE, hold)
        else:
            await self._pay_with(DECLINE, hold)
            if self._plan.second_card:
                await asyncio.sleep(self._plan.pay_s)
                await self._pay_with(APPROVE, hold)
        await self._quit(Outcome.DECLINED)

    async def _pay_with(self, token: str, hold: HoldBody) -> None:
        """Pay and wait for the outcome; return when the card was declined."""
        answer = await self._requests.clicked(
            "POST",
            "/checkout/orders",
            bearer=self._journey.session,
            key=str(uuid4()),
            body={
                "hold_id": hold.hold_id,
                "payment": {"token": token},
                "content": hold.content,
            },
            same="order_id",
        )
        if not answer.good:
            if problem_of(answer).code == "payment_declined":
                return
            raise _refused(answer, "paying")
        order = await self._decided(_ORDER.decode(answer.raw))
        if order.status == "paid":
            self._journey.order_id = order.order_id
            self._journey.units = sum(item.quantity for item in order.items)
            await self._quit(Outcome.BOUGHT)
        if order.status == "refunded":
            await self._quit(Outcome.DECLINED, "paid too late and got the money back")

    async def _decided(self, order: OrderBody) -> OrderBody:
        """Look after an order until it is decided."""
        for _ in range(ORDER_POLLS_MAX):
            if order.status != "authorizing":
                return order
            await asyncio.sleep(ORDER_POLL_S)
            answer = await self._requests.ask(
                "GET", f"/checkout/orders/{order.order_id}", bearer=self._journey.session
            )
            if not answer.good and problem_of(answer).code == "payment_declined":
                return OrderBody(order_id=order.order_id, status="declined", items=[])
            if not answer.good:
                raise _refused(answer, "looking after the order")
            order = _ORDER.decode(answer.raw)
        raise Over(Outcome.FAILED, f"order {order.order_id} is still undecided")


def _refused(answer: Answer, doing: str) -> Over:
    code = problem_of(answer).code
    late = code in {"session_over", "hold_expired"}
    return Over(Outcome.MISSED if late else Outcome.FAILED, f"{doing}: {code}")
