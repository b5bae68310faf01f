"""The coming events, in order of time. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

Event = Callable[[Any], None]


@dataclass(slots=True)
class Agenda:
    """A heap of events. Events of the same moment run in the order in which they were added."""

    now: float = 0.0
    _events: list[tuple[float, int, Event, Any]] = field(default_factory=list)
    _count: int = 0

    def __len__(self) -> int:
        return len(self._events)

    def at(self, when: float, event: Event, subject: Any) -> None:
        self._count += 1
        heappush(self._events, (max(when, self.now), self._count, event, subject))

    def run_until(self, moment: float) -> None:
        """Run every event up to and including a moment, which then becomes `now`."""
        events = self._events
        while events and events[0][0] <= moment:
            self.now, _, event, subject = heappop(events)
            event(subject)
        self.now = moment
