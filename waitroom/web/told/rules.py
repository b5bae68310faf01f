"""The rules of a room, and changes of them, in a shopper's language. Pure.

A rule that this module does not know is named by its own name and shown as it stands, since a log
may come from another version.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from babel import Locale, UnknownLocaleError

from inventory.kit.language.language import Language, phrase
from waitroom.log.entries import RuleValues

# Writes one value of a rule.
Write = Callable[[Any, Language], str]

_PROFILE = "profile "
_TEXT_SHOWN = 80
_HOURS_FROM_S = 5_400


def say_changes(changed: RuleValues, language: Language) -> str:
    """Put changes into words; each value is the rule's value before and the one after."""
    told = [_change(rule, *_pair(values), language) for rule, values in changed.items()]
    return language.series(told)


def say_rules(rules: RuleValues, language: Language) -> str:
    """Name rules with their values, as in "seats: 20; time to pay: 5 minutes"."""
    return language.series(
        language.say(
            "{rule}: {value}", rule=_name(rule, language), value=_value(rule, value, language)
        )
        for rule, value in sorted(rules.items())
    )


def _change(rule: str, before: Any, after: Any, language: Language) -> str:
    return language.say(
        "{rule}: {value}, before that {before}",
        rule=_name(rule, language),
        value=_value(rule, after, language),
        before=_value(rule, before, language),
    )


def _name(rule: str, language: Language) -> str:
    if rule.startswith(_PROFILE):
        code = rule.removeprefix(_PROFILE)
        return language.say("more time by the profile {profile}", profile=code)
    return language.say(_RULES[rule][0]) if rule in _RULES else _spaced(rule)


def _value(rule: str, value: Any, language: Language) -> str:
    if rule.startswith(_PROFILE):
        return _profile(value, language)
    return _RULES[rule][1](value, language) if rule in _RULES else plain(value, language)


def _profile(value: Any, language: Language) -> str:
    """Say what a profile for more time gives: how much longer, and to how many people."""
    if not isinstance(value, Mapping):
        return plain(value, language)
    factor, places = value.get("time_factor"), value.get("places_max")
    parts = []
    if factor is not None:
        parts.append(language.say("{factor} times the time", factor=plain(factor, language)))
    if isinstance(places, int):
        parts.append(language.say_n(places, "for at most {n} person", "for at most {n} people"))
    return ", ".join(parts) or language.say("on")


