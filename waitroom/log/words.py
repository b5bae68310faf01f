"""Each entry of the log as a sentence for shoppers. Pure.

The words are for reading. A check needs an entry's exact text, which stands beside them on the log
page. An entry that `entries` does not know or cannot read is shown as its own text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from waitroom.log.entries import (
    ROUTINE,
    Called,
    ClosingSigned,
    DrawAnnounced,
    Drawn,
    Entered,
    EntriesClosed,
    ExtraTime,
    Forecast,
    ForecastRow,
    InvitationsRevoked,
    Invited,
    Joined,
    Known,
    LaneAdded,
    Moved,
    OfLine,
    OfNumber,
    PublicValue,
    Reset,
    Revoked,
    RoomCreated,
    RulesChanged,
    SoldOut,
    StatusChanged,
    SteppedAside,
    StockBack,
    StockMoved,
    Unknown,
    UnreadableEntry,
    read_entry,
    read_envelope,
)
from waitroom.log.rule_words import listed, plain, say_changes, say_rules

NUMBERS_NAMED_MAX = 12
HASH_SHOWN = 12
_FIRST_LINE = "main-1"
# The bound that decided how many were called, by its name in the log.
_REASONS = {
    "seats": "the free seats in checkout",
    "batch": "the size of a batch",
    "per_minute": "the calls allowed in a minute",
    "guaranteed": "how many units can be promised",
    "expected": "how many people the stock is expected to serve",
    "rate": "the rate that the shop allows",
    "checkout": "how many people checkout can take at the moment",
    "not open": "the room, which was not open",
}
# What a decision was made on, by its name in the log. Shares are written in per cent.
_FIGURES = {
    "seats": "free seats: {}",
    "waiting": "people waiting: {}",
    "free": "units free: {}",
    "claim_share": "{} of those called come",
    "hold_share": "{} of those who come take something",
    "units_each": "each of these takes {} units",
    "pay_share": "{} of what is taken is paid for",
    "open_demand": "units that people inside still want: {}",
    "held": "units held: {}",
    "called_before": "called before: {}",
    "disappointed": "of these found nothing: {}",
}
_STATUSES = {
    "scheduled": "The room was set back to before its opening",
    "open": "The room was opened",
    "paused": "The room was paused: no numbers are called meanwhile",
    "ended": "The room has ended: no more numbers are called",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry as people read it.

    `text` is the sentence, and `more` says what it was decided on, if the log has it. `known` is
    false if `text` is the entry's own text. `routine` marks the line's own course, as opposed to
    exceptions and acts of people. `at` is None, and `kind` empty, for a text that is no entry.
    """

    seq: int
    at: datetime | None
    kind: str
    text: str
    more: str
    known: bool
    routine: bool


def tell_entry(seq: int, body: str) -> Told:
    """Put an entry into words."""
    try:
        entry = read_entry(body)
    except UnreadableEntry:
        return _as_it_stands(seq, body)
    if isinstance(entry, Unknown):
        return _as_it_stands(seq, body)
    return Told(
        seq=seq,
        at=entry.at,
        kind=entry.kind,
        text=words_of(entry),
        more=_more(entry),
        known=True,
        routine=entry.kind in ROUTINE,
    )


def _as_it_stands(seq: int, body: str) -> Told:
    try:
        entry = read_envelope(body)
    except UnreadableEntry:
        return Told(seq=seq, at=None, kind="", text=body, more="", known=False, routine=False)
    routine = entry.kind in ROUTINE
    return Told(
        seq=seq, at=entry.at, kind=entry.kind, text=body, more="", known=False, routine=routine
    )


