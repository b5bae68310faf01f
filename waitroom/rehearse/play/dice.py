"""The random draws of each shopper, fixed by the seed alone. Pure.

Every die is thrown, needed or not. A die is a number that is compared with the rates of the moment.
So two policies meet the same people, and changing one rate affects only the shoppers that this rate
concerns.
"""

from dataclasses import dataclass
from math import exp, inf, log
from random import Random

from waitroom.rehearse.scenario.course import Course
from waitroom.rehearse.scenario.scenario import Scenario

# Each purpose has its own stream, so that more throws for one leave the others unchanged.
ARRIVALS, PATIENCE, SHOPPER, BOTS, SAMPLES = range(5)


def stream(seed: int, purpose: int, index: int = 0) -> Random:
    return Random((seed << 48) | (purpose << 40) | index)  # noqa: S311 - a simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Dice:
    """The dice of one called shopper: in [0, 1), but `_z` standard normal, `back_time` exponential.

    `shows` and `polls` have one die for the first call and one for all later calls.
    """

    shows: tuple[float, float]
    polls: tuple[float, float]
    back: float
    back_time: float
    claim_z: float
    browse_z: float
    holds: float
    choice: float
    flexible: float
    quantity: float
    fewer: float
    pays: float
    pay_z: float
    fails: tuple[float, float, float]
    told: float
    stay_z: float
    names: float


def dice_of(seed: int, shopper: int) -> Dice:
    rng = stream(seed, SHOPPER, shopper)
    throw, gauss = rng.random, rng.gauss
    return Dice(
        shows=(throw(), throw()),
        polls=(throw(), throw()),
        back=throw(),
        back_time=rng.expovariate(1.0),
        claim_z=gauss(0.0, 1.0),
        browse_z=gauss(0.0, 1.0),
        holds=throw(),
        choice=throw(),
        flexible=throw(),
        quantity=throw(),
        fewer=throw(),
        pays=throw(),
        pay_z=gauss(0.0, 1.0),
        fails=(throw(), throw(), throw()),
        told=throw(),
        stay_z=gauss(0.0, 1.0),
        names=throw(),
    )


def log_normal(median: float, spread: float, z: float) -> float:
    return median * exp(spread * z)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The arrivals in order: number n is at index n - 1.

    `at` is the moment of joining. `who` is the shopper's own index; bots come after all people.
    `until` is when patience ends. `told` says whether the shopper reports giving up the place.
    """

    at: list[float]
    who: list[int]
    until: list[float]
    told: list[bool]
    people: int


def draw_arrivals(scenario: Scenario, seed: int, course: Course | None = None) -> Arrivals:
    """Draw every arrival. Memory and time are linear in their number, and small.

    With a `course` the arrivals are the recorded ones, and only their patience is drawn.
    """
    crowd, bots = scenario.crowd, scenario.bots
    at = list(course.arrivals) if course else _times(scenario, seed)
    people = len(at)
    if course is None:
        bot_rng = stream(seed, BOTS)
        at.extend(bot_rng.random() * bots.bots_s for _ in range(bots.bots))
    patience = stream(seed, PATIENCE)
    lasts, told = [], []
    for _ in range(people):
        lasts.append(log_normal(crowd.patience_s, crowd.patience_spread, patience.gauss(0.0, 1.0)))
        told.append(patience.random() < crowd.leave_told_share and course is None)
    lasts.extend([inf] * (len(at) - people))
    told.extend([False] * (len(at) - people))
    who = sorted(range(len(at)), key=at.__getitem__)
    until = [at[i] + lasts[i] for i in who]
    told = [told[i] for i in who]
    for number, gone_at in (course.gone if course else {}).items():
        until[number - 1], told[number - 1] = gone_at, True
    return Arrivals(at=[at[i] for i in who], who=who, until=until, told=told, people=people)


def _times(scenario: Scenario, seed: int) -> list[float]:
    crowd, rng = scenario.crowd, stream(seed, ARRIVALS)
    at = []
    for _ in range(crowd.shoppers):
        early, when = rng.random(), rng.random()
        at.append(
            when * crowd.opening_s
            if early < crowd.opening_share
            else -log(1.0 - when) * crowd.tail_s
        )
    if crowd.steady_per_minute and crowd.steady_s:
        now, gap = 0.0, 60.0 / crowd.steady_per_minute
        while (now := now + rng.expovariate(1.0) * gap) < crowd.steady_s:
            at.append(now)
    return at
