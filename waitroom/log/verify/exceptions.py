"""What departs from the order, counted and named; whether it was right is not judged. Pure."""

from dataclasses import dataclass, field

from waitroom.log.entries import Facts
from waitroom.log.verify.finding import Finding, Verdict, found

NAMED_MAX = 10

# What is said of so many entries. Only the log's own words count: reasons stand there as hashes.
_SAID: dict[str, str] = {
    "revoked": "places were taken away by the operator; whether rightly, the log cannot say",
    "moved": "tickets were moved to another device",
    "stepped_aside": "shoppers stepped aside for those behind them",
    "extra_time": "shoppers were given more time",
    "lane_added": "times a lane with its own share of the calls was added or changed",
    "invited": "lots of invitations were given out; to whom, the log cannot say",
    "void": "stretches of numbers were declared void",
    "reset": "times the line was begun anew, and who stood in the old one lost their place",
    "rules": "times the rules were changed while people were already in line",
    "stock": "times the stock was corrected by hand",
}


@dataclass(slots=True)
class _Seen:
    times: int = 0
    seqs: list[int] = field(default_factory=list)


class ExceptionsAudit:
    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._anybody_came = False
        self._passed_over = 0

    def take(self, facts: Facts) -> None:
        if facts.kind in {"entered", "joined"}:
            self._anybody_came = True
        # Rules that are set before the first shopper comes are no exception to anything.
        if facts.kind not in _SAID or (facts.kind == "rules" and not self._anybody_came):
            return
        seen = self._seen.setdefault(facts.kind, _Seen())
        seen.times += 1
        if len(seen.seqs) < NAMED_MAX:
            seen.seqs.append(facts.seq)

    def findings(self, passed_over: int) -> list[Finding]:
        """Return one finding for each kind; `passed_over` is how many numbers no call named."""
        listed = [
            found(
                f"exceptions.{kind}",
                Verdict.CANNOT_BE_PROVED,
                f"{seen.times:,} {_SAID[kind]} ({_entries(seen)}).",
                seq=seen.seqs[0],
            )
            for kind, seen in sorted(self._seen.items(), key=lambda item: item[1].seqs[0])
        ]
        if passed_over:
            listed.append(
                found(
                    "exceptions.passed_over",
                    Verdict.CANNOT_BE_PROVED,
                    f"{passed_over:,} numbers were passed over as given up, put aside or taken "
                    "away. Giving up leaves no entry: only the holder can say whether it was so.",
                )
            )
        return listed or [
            found("exceptions", Verdict.HOLDS, "No exception to the order is on record.")
        ]


def _entries(seen: _Seen) -> str:
    named = ", ".join(str(seq) for seq in seen.seqs)
    more = ", …" if seen.times > len(seen.seqs) else ""
    return f"{'entry' if seen.times == 1 else 'entries'} {named}{more}"