def words_of(entry: Known) -> str:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
    """Return the sentence for an entry, without a full stop."""
    match entry:
        case RoomCreated():
            return f"The room {entry.room} was created, with the line {entry.line}"
        case StatusChanged():
            return _status(entry)
        case RulesChanged():
            return _rules(entry)
        case LaneAdded():
            return (
                f"The share of line {entry.line} in the calls was set to {100 * entry.share:.3g}%"
            )
        case Reset():
            return (
                f"An operator closed the line {entry.from_line} and started {entry.to_line} in its "
                f"place: everybody who waited in {entry.from_line} lost their place"
            )
        case DrawAnnounced() | Entered() | EntriesClosed() | ClosingSigned():
            return _before_the_draw(entry)
        case PublicValue():
            value = f"{entry.value}, from {entry.source}"
            return f"The public value{_in_line(entry)} was recorded: {value}"
        case Drawn():
            got = _count(entry.count, "entry received its number", "entries received their numbers")
            seed = f"The seed was {_short(entry.seed)}"
            return f"The draw{_in_line(entry)} was made: {got}. {seed}"
        case Joined():
            return _joined(entry)
        case Called():
            return _called(entry)
        case SoldOut():
            return "Everything is sold"
        case StockBack():
            return "There is stock again"
        case StockMoved():
            return _stock(entry)
        case Forecast():
            return _forecast(entry)
        case Moved():
            return f"{_place(entry)} was moved to another device by its holder"
        case SteppedAside():
            return f"{_place(entry)} stepped aside to let others pass"
        case ExtraTime():
            return f"{_place(entry)} was given more time ({entry.profile})"
        case Revoked():
            return f"{_place(entry)} was revoked by an operator"
        case Invited():
            made = _count(entry.count, "invitation was", "invitations were")
            return f"{made} issued{_in_line(entry)}"
        case InvitationsRevoked():
            were = _count(entry.count, "unused invitation was", "unused invitations were")
            return f"{were} revoked by an operator"
        case _:
            assert_never(entry)


def _status(entry: StatusChanged) -> str:
    if (entry.before, entry.after) == ("paused", "open"):
        return "The room was opened again after a pause"
    return _STATUSES.get(entry.after, f"The room changed from {entry.before} to {entry.after}")


def _rules(entry: RulesChanged) -> str:
    changes = listed(said.passive for said in say_changes(entry.changed))
    return f"{changes[:1].upper()}{changes[1:]}" if changes else "No rule was changed"


def _before_the_draw(entry: DrawAnnounced | Entered | EntriesClosed | ClosingSigned) -> str:
    line = _in_line(entry)
    match entry:
        case DrawAnnounced():
            source = entry.public_value_source
            public = f". A public value from {source} will be added to it" if source else ""
            return (
                f"A draw was announced{line}. Its seed is fixed and still secret; the commitment "
                f"to it is {_short(entry.commitment)}{public}"
            )
        case Entered():
            entered = _count(entry.last - entry.first + 1, "person entered", "people entered")
            entries = "entry" if entry.first == entry.last else "entries"
            return f"{entered} the draw{line}: {entries} {_range(entry.first, entry.last)}"
        case EntriesClosed():
            taking = _count(entry.count, "entry takes", "entries take")
            return f"The draw{line} was closed to new entries: {taking} part"
        case ClosingSigned():
            entries = _count(entry.count, "entry", "entries")
            return f"The closing of the draw{line}, with {entries}, was signed"


def _joined(entry: Joined) -> str:
    count = entry.last - entry.first + 1
    joined = _count(count, "person joined", "people joined")
    numbers = "number" if count == 1 else "numbers"
    text = f"{joined}{_in_line(entry)}: {numbers} {_range(entry.first, entry.last)}"
    if not entry.called:
        return text
    if entry.called == count:
        return f"{text}, {'all ' if count > 1 else ''}called at once"
    return f"{text}, {entry.called:,} of them called at once"


