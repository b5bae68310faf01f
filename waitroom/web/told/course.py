"""The line's own course in sentences: joins, calls and forecasts. Pure."""

from collections.abc import Iterator, Mapping

from inventory.kit.language.language import Language, phrase
from waitroom.log.entries import Called, Forecast, ForecastRow, Joined
from waitroom.web.told.rules import plain

NUMBERS_NAMED_MAX = 12
# The bound that decided how many were called, by its name in the log.
_LIMITS = {
    "seats": phrase("the free seats"),
    "batch": phrase("the size of a batch"),
    "per_minute": phrase("the calls allowed in a minute"),
    "guaranteed": phrase("how many units can be promised"),
    "expected": phrase("how many people the stock is expected to serve"),
    "rate": phrase("the rate that the shop allows"),
    "checkout": phrase("how many people checkout can take at the moment"),
    "not open": phrase("the room, which was not open"),
}
# What a decision was made on, by its name in the log. Shares are written in per cent.
_FIGURES = {
    "seats": phrase("free seats: {value}"),
    "waiting": phrase("people waiting: {value}"),
    "free": phrase("units free: {value}"),
    "claim_share": phrase("share of the called who come: {value}"),
    "hold_share": phrase("share of these who take something: {value}"),
    "units_each": phrase("units that each of these takes: {value}"),
    "pay_share": phrase("share of the taken units that is paid for: {value}"),
    "open_demand": phrase("units that people inside still want: {value}"),
    "held": phrase("units held: {value}"),
    "called_before": phrase("called before: {value}"),
    "disappointed": phrase("of these found nothing: {value}"),
}


def joined(entry: Joined, language: Language) -> Iterator[str]:
    """Say who joined, and how many were called as they did."""
    count = entry.last - entry.first + 1
    yield language.say_n(
        count,
        "{n} person joined: number {range}.",
        "{n} people joined: numbers {range}.",
        range=spell_range(entry.first, entry.last, language),
    )
    if entry.called:
        yield language.say_n(
            entry.called, "{n} of them was called at once.", "{n} of them were called at once."
        )


def called(entry: Called, language: Language) -> Iterator[str]:
    """Say which numbers were called, and why others were not."""
    reached, passed, again = entry.last - entry.first + 1, len(entry.passed), len(entry.again)
    numbers = spell_range(entry.first, entry.last, language)
    if reached > 0 and entry.called == reached:
        yield language.say_n(
            reached, "Number {range} was called.", "Numbers {range} were called.", range=numbers
        )
    elif reached > 0:
        yield language.say_n(
            entry.called,
            "Of the numbers {range}, {n} was called.",
            "Of the numbers {range}, {n} were called.",
            range=numbers,
        )
    if passed:
        yield language.say_n(
            passed,
            "{n} number was passed by, since what its shopper came for was not free: {numbers}.",
            "{n} numbers were passed by, since what their shoppers came for was not "
            "free: {numbers}.",
            numbers=_numbers(entry.passed, language),
        )
    if reached > entry.called + passed:
        yield language.say("The others had given up, stepped aside or been revoked.")
    if entry.again:
        yield language.say_n(
            again,
            "{n} person who had come back or been passed by was called: {numbers}.",
            "{n} people who had come back or been passed by were called: {numbers}.",
            numbers=_numbers(entry.again, language),
        )
    if reached > 0 or passed or again:
        return
    if entry.gate > entry.last:
        yield language.say(
            "New arrivals are called as they join, up to number {number}.", number=entry.gate
        )
    else:
        yield language.say("New arrivals are no longer called as they join.")


def decided_on(entry: Called, language: Language) -> Iterator[str]:
    """Say what a call was decided on."""
    if entry.reason:
        limit = language.say(_LIMITS.get(entry.reason, entry.reason))
        yield language.say("The limit was: {limit}.", limit=limit)
    if entry.figures:
        figures = _figures(entry.figures, language)
        yield language.say("Figures: {figures}.", figures=figures)


def _figures(figures: Mapping[str, float], language: Language) -> str:
    names = list(_FIGURES)
    order = sorted(figures, key=lambda one: (names.index(one) if one in names else len(names), one))
    return language.series(_figure(name, figures[name], language) for name in order)


def _figure(name: str, value: float, language: Language) -> str:
    shown = language.percent(value) if name.endswith("_share") else plain(value, language)
    known = _FIGURES.get(name)
    return language.say(known, value=shown) if known else f"{name.replace('_', ' ')}: {shown}"


def forecast(entry: Forecast, language: Language) -> str:
    """Say the waits and chances that were published: those of the first place and the last."""
    waiting = entry.tail - entry.head
    rows = [_row(row, language) for row in entry.rows if row.place <= waiting]
    ends = rows if len(rows) < 2 else [rows[0], rows[-1]]
    return language.say_n(
        waiting,
        "Published to the {n} person waiting: {told}.",
        "Published to the {n} people waiting: {told}.",
        told=language.series(ends) or language.say("nothing yet"),
    )


def _row(row: ForecastRow, language: Language) -> str:
    wait = chance = language.say("not known")
    if row.wait_low_s is not None and row.wait_high_s is not None:
        low, high = round(row.wait_low_s / 60), round(row.wait_high_s / 60)
        wait = language.say("{low} to {high} min", low=low, high=high)
    if row.chance is not None:
        chance = language.percent(round(row.chance, 2))
    return language.say(
        "place {place}, wait: {wait}, chance: {chance}", place=row.place, wait=wait, chance=chance
    )


def _numbers(numbers: tuple[int, ...], language: Language) -> str:
    named = ", ".join(language.number(number) for number in numbers[:NUMBERS_NAMED_MAX])
    more = len(numbers) - NUMBERS_NAMED_MAX
    if more <= 0:
        return named
    return language.say_n(more, "{numbers} and {n} more", "{numbers} and {n} more", numbers=named)


def spell_range(first: int, last: int, language: Language) -> str:
    """Write the numbers from one to another."""
    low, high = language.number(first), language.number(last)
    return low if first == last else f"{low}\N{EN DASH}{high}"
