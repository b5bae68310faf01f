"""The forecaster: the leader's memory of waits and chances, of a room and of each line. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf

from waitroom.line.forecast.flow import Flow, Limits, flow
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.forecast.prospects import Prospects, flow_deviations, stock_prospects
from waitroom.line.forecast.track_record import FIRST_LEVELS, TELL_EVERY_S, Record
from waitroom.line.forecast.wanted import Wanted

# The wait of a place with a smaller chance than this says little about places that are called.
LIKELY = 0.3
# The flow is computed again this often.
FLOW_EVERY_S = 10.0
# The pace is averaged over about this long.
PACE_MEMORY_S = 120.0
# The bounds on calls that depend on neither stock nor seats.
STEADY = frozenset({"per_minute", "batch"})


@dataclass(slots=True)
class Pace:
    """Calls a second, averaged over about the last two minutes."""

    per_second: float | None = None
    _seen_s: float = 0.0

    def note(self, calls: float, *, passed_s: float) -> None:
        """Count the calls of a tick."""
        if passed_s <= 0:
            return
        self._seen_s = min(self._seen_s + passed_s, PACE_MEMORY_S)
        weight = min(passed_s / self._seen_s, 1.0)
        self.per_second = (1 - weight) * (self.per_second or 0.0) + weight * calls / passed_s


@dataclass(slots=True)
class Supply:
    """The leader's memory of a room's stock: the flow of the next minutes, for all lines."""

    _flow: Flow | None = None
    _flow_at: float = -inf

    def look(
        self,
        now: float,
        *,
        outlook: Outlook,
        units_free: int,
        units_held: int,
        bound: str,
        seats_max: int | None = None,
        units_promised: int = 0,
        disappointed_max: float | None = None,
        wanted: Wanted | None = None,
    ) -> Prospects:
        """Return the prospects of the room as if it had one line, apart from its steady pace.

        `disappointed_max` is the bound of the policy `expected`, and None under another policy.
        `seats_max` is None where it cannot be foreseen how seats come free.
        """
        stock = stock_prospects(
            outlook,
            units_free=units_free,
            units_held=units_held,
            units_promised=units_promised,
            wanted=wanted,
        )
        if bound in STEADY or (bound == "seats" and seats_max is None):
            return stock
        if not self._flow_at <= now < self._flow_at + FLOW_EVERY_S:
            self._flow_at = now
            self._flow = flow(
                outlook,
                units_free=units_free,
                units_promised=units_promised,
                disappointed_max=disappointed_max,
                limits=Limits(seats=inf if seats_max is None else seats_max),
            )
            if self._flow is not None and stock.shelves:
                # Only the walk along the shelves knows which calls are for what is gone.
                self._flow = self._flow.within(stock.calls_left)
        if self._flow is None:
            return replace(stock, steady=False)
        return replace(
            stock,
            steady=False,
            flow=self._flow,
            flow_sd=tuple(flow_deviations(self._flow, outlook, stock)),
            per_second=self._flow.per_second,
        )


@dataclass(slots=True)
class Forecaster:
    """The leader's memory of one line, for its waits. Losing it loses figures, and no promise."""

    steady: Pace = field(default_factory=Pace)
    record: Record = field(default_factory=Record)
    prospects: Prospects = field(default_factory=lambda: Prospects(per_second=None))
    _levels: tuple[float, float] = FIRST_LEVELS
    _levels_at: float = -inf

    def see(
        self, now: float, *, head: int, calls: float, freed: float, bound: str, passed_s: float
    ) -> None:
        """Learn from a tick in which shoppers waited: its calls, and the seats that came free.

        Where seats bound the calls, the line moves as fast as seats come free. The calls that fill
        empty seats at the start say nothing about that pace, so the freed seats count instead.
        """
        self.record.see(now, head)
        self.steady.note(freed if bound == "seats" else calls, passed_s=passed_s)

    def look(
        self,
        now: float,
        *,
        stock: Prospects | None,
        share: float = 1.0,
        held_to: float | None = None,
        ahead: int = 0,
    ) -> Prospects:
        """Return the prospects of the line at this moment.

        `stock` is the room's part of the prospects, None in a room without stock. `share` is this
        line's part of the room's calls and stock. `held_to` is the calls a second to which a slow
        checkout holds the room, None if it does not. `ahead` shoppers of other lines come first.
        """
        steady = self.steady.per_second
        held = None if held_to is None else held_to * share
        if not self._levels_at <= now < self._levels_at + TELL_EVERY_S:
            self._levels, self._levels_at = self.record.levels(now), now
        low, high = self._levels
        if stock is None:
            self.prospects = Prospects(
                per_second=steady, held_to=held, low=low, high=high, ahead=ahead
            )
            return self.prospects
        self.prospects = replace(
            stock,
            per_second=steady if stock.per_second is None else stock.per_second * share,
            calls_left=stock.calls_left * share,
            share=share,
            held_to=held,
            ahead=ahead,
            low=low,
            high=high,
            # Calls of the other lanes take from the same stock.
            each_mean=stock.each_mean / share,
            each_var=stock.each_var / share,
            shelves=tuple(
                replace(shelf, calls_left=shelf.calls_left * share) for shelf in stock.shelves
            ),
        )
        return self.prospects

    def tell(self, now: float, *, head: int, places: Iterable[int], calling: bool) -> None:
        """Keep a sample of the told waits now and then, to compare them with the actual ones."""
        if not calling:
            self.record.forget_told()
        elif self.record.is_due(now):
            likely = (place for place in places if self.prospects.chance(place) >= LIKELY)
            waits = ((head + place, self.prospects.wait(place)) for place in likely)
            self.record.tell(now, [(number, wait) for number, wait in waits if wait is not None])
