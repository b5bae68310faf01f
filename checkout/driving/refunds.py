"""Driving a refund from what was asked to what the gateway did."""

import asyncio
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog

from checkout.driving.leased import Driven, drive_idle
from checkout.gateway.gateway import (
    GATEWAY_TIMEOUT_S,
    REFUND_NOT_SENT,
    REFUND_UNANSWERED,
    Gateway,
    GatewayError,
    GatewayRefund,
    Refunded,
    RefundState,
    answer_of,
    gateway_turns,
)
from checkout.refund import Refund, RefundStage
from checkout.refund_store import RefundStore
from inventory.kit.turns import Turns

log = structlog.get_logger()

_ENDS = {RefundState.DONE: RefundStage.DONE, RefundState.FAILED: RefundStage.FAILED}


class Refunds:
    """Give money back.

    Every step may be repeated: the gateway knows the refund's id as its key, and a refund ends
    once. No transaction and no lock is open while the gateway is asked. `turns` are the process's
    turns at the gateway, and `driven` is what it drives; payments take both from here.
    """

    def __init__(
        self,
        store: RefundStore,
        gateway: Gateway,
        *,
        timeout_s: float = GATEWAY_TIMEOUT_S,
        turns: Turns | None = None,
        driven: Driven | None = None,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._timeout_s = timeout_s
        self.turns = turns or gateway_turns()
        self.driven = driven or Driven()

    async def drive(self, refund_id: UUID) -> Refund:
        """Ask the gateway for a refund that is not over yet, and note what it did.

        A refund from the gateway's own pages is never asked for: that would give its money back a
        second time. `compare` ends it.
        """
        refund = await self._store.read(refund_id)
        if refund.stage is not RefundStage.ASKED or refund.outside:
            return refund
        if refund.by_hand or refund.amount_minor == 0:
            # There is nothing to ask of the gateway.
            await self._store.finish(refund, RefundStage.DONE)
            return await self._store.read(refund_id)
        if refund.gateway != self._gateway.name:
            return refund
        answer = await self._ask(refund)
        if answer.state not in _ENDS:
            if answer.state is not RefundState.UNSENT:
                await self._store.note(refund, answer)
            return refund
        await self._store.finish(refund, _ENDS[answer.state], answer)
        return await self._store.read(refund_id)

    async def drive_all(self, order_id: UUID) -> None:
        """Drive what was asked on one order."""
        for refund in await self._store.of_order(order_id):
            if refund.stage is RefundStage.ASKED:
                await self.drive(refund.refund_id)

    async def compare(self, order_id: UUID) -> list[str]:
        """Take in what the gateway did to an order's refunds; return the differences found.

        They are `outside`, `failed_later`, `ended` and `does_not_fit`. Raises `GatewayError` where
        the gateway gives no answer.
        """
        try:
            async with self.turns.take(), asyncio.timeout(self._timeout_s):
                told = await self._gateway.refunds_of(str(order_id))
        except TimeoutError as error:
            raise GatewayError("the gateway did not list the refunds in time") from error
        found = []
        for refund in told:
            verdict = await self._store.take_in(order_id, self._id_of(refund), refund)
            if verdict != "same":
                log.warning(
                    "refund_differs", order=str(order_id), refund=refund.gateway_ref, what=verdict
                )
                found.append(verdict)
        return found

    def _id_of(self, refund: GatewayRefund) -> UUID:
        """Return our id of a refund, or one that is made of the gateway's name for it."""
        try:
            return UUID(refund.refund_key)
        except ValueError:
            return uuid5(NAMESPACE_URL, f"{self._gateway.name}:{refund.gateway_ref}")

    async def give_back(self, order_id: UUID) -> bool:
        """Give the money of an order back that is returning; say whether the order may have moved.

        The gateway's own pages may have given a part of it back: it is taken in first, since the
        gateway refuses for good to give back more than is left.
        """
        try:
            if set(await self.compare(order_id)) - {"does_not_fit"}:
                return True
        except GatewayError as error:
            log.warning("order_not_compared", order=str(order_id), error=repr(error))
            return False
        refund_id = await self._store.give_back(order_id)
        if refund_id is None:
            log.warning("money_cannot_go_back_by_itself", order=str(order_id))
            return False
        return (await self.drive(refund_id)).stage is RefundStage.DONE

    async def settle_idle(self) -> int:
        """Drive refunds that have no driver; return how many were taken."""
        return await drive_idle(
            self._store,
            self._drive_on,
            driven=self.driven,
            gateway=self._gateway.name,
            kind="refund",
        )

    async def sweep(self, _: int) -> int:
        """Settle what is idle, as a sweep that rests between its rounds."""
        await self.settle_idle()
        return 0

    async def _drive_on(self, refund_id: UUID) -> bool:
        return (await self.drive(refund_id)).stage is not RefundStage.ASKED

    async def _ask(self, refund: Refund) -> Refunded:
        call = self._gateway.refund(
            str(refund.order_id),
            refund_key=str(refund.refund_id),
            amount_minor=refund.amount_minor,
        )
        return await answer_of(
            call,
            turns=self.turns,
            timeout_s=self._timeout_s,
            key=str(refund.refund_id),
            otherwise=REFUND_UNANSWERED,
            unsent=REFUND_NOT_SENT,
        )
