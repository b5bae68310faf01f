"""Outcomes: what becomes of something after an attempt to send it. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from inventory.kit.lease import Retry


class Fate(StrEnum):
    """The fate of an item: it waits for another attempt, or one of two ends has come."""

    SENT = "sent"
    AGAIN = "again"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The fate of an item, and for `Fate.AGAIN` the seconds until the next attempt."""

    fate: Fate
    again_s: float = 0.0


def after_failure(
    retry: Retry, *, attempts: int, chance: float, asked_s: float | None = None
) -> Outcome:
    """Return the outcome of a failed attempt that may be repeated.

    `attempts` counts from 1, `chance` is a random number from 0 to 1, `asked_s` is how long the
    other side asked to be left alone.
    """
    again_s = retry.again_s(attempts=attempts, chance=chance, asked_s=asked_s)
    if again_s is None:
        return Outcome(fate=Fate.GIVEN_UP)
    return Outcome(fate=Fate.AGAIN, again_s=again_s)
