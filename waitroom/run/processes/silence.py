"""How long a process has been silent, and how often processes have died. Pure."""

from collections import deque
from dataclasses import dataclass, field

# A process beats once a second. One that has not for this long is stuck, whatever holds it: the
# longest work on an event loop of ours takes a fraction of it. The time for which it waited for a
# processor does not count, so a busy machine makes nobody frozen.
FROZEN_AFTER_S = 5.0
# Before its first beat a process loads its code.
START_MAX_S = 60.0
# If it holds connections meanwhile that others would take at once, it has less time.
START_HOLDING_MAX_S = 20.0
# A supervisor that was frozen itself, or starved, has heard nobody meanwhile. A look counts at most
# this much, so that it does not take all its processes for frozen when it wakes.
LOOK_COUNTS_MAX_S = 1.0
# A process that dies is started again, but not for ever: this often within this time.
DEATHS_MAX = 10
DEATHS_WITHIN_S = 60.0
# The first restart is prompt, the next ones ever slower.
RESTART_STEP_S = 0.2
RESTART_REST_MAX_S = 2.0


@dataclass(slots=True)
class Silence:
    """The seconds since a process was last heard, by the looks of a supervisor that itself ran."""

    frozen_after_s: float = FROZEN_AFTER_S
    silent_s: float = 0.0
    heard_once: bool = False

    def heard(self) -> None:
        self.silent_s, self.heard_once = 0.0, True

    def look(
        self, since_last_look_s: float, *, waited_s: float = 0.0, holds_up: bool = False
    ) -> bool:
        """Count the time since the last look; return whether the process is frozen.

        `waited_s` is how much of it the process waited for a processor. `holds_up` says that
        connections wait for its start, which others would take.
        """
        self.silent_s += max(min(since_last_look_s, LOOK_COUNTS_MAX_S) - waited_s, 0.0)
        start_max_s = START_HOLDING_MAX_S if holds_up else START_MAX_S
        return self.silent_s > (self.frozen_after_s if self.heard_once else start_max_s)


@dataclass(slots=True)
class Deaths:
    """The deaths of the last minute."""

    _at: deque[float] = field(default_factory=deque)

    def count(self, now: float) -> None:
        self._at.append(now)
        while self._at[0] < now - DEATHS_WITHIN_S:
            self._at.popleft()

    @property
    def too_many(self) -> bool:
        return len(self._at) > DEATHS_MAX

    @property
    def rest_s(self) -> float:
        """Return the seconds to wait before the next start."""
        return min(RESTART_STEP_S * max(len(self._at) - 1, 0), RESTART_REST_MAX_S)
