"""Attempts: what the relay's answer means for a message. Pure."""

from dataclasses import dataclass

# Seconds from one attempt to the next. A relay that greylists wants some minutes' patience; after
# half an hour most calls are over, and a message with its call.
SCHEDULE_S = (5, 20, 60, 120, 300, 600, 900)
ATTEMPTS_MAX = len(SCHEDULE_S) + 1
# Up to so much of the wait is added by chance: what failed together is not repeated together.
JITTER = 0.2
PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `code` is the relay's, or None when there was none.

    `refused` says that the relay refused this message or its address, and not us: then a
    permanent answer is final. `what` is a word or two that hold nothing of the address.
    """

    what: str
    code: int | None = None
    sent: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    state: str
    again_s: float = 0.0


def judge(answer: Answer, *, attempts: int, chance: float) -> Outcome:
    """Decide what an answer to the attempt number `attempts` (from 1) means.

    `chance` is a random number from 0 to 1. A relay that does not let us in at all is mended by
    its operators, so that is tried again like a relay that is away.
    """
    if answer.sent:
        return Outcome(state="sent")
    if (answer.refused and answer.code in PERMANENT) or attempts >= ATTEMPTS_MAX:
        return Outcome(state="failed")
    return Outcome(state="waiting", again_s=SCHEDULE_S[attempts - 1] * (1 + JITTER * chance))
