"""What the waiting page says in words, where no script of its own does. Pure.

The words that depend on nothing but the state document stand in the template, where the script
finds them too.
"""

from typing import Any

from waitroom.state import RoomState

# Before a room opens an entry waits for the draw; later, for its number.
BEFORE_THE_DRAW = frozenset({"scheduled", "before_opening"})
_WAITS = frozenset({"none", "waiting", "entered", "aside"})
_NOBODY_IS_CALLED = frozenset({"sold_out", "ended"})

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

    `none` is who has no ticket, `moved` whose place went to another device.
    """
    if status in _WAITS and state.status in _NOBODY_IS_CALLED:
        return state.status
    if status == "entered" and state.status not in BEFORE_THE_DRAW:
        return "drawing"
    return status


def why(state: RoomState) -> str:
    """Return the name of why nobody is called, or why the wait has grown; "" for nothing."""
    if state.status in {"paused", "drawing"}:
        return state.status
    if state.status == "open" and state.has_stock and not state.available and state.held:
        return "in_baskets"
    return state.wait_note or ""


def stock(state: RoomState) -> str:
    """Say what is left, and what others have in their baskets."""
    if state.available:
        baskets = f", {state.held:,} in baskets" if state.held else ""
        return f"{_items(state.available)} left{baskets}."
    if state.held:
        verb = "is" if state.held == 1 else "are"
        return (
            f"{_items(state.held)} {verb} in the baskets of others and none is free. "
            "If any comes back, the line moves on."
        )
    if state.status == "sold_out":
        return "Everything is sold."
    return "What is left is promised to people who have been called."


def _items(units: int) -> str:
    return f"{units:,} {'item' if units == 1 else 'items'}"


def band(ticket: dict[str, Any]) -> str:
    """Say a wait as a range; it holds about four times in five."""
    low_s, high_s = ticket["wait_low_s"], ticket["wait_high_s"]
    if low_s is None or high_s is None:
        return "Not known yet"
    if high_s < 60:
        return "Less than a minute"
    low, high = max(round(low_s / 60), 1), max(-int(-high_s // 60), 1)
    if low >= high:
        return f"About {'a minute' if high == 1 else f'{high} minutes'}"
    return f"Between {_spell(low, high)} and {_spell(high)}"


def _spell(minutes: int, other: int | None = None) -> str:
    """Spell minutes; a first one of two leaves the unit to the second where that has it too."""
    if minutes < 90:
        return str(minutes) if other is not None and other < 90 else f"{minutes} minutes"
    return f"{minutes // 60} h {minutes % 60} min"


def odds(chance: float | None) -> str:
    """Say a chance in a word and in percent."""
    if chance is None:
        return "Not known yet"
    word = next(word for least, word in _ODDS if chance >= least)
    if chance > 0.99:
        return f"{word}, over 99 %"
    return f"{word}, under 1 %" if chance < 0.01 else f"{word}, {round(chance * 100)} %"