def _called(entry: Called) -> str:
    reached = entry.last - entry.first + 1
    line, numbers = _in_line(entry), _range(entry.first, entry.last)
    parts = []
    passed = len(entry.passed)
    if reached > 0 and entry.called == reached:
        number, were = ("Number", "was") if reached == 1 else ("Numbers", "were")
        parts.append(f"{number} {numbers}{line} {were} called")
    elif reached > 0:
        parts.append(
            f"Of the numbers {numbers}{line}, {entry.called:,} {_were(entry.called)} called"
        )
    if passed:
        parts.append(
            f"{passed:,} {_were(passed)} passed by, since what they came for was not free: "
            f"{_numbers(entry.passed)}"
        )
    if reached > entry.called + passed:
        parts.append("the others had given up, stepped aside or been revoked")
    if entry.again:
        people = _count(len(entry.again), "person", "people")
        parts.append(
            f"{people} who had come back or been passed by {_were(len(entry.again))} called"
            f"{'' if parts else line}: {_numbers(entry.again)}"
        )
    if parts:
        return "; ".join(parts)
    if entry.gate > entry.last:
        return f"New arrivals{line} are called as they join, up to number {entry.gate:,}"
    return f"New arrivals{line} are no longer called as they join"


def _stock(entry: StockMoved) -> str:
    of = entry.sku or _count(entry.skus or 0, "SKU", "SKUs")
    if entry.movement == "received":
        return f"{_count(entry.quantity, 'unit', 'units')} of {of} {_were(entry.quantity)} received"
    units = "unit" if abs(entry.quantity) == 1 else "units"
    below = ", below the units already promised, held or sold" if entry.override else ""
    return f"An operator corrected the stock of {of} by {entry.quantity:+,} {units}{below}"


def _forecast(entry: Forecast) -> str:
    waiting = entry.tail - entry.head
    rows = [_row(row) for row in entry.rows if row.place <= waiting]
    ends = rows if len(rows) < 2 else [rows[0], rows[-1]]
    people = _count(waiting, "person", "people")
    return f"Published to the {people} waiting{_in_line(entry)}: {'; '.join(ends) or 'nothing yet'}"


def _row(row: ForecastRow) -> str:
    if row.wait_low_s is None or row.wait_high_s is None:
        wait = "wait not known"
    else:
        wait = f"wait {row.wait_low_s / 60:.0f} to {row.wait_high_s / 60:.0f} min"
    chance = "chance not known" if row.chance is None else f"chance {row.chance:.0%}"
    return f"place {row.place:,}, {wait}, {chance}"


def _more(entry: Known) -> str:
    """Say what a call was decided on, or by which rules a room opens."""
    match entry:
        case StatusChanged() if entry.rules:
            return f"By these rules: {say_rules(entry.rules)}"
        case Called():
            limit = _REASONS.get(entry.reason, entry.reason)
            limited = [f"Limited by {limit}"] if limit else []
            figures = [f"Figures: {_figures(entry.figures)}"] if entry.figures else []
            return ". ".join(limited + figures)
        case _:
            return ""


# Parts of sentences.


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,}\N{EN DASH}{last:,}"


def _numbers(numbers: tuple[int, ...]) -> str:
    named = ", ".join(f"{number:,}" for number in numbers[:NUMBERS_NAMED_MAX])
    more = len(numbers) - NUMBERS_NAMED_MAX
    label = "number" if len(numbers) == 1 else "numbers"
    return f"{label} {named} and {more:,} more" if more > 0 else f"{label} {named}"


def _in_line(entry: OfLine) -> str:
    """Name the line, unless it is the one that a room begins with."""
    return "" if entry.line == _FIRST_LINE else f" in line {entry.line}"


def _place(entry: OfNumber) -> str:
    return f"{'Draw entry' if entry.entry else 'Number'} {entry.number:,}{_in_line(entry)}"


def _short(text: str) -> str:
    return f"{text[:HASH_SHOWN]}\N{HORIZONTAL ELLIPSIS}" if len(text) > HASH_SHOWN else text


def _figures(figures: Mapping[str, float]) -> str:
    return "; ".join(_figure(name, figures[name]) for name in sorted(figures, key=_place_of))


def _place_of(name: str) -> tuple[int, str]:
    """Return where a figure stands: in the order of the table, and after it by name."""
    names = list(_FIGURES)
    return (names.index(name) if name in _FIGURES else len(names), name)


def _figure(name: str, value: float) -> str:
    shown = f"{100 * value:.3g}%" if name.endswith("_share") else plain(value)
    known = _FIGURES.get(name)
    return known.format(shown) if known else f"{name.replace('_', ' ')}: {shown}"
