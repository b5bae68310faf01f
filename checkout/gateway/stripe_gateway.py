"""Stripe as the gateway: one PaymentIntent for each payment, set aside first and captured later.

An intent is made unconfirmed, its id is written down, and only then it is confirmed. Whatever gets
lost on the way, the id that stands in `stripe_payment` is the only one that can ever take money,
and everything is found by it: Stripe's own search is a while behind, and its idempotency keys are
forgotten after a day.

* Making an intent and a refund carry an Idempotency-Key made of ours. Confirming, capturing and
  cancelling do not: an intent goes through its states once, so a repeat changes nothing, while
  Stripe would answer a repeated key with the first answer even after the intent has moved on.
* A payment that was barred before it had an intent gets none. One whose intent is known is
  cancelled at Stripe, and a confirmation that is still on its way then finds it cancelled.
"""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import stripe
import structlog

from checkout.gateway.gateway import (
    GatewayError,
    GatewayRefund,
    Payment,
    PaymentState,
    Refunded,
    RefundState,
)
from inventory.kit.database import Pool, connection, load_queries
from inventory.money import digits

log = structlog.get_logger()

SQL = load_queries("checkout.gateway")
Answer = TypeVar("Answer")

# The bound of one request on the wire, and how often the library repeats it.
REQUEST_TIMEOUT_S = 10.0
RETRIES_MAX = 1
# The longest page that Stripe gives, and the most refunds that are read of one payment.
REFUNDS_PAGE = 100
REFUNDS_MAX = 1000

# The name under which our keys stand in what Stripe keeps.
METADATA_PAYMENT = "waitroom_payment"
METADATA_REFUND = "waitroom_refund"

# Stripe counts amounts in minor units of ISO 4217 but for three currencies, where it kept an older
# count: https://docs.stripe.com/currencies#special-cases and #zero-decimal.
_STRIPE_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
# Card networks take no thousandths, so Stripe wants the last of three digits to be 0.
_LAST_DIGIT_IS_0 = 3

# https://docs.stripe.com/payments/paymentintents/lifecycle. Nothing has been tried yet while an
# intent waits to be confirmed; afterwards it asks for another card when the first was declined.
_STATES = {
    "requires_confirmation": PaymentState.UNKNOWN,
    "requires_action": PaymentState.PROCESSING,
    "processing": PaymentState.PROCESSING,
    "requires_payment_method": PaymentState.DECLINED,
    "requires_capture": PaymentState.AUTHORIZED,
    "succeeded": PaymentState.CAPTURED,
    "canceled": PaymentState.VOIDED,
}
_REFUND_STATES = {
    "succeeded": RefundState.DONE,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}


def stripe_amount(amount_minor: int, currency: str) -> int:
    """Return an amount as Stripe counts it, so that it charges what our pages show.

    Raises `ValueError` for an amount that Stripe cannot charge, such as a tenth of an ariary or a
    thousandth of a dinar.
    """
    own = digits(currency)
    theirs = _STRIPE_DIGITS.get(currency, own)
    amount = Decimal(amount_minor).scaleb(theirs - own)
    if amount != int(amount) or (theirs == _LAST_DIGIT_IS_0 and amount % 10):
        raise ValueError(f"Stripe cannot charge {amount_minor} of {currency}'s minor units")
    return int(amount)


def minor_amount(stripe_count: int, currency: str) -> int:
    """Return an amount that Stripe counts in our minor units: `stripe_amount` the other way."""
    own = digits(currency)
    return int(Decimal(stripe_count).scaleb(own - _STRIPE_DIGITS.get(currency, own)))


