"""The whole crowd: runs all shoppers at once, counts them and sums up their outcomes."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from waitroom.load.behaviour import Behaviour, draw_plan, rng_of
from waitroom.load.journey import Journey, Outcome, Phase
from waitroom.load.shopper import Shopper
from waitroom.load.wire import Wire

PROGRESS_EVERY_S = 1.0
# The time for all shoppers to give back their places when the crowd is stopped.
GO_HOME_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a crowd's shoppers are, `seconds` after its start.

    Every shopper is counted once among `coming` (not there yet), `waiting`, `called`, `inside`,
    `bought` and `left` (with nothing); `sold_out` and `found_nothing` are parts of the last.
    `requests`, `errors` and `units_bought` count from the start, `polls_per_s` since the last look.
    """

    seconds: float
    shoppers: int
    coming: int
    waiting: int
    called: int
    inside: int
    bought: int
    sold_out: int
    found_nothing: int
    left: int
    units_bought: int
    requests: int
    polls_per_s: float
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdResult:
    """The result of a crowd. Waits are in seconds from ticket to call, for the called shoppers.

    `refusals` are answers that belong to a sale, by code; `errors` are those that do not.
    `unfinished` shoppers were sent home when the crowd was stopped.
    """

    room: str
    shoppers: int
    joined: int
    outcomes: dict[str, int]
    unfinished: int
    bought: int
    units_bought: int
    found_nothing: int
    wait_p50_s: float | None
    wait_p95_s: float | None
    calls_missed: int
    place_rises: int
    place_rise_max: int
    refusals: dict[str, int]
    errors: dict[str, int]
    requests: int
    polls: int
    polls_per_s: float
    requests_per_s: float
    duration_s: float


class Crowd:
    """A crowd on its way to one room. `journeys` holds every shopper's record, during and after.

    `on_progress` is called about once a second with `progress()`.
    """

    def __init__(
        self,
        url: str,
        room: str,
        behaviour: Behaviour,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.room = room
        self.behaviour = behaviour
        self.journeys = [Journey(shopper=n) for n in range(behaviour.shoppers)]
        self._wire = Wire(url)
        self._on_progress = on_progress
        self._stopping = asyncio.Event()
        self._started_at = 0.0
        self._seconds = 0.0
        self._last_look = (0.0, 0)

    def stop(self) -> None:
        """Send everybody home; `run` then returns the result so far."""
        self._stopping.set()

    async def run(self) -> CrowdResult:
        """Let all shoppers live their plans, and return what became of them."""
        self._started_at = time.monotonic()
        async with self._wire:
            shoppers = [self._shopper(journey) for journey in self.journeys]
            tasks = {
                asyncio.create_task(s.run(), name=f"shopper-{s.journey.shopper}") for s in shoppers
            }
            try:
                await self._watch(tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._seconds = self._clock()
                await _send_home(shoppers)
        return self.result()

    def _shopper(self, journey: Journey) -> Shopper:
        plan = draw_plan(self.behaviour, rng_of(self.behaviour, journey.shopper))
        return Shopper(
            wire=self._wire, room=self.room, plan=plan, journey=journey, clock=self._clock
        )

    def _clock(self) -> float:
        return time.monotonic() - self._started_at

    async def _watch(self, tasks: set[asyncio.Task[None]]) -> None:
        """Report every second until all are done or `stop` is called; raises a shopper's bug."""
        stop = asyncio.create_task(self._stopping.wait(), name="crowd-stop")
        everybody = asyncio.gather(*tasks)
        ends: set[asyncio.Future[Any]] = {everybody, stop}
        try:
            while not (everybody.done() or stop.done()):
                await asyncio.wait(
                    ends,
                    timeout=PROGRESS_EVERY_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if self._on_progress is not None:
                    self._on_progress(self.progress())
            if everybody.done():
                everybody.result()
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    def progress(self) -> Progress:
        """Return where all shoppers are now."""
        phases = Counter(journey.phase for journey in self.journeys)
        outcomes = Counter(journey.outcome for journey in self.journeys)
        seconds, polls = self._clock(), self._wire.tally.polls
        seen_s, seen_polls = self._last_look
        self._last_look = (seconds, polls)
        bought = outcomes[Outcome.BOUGHT]
        return Progress(
            seconds=round(seconds, 1),
            shoppers=len(self.journeys),
            coming=phases[Phase.COMING],
            waiting=phases[Phase.WAITING],
            called=phases[Phase.CALLED],
            inside=phases[Phase.INSIDE],
            bought=bought,
            sold_out=outcomes[Outcome.SOLD_OUT],
            found_nothing=outcomes[Outcome.FOUND_NOTHING],
            left=phases[Phase.GONE] - bought,
            units_bought=sum(journey.units for journey in self.journeys),
            requests=self._wire.tally.requests,
            polls_per_s=round((polls - seen_polls) / max(seconds - seen_s, 0.001), 1),
            errors=self._wire.tally.errors.total(),
        )

    def result(self) -> CrowdResult:
        """Add up the journeys as they are now."""
        tally, journeys = self._wire.tally, self.journeys
        outcomes = Counter(str(j.outcome) for j in journeys if j.outcome is not None)
        waits = sorted(j.wait_s for j in journeys if j.wait_s is not None)
        seconds = self._seconds or self._clock()
        return CrowdResult(
            room=self.room,
            shoppers=len(journeys),
            joined=sum(j.number is not None for j in journeys),
            outcomes={str(o): outcomes[o] for o in Outcome if outcomes[o]},
            unfinished=len(journeys) - outcomes.total(),
            bought=outcomes[Outcome.BOUGHT],
            units_bought=sum(j.units for j in journeys),
            found_nothing=outcomes[Outcome.FOUND_NOTHING],
            wait_p50_s=quantile(waits, 0.5),
            wait_p95_s=quantile(waits, 0.95),
            calls_missed=sum(j.missed for j in journeys),
            place_rises=sum(j.place_rise_max > 0 for j in journeys),
            place_rise_max=max(j.place_rise_max for j in journeys),
            refusals=dict(tally.refusals.most_common()),
            errors=dict(tally.errors.most_common()),
            requests=tally.requests,
            polls=tally.polls,
            polls_per_s=round(tally.polls / max(seconds, 0.001), 1),
            requests_per_s=round(tally.requests / max(seconds, 0.001), 1),
            duration_s=round(seconds, 1),
        )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile of ordered values, None of none."""
    if not ordered:
        return None
    return round(ordered[max(ceil(share * len(ordered)), 1) - 1], 2)


async def _send_home(shoppers: Sequence[Shopper]) -> None:
    """Let interrupted shoppers give back their seats and places, seats first, within a bound."""
    left = [s for s in shoppers if s.journey.outcome is None and s.journey.ticket]
    left.sort(key=lambda s: not s.journey.session)
    if left:
        homes = {asyncio.create_task(s.go_home()) for s in left}
        _, still = await asyncio.wait(homes, timeout=GO_HOME_S)
        for task in still:
            task.cancel()
        await asyncio.gather(*still, return_exceptions=True)
