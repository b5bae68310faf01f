"""Attempts: what a receiver's answer means for the delivery and for its endpoint. Pure."""

from dataclasses import dataclass
from datetime import datetime

from inventory.kit.lease import Lease, Retry, retry_after_s
from waitroom.outgoing.outcome import Fate, Outcome, after_failure

# The specification suggests 15 to 30 s for an attempt. Noting takes at most 15 s: five until a
# connection of the pool is free, ten for the statement.
LEASE = Lease(attempt_s=25.0, margin_s=35.0)
# The example schedule of the Standard Webhooks specification, 75 hours and a half in all.
SCHEDULE_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
ATTEMPTS_MAX = len(SCHEDULE_S) + 1
RETRY = Retry(waits_s=SCHEDULE_S, attempts_max=ATTEMPTS_MAX)
# A receiver that asks for patience gets it, up to this bound.
RETRY_AFTER_MAX_S = 3600.0
# An overloaded receiver that names no time is left alone for a moment.
QUIET_S = 10.0

OK = range(200, 300)
GONE = 410
# Answers by which a receiver says that it is overloaded.
OVERLOADED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A receiver's answer: a status, or None and in `text` what went wrong instead."""

    status: int | None
    text: str
    retry_after: str | None = None
    took_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome(Outcome):
    """The fate of a delivery, and what the answer means for its endpoint.

    The endpoint is left alone for `quiet_s`. `gone` switches it off.
    """

    quiet_s: float = 0.0
    gone: bool = False


def judge(answer: Answer, *, attempts: int, chance: float, now: datetime) -> DeliveryOutcome:
    """Decide what an answer to the attempt number `attempts` (from 1) means.

    The status alone decides. `chance` is a random number from 0 to 1. A 410 does not end the
    delivery: it waits, in case the endpoint is ever made active again.
    """
    if answer.status in OK:
        return DeliveryOutcome(fate=Fate.SENT)
    if answer.status == GONE:
        return DeliveryOutcome(fate=Fate.AGAIN, gone=True)
    quiet_s = 0.0
    if answer.status in OVERLOADED:
        asked_s = retry_after_s(answer.retry_after, now=now, longest_s=RETRY_AFTER_MAX_S)
        quiet_s = QUIET_S if asked_s is None else asked_s
    outcome = after_failure(RETRY, attempts=attempts, chance=chance, asked_s=quiet_s)
    return DeliveryOutcome(fate=outcome.fate, again_s=outcome.again_s, quiet_s=quiet_s)
