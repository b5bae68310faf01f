"""The sentences of the waiting page that no script of its own writes. Pure.

The words that depend on nothing but the state document stand in the template, where the script
finds them too.
"""

from math import ceil, floor

from waitroom.line.state import RoomState

# Before a room opens an entry waits for the draw; later, for its number.
BEFORE_THE_DRAW = frozenset({"scheduled", "before_opening"})
_WAITS = frozenset({"none", "waiting", "entered", "aside"})
_CALLS_OVER = frozenset({"sold_out", "ended"})

_ODDS = (
    (0.97, "Almost certain"),
    (0.8, "Very likely"),
    (0.6, "Likely"),
    (0.4, "About even"),
    (0.2, "Unlikely"),
    (0.03, "Very unlikely"),
    (0.0, "Next to none"),
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


def stock(state: RoomState) -> str:
    """Say what is left, and what others have in their baskets."""
    if state.available:
        baskets = f", {state.held:,} in baskets" if state.held else ""
        return f"{_plural(state.available, 'item')} left{baskets}."
    if state.held:
        verb = "is" if state.held == 1 else "are"
        return (
            f"{_plural(state.held, 'item')} {verb} in other baskets and none is free. "
            "If any comes back, the line moves on."
        )
    if state.status == "sold_out":
        return "Everything is sold."
    return "Nothing is free right now."


def band(low_s: float | None, high_s: float | None) -> str:
    """Say a wait as a range, as `band` in static/js/format.js does."""
    if low_s is None or high_s is None:
        return "Not known yet"
    if high_s < 60:
        return "Less than a minute"
    low, high = max(_rounded(low_s / 60), 1), ceil(high_s / 60)
    if low >= high:
        return f"About {_spell(high * 60)}"
    if high < 90:
        return f"Between {low} and {high} minutes"
    return f"Between {_spell(low_s)} and {_spell(high_s)}"


def _spell(seconds: float) -> str:
    minutes = _rounded(seconds / 60)
    if seconds < 55:
        return _plural(_rounded(seconds), "second")
    if minutes < 90:
        return _plural(minutes, "minute")
    return f"{minutes // 60} h {minutes % 60} min"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _rounded(value: float) -> int:
    # Halves go up, as a script in a browser rounds them.
    return floor(value + 0.5)


def odds(chance: float | None) -> str:
    """Say a chance in a word and in percent, as `odds` in static/js/format.js does."""
    if chance is None:
        return "Not known yet"
    word = next(word for least, word in _ODDS if chance >= least)
    if chance > 0.99:
        return f"{word}, over 99 %"
    return f"{word}, under 1 %" if chance < 0.01 else f"{word}, {_rounded(chance * 100)} %"
