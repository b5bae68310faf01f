"""Leases and retries: who may work on something now, and when it is tried again. Pure.

Webhooks, mail, orders and refunds are all driven the same way. A worker takes a piece of work from
its table with one statement: it skips locked rows, counts an attempt and moves the moment at which
the work is due to the end of a lease. No transaction is open while the worker then talks to the
outside. Afterwards it notes the outcome: done, given up, or due again later. When the worker dies,
the lease runs out and another worker takes the work. Each lease names its holder, and a holder that
is found dead loses its leases at once (`checkout.driving.lease_holder`).

The database alone decides who holds a lease. A worker's own clock only tells it when to stop
trusting its lease, which is before the database gives the work to another:

    trusted until = moment before the taking statement was sent + length - margin

Counting from before the statement makes a slow database shorten the trust, never lengthen it.
River's `internal/leadership` is the model.

Libraries such as stamina and tenacity repeat a call inside one process. They forget their count
when the process dies and keep no second process from the same work, so they do not fit here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A date in a header has 29 to 33 characters (RFC 9110, section 5.6.7); a number may have fewer.
_RETRY_AFTER_LENGTH_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The time for which one worker has a piece of work to itself.

    `attempt_s` bounds the attempt itself, from the moment before the work was taken. `margin_s` is
    what the lease lasts beyond that: in it the worker notes the outcome, and it covers clocks that
    run unevenly. The margin has to be longer than the longest time that noting may take.
    """

    attempt_s: float
    margin_s: float

    def __post_init__(self) -> None:
        if not (self.attempt_s > 0 and self.margin_s > 0):
            raise ValueError("an attempt and its margin each take some time")

    @property
    def length_s(self) -> float:
        """Return the seconds after which the database gives the work to another worker."""
        return self.attempt_s + self.margin_s

    def left_s(self, *, started: float, now: float) -> float:
        """Return the seconds for which the worker may go on with its attempt.

        `started` and `now` are readings of the worker's monotonic clock. `started` is the moment
        before the taking statement was sent.
        """
        return max(started + self.length_s - self.margin_s - now, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The rules by which failed work is tried again or given up.

    `waits_s` are the seconds from each attempt to the next; the last of them repeats.
    `attempts_max` and `age_max_s` bound the attempts and the age of the work; None means without a
    bound. `jitter` is the share of a wait that chance may add, so that work which failed together
    is not repeated together.
    """

    waits_s: tuple[float, ...]
    attempts_max: int | None = None
    age_max_s: float | None = None
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not self.waits_s:
            raise ValueError("a retry needs at least one wait")

    def again_s(
        self, *, attempts: int, chance: float, age_s: float = 0.0, asked_s: float | None = None
    ) -> float | None:
        """Return the seconds until the next attempt, or None when the work is given up.

        `attempts` counts the attempts made so far, this one included. `chance` is a random number
        from 0 to 1. `age_s` is the age of the work. `asked_s` is what the other side asked for in
        a Retry-After; it lengthens a wait and never shortens one. The last attempt comes no later
        than the greatest age.
        """
        if self.attempts_max is not None and attempts >= self.attempts_max:
            return None
        planned_s = self.waits_s[min(max(attempts, 1), len(self.waits_s)) - 1]
        wait_s = max(planned_s * (1 + self.jitter * chance), asked_s or 0.0)
        if self.age_max_s is None:
            return wait_s
        left_s = self.age_max_s - age_s
        return min(wait_s, left_s) if left_s > 0 else None


def exponential(*, first_s: float, longest_s: float, factor: float = 2.0) -> tuple[float, ...]:
    """Return waits that grow by `factor`, from `first_s` up to `longest_s`, for `Retry`."""
    if not (0 < first_s <= longest_s and factor > 1):
        raise ValueError("waits grow from a positive first one to a longest one")
    waits_s = [first_s]
    while waits_s[-1] < longest_s:
        waits_s.append(min(waits_s[-1] * factor, longest_s))
    return tuple(waits_s)


def retry_after_s(header: str | None, *, now: datetime, longest_s: float) -> float | None:
    """Return the seconds that a Retry-After asks for, from 0 to `longest_s`.

    RFC 9110, section 10.2.3, allows a whole number of seconds or a date. An unreadable header
    counts as an absent one: both return None.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # A number this long is years away, whatever its other digits are.
        return min(float(text[:12]), longest_s)
    if len(text) > _RETRY_AFTER_LENGTH_MAX:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        # The parser of the standard library lets numbers that no date has escape in various ways.
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), longest_s)
