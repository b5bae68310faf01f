"""Money: whole minor units in an ISO 4217 currency. Pure.

An amount is an integer of minor units everywhere: in the tables, in JSON and at the gateway. This
module alone knows how many of an amount's digits stand behind the point, how an amount is written,
and how a written amount is read. Pages hand the digits on to their scripts (`uncommon_digits`), so
the browser and the server never show one amount in two ways.

Babel is the source: it ships the currencies of the Unicode CLDR with their signs, and its releases
follow when a country changes its money. ISO 4217 and the CLDR disagree about fifteen currencies.
The CLDR gives the digits that people use in daily life, which is none for the rupiah; ISO 4217
gives the digits that banks and card networks count by, which is two. Prices are charged, so ISO
4217 decides, and `_ISO_DIGITS` corrects these fifteen.
"""

import re
from decimal import Decimal
from functools import cache, lru_cache

from babel import Locale
from babel.core import get_global
from babel.numbers import (
    format_currency,
    get_currency_precision,
    get_currency_symbol,
    get_territory_currencies,
)

# Sums of many such amounts still fit PostgreSQL's bigint and the whole numbers of JavaScript.
AMOUNT_MAX = 10**12

# The currency of a room that is made without saying one.
DEFAULT_CURRENCY = "EUR"

# Operators' pages and what programs read are in English.
LOCALE = "en"
# Most currencies have two digits; pages list only the others.
COMMON_DIGITS = 2
# A page writes the same few prices again and again, and Babel takes 0.1 ms for each.
WRITTEN_CACHE_MAX = 4096

_ISO_DIGITS = {
    **dict.fromkeys(("AFN", "ALL", "COP", "HUF", "IDR", "IRR", "KPW", "LAK", "LBP"), 2),
    **dict.fromkeys(("MGA", "MMK", "SOS", "SYP", "YER"), 2),
    "IQD": 3,
}
_MINOR = re.compile(r"[0-9]{1,13}")
_TYPED = re.compile(r"([0-9]{1,13})(?:[.,]([0-9]{1,4}))?")


class UnreadableAmount(ValueError):
    """The text is not an amount. The message says what an amount is, after "is" or "Type"."""


def digits(currency: str) -> int:
    """Return how many digits of an amount stand behind the point, by ISO 4217."""
    return _ISO_DIGITS.get(currency, get_currency_precision(currency))


@cache
def currencies() -> frozenset[str]:
    """Return the currencies that are legal tender somewhere today: those a room can sell in."""
    return frozenset(
        currency
        for territory in get_global("territory_currencies")
        for currency in get_territory_currencies(territory)
    )


@cache
def uncommon_digits() -> dict[str, int]:
    """Return the digits of every currency that has another number of them than two."""
    found = {currency: digits(currency) for currency in sorted(currencies())}
    return {currency: count for currency, count in found.items() if count != COMMON_DIGITS}


@lru_cache(maxsize=WRITTEN_CACHE_MAX)
def format_amount(minor: int, currency: str, locale: Locale | str = LOCALE) -> str:
    """Write an amount as people do: 2400 EUR becomes €24.00, and 24,00 € in German.

    Browsers put a space between a digit and a sign that ends in a letter, as the CLDR asks. Babel
    leaves it out, so the pattern has it.
    """
    count = digits(currency)
    pattern = _pattern_of(locale)
    if pattern.startswith("¤#") and get_currency_symbol(currency, locale)[-1].isalpha():
        pattern = f"¤\N{NO-BREAK SPACE}{pattern[1:]}"
    pattern = pattern.replace(".00", f".{'0' * count}" if count else "")
    amount = Decimal(minor).scaleb(-count)
    return format_currency(
        amount, currency, pattern, locale=locale, currency_digits=False, numbering_system="latn"
    )


@cache
def _pattern_of(locale: Locale | str) -> str:
    """Return the CLDR's pattern of amounts; signs of direction and accounting forms stay out."""
    found = Locale.parse(locale).currency_formats["standard"].pattern
    return str(found).split(";")[0]


def parse_amount(text: str, currency: str) -> int:
    """Return the minor units of an amount as people type it, such as 12.50, 12,50 or 12.

    A comma and a point both stand before the smaller units, and nothing separates thousands: a
    reader that guessed could be wrong by a factor of a thousand. Raises `UnreadableAmount`.
    """
    count = digits(currency)
    parts = _TYPED.fullmatch(text.strip())
    fraction = (parts[2] or "") if parts else ""
    if parts is None or len(fraction) > count:
        example = f"12.{'50'.ljust(count, '0')[:count]}" if count else "12"
        raise UnreadableAmount(f"an amount in {currency} such as {example}")
    minor = int(parts[1] + fraction.ljust(count, "0"))
    if minor > AMOUNT_MAX:
        raise UnreadableAmount(f"an amount of at most {format_amount(AMOUNT_MAX, currency)}")
    return minor


def parse_minor(text: str) -> int:
    """Return an amount that is written in minor units; raises `UnreadableAmount`."""
    if not _MINOR.fullmatch(text.strip()) or int(text) > AMOUNT_MAX:
        raise UnreadableAmount(f"a whole number from 0 to {AMOUNT_MAX}")
    return int(text)
