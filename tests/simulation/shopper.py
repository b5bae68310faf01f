"""Obedient shoppers: they do what the service tells them, and repeat what got no answer."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from checkout.driving.payments import LEASE
from checkout.order import UNSETTLED, Order
from checkout.refund import Refund, RefundStage, RefundWish
from checkout.refusals import PaymentDeclined
from checkout.session import Session
from inventory.hold import Basket, HoldRequest, Item, body_hash, idempotency_uuid
from inventory.kit.database import work_for
from inventory.kit.problem import Busy, EngineDown, NotFound, Refusal, TooManyRequests
from inventory.refusals import LimitReached, OutOfStock
from simulation.gateway import APPROVE
from simulation.host import Handler
from simulation.network import Cut, Link
from waitroom.desk.entrance import Brought
from waitroom.desk.joining.join_desk import Place
from waitroom.desk.standing import TicketStanding
from waitroom.desk.tickets import OpenedSession
from waitroom.line.ticket import Ticket
from waitroom.refusals import NotOpen, NotYetCalled, SoldOut
from waitroom.run.service import Service

if TYPE_CHECKING:
    from simulation.sale import Sale

# A browser gives a request up after this (s).
ANSWER_MAX_S = 10.0
# After failures a browser pauses ever longer (s).
PAUSE_S, PAUSE_MAX_S = 0.5, 3.0
# Nothing that a shopper repeats takes longer than this (s).
PATIENCE_S = 900.0
# A shopper looks at a basket for this long at most before they pay (s).
PONDERS_S = 3.0
LOOKS_IN_HASTE = 40
# The doors may open, and the draw be announced, a moment later.
TRY_AGAIN = (Busy, EngineDown, NotFound, NotOpen)


class BrokenPromise(AssertionError):
    """Something that must hold does not."""


@dataclass(slots=True, kw_only=True)
class Shopper:
    """One shopper. `basket` is what they want, `token` their means of payment."""

    sale: "Sale"
    name: str
    room: str
    arrives_s: float
    dice: random.Random
    network: str
    basket: list[tuple[str, int]] = field(default_factory=list)
    token: str = APPROVE
    # What they send back once they have paid, None for nothing; an operator gives its money back.
    sends_back: RefundWish | None = None
    # The time from the session to the hold (s).
    chooses_s: float = 0.0
    # `once` joins and waits, `twice` sends its join to two workers at once, `keyless` joins without
    # a key, `joins` goes no further, and `hasty` then looks without a pause.
    way: str = "once"
    # Joins that may take a number of their own: those without a key, and those of a later visit.
    new_joins: int = 0
    tickets: set[Ticket] = field(default_factory=set)
    places: list[Place] = field(default_factory=list)
    status: str = ""
    session: Session | None = None
    holds: set[Any] = field(default_factory=set)
    order: Order | None = None
    told: str = ""
    refund: Refund | None = None
    done: bool = False
    # The longest time that one request of theirs took until it was answered (s).
    slowest_s: float = 0.0

    @property
    def ticket(self) -> Ticket:
        """Their place as they were told of it first: an entry, until the draw numbers it."""
        return min(self.tickets, key=lambda ticket: not ticket.entered)

    async def walk(self) -> None:
        await asyncio.sleep(self.arrives_s)
        joined = await self.join()
        if self.way == "hasty":
            await self.hurry()
        elif joined and self.way != "joins" and await self.wait() and self.session is not None:
            if self.basket:
                await self.buy(self.session)
            if self.told != "paid":
                await self.ask(self.sale.link(), _leave(self.session))
            elif self.sends_back is not None and self.order is not None:
                await self.send_back(self.order, self.sends_back)
        self.done = True

    # Asking.

    async def ask(self, link: Link, handler: Handler, *, timed: bool = True) -> Any:
        """Ask one worker after the other until one answers; raises what is no passing trouble."""
        loop, failures, told_to_wait = self.sale.loop, 0, False
        began = loop.time()
        while True:
            if loop.time() > began + PATIENCE_S:
                raise BrokenPromise(f"{self.name} gets no answer")
            pause_s = min(PAUSE_S * (1 + failures), PAUSE_MAX_S)
            try:
                host = self.sale.worker(self.dice)
                answer = await link.ask(ANSWER_MAX_S, host.serve, self.network, handler)
            except (Cut, TimeoutError) as error:
                self.sale.tell(self, f"gets no answer: {type(error).__name__}")
            except TooManyRequests as refusal:
                if told_to_wait and self.way == "hasty":
                    raise BrokenPromise(f"{self.name} waited as told, in vain") from None
                told_to_wait = True
                pause_s = float((refusal.headers or {}).get("Retry-After", pause_s))
            except TRY_AGAIN as refusal:
                self.sale.tell(self, f"is told by {host.name}: {refusal.code}")
            except Refusal:
                self._took(loop.time() - began, timed=timed)
                raise
            else:
                self._took(loop.time() - began, timed=timed)
                return answer
            failures += 1
            await asyncio.sleep(pause_s * (1 + 0.1 * self.dice.random()))

    def _took(self, seconds: float, *, timed: bool) -> None:
        if timed:
            self.slowest_s = max(self.slowest_s, seconds)

    # In line.

    async def join(self) -> bool:
        """Join, and say whether there is a place; none is given once everything is sold."""
        join = _join(self, os.urandom(8))
        asked = [self.ask(self.sale.link(), join)]
        if self.way == "twice":
            asked.append(self.ask(self.sale.link(), join))
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, SoldOut):
                continue
            if isinstance(answer, BaseException):
                raise answer
            self.places.append(answer)
            self.tickets.add(answer.ticket)
        self.sale.tell(self, f"joins as {sorted(t.number for t in self.tickets)}")
        if len({ticket.ticket_id for ticket in self.tickets}) > 1:
            numbers = sorted(ticket.number for ticket in self.tickets)
            raise BrokenPromise(f"{self.name} has one key and the numbers {numbers}")
        return bool(self.tickets)

    async def hurry(self) -> None:
        link = self.sale.link()
        for _ in range(LOOKS_IN_HASTE):
            await self.ask(link, _look(self.room, self.ticket, 0))

    async def wait(self) -> bool:
        """Look as often as told until there is a session, and return whether there is one."""
        link, seen, place = self.sale.link(), 0, 10**9
        while True:
            told: TicketStanding = await self.ask(link, _look(self.room, self.ticket, seen))
            if told.place is not None and told.place > place:
                raise BrokenPromise(f"{self.name} had place {place} and now {told.place}")
            place = place if told.place is None else told.place
            seen = max(seen, told.version)
            if told.status != self.status:
                self.status = told.status
                self.sale.tell(self, f"is {told.status}, place {told.place}")
            if told.status == "called":
                if await self.claim(link):
                    return True
            elif told.status in {"missed", "over", "left"}:
                raise BrokenPromise(f"{self.name} was called and did not hear of it")
            elif told.status == "aside" and told.passed:
                raise BrokenPromise(f"{self.name} has their number and it was passed by")
            elif told.status in {"sold_out", "ended"}:
                return False
            await asyncio.sleep(told.poll_s + self.dice.uniform(0.0, 1.0))

    async def claim(self, link: Link) -> bool:
        try:
            opened: OpenedSession = await self.ask(
                link, _claim(self.room, self.ticket, self.network)
            )
        except Refusal as refusal:
            self.sale.tell(self, f"claims and is told {refusal.code}")
            if isinstance(refusal, NotYetCalled) and self.ticket.entered:
                # Another worker said that they are called, and this one has yet to read the draw.
                return False
            raise BrokenPromise(f"{self.name} came in time and was told {refusal.code}") from None
        self.session = opened.session
        self.sale.tell(self, f"has session {opened.session.session_id}")
        return True

    # At the till.

    async def buy(self, session: Session) -> None:
        await asyncio.sleep(self.chooses_s)
        hold_id = await self.hold(session)
        if hold_id is not None:
            await asyncio.sleep(self.dice.uniform(0.0, PONDERS_S))
            await self.pay(session, hold_id)

    async def hold(self, session: Session) -> Any:
        link, key = self.sale.link(), f"hold of {self.name}"
        basket = Basket([Item(sku, units) for sku, units in self.basket])
        try:
            hold_id, units = await self.ask(link, _hold(session, basket, key))
        except (OutOfStock, LimitReached) as refusal:
            self.told = refusal.code
            self.sale.tell(self, f"gets nothing: {refusal.code}")
            return None
        except Refusal as refusal:
            raise BrokenPromise(f"{self.name} wants to hold: {refusal.code}") from None
        self.holds.add(hold_id)
        wanted = sum(units for _, units in self.basket)
        self.sale.tell(self, f"holds {units}")
        if units != wanted:
            raise BrokenPromise(f"{self.name} asked for {wanted} units and holds {units}")
        return hold_id

    async def pay(self, session: Session, hold_id: Any) -> None:
        """Pay, and ask again under the same key until the outcome is known."""
        link, loop = self.sale.link(), self.sale.loop
        until = loop.time() + 10 * LEASE.length_s
        while loop.time() < until:
            try:
                order: Order = await self.ask(link, _pay(session, hold_id, self), timed=False)
            except PaymentDeclined as refusal:
                self.told = refusal.code
                return
            except Refusal as refusal:
                raise BrokenPromise(f"{self.name} pays and is told {refusal.code}") from None
            self.order = order
            self.told = order.state.value
            if order.state not in UNSETTLED:
                self.sale.tell(self, f"has the order {order.state.value}")
                return
            await asyncio.sleep(2.0)
        raise BrokenPromise(f"{self.name} never hears what became of their payment")

    async def send_back(self, order: Order, wish: RefundWish) -> None:
        """Send units back: an operator gives their money back, at two workers at once."""
        loop = self.sale.loop
        until = loop.time() + 10 * LEASE.length_s
        while loop.time() < until:
            refund = _refund(order, wish, f"refund of {self.name}")
            asked = [self.ask(self.sale.link(), refund, timed=False) for _ in range(2)]
            for answer in await asyncio.gather(*asked, return_exceptions=True):
                if isinstance(answer, BaseException):
                    raise BrokenPromise(f"{self.name} gets no refund: {answer!r}")
                self.refund = answer
            if self.refund is not None and self.refund.stage is not RefundStage.ASKED:
                self.sale.tell(self, f"is refunded: {self.refund.stage}")
                return
            await asyncio.sleep(2.0)
        raise BrokenPromise(f"{self.name} never hears what became of their refund")


# Requests, as the handlers of the routes serve them.


def _join(shopper: Shopper, mine: bytes) -> Handler:
    key = None if shopper.way == "keyless" else f"key of {shopper.name}"

    async def join(service: Service) -> Place:
        shopper.new_joins += key is None
        try:
            view = await service.board.find(shopper.room)
            brought = Brought(network=shopper.network)
            return await service.tickets.join(view, brought, key=key, random=mine)
        finally:
            # It came so late that the place may be used up: then it is another visit.
            shopper.new_joins += key is not None and shopper.session is not None

    return join


def _in_line(
    room: str, ticket: Ticket, act: Callable[[Service, Any, Ticket], Awaitable[Any]]
) -> Handler:
    async def handle(service: Service) -> Any:
        view = await service.board.find(room)
        return await act(
            service, view, service.board.ticket_of(view, service.board.seal.sign(ticket))
        )

    return handle


def _look(room: str, ticket: Ticket, seen: int) -> Handler:
    return _in_line(
        room,
        ticket,
        lambda service, view, mine: service.tickets.standing(view, mine, seen=seen),
    )


def _claim(room: str, ticket: Ticket, network: str) -> Handler:
    return _in_line(
        room,
        ticket,
        lambda service, view, mine: service.tickets.claim(view, mine, network=network),
    )


def _leave(session: Session) -> Handler:
    async def leave(service: Service) -> None:
        work_for(session.room)
        await service.orders.leave(session.session_id)

    return leave


def _hold(session: Session, basket: Basket, key: str) -> Handler:
    async def hold(service: Service) -> tuple[Any, int]:
        work_for(session.room)
        quantities = basket.quantities()
        wish = HoldRequest(
            session_id=session.session_id,
            key=idempotency_uuid(key),
            body_hash=body_hash(quantities),
            quantities=quantities,
            hold_id=uuid4(),
        )
        placed = await service.checkout.hold_batchers.of(session.room).submit(wish)
        if placed.replay:
            found = await service.holds.replayed(session.session_id, wish.key)
            return found.hold_id, sum(line.quantity for line in found.lines)
        return placed.hold_id, sum(line.quantity for line in placed.lines)

    return hold


def _pay(session: Session, hold_id: Any, shopper: Shopper) -> Handler:
    async def pay(service: Service) -> Order:
        work_for(session.room)
        order = await service.checkout.pay(
            session, hold_id=hold_id, key=f"order of {shopper.name}", token=shopper.token
        )
        if order.failed:
            raise PaymentDeclined(order.detail, order_id=str(order.order_id))
        return order

    return pay


def _refund(order: Order, wish: RefundWish, key: str) -> Handler:
    async def refund(service: Service) -> Refund:
        refund_id = await service.refund_store.ask(
            order.order_id, wish, key=idempotency_uuid(key), who="operator"
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(service.settings.payment_wait_s):
                await service.refunds.drive(refund_id)
        return await service.refund_store.read(refund_id)

    return refund
