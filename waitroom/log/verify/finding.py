"""The result of a check: a verdict, and a sentence in plain words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# One mistake early in a log can make everything after it wrong; the first few tell the story.
SHOWN_MAX = 3


class Verdict(StrEnum):
    """The result of a check. A claim that no log can prove is not a failure."""

    HOLDS = "holds"
    FAILS = "fails"
    CANNOT_BE_PROVED = "cannot_be_proved"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result.

    `check` names the check for programs and never changes. `sentence` is for shoppers. `line` is
    the line concerned, and `seq` the log entry, where there is one.
    """

    check: str
    verdict: Verdict
    sentence: str
    line: str | None = None
    seq: int | None = None


def found(
    check: str,
    verdict: Verdict,
    sentence: str,
    *,
    line: str | None = None,
    seq: int | None = None,
) -> Finding:
    """Make a finding, without any characters from the log that could steer a terminal."""
    if line is not None:
        sentence = f"{line}: {sentence}"
    plain = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in sentence
    )
    return Finding(check=check, verdict=verdict, sentence=plain, line=line, seq=seq)


def utc(at: datetime) -> str:
    """Return a log entry's time as sentences show it, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


class Check:
    """One question put to every entry of the log; it holds until an entry fails it."""

    def __init__(self, name: str, line: str | None = None) -> None:
        self._name = name
        self._line = line
        self._failures: list[Finding] = []
        self._more = 0

    @property
    def failed(self) -> bool:
        return bool(self._failures)

    def fail(self, sentence: str, seq: int | None = None) -> None:
        if len(self._failures) == SHOWN_MAX:
            self._more += 1
            return
        self._failures.append(found(self._name, Verdict.FAILS, sentence, line=self._line, seq=seq))

    def findings(
        self, sentence: str, *, verdict: Verdict = Verdict.HOLDS, seq: int | None = None
    ) -> list[Finding]:
        """Return the failures, or this verdict with this sentence if there are none."""
        if not self._failures:
            return [found(self._name, verdict, sentence, line=self._line, seq=seq)]
        if not self._more:
            return self._failures
        more = f"… and {self._more:,} more of this kind."
        return [*self._failures, found(self._name, Verdict.FAILS, more, line=self._line)]


def all_holds(findings: Sequence[Finding]) -> bool:
    """Say whether nothing failed."""
    return not any(finding.verdict is Verdict.FAILS for finding in findings)
