"""The Stripe gateway against localstripe: money moves once, whatever gets lost on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe_peer import APPROVED, ASKS_FIRST, BANK, DECLINED, Wire
from support import eventually, execute

from checkout.gateway.gateway import GatewayError, Payment, PaymentState, RefundState
from checkout.gateway.stripe_gateway import StripeGateway, stripe_amount
from waitroom.run.app import Service

pytest_plugins = ("stripe_shop",)

AUTHORIZED, CAPTURED = PaymentState.AUTHORIZED, PaymentState.CAPTURED
VOIDED, UNKNOWN, PROCESSING = PaymentState.VOIDED, PaymentState.UNKNOWN, PaymentState.PROCESSING
INTENTS = "POST /v1/payment_intents"


@pytest.fixture
def gateway(shop: Service) -> StripeGateway:
    assert isinstance(shop.gateway, StripeGateway)
    return shop.gateway


async def authorize(
    gateway: StripeGateway,
    key: str,
    *,
    token: str = APPROVED,
    amount: int = 2400,
    currency: str = "EUR",
) -> Payment:
    return await gateway.authorize(key, amount_minor=amount, currency=currency, token=token)


async def paid(gateway: StripeGateway, key: str, *, amount: int = 2400) -> Payment:
    assert (await authorize(gateway, key, amount=amount)).state is AUTHORIZED
    payment = await gateway.capture(key)
    assert payment.state is CAPTURED
    return payment


async def test_an_approved_payment_is_set_aside_and_then_taken(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    authorized = await authorize(gateway, key)
    (set_aside,) = await wire.charges()
    taken = await gateway.capture(key)

    assert authorized.state is AUTHORIZED
    assert (set_aside["amount"], set_aside["currency"], set_aside["captured"]) == (
        2400,
        "eur",
        False,
    )
    assert taken == Payment(state=CAPTURED, gateway_ref=authorized.gateway_ref, captured_minor=2400)
    assert [charge["captured"] for charge in await wire.charges()] == [True]
    assert await gateway.look_up(key) == taken


async def test_an_intent_is_for_cards_alone_and_bears_our_key(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    payment = await authorize(gateway, key)

    _, _, fields, headers = wire.sent[0]
    assert fields["allowed_payment_method_types[0]"] == "card"
    assert fields["capture_method"] == "manual"
    assert "confirm" not in fields
    assert headers["Idempotency-Key"] == f"{key}-create"
    intent = await wire.ask("GET", f"/v1/payment_intents/{payment.gateway_ref}")
    assert intent["metadata"] == {"waitroom_payment": key}


async def test_a_declined_card_is_declined_with_its_reason_and_not_tried_again(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    declined = await authorize(gateway, key, token=DECLINED)
    again = await authorize(gateway, key, token=DECLINED)

    assert declined.state is PaymentState.DECLINED
    assert declined.detail == "card_declined"
    assert again == declined == await gateway.look_up(key)
    assert wire.count("/confirm") == 1
    assert await wire.charges() == []


# By its code and its decline code.
REASONS = {
    ("expired_card", ""): "expired_card",
    ("card_declined", "insufficient_funds"): "insufficient_funds",
    ("card_declined", "stolen_card"): "stolen_card",
    ("", ""): "declined",
}


async def test_operators_are_told_the_reason_of_a_decline(
    gateway: StripeGateway, wire: Wire
) -> None:
    told = {}
    for code, why in REASONS:
        wire.refuse("/confirm", 402, type="card_error", code=code, decline_code=why)
        told[code, why] = await authorize(gateway, str(uuid4()))

    assert {payment.state for payment in told.values()} == {PaymentState.DECLINED}
    assert {key: payment.detail for key, payment in told.items()} == REASONS


async def test_a_confirmation_that_is_refused_for_good_declines_and_can_never_take_money(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    wire.refuse("/confirm", 400, type="invalid_request_error", code="payment_method_not_available")

    refused = await authorize(gateway, key)

    assert (refused.state, refused.detail) == (
        PaymentState.DECLINED,
        "refused: payment_method_not_available",
    )
    intent = await wire.ask("GET", f"/v1/payment_intents/{refused.gateway_ref}")
    assert intent["status"] == "canceled"
    assert (await authorize(gateway, key)).state is VOIDED
    assert await wire.charges() == []


async def test_a_capture_that_is_refused_for_good_is_a_decline(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    await authorize(gateway, key)
    wire.refuse("/capture", 400, type="invalid_request_error", code="charge_expired_for_capture")

    refused = await gateway.capture(key)

    assert (refused.state, refused.captured_minor) == (PaymentState.DECLINED, 0)
    assert (await gateway.void(key)).state is VOIDED


async def test_a_token_that_is_none_declines_and_bars_the_payment(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    declined = await authorize(gateway, key, token="tok_approve")
    later = await authorize(gateway, key)

    assert declined.state is PaymentState.DECLINED
    assert declined.detail.startswith("refused: ")
    assert later.state is VOIDED
    assert wire.count("/confirm") == 0


async def test_what_was_set_aside_is_let_go(gateway: StripeGateway, wire: Wire) -> None:
    key = str(uuid4())
    payment = await authorize(gateway, key)

    voided = await gateway.void(key)

    assert voided == Payment(state=VOIDED, gateway_ref=payment.gateway_ref)
    assert await gateway.void(key) == voided
    assert (await authorize(gateway, key)).state is VOIDED
    intent = await wire.ask("GET", f"/v1/payment_intents/{payment.gateway_ref}")
    assert intent["status"] == "canceled"


async def test_what_was_taken_is_not_let_go(gateway: StripeGateway) -> None:
    key = str(uuid4())
    taken = await paid(gateway, key)

    assert await gateway.void(key) == taken
    assert await gateway.capture(key) == taken
    assert await authorize(gateway, key) == taken


async def test_an_unknown_payment_is_barred_from_starting(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    unknown = await gateway.look_up(key)
    voided = await gateway.void(key)
    started = await authorize(gateway, key)

    assert (unknown.state, voided.state, started.state) == (UNKNOWN, VOIDED, VOIDED)
    assert (await gateway.look_up(key)).state is VOIDED
    assert (await gateway.capture(key)).state is VOIDED
    assert wire.sent == []


async def test_a_payment_that_is_called_off_while_its_intent_is_made_takes_no_money(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    made = wire.hold(INTENTS)

    starting = asyncio.create_task(authorize(gateway, key))
    await made.reached.wait()
    voided = await gateway.void(key)
    assert made.gate is not None
    made.gate.set()
    started = await starting

    assert (voided.state, started.state) == (VOIDED, VOIDED)
    assert wire.count("/confirm") == 0
    assert await wire.charges() == []


async def test_a_payment_that_is_called_off_on_its_way_to_the_bank_takes_no_money(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    confirming = wire.hold("/confirm")

    starting = asyncio.create_task(authorize(gateway, key))
    await confirming.reached.wait()
    voided = await gateway.void(key)
    assert confirming.gate is not None
    confirming.gate.set()
    started = await starting

    assert (voided.state, started.state) == (VOIDED, VOIDED)
    assert await wire.charges() == []


async def test_a_payment_sent_twice_at_once_is_set_aside_once(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    answers = await asyncio.gather(
        *(authorize(gateway, key) for _ in range(4)), return_exceptions=True
    )

    # A request that meets the other at Stripe may get no answer; none may get a wrong one.
    assert {type(answer) for answer in answers} <= {Payment, GatewayError}
    assert {a.state for a in answers if isinstance(a, Payment)} == {AUTHORIZED}
    assert len(await wire.charges()) == 1
    assert (await gateway.look_up(key)).state is AUTHORIZED


async def test_no_request_waits_for_a_connection(gateway: StripeGateway, wire: Wire) -> None:
    key, many = str(uuid4()), 40
    intent = (await authorize(gateway, key)).gateway_ref
    held = wire.hold(intent)
    held.times = many

    async def all_are_here() -> bool:
        return sum(method == "GET" for method, *_ in wire.sent) == many

    asking = [asyncio.create_task(gateway.look_up(key)) for _ in range(many)]
    await eventually(all_are_here)
    assert held.gate is not None
    held.gate.set()

    assert {payment.state for payment in await asyncio.gather(*asking)} == {AUTHORIZED}


@pytest.mark.parametrize("forgotten", [False, True], ids=["same_day", "next_day"])
async def test_whoever_makes_the_second_intent_of_a_payment_goes_on_with_the_first(
    gateway: StripeGateway, wire: Wire, *, forgotten: bool
) -> None:
    key = str(uuid4())
    made = wire.hold(INTENTS)

    slow = asyncio.create_task(authorize(gateway, key))
    await made.reached.wait()
    payment = await authorize(gateway, key)
    if forgotten:
        wire.forget_keys()
    assert made.gate is not None
    made.gate.set()

    assert await slow == payment
    assert payment.state is AUTHORIZED
    assert len(await wire.charges()) == 1


@pytest.mark.parametrize("arrives", [False, True], ids=["request", "answer"])
@pytest.mark.parametrize("lost", [INTENTS, "/confirm"])
async def test_after_a_lost_answer_the_payment_goes_on_where_it_stood(
    gateway: StripeGateway, wire: Wire, lost: str, *, arrives: bool
) -> None:
    key = str(uuid4())

    with wire.cut(lost, arrives=arrives), pytest.raises(GatewayError, match="no usable answer"):
        await authorize(gateway, key)
    found = await gateway.look_up(key)
    payment = await authorize(gateway, key)

    confirmed = lost == "/confirm" and arrives
    assert found.state is (AUTHORIZED if confirmed else UNKNOWN)
    assert payment.state is AUTHORIZED
    assert len(await wire.charges()) == 1


async def test_an_intent_whose_answer_was_lost_a_day_ago_is_never_confirmed(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    with wire.cut(INTENTS, arrives=True), pytest.raises(GatewayError):
        await authorize(gateway, key)
    wire.forget_keys()

    payment = await authorize(gateway, key)

    intents = (await wire.ask("GET", "/v1/payment_intents?limit=100"))["data"]
    assert sorted(i["status"] for i in intents) == ["requires_capture", "requires_confirmation"]
    assert [c["payment_intent"] for c in await wire.charges()] == [payment.gateway_ref]


async def test_an_intent_is_found_again_when_our_note_of_it_was_lost(
    gateway: StripeGateway, shop: Service, wire: Wire
) -> None:
    key = str(uuid4())
    payment = await authorize(gateway, key)
    await execute(shop, "DELETE FROM stripe_payment")

    again = await authorize(gateway, key)

    assert again == payment
    assert len(await wire.charges()) == 1


@pytest.mark.parametrize("arrives", [False, True], ids=["request", "answer"])
@pytest.mark.parametrize(("call", "end"), [("capture", CAPTURED), ("void", VOIDED)])
async def test_a_change_whose_answer_was_lost_may_be_repeated(
    gateway: StripeGateway, wire: Wire, call: str, end: PaymentState, *, arrives: bool
) -> None:
    key = str(uuid4())
    await authorize(gateway, key)
    lost = "/capture" if call == "capture" else "/cancel"

    with wire.cut(lost, arrives=arrives), pytest.raises(GatewayError):
        await getattr(gateway, call)(key)
    found = await gateway.look_up(key)
    again = await getattr(gateway, call)(key)

    assert found.state is (end if arrives else AUTHORIZED)
    assert again.state is end


async def test_an_answer_that_breaks_off_is_none(gateway: StripeGateway, wire: Wire) -> None:
    key = str(uuid4())
    await authorize(gateway, key)

    with wire.cut("/capture", arrives=True, half=True), pytest.raises(GatewayError):
        await gateway.capture(key)

    assert (await gateway.look_up(key)).state is CAPTURED


async def test_trouble_is_no_answer_and_nothing_is_taken_for_declined(
    gateway: StripeGateway, wire: Wire
) -> None:
    troubles: list[tuple[int, dict[str, str]]] = [
        (500, {"type": "api_error"}),
        (503, {"type": "api_error"}),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
        (400, {"type": "idempotency_error"}),
        (401, {"type": "invalid_request_error"}),
        (403, {"type": "invalid_request_error"}),
    ]
    keys = [str(uuid4()) for _ in troubles]

    for key, (status, error) in zip(keys, troubles, strict=True):
        wire.refuse("/confirm", status, times=2, **error)
        with pytest.raises(GatewayError):
            await authorize(gateway, key)
        wire.faults.clear()

    assert {(await authorize(gateway, key)).state for key in keys} == {AUTHORIZED}
    assert len(await wire.charges()) == len(troubles)


async def test_a_wrong_key_is_told_in_the_log_without_showing_it(
    stripe_shops: Callable[..., Awaitable[Service]], capfd: pytest.CaptureFixture[str]
) -> None:
    # localstripe takes no key that does not begin with sk_.
    wrong = "rk_test_of_somebody_else"
    shop = await stripe_shops(secret_key=wrong)
    assert isinstance(shop.gateway, StripeGateway)

    with pytest.raises(GatewayError, match="refused our key") as raised:
        await authorize(shop.gateway, str(uuid4()))

    logged = capfd.readouterr()
    assert "stripe_refused_our_key" in logged.out + logged.err
    assert wrong not in logged.out + logged.err + repr(raised.value)
    # Nor would a traceback lead to the library's error, which carries Stripe's whole answer.
    assert raised.value.__suppress_context__


async def test_a_bank_that_wants_to_see_the_shopper_decides_later(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())

    waiting = await authorize(gateway, key, token=await wire.card(ASKS_FIRST))
    page = await gateway.next_step(key)
    await wire.authenticate(waiting.gateway_ref, success=True)

    assert waiting.state is PROCESSING
    assert page == f"{BANK}{waiting.gateway_ref}"
    assert wire.sent[1][2]["return_url"] == (
        f"https://shop.example.com/checkout/stripe/{key}/return"
    )
    assert (await authorize(gateway, key)).state is AUTHORIZED
    assert await gateway.next_step(key) is None
    assert wire.count("/confirm") == 1


async def test_a_bank_that_does_not_know_the_shopper_declines(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    waiting = await authorize(gateway, key, token=await wire.card(ASKS_FIRST))

    await wire.authenticate(waiting.gateway_ref, success=False)
    declined = await gateway.look_up(key)

    assert declined.state is PaymentState.DECLINED
    assert declined.detail == "payment_intent_authentication_failure"


async def test_a_payment_that_waits_for_the_bank_can_be_called_off(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    await authorize(gateway, key, token=await wire.card(ASKS_FIRST))

    assert (await gateway.void(key)).state is VOIDED
    assert await gateway.next_step(key) is None


async def refunds(wire: Wire) -> list[int]:
    found = (await wire.ask("GET", "/v1/refunds?limit=100"))["data"]
    return sorted(refund["amount"] for refund in found)


async def test_part_of_a_payment_goes_back_and_then_the_rest(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    await paid(gateway, key)

    part = await gateway.refund(key, refund_key="part", amount_minor=400)
    rest = await gateway.refund(key, refund_key="rest", amount_minor=2000)

    assert part.state is rest.state is RefundState.DONE
    assert part.gateway_ref != rest.gateway_ref
    assert await refunds(wire) == [400, 2000]


@pytest.mark.parametrize("forgotten", [False, True], ids=["same_day", "next_day"])
@pytest.mark.parametrize("arrives", [False, True], ids=["request", "answer"])
async def test_one_refund_goes_back_once_however_often_it_is_asked_for(
    gateway: StripeGateway, wire: Wire, *, arrives: bool, forgotten: bool
) -> None:
    key = str(uuid4())
    await paid(gateway, key)

    with wire.cut("POST /v1/refunds", arrives=arrives), pytest.raises(GatewayError):
        await gateway.refund(key, refund_key="one", amount_minor=400)
    if forgotten:
        wire.forget_keys()
    first = await gateway.refund(key, refund_key="one", amount_minor=400)
    if forgotten:
        wire.forget_keys()
    second = await gateway.refund(key, refund_key="one", amount_minor=400)

    assert first == second
    assert first.state is RefundState.DONE
    assert await refunds(wire) == [400]


async def test_a_refund_asked_for_twice_at_once_goes_back_once(
    gateway: StripeGateway, wire: Wire
) -> None:
    key = str(uuid4())
    await paid(gateway, key)
    sent = wire.hold("POST /v1/refunds")

    first = asyncio.create_task(gateway.refund(key, refund_key="one", amount_minor=400))
    await sent.reached.wait()
    second = await gateway.refund(key, refund_key="one", amount_minor=400)
    assert sent.gate is not None
    sent.gate.set()

    assert await first == second
    assert await refunds(wire) == [400]


async def test_a_refund_is_what_stripe_says_of_it(gateway: StripeGateway, wire: Wire) -> None:
    key = str(uuid4())
    await paid(gateway, key)
    states = {
        "succeeded": RefundState.DONE,
        "pending": RefundState.PENDING,
        "requires_action": RefundState.PENDING,
        "failed": RefundState.FAILED,
        "canceled": RefundState.FAILED,
    }

    found = {}
    for status in states:
        wire.answer("POST /v1/refunds", 200, id="re_1", object="refund", status=status)
        found[status] = await gateway.refund(key, refund_key=status, amount_minor=400)

    assert {status: refunded.state for status, refunded in found.items()} == states
    assert {status for status, refunded in found.items() if refunded.detail} == {
        "failed",
        "canceled",
    }


async def test_a_refund_among_many_is_found(gateway: StripeGateway, wire: Wire) -> None:
    key = str(uuid4())
    await paid(gateway, key)
    pages = [
        {"id": "re_later", "metadata": {}, "status": "succeeded"},
        {"id": "re_ours", "metadata": {"waitroom_refund": "first"}, "status": "succeeded"},
    ]
    for page in pages:
        wire.answer(
            "GET /v1/refunds",
            200,
            object="list",
            url="/v1/refunds",
            data=[{"object": "refund", **page}],
            has_more=page is not pages[-1],
        )

    found = await gateway.refund(key, refund_key="first", amount_minor=1)

    assert found.gateway_ref == "re_ours"
    assert wire.count("GET /v1/refunds") == 2
    assert wire.count("POST /v1/refunds") == 0


async def test_a_refund_that_stripe_refuses_has_failed(gateway: StripeGateway, wire: Wire) -> None:
    key = str(uuid4())
    await paid(gateway, key)
    wire.refuse(
        "POST /v1/refunds", 400, type="invalid_request_error", code="charge_already_refunded"
    )

    refunded = await gateway.refund(key, refund_key="one", amount_minor=400)

    assert refunded.state is RefundState.FAILED
    assert refunded.detail == "Stripe refused the refund: charge_already_refunded."


async def test_a_payment_that_stripe_never_saw_cannot_be_refunded(gateway: StripeGateway) -> None:
    refunded = await gateway.refund("never", refund_key="one", amount_minor=400)

    assert refunded.state is RefundState.FAILED


async def test_a_payment_that_stripe_lost_is_no_answer(
    gateway: StripeGateway, shop: Service
) -> None:
    key = str(uuid4())
    await authorize(gateway, key)
    await execute(shop, "UPDATE stripe_payment SET intent_id = 'pi_of_another_account'")

    for asked in (gateway.look_up(key), gateway.void(key), gateway.capture(key)):
        with pytest.raises(GatewayError, match="does not find"):
            await asked


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (2400, "EUR", 2400),
        (2400, "JPY", 2400),
        (2400, "HUF", 2400),
        (2400, "IDR", 2400),
        (2400, "XOF", 2400),
        (2400, "KWD", 2400),
        # ISO 4217 gives these two no digits, and Stripe charges them with two.
        (2400, "ISK", 240_000),
        (2400, "UGX", 240_000),
        # ISO 4217 gives the ariary two digits, and Stripe charges it with none.
        (2400, "MGA", 24),
    ],
)
def test_stripe_charges_what_the_page_shows(minor: int, currency: str, amount: int) -> None:
    assert stripe_amount(minor, currency) == amount


@pytest.mark.parametrize(("minor", "currency"), [(2450, "MGA"), (2401, "KWD")])
def test_an_amount_that_stripe_cannot_charge_is_refused(minor: int, currency: str) -> None:
    with pytest.raises(ValueError, match=currency):
        stripe_amount(minor, currency)


@given(st.integers(min_value=0, max_value=10**15))
def test_ordinary_currencies_are_charged_to_the_cent(minor: int) -> None:
    assert stripe_amount(minor, "EUR") == minor


async def test_an_amount_that_cannot_be_charged_declines(
    gateway: StripeGateway, wire: Wire
) -> None:
    half_an_ariary = await authorize(gateway, str(uuid4()), amount=2450, currency="MGA")
    asked = len(wire.sent)
    nothing = await authorize(gateway, str(uuid4()), amount=0)

    assert half_an_ariary.state is nothing.state is PaymentState.DECLINED
    assert asked == 0


async def test_a_refund_is_counted_as_its_payment_was(gateway: StripeGateway, wire: Wire) -> None:
    key = str(uuid4())
    await authorize(gateway, key, amount=2400, currency="ISK")
    await gateway.capture(key)

    await gateway.refund(key, refund_key="one", amount_minor=400)

    assert (await wire.charges())[0]["amount"] == 240_000
    assert await refunds(wire) == [40_000]
