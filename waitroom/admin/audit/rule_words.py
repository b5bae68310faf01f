"""Rules of a room in words, with their units, for the operators' record. Pure.

A rule that this module does not know is named by its own name and shown as it stands, since a log
may come from another version.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from waitroom.log.entries import RuleValues

Change = tuple[Any, Any]

_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60
_PROFILE = "profile "
_TEXT_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A change in words, such as `set` `the seats` `from 2 to 3`."""

    verb: str
    thing: str
    rest: str = ""

    @property
    def active(self) -> str:
        return " ".join(filter(None, (self.verb, self.thing, self.rest)))


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a rule is called, and how one of its values is written."""

    thing: str
    write: Callable[[Any], str]


def _amount(value: Any) -> str:
    if value is None:
        return "no limit"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def duration(seconds: Any) -> str:
    """Write whole seconds in the two largest units that they fill, as in "1 minute 30 seconds"."""
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
        return plain(seconds)
    parts = []
    for size, one in ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:,} {one}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def moment(value: Any) -> str:
    """Write a moment that the record has as text, in UTC; show another text as it stands."""
    if not value:
        return "no set time"
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    if at.tzinfo is not None:
        at = at.astimezone(UTC)
    clock = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
    return f"{at.day} {at:%b %Y} {clock} UTC"


def quoted(value: Any) -> str:
    """Write a text in quotation marks, shortened to what a sentence can hold."""
    text = " ".join(str(value).split())
    shown = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN].rstrip()}…"
    return f"“{shown}”"


def plain(value: Any) -> str:
    """Write a value of which no more is known than that it is JSON."""
    if isinstance(value, Mapping):
        return ", ".join(f"{_spaced(name)} {plain(value[name])}" for name in sorted(value))
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "nothing"
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def one_of(**words: str) -> Callable[[Any], str]:
    return lambda value: words.get(str(value), plain(value))


def _share(value: Any) -> str:
    return f"{100 * value:.3g}%" if isinstance(value, int | float) else plain(value)


_LANGUAGES = {
    "": "English",
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "tr": "Turkish",
    "ar": "Arabic",
    "he": "Hebrew",
    "hi": "Hindi",
    "id": "Indonesian",
    "ja": "Japanese",
    "ko": "Korean",
    "zh-Hans": "Chinese",
}
_RULES: dict[str, _Rule] = {
    "order_by": _Rule(
        "the order of early arrivals",
        one_of(first_come="“first come, first served”", draw="“by a draw”"),
    ),
    "join_by": _Rule(
        "the people who may join",
        one_of(
            open="everybody", invitation="people with an invitation", customer="signed-in customers"
        ),
    ),
    "log_public": _Rule(
        "the time at which the log is shown",
        one_of(live="during the sale", after="after the sale"),
    ),
    "language": _Rule("the language", lambda value: _LANGUAGES.get(str(value or ""), plain(value))),
    "policy": _Rule(
        "the way of calling",
        one_of(
            expected="“as many as the stock can serve”",
            guaranteed="“one for each unit that is set aside”",
            rate="“as many as seats and rate allow”",
        ),
    ),
    "disappointed_max": _Rule("the share of called people who may find nothing", _share),
    "proof_of_work": _Rule(
        "when joins do some work",
        one_of(never="“never”", pressure="“under pressure”", always="“always”"),
    ),
    "human_check": _Rule(
        "when joins pass the outside check",
        one_of(never="“never”", pressure="“under pressure”", always="“always”"),
    ),
    "human_check_away": _Rule(
        "the joins while the outside check is away",
        one_of(open="“work in its place”", closed="“no place”"),
    ),
    "seats_max": _Rule("the seats", _amount),
    "calls_per_minute": _Rule("the most calls in a minute", _amount),
    "batch_max": _Rule("the most people called at once", _amount),
    "units_promised": _Rule("the units promised with each call", _amount),
    "places_per_address_max": _Rule(
        "the places of one address before its next ones stand behind", _amount
    ),
    "order_units_max": _Rule("the most units in one order", _amount),
    "held_share_max": _Rule("the share that one network may hold unpaid", _share),
    "hold_extensions_max": _Rule("the times that a hold can be extended", _amount),
    "claim_window_s": _Rule("the time to enter after a call", duration),
    "returns_window_s": _Rule("the time to enter for something that came back", duration),
    "grace_s": _Rule("the time to come back after a missed call", duration),
    "session_s": _Rule("the time in the shop", duration),
    "hold_s": _Rule("the time for which items are held", duration),
    "payment_window_s": _Rule("the time to pay", duration),
    "pay_after_s": _Rule("the time from entering to the first payment", duration),
}
_SWITCHES = {
    "public": "the listing in the shop",
    "fairness_public": "the public fairness report",
    "stock_elsewhere": "the stock kept by another shop",
    "customers_only": "the sale to signed-in customers alone",
}
_MOMENTS = {
    "doors_at": "the time at which the doors open",
    "opens_at": "the time of the opening",
    "closes_at": "the time of the closing",
}
_TEXTS = {
    "name": "the name of the room",
    "message": "the message to everybody who waits",
    "public_value_source": "the source of the draw's public value",
}
RULES_IN_WORDS = frozenset({*_RULES, *_SWITCHES, *_MOMENTS, *_TEXTS})


def say_change(rule: str, before: Any, after: Any) -> Said:
    """Put the change of one rule into words."""
    if rule.startswith(_PROFILE):
        return _profile(rule.removeprefix(_PROFILE), before, after)
    if thing := _SWITCHES.get(rule):
        return Said(verb="turned", thing=thing, rest="on" if after else "off")
    if thing := _MOMENTS.get(rule):
        return _from_to(thing, before, after, moment)
    if thing := _TEXTS.get(rule):
        return _from_to(thing, before, after, quoted)
    known = _RULES.get(rule, _Rule(_spaced(rule), plain))
    rest = f"from {known.write(before)} to {known.write(after)}"
    return Said(verb="set", thing=known.thing, rest=rest)


def say_changes(changed: RuleValues) -> list[Said]:
    """Put changes into words; each value is the rule's value before and the one after."""
    return [say_change(rule, *_pair(values)) for rule, values in changed.items()]


