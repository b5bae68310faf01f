"""Attempts: what an answer means for the delivery and for its endpoint."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Seconds from one attempt to the next: the example schedule of the Standard Webhooks specification,
# 75 hours and a half in all.
SCHEDULE_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
ATTEMPTS_MAX = len(SCHEDULE_S) + 1
# Up to so much of the wait is added by chance: what failed together is not repeated together.
JITTER = 0.2
# A receiver that asks for patience gets it, for so long at most.
RETRY_AFTER_MAX_S = 3600.0
# One that is overloaded and does not say for how long is left alone for a moment.
QUIET_S = 10.0

OK = range(200, 300)
GONE = 410
# Answers by which a receiver says that it is overloaded.
OVERLOADED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: a status, or None and in `text` what went wrong instead."""

    status: int | None
    text: str
    retry_after: str | None = None
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of the delivery, and for how long its endpoint is left alone."""

    state: str
    again_s: float = 0.0
    quiet_s: float = 0.0
    gone: bool = False


def judge(answer: Answer, *, attempts: int, chance: float, now: datetime) -> Outcome:
    """Decide what an answer to the attempt number `attempts` (from 1) means.

    `chance` is a random number from 0 to 1. A 410 does not fail the delivery: it waits, should the
    endpoint ever be made active again.
    """
    if answer.status in OK:
        return Outcome(state="delivered")
    if answer.status == GONE:
        return Outcome(state="pending", gone=True)
    quiet_s = 0.0
    if answer.status in OVERLOADED:
        asked_s = retry_after_s(answer.retry_after, now=now)
        quiet_s = QUIET_S if asked_s is None else asked_s
    if attempts >= ATTEMPTS_MAX:
        return Outcome(state="failed", quiet_s=quiet_s)
    wait_s = SCHEDULE_S[attempts - 1] * (1 + JITTER * chance)
    return Outcome(state="pending", again_s=max(wait_s, quiet_s), quiet_s=quiet_s)


def retry_after_s(header: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After asks for, within bounds, or None.

    RFC 9110 allows a number of seconds or a date.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # More digits than a wait of years has are not worth converting.
        return min(float(text[:12]), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
