"""The journey of one shopper: every fact by which a test may judge the service."""

from dataclasses import dataclass, field
from enum import StrEnum

# Enough to see what went wrong: a shopper without any answers must not fill the memory.
SURPRISES_MAX = 50


class Outcome(StrEnum):
    """The end of a journey: the first one that applies, from the shopper's point of view."""

    BOUGHT = "bought"
    SOLD_OUT = "sold_out"  # told so while waiting or joining, never let in
    FOUND_NOTHING = "found_nothing"  # let in, refused whatever was tried, and nothing else left
    GAVE_UP = "gave_up"  # lost patience in line
    NO_SHOW = "no_show"  # called, and never meant to come
    BROWSED_ONLY = "browsed_only"  # wanted nothing, or nothing of what was left
    DECLINED = "declined"
    ABANDONED = "abandoned"  # left a filled basket
    MISSED = "missed"  # a deadline of the service passed: call, session or hold
    ENDED = "ended"  # the room closed
    FAILED = "failed"  # no answer, or one that no shopper can be expected to understand


class Phase(StrEnum):
    COMING = "coming"
    WAITING = "waiting"
    CALLED = "called"
    INSIDE = "inside"
    GONE = "gone"


class Over(Exception):
    """Raised where a journey ends."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail


@dataclass(slots=True, kw_only=True)
class Journey:
    """One shopper's record. Times are seconds since the crowd started.

    `surprises` are answers that no shopper should get, as (HTTP status, problem code). Status 0
    stands for a missing answer and for answers that contradict each other. `place_rise_max` is the
    largest rise of the place between two state documents, of which older versions are ignored.
    """

    shopper: int
    phase: Phase = Phase.COMING
    outcome: Outcome | None = None
    detail: str = ""
    line: str = ""
    number: int | None = None
    ticket: str = field(default="", repr=False)
    ticket_hash: str = ""
    session: str = field(default="", repr=False)
    hold_ids: list[str] = field(default_factory=list)
    order_id: str | None = None
    units: int = 0
    joined_at: float | None = None
    called_at: float | None = None
    claimed_at: float | None = None
    ended_at: float | None = None
    place_first: int | None = None
    place_last: int | None = None
    place_rise_max: int = 0
    missed: int = 0
    surprises: list[tuple[int, str]] = field(default_factory=list)

    @property
    def wait_s(self) -> float | None:
        """Seconds from ticket to call, as the shopper saw it."""
        if self.joined_at is None or self.called_at is None:
            return None
        return self.called_at - self.joined_at

    def see_place(self, place: int) -> None:
        if self.place_first is None or self.place_last is None:
            self.place_first = self.place_last = place
            return
        self.place_rise_max = max(self.place_rise_max, place - self.place_last)
        self.place_last = place

    def surprised(self, status: int, code: str) -> None:
        if len(self.surprises) < SURPRISES_MAX:
            self.surprises.append((status, code))
