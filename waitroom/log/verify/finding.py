"""What a check found: a verdict, and a sentence in plain words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# One mistake early in a log can make everything after it wrong; the first few tell the story.
SHOWN_MAX = 3


class Verdict(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    CANNOT_BE_PROVED = "cannot_be_proved"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`check` names what was checked and stays the same; `seq` is the log entry it is about."""

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
    """Make a finding; what the log wrote into the sentence may not steer a terminal."""
    if line is not None:
        sentence = f"{line}: {sentence}"
    plain = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in sentence
    )
    return Finding(check=check, verdict=verdict, sentence=plain, line=line, seq=seq)


class Check:
    """One question that is put to every entry; it holds until an entry says otherwise."""

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
        """Return what failed; if nothing did, this verdict with this sentence."""
        if not self._failures:
            return [found(self._name, verdict, sentence, line=self._line, seq=seq)]
        if not self._more:
            return self._failures
        more = f"… and {self._more:,} more of this kind."
        return [*self._failures, found(self._name, Verdict.FAILS, more, line=self._line)]


def all_holds(findings: Sequence[Finding]) -> bool:
    """Say whether nothing failed; what cannot be proved is no failure."""
    return not any(finding.verdict is Verdict.FAILS for finding in findings)
