"""Every refusal of `checkout`: its code, its HTTP status and the sentence that a caller reads.

`docs/refusals.md` lists them all.
"""

from enum import StrEnum

from inventory.kit.language.language import phrase
from inventory.kit.problem import Busy, NotFound, Refusal

# Customers


class Fault(StrEnum):
    """The fault in a customer's token. The log names it; the caller is told less."""

    FORM = "form"
    ALGORITHM = "algorithm"
    TYPE = "type"
    KEY = "key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"
    EARLY = "early"
    LIFE = "life"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    SUBJECT = "subject"
    ANONYMOUS = "anonymous"


# The holder of a genuine token knows these faults anyway and can act on them. Naming any other
# fault would tell a forger how far the forgery got.
_TOLD = {
    Fault.EXPIRED: ("expired", phrase("Your sign-in has expired. Please sign in again.")),
    Fault.EARLY: ("early", phrase("This sign-in is not valid yet. Is a clock wrong?")),
    Fault.ANONYMOUS: ("anonymous", phrase("An anonymous sign-in is not enough here.")),
}


class CustomerTokenInvalid(Refusal):
    code, status = "customer_token_invalid", 401
    title = "This sign-in is not accepted here. Please sign in at the shop again."

    def __init__(self, fault: Fault = Fault.FORM) -> None:
        reason, detail = _TOLD.get(fault, ("not_accepted", ""))
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        super().__init__(detail, headers=challenge, reason=reason)
        self.fault = fault


class CustomersNotConfigured(NotFound):
    code = "customers_not_configured"
    title = "No identity provider is set up here."


class IdentityProviderAway(Busy):
    code = "identity_provider_away"
    title = "The shop's sign-in cannot be checked at the moment. Please try again."


class OtherCustomer(Refusal):
    code, status = "other_customer", 409
    title = "This session belongs to another customer. Please sign in as that customer."


class CustomerBusy(Refusal):
    code, status = "customer_busy", 409
    title = (
        "This customer's data cannot be erased while a session or an order still needs it. Try "
        "again when these have ended."
    )


# Sessions


class RoomNeeded(Refusal):
    code, status = "room_needed", 409
    title = "You are in the checkout of several rooms. Please say which one this is about."


# Orders and payments


class PaymentDeclined(Refusal):
    code, status = "payment_declined", 402
    title = "The payment was declined. You have not been charged."


class TotalChanged(Refusal):
    code, status = "total_changed", 409
    title = "The total has changed. Please look at it again before you pay."


class ContentChanged(Refusal):
    code, status = "content_changed", 409
    title = "The items have changed. Please look at them again before you pay."


class PaidTooSoon(Refusal):
    """`seconds_left` is the time until the hold can be paid."""

    code, status = "paid_too_soon", 409
    title = "This can be paid in {seconds_left} s. Your items stay held. Please try again then."

    def __init__(self, *, seconds_left: int = 1) -> None:
        self.seconds_left = seconds_left
        super().__init__(headers={"Retry-After": str(seconds_left)}, seconds_left=seconds_left)


class TooManyDeclines(Refusal):
    code, status = "too_many_declines", 429
    title = "Too many payments were declined. Please ask the shop."


class UnknownOrder(Refusal):
    code, status, title = "not_found", 404, "There is no such order here."


class NotSigned(Refusal):
    code, status = "not_signed", 400
    title = "This message is not signed by Stripe for this shop."


class NoReceipt(Refusal):
    code, status, title = "no_receipt", 409, "An order has a receipt once it is paid."


class UnknownRoom(NotFound):
    code, title = "not_found", "There is no such room."


class SkuNotHere(NotFound):
    code, title = "not_found", "There is no such SKU in this room."


# Refunds and cancellations


class RefundTooLarge(Refusal):
    code, status = "refund_too_large", 409
    title = "That is more than this order has left to refund. Choose a smaller amount."


class NotRefundable(Refusal):
    code, status, title = "not_refundable", 409, "This order has nothing to refund."


class NotCancellable(Refusal):
    code, status = "not_cancellable", 409
    title = "This order is already closed, so it cannot be cancelled."


class TooManyUnits(Refusal):
    code, status = "too_many_units", 409
    title = "The order has fewer units left to refund. Choose fewer."


class SkuNotOrdered(Refusal):
    code, status, title = "sku_not_ordered", 422, "This order has no such SKU."


class UnknownRefund(Refusal):
    code, status, title = "not_found", 404, "There is no such refund."
