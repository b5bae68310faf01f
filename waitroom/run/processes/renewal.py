"""All processes of a supervisor are replaced, one after the other, by ones with the code on disk.

    begin ──► a fresh spare loads ──► the next process succeeds ──► … ──► all are new
                     │                          │
                     └── it cannot load         └── it ends before it serves ──► if an engine is
                                 └──► the processes that serve stay ◄──┘         away: once more

The code on disk may be a new version, half of one, or broken. So a spare that has loaded it comes
first, and no process goes before its successor serves. The spare of before is kept for as long: if
a process dies meanwhile, there is one that works.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence

import structlog

from waitroom.run.processes.child import Child
from waitroom.run.processes.exits import UNAVAILABLE
from waitroom.run.processes.spare import Spare

log = structlog.get_logger()

# What was away when a new process started may be back after so long.
REST_S = 3.0


class Renewal:
    """The replacement that is under way, or none."""

    def __init__(self, children: Sequence[Child], command: Sequence[str]) -> None:
        self._children, self._command = children, command
        # The processes that are still to be replaced.
        self._left: deque[Child] = deque()
        # A spare that loads the code as it is now; None once it has.
        self._fresh: Spare | None = None
        self._rests_until = 0.0

    @property
    def is_under_way(self) -> bool:
        return bool(self._left)

    def begin(self) -> None:
        """Replace all processes, those too that have been replaced a moment ago."""
        self.end()
        self._left, self._fresh = deque(self._children), Spare(self._command)

    def step(self, environment: Mapping[str, str], spare: Spare) -> Spare:
        """Take the replacement a step further, and return the spare to be used from now on."""
        if not self._left:
            return spare
        if self._fresh is not None:
            self._fresh.tend(environment, calm=False, wanted=True)
            if self._fresh.pid_if_ready:
                spare.end()
                spare, self._fresh = self._fresh, None
            elif self._fresh.why:
                self.give_up(self._fresh.why)
        elif spare.why:
            self.give_up(spare.why)
        elif time.monotonic() < self._rests_until:
            pass
        elif spare.pid_if_ready and not any(child.is_succeeded for child in self._children):
            self._replace(self._left.popleft(), environment, spare)
        return spare

    def _replace(self, child: Child, environment: Mapping[str, str], spare: Spare) -> None:
        # One that has died is started with the new code in any case.
        if child.runs:
            log.info("process_renewed", process=child.name)
            child.succeed(environment, spare)

    def failed(self, child: Child, exit_code: int) -> None:
        """Note that a new process ended before it served; the one before it serves on."""
        if exit_code != UNAVAILABLE:
            self.give_up(f"the new {child.name} ended with exit code {exit_code}")
            return
        log.warning("renewed_later", process=child.name, exit_code=exit_code)
        self._left.appendleft(child)
        self._rests_until = time.monotonic() + REST_S

    def give_up(self, why: str) -> None:
        """Leave the processes as they are."""
        log.error("not_renewed", why=why)
        self.end()

    def end(self) -> None:
        """Forget what is under way."""
        self._left.clear()
        if self._fresh is not None:
            self._fresh.end()
            self._fresh = None
