"""Each entry of the log in sentences for shoppers, in their language. Pure.

The words are for reading. A check needs an entry's exact text, which stands beside them on the log
page. An entry that `waitroom.log.entries` does not know or cannot read is shown as its own text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from inventory.kit.language.language import Language, phrase
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
    GivenBack,
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
    Restored,
    Revoked,
    RoomCreated,
    RulesChanged,
    SoldOut,
    StatusChanged,
    SteppedAside,
    StockBack,
    StockMoved,
    Unknown,
)
from waitroom.log.reading import UnreadableEntry, read_entry, read_envelope
from waitroom.web.told.course import called, decided_on, forecast, joined, spell_range
from waitroom.web.told.rules import say_changes, say_rules

HASH_SHOWN = 12
_FIRST_LINE = "main-1"
_STATUSES = {
    "scheduled": phrase("The room was set back to before its opening."),
    "open": phrase("The room was opened."),
    "paused": phrase("The room was paused: no numbers are called meanwhile."),
    "ended": phrase("The room has ended: no more numbers are called."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry as people read it.

    `text` has the sentences, and `more` says what it was decided on, if the log has it. `known` is
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


def tell_entry(seq: int, body: str, language: Language) -> Told:
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
        text=words_of(entry, language),
        more=_more(entry, language),
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


def words_of(entry: Known, language: Language) -> str:
    """Return the sentences for an entry. A line is named, unless a room begins with it."""
    text = " ".join(_sentences(entry, language))
    if isinstance(entry, RoomCreated | LaneAdded) or not isinstance(entry, OfLine):
        return text
    if entry.line == _FIRST_LINE:
        return text
    return language.say("Line {line}: {text}", line=entry.line, text=text)


def _sentences(entry: Known, language: Language) -> Iterator[str]:  # noqa: C901, PLR0912 - a case for each kind
    say, say_n = language.say, language.say_n
    match entry:
        case RoomCreated():
            yield say(
                "The room {room} was created, with the line {line}.",
                room=entry.room,
                line=entry.line,
            )
        case StatusChanged():
            yield _status(entry, language)
        case RulesChanged():
            changes = say_changes(entry.changed, language)
            told = say("Rules were changed: {changes}.", changes=changes)
            yield told if changes else say("No rule was changed.")
        case LaneAdded():
            yield say(
                "The share of line {line} in the calls was set to {share}.",
                line=entry.line,
                share=language.percent(entry.share),
            )
        case Restored():
            yield _restored(entry, language)
        case Reset():
            yield say(
                "An operator closed the line {old} and started {new} in its place: everyone who "
                "waited in {old} lost their place.",
                old=entry.from_line,
                new=entry.to_line,
            )
        case DrawAnnounced() | Entered() | EntriesClosed() | ClosingSigned():
            yield from _before_the_draw(entry, language)
        case PublicValue():
            yield say(
                "The public value was recorded: {value}, from {source}.",
                value=entry.value,
                source=entry.source,
            )
        case Drawn():
            yield say_n(
                entry.count,
                "The draw was made: {n} entry received its number.",
                "The draw was made: {n} entries received their numbers.",
            )
            yield say("The seed was {hash}.", hash=_short(entry.seed))
        case Joined():
            yield from joined(entry, language)
        case Called():
            yield from called(entry, language)
        case SoldOut() | StockBack():
            gone = isinstance(entry, SoldOut)
            yield say("Everything is sold.") if gone else say("There is stock again.")
        case StockMoved():
            yield from _stock(entry, language)
        case Forecast():
            yield forecast(entry, language)
        case Moved() | SteppedAside() | ExtraTime() | Revoked() | GivenBack():
            yield _of_one_place(entry, language)
        case Invited():
            yield say_n(entry.count, "{n} invitation was issued.", "{n} invitations were issued.")
        case InvitationsRevoked():
            yield say_n(
                entry.count,
                "{n} unused invitation was revoked by an operator.",
                "{n} unused invitations were revoked by an operator.",
            )
        case _:
            assert_never(entry)


def _status(entry: StatusChanged, language: Language) -> str:
    if (entry.before, entry.after) == ("paused", "open"):
        return language.say("The room was opened again after a pause.")
    if entry.after in _STATUSES:
        return language.say(_STATUSES[entry.after])
    return language.say(
        "The room changed from {before} to {after}.", before=entry.before, after=entry.after
    )


def _restored(entry: Restored, language: Language) -> str:
    range_ = spell_range(entry.first, entry.last, language)
    if entry.entry:
        return language.say(
            "The database was brought back from an older copy. Draw entries {range} had been made "
            "before and stay valid.",
            range=range_,
        )
    return language.say(
        "The database was brought back from an older copy. Numbers {range} had been given before "
        "and stay valid.",
        range=range_,
    )


def _before_the_draw(
    entry: DrawAnnounced | Entered | EntriesClosed | ClosingSigned, language: Language
) -> Iterator[str]:
    say, say_n = language.say, language.say_n
    match entry:
        case DrawAnnounced():
            yield say(
                "A draw was announced. Its seed is fixed and still secret; the commitment to it is "
                "{hash}.",
                hash=_short(entry.commitment),
            )
            if entry.public_value_source:
                yield say(
                    "A public value from {source} will be added to it.",
                    source=entry.public_value_source,
                )
        case Entered():
            yield say_n(
                entry.last - entry.first + 1,
                "{n} person entered the draw: entry {range}.",
                "{n} people entered the draw: entries {range}.",
                range=spell_range(entry.first, entry.last, language),
            )
        case EntriesClosed():
            yield say_n(
                entry.count,
                "The draw was closed to new entries: {n} entry takes part.",
                "The draw was closed to new entries: {n} entries take part.",
            )
        case ClosingSigned():
            yield say_n(
                entry.count,
                "The closing of the draw, with {n} entry, was signed.",
                "The closing of the draw, with {n} entries, was signed.",
            )


def _stock(entry: StockMoved, language: Language) -> Iterator[str]:
    item = entry.sku or language.say_n(entry.skus or 0, "{n} product", "{n} products")
    if entry.movement == "received":
        yield language.say_n(
            entry.quantity,
            "{n} unit was received: {item}.",
            "{n} units were received: {item}.",
            item=item,
        )
        return
    sign = "+" if entry.quantity > 0 else "\N{MINUS SIGN}"
    yield language.say(
        "An operator corrected the stock of {item}: {change}.",
        item=item,
        change=f"{sign}{language.number(abs(entry.quantity))}",
    )
    if entry.override:
        yield language.say("That is below the units already promised, held or sold.")


def _of_one_place(
    entry: Moved | SteppedAside | ExtraTime | Revoked | GivenBack, language: Language
) -> str:
    place = _place(entry, language)
    match entry:
        case Moved():
            return language.say("{place}: moved to another device by its holder.", place=place)
        case SteppedAside():
            return language.say("{place}: stepped aside to let others pass.", place=place)
        case ExtraTime():
            return language.say(
                "{place}: given more time ({profile}).", place=place, profile=entry.profile
            )
        case Revoked():
            return language.say("{place}: revoked by an operator.", place=place)
        case GivenBack():
            return language.say("{place}: given back by an operator.", place=place)


def _place(entry: OfNumber, language: Language) -> str:
    if entry.entry:
        return language.say("Draw entry {number}", number=entry.number)
    return language.say("Number {number}", number=entry.number)


def _more(entry: Known, language: Language) -> str:
    """Say what a call was decided on, or by which rules a room opens."""
    match entry:
        case StatusChanged() if entry.rules:
            rules = say_rules(entry.rules, language)
            return language.say("By these rules: {rules}.", rules=rules)
        case Called():
            return " ".join(decided_on(entry, language))
        case _:
            return ""


def _short(text: str) -> str:
    return f"{text[:HASH_SHOWN]}\N{HORIZONTAL ELLIPSIS}" if len(text) > HASH_SHOWN else text