class StripeGateway:
    """Payments by card at Stripe. `shop_url` is where a shopper's bank sends the shopper back to.

    `api_base` is for a stand-in of Stripe's. Needs a running loop, and `close` at the end.
    """

    name = "stripe"

    def __init__(self, pool: Pool, *, secret_key: str, shop_url: str, api_base: str = "") -> None:
        # Else the library would write an id into the home folder and send figures of its own.
        stripe.enable_telemetry = False
        self._pool = pool
        self._shop_url = shop_url
        self._session = aiohttp.ClientSession(
            # A request that waited here could time out unsent; acts wait before (`gateway_turns`).
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._stripe = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=RETRIES_MAX,
            http_client=stripe.AIOHTTPClient(
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S), session=self._session
            ),
        ).v1

    async def close(self) -> None:
        await self._session.close()

    async def authorize(
        self, payment_key: str, *, amount_minor: int, currency: str, token: str
    ) -> Payment:
        found, intent_id = await self._read(payment_key)
        detail = ""
        if not found:
            intent_id, detail = await self._begin(payment_key, amount_minor, currency, token)
        if intent_id is None:
            state = PaymentState.DECLINED if detail else PaymentState.VOIDED
            return Payment(state=state, detail=detail)
        if found:
            payment = _payment(await self._retrieve(intent_id))
            if payment.state is not PaymentState.UNKNOWN:
                return payment
        return await self._confirm(payment_key, intent_id)

    async def capture(self, payment_key: str) -> Payment:
        found, intent_id = await self._read(payment_key)
        if not intent_id:
            return _without_intent(found=found)
        payment = await self._change(
            intent_id, self._stripe.payment_intents.capture_async(intent_id)
        )
        if payment.state is PaymentState.AUTHORIZED:
            # Stripe refused, and asking again would not change it: the time to capture may be over.
            return replace(payment, state=PaymentState.DECLINED, detail="capture refused")
        return payment

    async def void(self, payment_key: str) -> Payment:
        intent_id = await self._keep(payment_key, None)
        if intent_id is None:
            return Payment(state=PaymentState.VOIDED)
        return await self._change(intent_id, self._stripe.payment_intents.cancel_async(intent_id))

    async def look_up(self, payment_key: str) -> Payment:
        found, intent_id = await self._read(payment_key)
        if not intent_id:
            return _without_intent(found=found)
        return _payment(await self._retrieve(intent_id))

    async def refund(self, payment_key: str, *, refund_key: str, amount_minor: int) -> Refunded:
        _, intent_id = await self._read(payment_key)
        if not intent_id:
            return Refunded(state=RefundState.FAILED, detail="Stripe knows no such payment.")
        intent = await self._retrieve(intent_id)
        refund = await self._find_refund(intent_id, refund_key)
        if refund is None:
            try:
                refund = await self._create_refund(intent, refund_key, amount_minor)
            except (stripe.InvalidRequestError, stripe.CardError, ValueError) as error:
                facts = _facts(error)
                log.warning("stripe_refused_refund", payment=payment_key, **facts)
                why = facts.get("code") or "the amount or the payment does not fit"
                return Refunded(
                    state=RefundState.FAILED, detail=f"Stripe refused the refund: {why}."
                )
        state, detail = _end_of(refund)
        return Refunded(state=state, gateway_ref=refund.id, detail=detail)

    async def refunds_of(self, payment_key: str) -> list[GatewayRefund]:
        _, intent_id = await self._read(payment_key)
        if not intent_id:
            return []
        return [_refund(refund) async for refund in self._refunds_of(intent_id)]

    async def next_step(self, payment_key: str) -> str | None:
        """Return the page on which the shopper's bank wants to see them, if it wants to."""
        _, intent_id = await self._read(payment_key)
        if not intent_id:
            return None
        intent = await self._retrieve(intent_id)
        step = intent.next_action if intent.status == "requires_action" else None
        page = step and getattr(step, "redirect_to_url", None)
        return page.url if page else None

    async def payment_of(self, intent_id: str) -> str | None:
        """Return the key of the payment that an intent belongs to."""
        async with connection(self._pool) as borrowed:
            key: str | None = await borrowed.fetchval(SQL["stripe_payment_of"], intent_id)
        return key

    async def _read(self, payment_key: str) -> tuple[bool, str | None]:
        """Say whether a payment is known, and its intent; none when it is barred."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["stripe_read"], payment_key)
        return (False, None) if row is None else (True, row["intent_id"])

    async def _keep(self, payment_key: str, intent_id: str | None) -> str | None:
        """Write down a payment's intent, or that it has none; return what was there first."""
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["stripe_keep"], payment_key, intent_id)
        return (await self._read(payment_key))[1]

    async def _begin(
        self, payment_key: str, amount_minor: int, currency: str, token: str
    ) -> tuple[str | None, str]:
        """Make a payment's intent; return the one that stands, or none and why.

        The one that stands is another when a request beside this one was first, and none when the
        payment was barred meanwhile. An intent that does not stand is never confirmed.
        """
        made, detail = None, ""
        try:
            made = (await self._create(payment_key, amount_minor, currency, token)).id
        except stripe.CardError as error:
            detail = _declined(error).detail
        except (stripe.InvalidRequestError, ValueError) as error:
            # Stripe's last word: nothing was made, and asking again would not change it.
            facts = _facts(error)
            log.warning("stripe_refused_payment", payment=payment_key, **facts)
            detail = f"refused: {facts.get('code') or 'the amount or the card does not fit'}"
        return await self._keep(payment_key, made), detail

    async def _create(
        self, payment_key: str, amount_minor: int, currency: str, token: str
    ) -> stripe.PaymentIntent:
        return await _ask(
            self._stripe.payment_intents.create_async(
                {
                    "amount": stripe_amount(amount_minor, currency),
                    "currency": currency.lower(),
                    "capture_method": "manual",
                    "allowed_payment_method_types": ["card"],
                    "payment_method": token,
                    "metadata": {METADATA_PAYMENT: payment_key},
                },
                {"idempotency_key": f"{payment_key}-create"},
            )
        )

    async def _confirm(self, payment_key: str, intent_id: str) -> Payment:
        back = f"{self._shop_url}/checkout/stripe/{payment_key}/return"
        try:
            asked = self._stripe.payment_intents.confirm_async(intent_id, {"return_url": back})
            return _payment(await _ask(asked))
        except stripe.CardError as error:
            return _declined(error, intent_id)
        except stripe.InvalidRequestError as error:
            payment = _payment(await self._retrieve(intent_id))
            if payment.state is not PaymentState.UNKNOWN:
                # It was confirmed or cancelled meanwhile.
                return payment
            # Asking again would not change it, and the units need not wait. The intent is cancelled
            # so that nothing can confirm it later.
            facts = _facts(error)
            log.error("stripe_refused_confirmation", payment=payment_key, **facts)  # noqa: TRY400 - as below
            ended = await self._change(
                intent_id, self._stripe.payment_intents.cancel_async(intent_id)
            )
            if ended.state is not PaymentState.VOIDED:
                return ended
            detail = f"refused: {facts.get('code') or 'the request does not fit'}"
            return replace(ended, state=PaymentState.DECLINED, detail=detail)

    async def _change(self, intent_id: str, call: Awaitable[stripe.PaymentIntent]) -> Payment:
        """Change an intent; one that refuses says by its state what became of it."""
        try:
            return _payment(await _ask(call))
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            log.info("stripe_refused_change", intent=intent_id, **_facts(error))
            return _payment(await self._retrieve(intent_id))

    async def _retrieve(self, intent_id: str) -> stripe.PaymentIntent:
        try:
            return await _ask(self._stripe.payment_intents.retrieve_async(intent_id))
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            # It was there. Perhaps the key belongs to another account, or to its other mode.
            log.error("stripe_lost_payment", intent=intent_id, **_facts(error))  # noqa: TRY400 - no trace of the library's
            raise GatewayError("Stripe does not find a payment that it had") from None

    async def _find_refund(self, intent_id: str, refund_key: str) -> stripe.Refund | None:
        """Return the refund with our key: a repeat may come after Stripe forgot the request's."""
        async for refund in self._refunds_of(intent_id):
            if getattr(refund.metadata, METADATA_REFUND, None) == refund_key:
                return refund
        return None

    async def _refunds_of(self, intent_id: str) -> AsyncIterator[stripe.Refund]:
        found = await _ask(
            self._stripe.refunds.list_async({"payment_intent": intent_id, "limit": REFUNDS_PAGE})
        )
        for _ in range(REFUNDS_MAX // REFUNDS_PAGE):
            for refund in found.data:
                yield refund
            if not found.has_more:
                return
            found = await _ask(found.next_page_async())
        raise GatewayError("a payment has more refunds than are read")

    async def _create_refund(
        self, intent: stripe.PaymentIntent, refund_key: str, amount_minor: int
    ) -> stripe.Refund:
        return await _ask(
            self._stripe.refunds.create_async(
                {
                    "payment_intent": intent.id,
                    "amount": stripe_amount(amount_minor, intent.currency.upper()),
                    "metadata": {METADATA_REFUND: refund_key},
                },
                {"idempotency_key": f"{refund_key}-refund"},
            )
        )


async def _ask(call: Awaitable[Answer]) -> Answer:
    """Wait for Stripe. Its clear refusals are raised as they are, all else as `GatewayError`.

    Nothing of the library's errors goes on from here: they carry whole answers.
    """
    try:
        return await call
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        # The shop's own mistake, and nothing moves until it is put right.
        log.error("stripe_refused_our_key", hint="check stripe_secret_key", **_facts(error))  # noqa: TRY400 - as above
        raise GatewayError("Stripe refused our key") from None
    except stripe.StripeError as error:
        facts = _facts(error)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # The library maps what breaks before an answer's head, and not within its body.
        facts = _facts(error)
    raise GatewayError("Stripe gave no usable answer: " + " ".join(map(str, facts.values())))


def _facts(error: Exception) -> dict[str, Any]:
    """Return what is safe to log of an error: no message, which may name keys and cards."""
    facts: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, stripe.StripeError):
        facts |= {"status": error.http_status, "code": error.code, "request": error.request_id}
    return {name: value for name, value in facts.items() if value}


