"""What a refusal says to a shopper in the checkout: in plain words, and with the next step. Pure.

`static/js/checkout-words.js` says the same in a browser with scripts. A refusal that is not named
here says its own sentence.
"""

from collections.abc import Mapping

from checkout.refusals import PaymentDeclined
from inventory.kit.language.language import Language, phrase
from inventory.kit.problem import IdempotencyKeyMissing, IdempotencyKeyReused, Refusal
from inventory.refusals import (
    ExtensionRefused,
    HoldExpired,
    LimitReached,
    NotOnSale,
    OutOfStock,
    PaymentRunning,
    TooManyActs,
    UnknownHold,
    UnknownSku,
)

_OUT_OF_DATE = phrase("This page is out of date, and nothing was done. Please load it again.")
# The words of refusals that are about no SKU.
_WITHOUT_NAME: dict[type[Refusal], str] = {
    HoldExpired: phrase(
        "The time for these items ran out, and they went back to the line. You can choose again "
        "while your session lasts."
    ),
    ExtensionRefused: phrase(
        "The time cannot be extended any further, so that everyone waiting gets a turn."
    ),
    PaymentDeclined: phrase(
        "The payment was declined and nothing was charged. Your items are still held: you can try "
        "again."
    ),
    PaymentRunning: phrase(
        "A payment for these items is under way. Please wait a moment until it is decided."
    ),
    UnknownHold: phrase("These items are no longer held for you. Please choose again."),
    TooManyActs: phrase(
        "You have reserved and changed very often by now. You can still pay for what is held for "
        "you, or put it back."
    ),
    IdempotencyKeyMissing: _OUT_OF_DATE,
    IdempotencyKeyReused: _OUT_OF_DATE,
}


def explained(
    refusal: Refusal, language: Language, *, names: Mapping[str, str], in_line: bool
) -> str:
    """Return a refusal in words; `names` has SKUs by code, `in_line` says if it is waited for."""
    sku = str(refusal.fields.get("sku", ""))
    name = names.get(sku, sku)
    if isinstance(refusal, OutOfStock):
        return _out_of_stock(int(refusal.fields["available"]), name, language, in_line=in_line)
    if isinstance(refusal, LimitReached):
        return _limit(refusal, name, language)
    if isinstance(refusal, NotOnSale):
        return language.say("{name}: not on sale now. Please choose something else.", name=name)
    if isinstance(refusal, UnknownSku):
        return language.say("{name}: no longer sold here. Please choose something else.", name=name)
    words = next((said for kind, said in _WITHOUT_NAME.items() if isinstance(refusal, kind)), "")
    return language.say(words) if words else refusal.told(language)


def _out_of_stock(available: int, name: str, language: Language, *, in_line: bool) -> str:
    if available:
        return language.say_n(
            available,
            "{name}: only {n} item left. Nothing was changed.",
            "{name}: only {n} items left. Nothing was changed.",
            name=name,
        )
    if in_line:
        return language.say(
            "{name}: none is free right now. You are in line for it by your number.", name=name
        )
    return language.say("{name}: none is free right now. Nothing was changed.", name=name)


def _limit(refusal: LimitReached, name: str, language: Language) -> str:
    limit, scope = refusal.fields["limit"], refusal.fields["scope"]
    if not refusal.fields.get("sku"):
        return language.say_n(
            limit,
            "At most {n} item goes into one order. Please choose fewer.",
            "At most {n} items go into one order. Please choose fewer.",
        )
    if scope == "network":
        # It is about what others hold there, and the sentence says what to do.
        return refusal.told(language)
    if scope == "order":
        return language.say("{name}: at most {limit} for each order.", name=name, limit=limit)
    if scope == "customer":
        return language.say("{name}: at most {limit} for each customer.", name=name, limit=limit)
    return language.say("{name}: at most {limit} for each shopper.", name=name, limit=limit)
