"""Money: ISO 4217 decides where the point stands, in what is written and in what is read."""

import pytest
from babel.numbers import get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from inventory.money import (
    AMOUNT_MAX,
    UnreadableAmount,
    currencies,
    digits,
    format_amount,
    parse_amount,
    parse_minor,
    uncommon_digits,
)

# ISO 4217, list one, with its amendments up to 2026: every currency that has minor units.
ISO_4217 = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
        CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
        GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
        LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO
        NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
        SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
        XAD XCD XCG YER ZAR ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DIGITS = {currency: count for count, codes in ISO_4217.items() for currency in codes.split()}
# Funds and units of account that nobody has in a purse, and two currencies that the CLDR takes for
# the second name of another one.
NO_TENDER = set("BOV CHE CHW CLF COU MXV USN UYI UYW XAD SVC VED".split())  # noqa: SIM905 - as ISO's lists


@pytest.mark.parametrize("currency", sorted(DIGITS))
def test_digits_are_those_of_iso_4217(currency: str) -> None:
    assert digits(currency) == DIGITS[currency]


def test_only_currencies_of_which_babel_gives_the_digits_of_daily_life_are_corrected() -> None:
    differ = {code for code, count in DIGITS.items() if get_currency_precision(code) != count}

    # When a later Babel agrees with ISO 4217 about one of them, its correction can go.
    assert differ == set(
        "AFN ALL COP HUF IDR IQD IRR KPW LAK LBP MGA MMK SOS SYP YER".split()  # noqa: SIM905 - as above
    )


def test_a_room_can_sell_in_every_legal_tender_and_in_nothing_else() -> None:
    assert currencies() == set(DIGITS) - NO_TENDER


def test_pages_hear_of_the_currencies_that_have_not_two_digits() -> None:
    assert uncommon_digits() == {
        code: count for code, count in DIGITS.items() if count != 2 and code in currencies()
    }


# The first four were once shown in two ways by two tables.
@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (15_000_000, "IDR", "IDR\xa0150,000.00"),
        (5000, "XOF", "F\u202fCFA\xa05,000"),
        (150_000, "RSD", "RSD\xa01,500.00"),
        (12_500, "KWD", "KWD\xa012.500"),
        (2400, "EUR", "€24.00"),
        (2400, "JPY", "¥2,400"),
        (2400, "HUF", "HUF\xa024.00"),
        (0, "USD", "$0.00"),
        (-5, "GBP", "-£0.05"),
        (10**12, "CAD", "CA$10,000,000,000.00"),
    ],
)
def test_an_amount_is_written_as_people_do(minor: int, currency: str, written: str) -> None:
    assert format_amount(minor, currency) == written


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12,5", "EUR", 1250),
        (" 12 ", "EUR", 1200),
        ("0.01", "EUR", 1),
        ("1500", "JPY", 1500),
        ("12.5", "KWD", 12_500),
        ("150000", "IDR", 15_000_000),
        ("10000000000", "EUR", AMOUNT_MAX),
    ],
)
def test_a_typed_amount_is_read(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "EUR"),
        ("12.345", "EUR"),
        ("1,234.56", "EUR"),
        ("1.234,56", "EUR"),
        ("12.5", "JPY"),
        ("-5", "EUR"),
        ("+5", "EUR"),
        ("1e3", "EUR"),
        ("1_000", "EUR"),
        ("\uff11\uff12", "EUR"),
        ("€12", "EUR"),
        (".5", "EUR"),
        ("12.", "EUR"),
        ("10000000000.01", "EUR"),
        ("9" * 14, "JPY"),
    ],
)
def test_what_could_be_two_amounts_or_none_is_refused(text: str, currency: str) -> None:
    with pytest.raises(UnreadableAmount):
        parse_amount(text, currency)


@given(st.integers(0, AMOUNT_MAX), st.sampled_from(sorted(DIGITS)))
def test_what_is_written_plainly_is_read_again(minor: int, currency: str) -> None:
    count = DIGITS[currency]
    whole, fraction = divmod(minor, 10**count)
    text = f"{whole}.{fraction:0{count}d}" if count else str(whole)

    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    "text", ["22,00", "1.234,56", "1_000", "1E+3", "\uff11\uff12", "22.00", "-5"]
)
def test_minor_units_are_whole_and_nothing_else(text: str) -> None:
    assert parse_minor(" 2200 ") == 2200
    with pytest.raises(UnreadableAmount):
        parse_minor(text)


def test_minor_units_have_a_bound() -> None:
    assert parse_minor(str(AMOUNT_MAX)) == AMOUNT_MAX
    with pytest.raises(UnreadableAmount, match="1000000000000"):
        parse_minor(str(AMOUNT_MAX + 1))
