"""The sentences of the waiting page that no script of its own writes. Pure.

The words that depend on nothing but the state document stand in the template, where the script
finds them too.
"""

from math import ceil, floor

from inventory.kit.language.language import Language, phrase
from waitroom.line.forecast.skus import SkuState
from waitroom.line.state import RoomState

# Before a room opens an entry waits for the draw; later, for its number.
BEFORE_THE_DRAW = frozenset({"scheduled", "before_opening"})
# A SKU with a smaller chance than this is said to be as good as gone.
GONE_BELOW = 0.03
_WAITS = frozenset({"none", "waiting", "entered", "aside"})
_CALLS_OVER = frozenset({"sold_out", "ended"})

_ODDS = (
    (0.97, phrase("Almost certain")),
    (0.8, phrase("Very likely")),
    (0.6, phrase("Likely")),
    (0.4, phrase("About even")),
    (0.2, phrase("Unlikely")),
    (0.03, phrase("Very unlikely")),
    (0.0, phrase("Next to none")),
)


def view_of(status: str, state: RoomState) -> str:
    """Return which part of the page is shown to a ticket of this status.

    The status is `none` without a ticket, and `moved` if the place went to another device.
    """
    if status in _WAITS and state.status in _CALLS_OVER:
        return state.status
    if status == "entered" and state.status not in BEFORE_THE_DRAW:
        return "drawing"
    return status


def why(state: RoomState) -> str:
    """Return a name for the reason why no one is called or waits grew; "" for no reason."""
    if state.status in {"paused", "drawing"}:
        return state.status
    if state.status == "open" and state.has_stock and not state.available and state.held:
        return "in_baskets"
    return state.wait_note or ""


def stock(state: RoomState, language: Language) -> str:
    """Say what is left, and what others have in their baskets."""
    left, held = state.available, state.held
    if left and held:
        return language.say_n(
            left,
            "{n} item left, {held} in baskets.",
            "{n} items left, {held} in baskets.",
            held=held,
        )
    if left:
        return language.say_n(left, "{n} item left.", "{n} items left.")
    if held:
        return language.say_n(
            held,
            "{n} item is in other baskets and none is free. If any comes back, the line moves on.",
            "{n} items are in other baskets and none is free. If any comes back, the line moves "
            "on.",
        )
    if state.status == "sold_out":
        return language.say("Everything is sold.")
    return language.say("Nothing is free right now.")


def left_of(sku: SkuState, language: Language) -> str:
    """Say what is left of one SKU."""
    if sku.left:
        return language.say_n(sku.left, "{n} left", "{n} left")
    if sku.held:
        return language.say_n(sku.held, "none left, {n} in a basket", "none left, {n} in baskets")
    return language.say("gone")


def sku_line(sku: SkuState, chance: float | None, language: Language) -> str:
    """Say what is left of one SKU and, to a shopper who waits, the chance of it."""
    left = left_of(sku, language)
    if chance is None:
        return language.say("{name}: {left}", name=sku.name, left=left)
    told = odds(chance, language)
    return language.say("{name}: {left}. Your chance: {odds}", name=sku.name, left=left, odds=told)


def choice(state: RoomState, sku: str, chance: float | None, language: Language) -> str:
    """Say what a shopper came for and what the chance of it is, as static/js/waiting-skus.js."""
    found = next((one for one in state.skus if one.sku == sku), None)
    name = found.name if found else sku
    if chance is None:
        return language.say("You come for {name}. Its chance is not worked out.", name=name)
    if chance < GONE_BELOW:
        return language.say(
            "You come for {name}, and it will hardly be left at your turn. You keep your place and "
            "are called in order all the same. You may choose something else.",
            name=name,
        )
    return language.say(
        "You come for {name}. Chance that it is left at your turn: {odds}",
        name=name,
        odds=odds(chance, language),
    )


def band(low_s: float | None, high_s: float | None, language: Language) -> str:
    """Say a wait as a range, as `band` in static/js/format.js does."""
    if low_s is None or high_s is None:
        return language.say("Not known yet")
    if high_s < 60:
        return language.say("Less than a minute")
    low, high = max(_rounded(low_s / 60), 1), ceil(high_s / 60)
    if low >= high:
        return language.say("About {duration}", duration=_spell(high * 60, language))
    if high < 90:
        return language.say_n(
            high,
            "Between {low} and {n} minute",
            "Between {low} and {n} minutes",
            low=low,
        )
    return language.say(
        "Between {low} and {high}", low=_spell(low_s, language), high=_spell(high_s, language)
    )


def _spell(seconds: float, language: Language) -> str:
    minutes = _rounded(seconds / 60)
    if seconds < 55:
        return language.say_n(_rounded(seconds), "{n} second", "{n} seconds")
    if minutes < 90:
        return language.say_n(minutes, "{n} minute", "{n} minutes")
    return language.say("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def _rounded(value: float) -> int:
    # Halves go up, as a script in a browser rounds them.
    return floor(value + 0.5)


def odds(chance: float | None, language: Language) -> str:
    """Say a chance in a word and in percent, as `odds` in static/js/format.js does."""
    if chance is None:
        return language.say("Not known yet")
    word = language.say(next(word for least, word in _ODDS if chance >= least))
    if chance > 0.99:
        return language.say("{word}, over {percent} %", word=word, percent=99)
    if chance < 0.01:
        return language.say("{word}, under {percent} %", word=word, percent=1)
    return language.say("{word}, {percent} %", word=word, percent=_rounded(chance * 100))
