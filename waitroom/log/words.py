"""Each entry of the log in words, for people. Pure.

Whoever wants to check an entry needs its exact text, which stands beside the words; they are there
to be read. An entry of an unknown kind, or one that lacks what its kind should have, is its text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

# What the line does of itself. Everything else is an exception or somebody's act.
ROUTINE = frozenset({"entered", "joined", "called", "forecast"})
NUMBERS_NAMED_MAX = 12
_REASONS = {
    "seats": "as many as there are seats",
    "batch": "as many as may be called at once",
    "per_minute": "as many as may be called in a minute",
    "guaranteed": "as many as a unit can be promised to",
    "expected": "as many as are expected to find something",
    "rate": "as many as the shop may take",
    "checkout": "as many as checkout can bear just now",
    "not open": "nobody, since the room is not open",
}
_STATUSES = {
    "scheduled": "The room is before its opening again",
    "open": "The room was opened",
    "paused": "The room was paused: nobody is called",
    "ended": "The room has ended: nobody else is called",
}

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry as people read it; `more` is what else belongs to it, or is empty."""

    seq: int
    at: datetime | None
    kind: str
    text: str
    more: str
    known: bool
    routine: bool


def tell_entry(seq: int, body: str) -> Told:
    """Put an entry into words; whatever cannot be is told by its own text."""
    try:
        facts = msgspec.json.decode(body, type=dict[str, Any])
        kind = str(facts["kind"])
        at = msgspec.convert(facts["at"], datetime)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError):
        return Told(seq=seq, at=None, kind="", text=body, more="", known=False, routine=False)
    routine = kind in ROUTINE
    try:
        text, more = KINDS[kind](facts), _more(facts)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Told(seq=seq, at=at, kind=kind, text=body, more="", known=False, routine=routine)
    return Told(seq=seq, at=at, kind=kind, text=text, more=more, known=True, routine=routine)


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many}"


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,}\N{EN DASH}{last:,}"


def _numbers(numbers: list[int]) -> str:
    named = ", ".join(f"{number:,}" for number in numbers[:NUMBERS_NAMED_MAX])
    more = len(numbers) - NUMBERS_NAMED_MAX
    return f"{named} and {more:,} more" if more > 0 else named


def _in_line(facts: Facts) -> str:
    """Name the line, unless it is the one that a room begins with."""
    line = facts["line"]
    return "" if line == "main-1" else f" in line {line}"


def _short(text: str) -> str:
    return f"{text[:12]}\N{HORIZONTAL ELLIPSIS}" if len(text) > 12 else text


def _created(facts: Facts) -> str:
    return f"The room {facts['room']} was made, with the line {facts['line']}"


def _announced(facts: Facts) -> str:
    source = facts.get("public_value_source")
    public = f", together with a public value from {source}" if source else ""
    return (
        f"A draw was announced{_in_line(facts)}. Its seed is fixed and hidden; "
        f"the commitment to it is {_short(facts['commitment'])}{public}"
    )


def _entered(facts: Facts) -> str:
    first, last = facts["first"], facts["last"]
    entered = _count(last - first + 1, "person entered", "people entered")
    entry = "entry" if first == last else "entries"
    return f"{entered}{_in_line(facts)} for the draw: {entry} {_range(first, last)}"


def _closed(facts: Facts) -> str:
    taking = _count(facts["count"], "entry takes", "entries take")
    return f"The entries{_in_line(facts)} were closed: {taking} part in the draw"


def _closing_signed(facts: Facts) -> str:
    return f"The closing of {facts['count']:,} entries{_in_line(facts)} was signed"


def _public_value(facts: Facts) -> str:
    return f"The public value{_in_line(facts)} came out: {facts['value']}, from {facts['source']}"


def _drawn(facts: Facts) -> str:
    got = _count(facts["count"], "entry got its number", "entries got their numbers")
    return f"The draw{_in_line(facts)} was made: {got}. The seed was {_short(facts['seed'])}"


def _joined(facts: Facts) -> str:
    first, last, called = facts["first"], facts["last"], facts["called"]
    count = last - first + 1
    joined = _count(count, "person joined", "people joined")
    number = "number" if first == last else "numbers"
    text = f"{joined}{_in_line(facts)}: {number} {_range(first, last)}"
    if not called:
        return text
    who = ("all " if count > 1 else "") if called == count else f"{called:,} of them "
    return f"{text}, {who}called at once"


def _called(facts: Facts) -> str:
    first, last, called, again = facts["from"], facts["to"], facts["called"], facts["again"]
    passed = last - first + 1
    parts = []
    if passed > 0 and called == passed:
        number = "Number" if first == last else "Numbers"
        were = "was" if first == last else "were"
        parts.append(f"{number} {_range(first, last)}{_in_line(facts)} {were} called")
    elif passed > 0:
        parts.append(
            f"Of the numbers {_range(first, last)}{_in_line(facts)}, {called:,} were called; "
            "the others had given up or stepped aside"
        )
    if again:
        back = f"{len(again):,} who had come back{_in_line(facts)}: {_numbers(again)}"
        parts.append(back if parts else f"Called again: {back}")
    # Nobody was called by it: arrivals are not called as they join any more.
    return ", and again ".join(parts) or f"The gate{_in_line(facts)} was drawn back to {last:,}"


