"""The sentences of the waiting page that no script of its own writes. Pure.

The words that depend on nothing but the state document stand in the template, where the script
finds them too.
"""

from datetime import datetime
from math import ceil, floor

from inventory.kit.language.language import Language, phrase
from waitroom.line.forecast.skus import SkuState
from waitroom.line.state import RoomState
from waitroom.line.wait import CHANCE_LEAST

# Before a room opens an entry waits for the draw; later, for its number.
BEFORE_THE_DRAW = frozenset({"scheduled", "before_opening"})
# A SKU with a smaller chance than this is said to be as good as gone.
GONE_BELOW = 0.03
DAY_S = 86_400
_WAITS = frozenset({"none", "waiting", "entered", "aside"})
# Those who had a place read of a room that has ended, and not that they can join again.
_WAS_IN = frozenset({"left", "over", "elsewhere"})
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

    The status is `none` without a ticket, `moved` if the place went to another device, and
    `elsewhere` if the ticket is bound to another browser.
    """
    if status in _WAITS and state.status in _CALLS_OVER:
        return state.status
    if status in _WAS_IN and state.status == "ended":
        return state.status
    if status == "entered" and state.status not in BEFORE_THE_DRAW:
        return "drawing"
    return status


def why(state: RoomState) -> str:
    """Return a name for the reason why no one is called or waits grew; "" for no reason.

    `reason` in static/js/waiting-view.js gives the same.
    """
    if state.status in {"paused", "drawing"}:
        return state.status
    if state.status == "open" and not state.admits:
        return "no_one_admitted"
    if state.status == "open" and state.has_stock and not state.available and _others_have(state):
        return "none_free"
    return state.wait_note or ""


def _others_have(state: RoomState) -> bool:
    """Say whether units are in baskets or promised: they come free unless they are bought."""
    return state.held > 0 or state.promised > 0


def wait(
    low_s: float | None,
    high_s: float | None,
    chance: float | None,
    state: RoomState,
    language: Language,
) -> str:
    """Say a wait, or that the stock will hardly last until then, as `waitOf` in format.js does."""
    if state.status == "open" and not state.admits:
        # Nothing tells when the organiser lets people in again.
        return band(None, None, language)
    out_of_reach = state.has_stock and chance is not None and chance < CHANCE_LEAST
    if high_s is None and out_of_reach and state.status in {"open", "paused"}:
        return language.say("Probably not reached")
    return band(low_s, high_s, language)


def ahead(place: int, language: Language) -> str:
    """Say how many people are called before a place, as static/js/waiting-view.js does."""
    if place == 0:
        return language.say("You are called before anyone new.")
    if place == 1:
        return language.say("No one is ahead of you")
    return language.say_n(place - 1, "{n} person ahead of you", "{n} people ahead of you")


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
    if held or state.promised:
        return _taken(state, language)
    if state.status == "sold_out":
        return language.say("Everything is sold.")
    return language.say("Nothing is free right now.")


def _taken(state: RoomState, language: Language) -> str:
    """Say where the units are of which none is free."""
    held = state.held
    if held and not state.promised:
        return language.say_n(
            held,
            "{n} item is in another basket and none is free. If it comes back, the line moves on.",
            "{n} items are in other baskets and none is free. If any comes back, the line moves "
            "on.",
        )
    if held:
        return language.say_n(
            held,
            "{n} item is in another basket, {promised} set aside for people who were called, and "
            "none is free. If any comes back, the line moves on.",
            "{n} items are in other baskets, {promised} set aside for people who were called, and "
            "none is free. If any comes back, the line moves on.",
            promised=state.promised,
        )
    return language.say_n(
        state.promised,
        "{n} item is set aside for a person who was called, and none is free. If they do not "
        "take it, the line moves on.",
        "{n} items are set aside for people who were called, and none is free. If they do not "
        "take them, the line moves on.",
    )


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


def choice(name: str, chance: float | None, language: Language, *, awaits: str = "") -> str:
    """Say what a shopper came for and what the chance of it is, as static/js/waiting-skus.js.

    `awaits` says that the number was passed by: `free` or `gone`, as in `TicketStanding`.
    """
    if awaits == "free":
        return language.say(
            "{name} is not free right now. You keep your place: as soon as one comes free, you are "
            "called before anyone new. You may choose something else.",
            name=name,
        )
    if awaits:
        return language.say(
            "{name} is no longer for sale. You keep your place: choose something else, and you are "
            "called before anyone new.",
            name=name,
        )
    if chance is None:
        return language.say("You come for {name}. Its chance is not worked out.", name=name)
    if chance < GONE_BELOW:
        return language.say(
            "You come for {name}, and it will hardly be left at your turn. You keep your place, "
            "and may choose something else.",
            name=name,
        )
    return language.say(
        "You come for {name}. Chance that it is left at your turn: {odds}",
        name=name,
        odds=odds(chance, language),
    )


def set_aside(language: Language, *, name: str, chosen: str) -> str:
    """Say what is set aside for a called number, as static/js/waiting-skus.js does.

    `name` is the SKU of which a unit is set aside, "" for a unit of something, although the shopper
    has `chosen` one.
    """
    if name:
        return language.say("One unit of {name} is set aside for you.", name=name)
    if chosen:
        return language.say(
            "{name} is not set aside for you: it was taken from the stock. Something else is.",
            name=chosen,
        )
    return language.say("One unit of something is set aside for you.")


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


def opens_in(state: RoomState, doors_at: datetime | None, language: Language) -> str:
    """Say how long it is until the doors open, or else the sale; "" where no moment is set.

    A script counts the same time down (static/js/waiting-before.js).
    """
    now, say = state.updated_at, language.say
    doors = state.status == "scheduled" and doors_at is not None and doors_at > now
    at = doors_at if doors else state.opens_at
    if at is None or state.status not in BEFORE_THE_DRAW:
        return ""
    left_s = (at - now).total_seconds()
    if left_s < 0.5:
        return say("Opening now")
    if left_s >= 2 * DAY_S:
        days = _rounded(left_s / DAY_S)
        if doors:
            return language.say_n(days, "The doors open in {n} day", "The doors open in {n} days")
        return language.say_n(days, "Opens in {n} day", "Opens in {n} days")
    time = _spell(left_s, language)
    return (
        say("The doors open in {time}", time=time) if doors else say("Opens in {time}", time=time)
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
