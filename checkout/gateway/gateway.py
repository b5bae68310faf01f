"""The payment gateway as a protocol, and its answers.

`stripe_gateway` takes real money, `deterministic_gateway` none.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import structlog

from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy, Refusal
from inventory.kit.traces.spans import span
from inventory.kit.turns import Turns

log = structlog.get_logger()

Answer = TypeVar("Answer")

# The bound of one act at the gateway, from the moment at which it gets its turn.
GATEWAY_TIMEOUT_S = 30.0
# Acts at the gateway at once, in one process. In a rush others wait for their turn: as many as get
# it within some seconds while the gateway is well.
ACTS_AT_ONCE_MAX = 32
ACTS_WAITING_MAX = 256
ACT_WAIT_MAX_S = 8.0


class PaymentState(StrEnum):
    """A gateway's word for one payment. It has never heard of an unknown one.

    `unanswered` is our own word for a question without a usable answer: whether the gateway acted
    is not known. `unsent` is our own word too: the act never got its turn, so the gateway knows
    nothing of it.
    """

    UNSENT = "unsent"
    UNANSWERED = "unanswered"
    UNKNOWN = "unknown"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    DECLINED = "declined"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A gateway's answer to a question about a payment."""

    state: PaymentState
    # The gateway's own name for the payment.
    gateway_ref: str = ""
    # Why it declined, for operators: shoppers are told one sentence for all reasons.
    detail: str = ""
    # The money that was taken, in our minor units; 0 unless the state is `captured`.
    captured_minor: int = 0

    def __post_init__(self) -> None:
        assert self.state is PaymentState.CAPTURED or not self.captured_minor


class RefundState(StrEnum):
    """A gateway's word for one refund; `unsent` and `unanswered` as with a payment."""

    UNSENT = "unsent"
    UNANSWERED = "unanswered"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """A gateway's answer to a refund. `detail` says why it failed, for operators."""

    state: RefundState
    gateway_ref: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRefund:
    """A refund in the gateway's books, asked for by us or by another."""

    # Our key for it; empty for one that we did not ask for.
    refund_key: str
    gateway_ref: str
    # Pending, done or failed.
    state: RefundState
    amount_minor: int
    # Why it failed, for operators.
    detail: str = ""


NO_ANSWER = Payment(state=PaymentState.UNANSWERED)
NOT_SENT = Payment(state=PaymentState.UNSENT)
REFUND_UNANSWERED = Refunded(state=RefundState.UNANSWERED)
REFUND_NOT_SENT = Refunded(state=RefundState.UNSENT)


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
        """Set the money aside; raises `GatewayError` when the outcome is not known.

        `declined` is final: the payment that was refused can never take money afterwards, whatever
        the reason for the refusal.
        """
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

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        """Return every refund of a payment, whether we asked for it or not."""
        ...


def gateway_turns() -> Turns:
    """Return the turns at the gateway, which all acts of a process share."""
    return Turns(
        at_once=ACTS_AT_ONCE_MAX,
        waiting_max=ACTS_WAITING_MAX,
        wait_max_s=ACT_WAIT_MAX_S,
        busy=phrase("Many payments are being made right now. Nothing was sent; please try again."),
    )


async def answer_of(
    call: Coroutine[Any, Any, Answer],
    *,
    turns: Turns,
    timeout_s: float,
    key: str,
    otherwise: Answer,
    unsent: Answer,
) -> Answer:
    """Wait for what a gateway says; return `otherwise` where no usable answer comes.

    The act waits for its turn first, and only then its time begins: a rush must not make acts time
    out that were never sent. One that gets no turn is `unsent`.
    """
    async with AsyncExitStack() as stack:
        # An act that is not begun has to be closed; closing one that has ended does nothing.
        stack.callback(call.close)
        try:
            await stack.enter_async_context(turns.take())
        except Busy:
            log.warning("gateway_not_asked", key=key)
            return unsent
        try:
            with span(f"gateway {getattr(call, '__name__', 'act')}"):
                async with asyncio.timeout(timeout_s):
                    return await call
        except (GatewayError, TimeoutError, Refusal) as error:
            log.warning("gateway_gave_no_answer", key=key, error=repr(error))
            return otherwise
