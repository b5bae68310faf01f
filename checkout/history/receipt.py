"""A receipt: what was paid for an order, and what of it went back. Pure."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from checkout.order import Order
from checkout.refund import Refund, RefundStage
from checkout.refusals import NoReceipt
from inventory.kit.language.language import Language
from inventory.money import format_amount

WIDTH = 64
INDENT = " " * 4
# Signs that break a line or turn its direction: a name shall not write lines of its own.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    sku: str
    name: str
    quantity: int
    price_minor: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRefund:
    """Money that went back, or that is still on its way; `items` says for what, if for units."""

    at: datetime
    done: bool
    amount_minor: int
    items: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Amounts are in minor units and include tax; `kept_minor` is what was paid in the end."""

    brand: str
    number: str
    paid_at: datetime
    currency: str
    lines: list[ReceiptLine]
    total_minor: int
    refunds: list[ReceiptRefund]
    kept_minor: int


def receipt_of(order: Order, refunds: Iterable[Refund], *, brand: str) -> Receipt:
    """Return an order's receipt; raises `NoReceipt` while nothing was bought with it."""
    if order.paid_at is None:
        raise NoReceipt
    names = {line.sku: plain(line.name) for line in order.items}
    return Receipt(
        brand=plain(brand),
        number=order.number,
        paid_at=order.paid_at,
        currency=order.currency,
        lines=[
            ReceiptLine(
                sku=line.sku,
                name=names[line.sku],
                quantity=line.quantity,
                price_minor=line.price_minor,
                amount_minor=line.quantity * line.price_minor,
            )
            for line in order.items
        ],
        total_minor=order.total_minor,
        refunds=[
            ReceiptRefund(
                at=refund.ended_at or refund.asked_at,
                done=refund.stage is RefundStage.DONE,
                amount_minor=refund.amount_minor,
                items=", ".join(
                    _units(item.quantity, names.get(item.sku, item.sku)) for item in refund.items
                ),
            )
            for refund in refunds
            if refund.stage is not RefundStage.FAILED
        ],
        kept_minor=order.total_minor - order.refunded_minor,
    )


def _units(quantity: int, name: str) -> str:
    return f"{quantity} \N{MULTIPLICATION SIGN} {name}"


def plain(text: str) -> str:
    """Return a text as one line that reads in the direction of its letters."""
    return " ".join(_CONTROL.sub(" ", text).split())


def as_text(receipt: Receipt, language: Language) -> str:
    """Return a receipt for a mail without HTML, in lines of at most `WIDTH` letters."""
    return "\n".join(_text_lines(receipt, language)) + "\n"


def _text_lines(receipt: Receipt, language: Language) -> Iterator[str]:
    say = language.say

    def amount(minor: int) -> str:
        return format_amount(minor, receipt.currency, language.locale)

    yield receipt.brand
    yield say("Receipt for order {number}", number=receipt.number)
    yield say("Paid {when}", when=language.moment(receipt.paid_at.isoformat()))
    yield ""
    for line in receipt.lines:
        yield from _pair(_units(line.quantity, line.name), amount(line.amount_minor))
        if line.quantity > 1:
            yield f"{INDENT}{say('Each')}: {amount(line.price_minor)}"
    yield "-" * WIDTH
    yield from _pair(say("Total"), amount(receipt.total_minor))
    yield say("All prices include tax.")
    yield from _text_refunds(receipt.refunds, receipt.currency, language)
    if receipt.refunds:
        yield "-" * WIDTH
        yield from _pair(say("Paid in the end"), amount(receipt.kept_minor))


def _text_refunds(
    refunds: Sequence[ReceiptRefund], currency: str, language: Language
) -> Iterator[str]:
    say = language.say
    if refunds:
        yield from ("", say("Refunds"))
    for refund in refunds:
        at = language.moment(refund.at.isoformat())
        told = (
            say("Given back {when}", when=at)
            if refund.done
            else say("On its way back since {when}", when=at)
        )
        amount = format_amount(refund.amount_minor, currency, language.locale)
        yield from _pair(told, f"-{amount}")
        if refund.items:
            yield from _wrapped(refund.items, indent=INDENT)


def _pair(left: str, right: str) -> Iterator[str]:
    """Write two texts at the two ends of a line; a long left one takes lines of its own."""
    room = WIDTH - len(right) - 1
    *above, last = _wrapped(left, room)
    yield from above
    yield f"{last:<{room}} {right}"


def _wrapped(text: str, width: int = WIDTH, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent) or [""]
