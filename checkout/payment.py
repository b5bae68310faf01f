"""The payment gateway as a protocol. The test gateway stands in `deterministic_gateway`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class PaymentState(StrEnum):
    """What a gateway knows of one payment."""

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
        """Take the money that was set aside."""
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