def _status(facts: Facts) -> str:
    if (facts["from"], facts["to"]) == ("paused", "open"):
        return "The room goes on after a pause"
    return _STATUSES[facts["to"]]


def _rules(facts: Facts) -> str:
    changed = facts["changed"]
    if isinstance(changed, list):
        return f"The rules were changed: {', '.join(_name(name) for name in changed)}"
    told = [
        f"{_name(name)} from {_value(old)} to {_value(new)}" for name, (old, new) in changed.items()
    ]
    return f"The rules were changed: {'; '.join(told)}"


def _name(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "a text that is not public" if "sha256" in value else f"({_pairs(value)})"
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _place(facts: Facts) -> str:
    return f"{'Entry' if facts.get('entry') else 'Number'} {facts['number']:,}{_in_line(facts)}"


def _lane(facts: Facts) -> str:
    return f"The lane of line {facts['line']} has a share of {facts['share']:g} in the calls"


def _invited(facts: Facts) -> str:
    made = _count(facts["count"], "invitation was", "invitations were")
    return f"{made} made{_in_line(facts)}"


def _invitations_revoked(facts: Facts) -> str:
    were = _count(facts["count"], "invitation was", "invitations were")
    return f"{were} revoked by an operator before being used"


def _void(facts: Facts) -> str:
    first, last = facts["first"], facts["last"]
    number, are = ("Number", "is") if first == last else ("Numbers", "are")
    return f"{number} {_range(first, last)}{_in_line(facts)} {are} void: {facts['reason']}"


def _reset(facts: Facts) -> str:
    return (
        f"The line {facts['from_line']} was ended by an operator and begun anew as "
        f"{facts['to_line']}: whoever waited in it lost their place"
    )


def _stock(facts: Facts) -> str:
    quantity = facts["quantity"]
    if "skus" in facts:
        return f"Stock of {_count(facts['skus'], 'SKU', 'SKUs')} was received: {quantity:+,}"
    sku = facts["sku"]
    if facts["movement"] == "received":
        return f"Stock of {sku} was received: {quantity:+,}"
    beyond = ", below what was spoken for" if facts.get("override") else ""
    return f"An operator corrected the stock of {sku} by {quantity:+,}{beyond}"


def _forecast(facts: Facts) -> str:
    waiting = facts["tail"] - facts["head"]
    told = [_row(*row) for row in facts["rows"] if row[0] <= waiting]
    ends = told if len(told) < 2 else [told[0], told[-1]]
    said = _count(waiting, "person was", "people were")
    return f"What {said} told{_in_line(facts)}: {'; '.join(ends) or 'nothing yet'}"


def _row(place: int, low_s: float | None, high_s: float | None, chance: float) -> str:
    if low_s is None or high_s is None:
        wait = "wait not known"
    else:
        wait = f"{low_s / 60:.0f} to {high_s / 60:.0f} min"
    return f"place {place:,} {wait}, chance {chance:.0%}"


def _more(facts: Facts) -> str:
    """Say what a call was decided on, or by which rules a room opens."""
    if facts["kind"] == "status" and facts.get("rules"):
        return f"By these rules: {_pairs(facts['rules'])}"
    if facts["kind"] != "called":
        return ""
    reason = str(facts.get("reason") or "")
    told = [_REASONS.get(reason, reason)] if reason else []
    told += [_pairs(facts["figures"])] if facts.get("figures") else []
    return f"Decided on: {', '.join(told)}" if told else ""


def _pairs(facts: Facts) -> str:
    return ", ".join(f"{_name(name)} {_figure(facts[name])}" for name in sorted(facts))


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else _value(value)


KINDS: dict[str, Callable[[Facts], str]] = {
    "room_created": _created,
    "draw_announced": _announced,
    "entered": _entered,
    "entries_closed": _closed,
    "closing_signed": _closing_signed,
    "public_value": _public_value,
    "drawn": _drawn,
    "joined": _joined,
    "called": _called,
    "status": _status,
    "rules": _rules,
    "sold_out": lambda _: "Everything is sold",
    "stock_back": lambda _: "There is stock again",
    "revoked": lambda facts: f"{_place(facts)} was revoked by an operator",
    "moved": lambda facts: f"{_place(facts)} was moved by its holder to another device",
    "lane_added": _lane,
    "invited": _invited,
    "invitations_revoked": _invitations_revoked,
    "stepped_aside": lambda facts: f"{_place(facts)} stepped aside",
    "extra_time": lambda facts: f"{_place(facts)} gets more time ({facts['profile']})",
    "void": _void,
    "reset": _reset,
    "stock": _stock,
    "forecast": _forecast,
}
