"""The payment gateway as a protocol. The test gateway stands in `deterministic_gateway`."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import structlog

from inventory.kit.problem import Refusal

log = structlog.get_logger()

Answer = TypeVar("Answer")

GATEWAY_TIMEOUT_S = 30.0
# What nobody has moved for so long is driven on by the settling loop: longer than a request drives
# its own payment or refund, so that the two seldom meet.
IDLE_S = GATEWAY_TIMEOUT_S + 5.0
SETTLE_BATCH_MAX = 50


class PaymentState(StrEnum):
    """What a gateway knows of one payment. Of an unknown one it has never heard."""

    UNKNOWN = "unknown"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    DECLINED = "declined"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A gateway's answer. `detail` is a sentence for the shopper when it declined."""

    state: PaymentState
    gateway_ref: str = ""
    detail: str = ""


class RefundState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """A gateway's answer to a refund. `detail` says why when it failed."""

    state: RefundState
    gateway_ref: str = ""
    detail: str = ""


class GatewayError(Exception):
    """The gateway gave no usable answer; whether it acted is not known. Ask `look_up`."""


class Gateway(Protocol):
    """Authorize first, capture later. Every call may be repeated with the same `payment_key`.

    The key is ours (the order's id), so a payment whose answer was lost can be found again.
    No transaction and no lock of ours is open while one of these runs.
    """

    name: str

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        """Set the money aside; raises `GatewayError` when the outcome is not known."""
        ...

    async def capture(self, payment_key: str) -> Payment:
        """Take the money that was set aside.

        `declined` says that it is refused for good, whatever `look_up` goes on to say.
        """
        ...

    async def void(self, payment_key: str) -> Payment:
        """Cancel a payment that was not captured; an unknown one is barred from starting."""
        ...

    async def look_up(self, payment_key: str) -> Payment:
        """Say what became of a payment."""
        ...

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        """Give back part or all of what was captured; a repeated `refund_key` refunds once."""
        ...


async def answer_of(
    call: Coroutine[Any, Any, Answer], *, timeout_s: float, key: str
) -> Answer | None:
    """Wait for what a gateway says. None means that it gave no answer, so nothing is known."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except (GatewayError, TimeoutError, Refusal) as error:
        log.warning("gateway_gave_no_answer", key=key, error=repr(error))
        return None