def _declined(error: stripe.CardError, intent_id: str = "") -> Payment:
    why = getattr(error.error, "decline_code", None)
    return Payment(
        state=PaymentState.DECLINED, gateway_ref=intent_id, detail=why or error.code or "declined"
    )


def _payment(intent: stripe.PaymentIntent) -> Payment:
    state = _STATES.get(intent.status, PaymentState.PROCESSING)
    detail, captured = "", 0
    if state is PaymentState.DECLINED:
        last = intent.last_payment_error
        code, why = getattr(last, "code", None), getattr(last, "decline_code", None)
        detail = why or code or "declined"
    if state is PaymentState.CAPTURED:
        received = getattr(intent, "amount_received", intent.amount)
        captured = minor_amount(received, intent.currency.upper())
    return Payment(state=state, gateway_ref=intent.id, detail=detail, captured_minor=captured)


def _end_of(refund: stripe.Refund) -> tuple[RefundState, str]:
    """Return the state of a refund, and why it failed if it did."""
    state = _REFUND_STATES.get(refund.status or "", RefundState.PENDING)
    if state is not RefundState.FAILED:
        return state, ""
    why = getattr(refund, "failure_reason", None) or refund.status
    return state, f"The refund failed at Stripe: {why}."


def _refund(refund: stripe.Refund) -> GatewayRefund:
    state, detail = _end_of(refund)
    return GatewayRefund(
        refund_key=getattr(refund.metadata, METADATA_REFUND, None) or "",
        gateway_ref=refund.id,
        state=state,
        amount_minor=minor_amount(refund.amount, refund.currency.upper()),
        detail=detail,
    )


def _without_intent(*, found: bool) -> Payment:
    return Payment(state=PaymentState.VOIDED if found else PaymentState.UNKNOWN)
