"""The yardsticks: sales whose room knows the shoppers, to hold against the policies that learn."""

from dataclasses import replace
from functools import lru_cache
from math import ceil, inf

import msgspec

from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.forecast.learning.rates import LifeTable
from waitroom.line.forecast.outlook import Habits, Outlook, Tables
from waitroom.line.policy import Expected
from waitroom.rehearse.play.baseline import CLAIRVOYANT, ORACLE, Fixed
from waitroom.rehearse.play.clairvoyant import Clairvoyant
from waitroom.rehearse.play.leader import Leader
from waitroom.rehearse.play.simulation import Simulation
from waitroom.rehearse.scenario.scenario import UNITS_MAX, Scenario, Shift, Trouble

# The rates are counted among this many called shoppers, of a crowd that no comparison plays.
SHOPPERS, SEED = 4_000, 2**31
# Of a crowd the first numbers are looked at, this many for each unit: bots are among the first.
FIRST_NUMBERS = 4
ALWAYS_S = 1e9
# Next to no imagined shoppers, so that ages that no shopper reached have a rate at all.
IMAGINED = 0.05


class _Counting(Demand):
    """A learner that is asked for rates alone, once all is over."""

    def outlook(self, now: float) -> Outlook:
        return Outlook()


@lru_cache(maxsize=8)
def true_habits(scenario: Scenario, *, shifts: int, troubled: bool) -> Habits:
    """Return what the shoppers called first would do if nothing were ever short.

    `shifts` and `troubled` choose the rates after so many of the scenario's shifts, and during its
    trouble.
    """
    rules = scenario.rules
    demand = _Counting(
        claim_window_s=rules.claim_window_s,
        session_s=rules.session_s,
        hold_s=rules.hold_s,
        units_max=rules.order_units_max,
        fade=1.0,
        imagined_shoppers=IMAGINED,
    )
    crowds = ceil(SHOPPERS / (FIRST_NUMBERS * scenario.stock.units))
    plenty = _with_plenty(scenario, crowds, shifts=shifts, troubled=troubled)
    sim = Simulation(plenty, seed=SEED, policy=Fixed(), figures=False, demand_of=lambda: demand)
    first = FIRST_NUMBERS * scenario.stock.units * crowds
    chosen = slice(0, first, max(first // SHOPPERS, 1))
    lists = {name: getattr(sim.arrivals, name)[chosen] for name in ("at", "who", "until", "told")}
    sim.arrivals = replace(sim.arrivals, **lists)
    sim.run()
    return _as_known(demand.habits())


def _with_plenty(scenario: Scenario, crowds: int, *, shifts: int, troubled: bool) -> Scenario:
    """Return the scenario with several times the crowd, and with stock and seats for all of it."""
    trouble, crowd = Trouble(), scenario.crowd
    if troubled:
        trouble = msgspec.structs.replace(
            scenario.trouble, trouble_from_s=0.0, trouble_until_s=ALWAYS_S, checkout_p95_s=0.0
        )
    return msgspec.structs.replace(
        scenario,
        stock=msgspec.structs.replace(scenario.stock, units=UNITS_MAX),
        rules=msgspec.structs.replace(
            scenario.rules, seats_max=UNITS_MAX, batch_max=UNITS_MAX, calls_per_minute=None
        ),
        crowd=msgspec.structs.replace(
            crowd,
            shoppers=crowd.shoppers * crowds,
            steady_per_minute=crowd.steady_per_minute * crowds,
        ),
        bots=msgspec.structs.replace(scenario.bots, bots=scenario.bots.bots * crowds),
        shopping=scenario.shopping_after(shifts),
        shift=Shift(),
        second_shift=Shift(),
        trouble=trouble,
    )


def _as_known(habits: Habits) -> Habits:
    """Return the habits as known for sure: nothing is guessed, and no estimate is in doubt."""
    return replace(habits, tables=Tables(*map(_sure, habits.tables)), units_weight=inf)


def _sure(table: LifeTable) -> LifeTable:
    return replace(table, guess=[0.0] * len(table.guess), weight=inf)


def oracle(scenario: Scenario, seed: int, *, figures: bool = True) -> Simulation:
    """Play a sale under `expected`, with the scenario's true rates in place of learned ones."""

    def known() -> Habits:
        shifts, troubled = len(sim.shifted_at), scenario.trouble.at(sim.now)
        return true_habits(scenario, shifts=shifts, troubled=troubled)

    def knowing() -> Demand:
        return Demand(known=known)

    sim = Simulation(scenario, seed=seed, policy=Expected(), figures=figures, demand_of=knowing)
    return sim.run()


def clairvoyant(scenario: Scenario, seed: int) -> Simulation:
    """Play a sale in which it is known who will do what; no waits and chances are told in it.

    Shifts that come with a share of the sale are foreseen by playing the sale before: once to
    learn about when they come, and once more, since knowing that moves them.
    """
    shift_at = [inf if shift.shift_at_s is None else shift.shift_at_s for shift in scenario.shifts]
    plays = 3 if any(shift.shift_at_sold_share is not None for shift in scenario.shifts) else 1
    for _ in range(plays):
        sim = Simulation(scenario, seed=seed, policy=Fixed())
        sim.leader = Leader(Clairvoyant(world=sim, shift_at=shift_at), figures=False)
        sim.run()
        shift_at = sim.shifted_at
    return sim


def play_knowing(policy: str, scenario: Scenario, seed: int, *, figures: bool) -> Simulation | None:
    """Play a sale whose room knows the shoppers; None for a policy that does not."""
    if policy == ORACLE:
        return oracle(scenario, seed, figures=figures)
    return clairvoyant(scenario, seed) if policy == CLAIRVOYANT else None
