"""Departures from the order, counted and named; no check can judge whether they were right. Pure.

Only what the log says is counted: operators' reasons stand in it as salted hashes.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from waitroom.log.entries import (
    AnyEntry,
    Entered,
    ExtraTime,
    GivenBack,
    InvitationsRevoked,
    Invited,
    Joined,
    Known,
    LaneAdded,
    Moved,
    Reset,
    Restored,
    Revoked,
    RulesChanged,
    SteppedAside,
    StockMoved,
    Unknown,
)
from waitroom.log.verify.finding import Finding, Verdict, found

NAMED_MAX = 10


class _Words(NamedTuple):
    """The words for one such entry, for several, and for the doubt that the log leaves."""

    once: str
    several: str
    doubt: str = ""


COUNTED: dict[type[Known], _Words] = {
    Revoked: _Words(
        "place was taken away by the operator",
        "places were taken away by the operator",
        "The log cannot show whether that was right.",
    ),
    GivenBack: _Words(
        "place was given back by the operator",
        "places were given back by the operator",
        "The log cannot show whether that was right.",
    ),
    Moved: _Words("ticket was moved to another device", "tickets were moved to another device"),
    SteppedAside: _Words(
        "shopper stepped aside to let others pass", "shoppers stepped aside to let others pass"
    ),
    ExtraTime: _Words("shopper was given more time", "shoppers were given more time"),
    LaneAdded: _Words(
        "lane with its own share of the calls was added or changed",
        "lanes with their own share of the calls were added or changed",
    ),
    Invited: _Words(
        "batch of invitations was issued",
        "batches of invitations were issued",
        "The log cannot show who received them.",
    ),
    InvitationsRevoked: _Words(
        "batch of unused invitations was revoked", "batches of unused invitations were revoked"
    ),
    Restored: _Words(
        "time the database was brought back from an older copy, and numbers given before stood",
        "times the database was brought back from an older copy, and numbers given before stood",
        "The entries of the log that gave these numbers are lost.",
    ),
    Reset: _Words(
        "line was closed and replaced by a new one",
        "lines were closed and replaced by new ones",
        "The people in the old line lost their places.",
    ),
    RulesChanged: _Words(
        "change of the rules was made while people were already in line",
        "changes of the rules were made while people were already in line",
    ),
    StockMoved: _Words(
        "change of the stock was made while people were already in line",
        "changes of the stock were made while people were already in line",
    ),
}


@dataclass(slots=True)
class _Seen:
    words: _Words
    times: int = 0
    seqs: list[int] = field(default_factory=list)


class ExceptionsAudit:
    """Counts the exceptions in a room's log."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._anybody_came = False

    def feed(self, entry: AnyEntry) -> None:
        if isinstance(entry, Unknown):
            return
        if isinstance(entry, Entered | Joined):
            self._anybody_came = True
        words = COUNTED.get(type(entry))
        # Rules and stock that are set before the first shopper comes are exceptions to nothing.
        if words is None or (
            isinstance(entry, RulesChanged | StockMoved) and not self._anybody_came
        ):
            return
        seen = self._seen.setdefault(entry.kind, _Seen(words))
        seen.times += 1
        if len(seen.seqs) < NAMED_MAX:
            seen.seqs.append(entry.seq)

    def findings(self, passed_over: int, passed_by: int) -> list[Finding]:
        """Return one finding for each kind.

        `passed_over` counts the numbers skipped by calls, and `passed_by` those skipped because
        what they came for was not free.
        """
        listed = [
            found(
                f"exceptions.{kind}",
                Verdict.CANNOT_BE_PROVED,
                _sentence(seen),
                seq=seen.seqs[0],
            )
            for kind, seen in sorted(self._seen.items(), key=lambda item: item[1].seqs[0])
        ]
        if passed_over:
            numbers = "1 number was" if passed_over == 1 else f"{passed_over:,} numbers were"
            listed.append(
                found(
                    "exceptions.passed_over",
                    Verdict.CANNOT_BE_PROVED,
                    f"{numbers} passed over as given up, put aside or taken away. Giving up leaves "
                    "no entry in the log: only the holder can say whether it is true.",
                )
            )
        if passed_by:
            numbers = "1 number was" if passed_by == 1 else f"{passed_by:,} numbers were"
            listed.append(
                found(
                    "exceptions.passed_by",
                    Verdict.CANNOT_BE_PROVED,
                    f"{numbers} passed by because what the shopper came for was not free. The log "
                    "does not say what that was: only the holder can say whether it is true.",
                )
            )
        return listed or [
            found("exceptions", Verdict.HOLDS, "No exception to the order is on record.")
        ]


def _sentence(seen: _Seen) -> str:
    words = seen.words
    what = words.once if seen.times == 1 else words.several
    entries = ", ".join(str(seq) for seq in seen.seqs)
    more = ", …" if seen.times > len(seen.seqs) else ""
    label = "log entry" if seen.times == 1 else "log entries"
    doubt = f" {words.doubt}" if words.doubt else ""
    return f"{seen.times:,} {what} ({label} {entries}{more}).{doubt}"
