"""What a basket asks for, how a repeat is recognised, and what each verdict says."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.hold import (
    ITEMS_MAX,
    QUANTITY_MAX,
    Basket,
    Item,
    Verdict,
    body_hash,
    idempotency_uuid,
    refusal,
)
from inventory.kit.problem import Refusal, Unprocessable
from inventory.refusals import (
    AlreadyPaid,
    CustomerNeeded,
    ExtensionRefused,
    HoldExpired,
    LimitReached,
    NotOnSale,
    OutOfStock,
    PaymentRunning,
    SessionOver,
    TooManyActs,
    UnknownHold,
    UnknownSku,
)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)
quantities = st.dictionaries(names, st.integers(1, QUANTITY_MAX), min_size=1, max_size=8)


@given(items=st.lists(st.tuples(names, st.integers(1, 20)), min_size=1, max_size=ITEMS_MAX))
def test_two_lines_of_one_sku_count_together(items: list[tuple[str, int]]) -> None:
    basket = Basket([Item(sku, quantity) for sku, quantity in items])

    found = basket.quantities()

    assert set(found) == {sku for sku, _ in items}
    assert sum(found.values()) == sum(quantity for _, quantity in items)
    for sku, quantity in found.items():
        assert quantity == sum(q for s, q in items if s == sku)


def test_lines_that_together_ask_for_too_much_are_refused() -> None:
    basket = Basket([Item("mug", QUANTITY_MAX), Item("mug", 1)])

    with pytest.raises(Unprocessable):
        basket.quantities()


@pytest.mark.parametrize(
    "body",
    [
        '{"items": []}',
        '{"items": [{"sku": "mug", "quantity": 0}]}',
        '{"items": [{"sku": "mug", "quantity": -1}]}',
        '{"items": [{"sku": "mug", "quantity": 1001}]}',
        '{"items": [{"sku": "mug", "quantity": 1.5}]}',
        '{"items": [{"sku": "mug", "quantity": true}]}',
        '{"items": [{"sku": "mug", "quantity": "1"}]}',
        '{"items": [{"sku": "", "quantity": 1}]}',
        '{"items": [{"sku": "mug"}]}',
        '{"items": [{"sku": "mug", "quantity": 1, "price_minor": 1}]}',
        '{"items": null}',
        "{}",
        "[]",
    ],
)
def test_a_basket_that_cannot_be_right_is_not_read(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Basket)


def test_a_basket_has_a_largest_size() -> None:
    items = [{"sku": f"sku-{i}", "quantity": 1} for i in range(ITEMS_MAX + 1)]

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"items": items}, Basket)


@given(wanted=quantities, data=st.data())
def test_the_order_of_lines_makes_no_difference_to_the_hash(
    wanted: dict[str, int], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(wanted.items()))))

    assert body_hash(shuffled) == body_hash(wanted)


@given(one=quantities, other=quantities)
def test_another_content_has_another_hash(one: dict[str, int], other: dict[str, int]) -> None:
    assert (body_hash(one) == body_hash(other)) == (one == other)


@given(one=st.text(max_size=128), other=st.text(max_size=128))
def test_another_key_has_another_uuid(one: str, other: str) -> None:
    assert (idempotency_uuid(one) == idempotency_uuid(other)) == (one == other)


REFUSALS: dict[Verdict, tuple[type[Refusal], str, int]] = {
    Verdict.SESSION_OVER: (SessionOver, "session_over", 401),
    Verdict.OUT_OF_STOCK: (OutOfStock, "out_of_stock", 409),
    Verdict.SESSION_LIMIT: (LimitReached, "limit_reached", 409),
    Verdict.UNKNOWN_SKU: (UnknownSku, "unknown_sku", 422),
    Verdict.NO_SUCH_HOLD: (UnknownHold, "not_found", 404),
    Verdict.HOLD_SOLD: (AlreadyPaid, "already_paid", 409),
    Verdict.HOLD_OVER: (HoldExpired, "hold_expired", 410),
    Verdict.PAYMENT_RUNNING: (PaymentRunning, "payment_running", 409),
    Verdict.NO_EXTENSION_LEFT: (ExtensionRefused, "extension_refused", 409),
    Verdict.CUSTOMER_NEEDED: (CustomerNeeded, "customer_needed", 403),
    Verdict.ORDER_LIMIT: (LimitReached, "limit_reached", 409),
    Verdict.CUSTOMER_LIMIT: (LimitReached, "limit_reached", 409),
    Verdict.ORDER_UNITS: (LimitReached, "limit_reached", 409),
    Verdict.NETWORK_LIMIT: (LimitReached, "limit_reached", 409),
    Verdict.TOO_MANY_HOLDS: (TooManyActs, "too_many_acts", 429),
    Verdict.TOO_MANY_CHANGES: (TooManyActs, "too_many_acts", 429),
    Verdict.NOT_ON_SALE: (NotOnSale, "not_on_sale", 409),
}


@pytest.mark.parametrize("verdict", REFUSALS)
def test_every_refusing_verdict_has_its_refusal(verdict: Verdict) -> None:
    kind, code, status = REFUSALS[verdict]

    found = refusal(verdict, sku="mug", figure=3)

    assert type(found) is kind
    assert (found.code, found.status) == (code, status)


def test_every_verdict_is_an_answer_or_a_refusal() -> None:
    answers = {Verdict.PLACED, Verdict.REPLAY, Verdict.OTHER_BODY}

    assert answers | set(REFUSALS) == set(Verdict)
    for verdict in answers:
        with pytest.raises((AssertionError, KeyError)):
            refusal(verdict)


def test_a_refusal_says_which_sku_and_how_many() -> None:
    short = refusal(Verdict.OUT_OF_STOCK, sku="mug", figure=2).body()
    gone = refusal(Verdict.OUT_OF_STOCK, sku="mug", figure=0).body()
    limited = refusal(Verdict.SESSION_LIMIT, sku="mug", figure=4).body()

    assert (short["sku"], short["available"], short["detail"]) == ("mug", 2, "2 left of mug.")
    assert (gone["available"], gone["detail"]) == (0, "mug is gone.")
    assert (limited["sku"], limited["limit"]) == ("mug", 4)