def plain(value: Any, language: Language) -> str:
    """Write a value of which no more is known than that it is JSON."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_spaced(name)} {plain(value[name], language)}" for name in sorted(value)
        )
    if isinstance(value, list | tuple):
        return ", ".join(plain(one, language) for one in value) or language.say("nothing")
    if value is None or value == "":
        return language.say("nothing")
    if isinstance(value, bool):
        return language.say("yes") if value else language.say("no")
    if isinstance(value, int | float):
        return language.decimal(value)
    return str(value)


def _amount(value: Any, language: Language) -> str:
    return language.say("no limit") if value is None else plain(value, language)


def _switch(value: Any, language: Language) -> str:
    return language.say("on") if value else language.say("off")


def _share(value: Any, language: Language) -> str:
    return language.percent(value) if isinstance(value, int | float) else plain(value, language)


def _time(value: Any, language: Language) -> str:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return plain(value, language)
    if value < _HOURS_FROM_S:
        return language.duration(value)
    hours, rest = divmod(value, 3600)
    return language.say("{hours} h {minutes} min", hours=hours, minutes=rest // 60)


def _moment(value: Any, language: Language) -> str:
    if not value:
        return language.say("no set time")
    with suppress(ValueError):
        at = datetime.fromisoformat(str(value))
        if at.tzinfo is not None:
            return language.moment(at.isoformat())
    return str(value)


def _text(value: Any, language: Language) -> str:
    """Write a text in quotation marks, shortened to what a sentence can hold."""
    if value is None or value == "":
        return language.say("nothing")
    text = " ".join(str(value).split())
    shown = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN].rstrip()}…"
    return language.say("“{text}”", text=shown)


def _tongue(value: Any, language: Language) -> str:
    with suppress(UnknownLocaleError, ValueError):
        name = Locale.parse(str(value or "en"), sep="-").get_display_name(language.locale)
        return str(name)
    return plain(value, language)


def _one_of(**words: str) -> Write:
    def write(value: Any, language: Language) -> str:
        known = words.get(str(value))
        return language.say(known) if known else plain(value, language)

    return write


# When something is asked of a join.
_ASKED = _one_of(never=phrase("never"), pressure=phrase("under pressure"), always=phrase("always"))
_RULES: dict[str, tuple[str, Write]] = {
    "order_by": (
        phrase("order of early arrivals"),
        _one_of(first_come=phrase("first come, first served"), draw=phrase("by a draw")),
    ),
    "join_by": (
        phrase("people who may join"),
        _one_of(
            open=phrase("everyone"),
            invitation=phrase("people with an invitation"),
            customer=phrase("signed-in customers"),
        ),
    ),
    "log_public": (
        phrase("when the log is shown"),
        _one_of(live=phrase("during the sale"), after=phrase("after the sale")),
    ),
    "language": (phrase("language of the room"), _tongue),
    "policy": (
        phrase("way of calling"),
        _one_of(
            expected=phrase("as many people as the stock can serve"),
            guaranteed=phrase("one person for each unit that is set aside"),
            rate=phrase("as many people as seats and rate allow"),
        ),
    ),
    "disappointed_max": (phrase("share of called people who may find nothing"), _share),
    "proof_of_work": (phrase("when joins do some work"), _ASKED),
    "human_check": (phrase("when joins pass an outside check"), _ASKED),
    "human_check_away": (
        phrase("joins while the outside check is away"),
        _one_of(open=phrase("with some work in its place"), closed=phrase("not possible")),
    ),
    "seats_max": (phrase("seats"), _amount),
    "calls_per_minute": (phrase("most calls in a minute"), _amount),
    "batch_max": (phrase("most people called at once"), _amount),
    "units_promised": (phrase("units promised with each call"), _amount),
    "places_per_address_max": (
        phrase("places of one internet connection before its next ones come after all others"),
        _amount,
    ),
    "networks_behind": (
        phrase("internet connections that operators put behind all others"),
        _amount,
    ),
    "order_units_max": (phrase("most units in one order"), _amount),
    "held_share_max": (
        phrase("share of the unsold units that one internet connection may hold unpaid"),
        _share,
    ),
    "hold_extensions_max": (phrase("times that a hold can be extended"), _amount),
    "claim_window_s": (phrase("time to enter after a call"), _time),
    "returns_window_s": (phrase("time to enter for something that came back"), _time),
    "grace_s": (phrase("time to come back after a missed call"), _time),
    "session_s": (phrase("time inside"), _time),
    "hold_s": (phrase("time for which items are held"), _time),
    "payment_window_s": (phrase("time to pay"), _time),
    "pay_after_s": (phrase("time from entering to the first payment"), _time),
    "public": (phrase("listing in the shop"), _switch),
    "fairness_public": (phrase("public fairness report"), _switch),
    "stock_elsewhere": (phrase("stock kept by another shop"), _switch),
    "customers_only": (phrase("sale to signed-in customers alone"), _switch),
    "doors_at": (phrase("when the doors open"), _moment),
    "opens_at": (phrase("when the sale opens"), _moment),
    "closes_at": (phrase("when the sale closes"), _moment),
    "name": (phrase("name of the room"), _text),
    "message": (phrase("message to everyone who waits"), _text),
    "public_value_source": (phrase("source of the public value of the draw"), _text),
}
RULES_IN_WORDS = frozenset(_RULES)


def _pair(values: Any) -> tuple[Any, Any]:
    """Return the value before and the one after, of whatever a record of another version has."""
    if isinstance(values, list | tuple) and len(values) == 2:
        return values[0], values[1]
    return None, values


def _spaced(name: str) -> str:
    return name.replace("_", " ")