def listed(parts: Iterable[str]) -> str:
    """Join clauses as a sentence does: commas between them, and "and" before the last."""
    several = list(parts)
    if len(several) < 2:
        return "".join(several)
    return f"{', '.join(several[:-1])} and {several[-1]}"


def _from_to(thing: str, before: Any, after: Any, write: Callable[[Any], str]) -> Said:
    if after is None or after == "":
        return Said(verb="removed", thing=thing, rest=f"({write(before)})" if before else "")
    came_from = f"from {write(before)} " if before else ""
    return Said(verb="set", thing=thing, rest=f"{came_from}to {write(after)}")


def _profile(code: str, before: Any, after: Any) -> Said:
    """Say what a profile for more time gives: how much longer, and to how many people."""
    if not isinstance(after, dict):
        return Said(verb="removed", thing=f"the profile {code} for more time")
    name = quoted(after.get("name") or code)
    thing = f"the profile {name} for more time"
    gives = _profile_gives(after)
    return Said(verb="set" if before else "added", thing=thing, rest=f"({gives})" if gives else "")


def _profile_gives(profile: RuleValues) -> str:
    factor, places = profile.get("time_factor"), profile.get("places_max")
    parts = []
    if factor is not None:
        parts.append(f"{plain(factor)} times the time")
    if places is not None:
        parts.append(f"for at most {plain(places)} {'person' if places == 1 else 'people'}")
    return ", ".join(parts)


def _pair(values: Any) -> Change:
    """Return the value before and the one after, of whatever a record of another version has."""
    if isinstance(values, list | tuple) and len(values) == 2:
        return values[0], values[1]
    return None, values


def _spaced(name: str) -> str:
    return name.replace("_", " ")
