"""Attempts: what the relay's answer means for a message. Pure."""

from dataclasses import dataclass

from inventory.kit.lease import Lease, Retry
from waitroom.outgoing.outcome import Fate, Outcome, after_failure

# Noting takes at most 15 s: five until a connection of the pool is free, ten for the statement.
LEASE = Lease(attempt_s=25.0, margin_s=35.0)
# A relay that greylists wants some minutes' patience. After half an hour most calls are over, and a
# message with its call.
SCHEDULE_S = (5, 20, 60, 120, 300, 600, 900)
ATTEMPTS_MAX = len(SCHEDULE_S) + 1
RETRY = Retry(waits_s=SCHEDULE_S, attempts_max=ATTEMPTS_MAX)
PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAnswer:
    """The relay's answer to one message.

    `code` is the relay's own, or None when there was none. `refused` says that the relay refused
    this message or its address, and not us: then a permanent answer is final. `what` is a word or
    two that hold nothing of the address.
    """

    what: str
    code: int | None = None
    sent: bool = False
    refused: bool = False


def judge(answer: RelayAnswer, *, attempts: int, chance: float) -> Outcome:
    """Decide what an answer to the attempt number `attempts` (from 1) means.

    `chance` is a random number from 0 to 1. When the relay refuses our own sign-in, its operators
    have to mend that, so the message is tried again as if the relay were away.
    """
    if answer.sent:
        return Outcome(fate=Fate.SENT)
    if answer.refused and answer.code in PERMANENT:
        return Outcome(fate=Fate.GIVEN_UP)
    return after_failure(RETRY, attempts=attempts, chance=chance)
