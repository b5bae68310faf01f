"""What a check has found: how it stands, in one line, and what to change. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inventory.kit.doors.decoding import Json

HIDDEN = "…"
# A user and a password in a URL, and a password in a connection string.
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@|(?<=password=)[^\s&]+", re.IGNORECASE)
# Shorter ones would be found within ordinary words.
_SECRET_LENGTH_MIN = 6


class Level(StrEnum):
    """How a check stands, and the exit code that it asks for."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"

    @property
    def exit_code(self) -> int:
        return {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check.

    `check` is its stable name, such as `postgres.durability`. `says` is a fact, `advice` what to
    change, empty where nothing has to be.
    """

    check: str
    level: Level
    says: str
    advice: str = ""

    @property
    def line(self) -> str:
        return f"{self.says}: {self.advice}" if self.advice else self.says


def ok(check: str, says: str) -> Finding:
    return Finding(check=check, level=Level.OK, says=says)


def warn(check: str, says: str, advice: str) -> Finding:
    return Finding(check=check, level=Level.WARN, says=says, advice=advice)


def fail(check: str, says: str, advice: str) -> Finding:
    return Finding(check=check, level=Level.FAIL, says=says, advice=advice)


def graded(check: str, says: str, advice: str, *, fails: bool, warns: bool = False) -> Finding:
    """Return a finding that fails, else warns, else is well."""
    if not (fails or warns):
        return ok(check, says)
    return (fail if fails else warn)(check, says, advice)


def worst_of(findings: Iterable[Finding]) -> Level:
    return max((one.level for one in findings), key=lambda level: level.exit_code, default=Level.OK)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a line in which no credentials of a URL stand, and none of these secrets."""
    text = _CREDENTIALS.sub(HIDDEN, text)
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SECRET_LENGTH_MIN:
            text = text.replace(secret, HIDDEN)
    return text


def report_body(findings: Sequence[Finding]) -> Json:
    """Return the report for programs."""
    return {
        "result": worst_of(findings).value,
        "findings": [
            {"check": f.check, "level": f.level.value, "says": f.says, "advice": f.advice}
            for f in findings
        ],
    }
