"""The policy `expected`: how many calls the stock can serve. Pure.

By each of several moments ahead, let N be the number of shoppers who will have asked, open ones and
new calls together, and M the number of baskets that the units fill, with those that will have come
back. N and M are sums of independent trials and are taken as normal, and their variances include
the doubt about the learned figures. A shopper who asks by then finds no unit with the chance that N
is greater than M.

While little is known the doubt makes the policy cautious: a wide tail holds more disappointed
shoppers than a narrow one, so fewer are called for the same expectation.
"""

from math import ceil, erf, sqrt

from waitroom.line.forecast.outlook import Outlook

# As many times the shoppers who may find nothing may be refused at first.
REFUSED_TIMES = 2.0
# What one moment may risk of what is left of the bound: all of it while few units are held, when a
# risk sells many units earlier, and this part when hardly any unit is free. In between it falls as
# the square of the free part of the unsold units, times `RISK_TIMES`.
RISK_LEAST, RISK_TIMES = 1 / 32, 1.5
# Where shoppers take several units each, how many is not known either until they were seen.
RISK_OF_SEVERAL = 1 / 8
# A shopper finds nothing or something, never a half of it. So a part of one is kept back, which is
# much of the bound of a small sale.
KEPT_BACK = 0.25
# The part of the shoppers who take no other SKU than their own is at least this.
STUCK_LEAST = 0.05
# A bound that is used up still lets a call be made that is nearly sure to harm no shopper.
LEAST = 0.02
# No more shoppers may ask than so many times the baskets that there are expected to be.
ASKS_MAX = 2.0


def served(demand: Outlook, units: float) -> tuple[float, float]:
    """Return mean and variance of the number of baskets that the units fill.

    The last basket may be short.

    Baskets are a renewal process in units: the mean is (units + overshoot) / mean, where the
    overshoot of the last basket is (E[u^2] / E[u] - 1) / 2 for whole units, and the variance is
    units * var / mean^3 (Feller, volume 2, chapter XI). The doubt about the mean is added. Where
    the units are of several SKUs, baskets of what is gone by then are among them.
    """
    if units <= 0:
        return 0.0, 0.0
    chosen_var = chosen_var_of(demand, units)
    units = demand.asked_for(units)
    mean, var = demand.units_mean, demand.units_var
    overshoot = ((var + mean**2) / mean - 1) / 2
    # A part of a unit is the chance that there is one.
    baskets = max((units + overshoot) / mean, 1.0) if units >= 1 else units
    known_var = units * var / mean**3 + baskets**2 * demand.units_doubt
    return baskets, known_var + chosen_var / mean**2


def chosen_var_of(demand: Outlook, units: float) -> float:
    """Return the variance of the units asked for until these are taken, from who chooses what.

    However shoppers choose, they ask for as many units as they take. So the units asked for may
    turn out fewer by those of what is gone, and by no more: these are two standard deviations.
    """
    course = demand.depletion
    if course is None:
        return 0.0
    lost = demand.asked_for(units) - units
    # Of those whose SKU is gone all are lost but the flexible.
    doubted = (lost / max(1 - course.flexible, STUCK_LEAST)) ** 2 * course.flexible_var
    return min(demand.asked_var + doubted, (lost / 2) ** 2)


def short(demand: Outlook, *, units: float, calls: float) -> tuple[float, float]:
    """Return how many shoppers will be refused at first, and how many of them find nothing.

    Both are expectations, over open shoppers and new calls together. A shopper who asks before
    there is a unit is refused, and served after all if one comes back while the shopper stays.
    """
    # If the units suffice even when each shopper takes as many as possible, all are served.
    if demand.asking + calls <= served_surely(demand, units):
        return 0.0, 0.0
    guess = demand.askers_guess + calls * demand.ask_guess
    ever = max(demand.askers_mean + calls * demand.ask_share, 1e-9)
    refused = nothing = before = 0.0
    for horizon in demand.moments:
        asks = horizon.asks_mean + calls * horizon.new_asks
        var = horizon.asks_var + calls * horizon.new_asks * (1 - horizon.new_asks)
        var += asks**2 * demand.ask_doubt + (guess * min(asks / ever, 1.0)) ** 2
        new = max(asks - before, 0.0)
        soon = demand.for_new(units, horizon.back_mean)
        later = demand.for_new(units, horizon.later_mean)
        refused += new * _lacking(demand, asks, var, soon, horizon.back_var)
        nothing += new * _lacking(demand, asks, var, later, horizon.later_var)
        before = asks
    return refused, nothing


def _lacking(demand: Outlook, asks: float, var: float, units: float, units_var: float) -> float:
    """Return the chance that more shoppers have asked than the units serve."""
    baskets, baskets_var = served(demand, units)
    sd = sqrt(var + baskets_var + units_var / demand.units_mean**2) + 1e-9
    # Both are whole numbers: more by one is more by a half to the normal.
    return 0.5 * (1 + erf((asks - baskets - 0.5) / sd / sqrt(2)))


def served_surely(demand: Outlook, units: float) -> int:
    """Return how many shoppers find something even if each takes as many units as allowed."""
    if units < 1:
        return 0
    return 1 if demand.units_max is None else ceil(int(units) / demand.units_max)


def covered_calls(demand: Outlook, *, units: int, each: int) -> int:
    """Return how many calls `guaranteed` would make: `each` units for every shopper who may ask.

    Under `guaranteed` a promise keeps others from taking more than their units. Here nothing does.
    So where shoppers may take more than `each`, every shopper counts for the units that shoppers
    were found to take.
    """
    if demand.units_max is None or demand.units_max > each:
        per_call = max(float(each), demand.units_mean * (1 + 2 * sqrt(demand.units_doubt)))
    else:
        per_call = float(each)
    covered = int((units - demand.asking * per_call) / per_call + 1e-9)
    # The last units are not kept back for shoppers who might want several of them.
    surely = int(served_surely(demand, units) - demand.asking) if units >= each else 0
    return max(covered, surely, 0)


def calls_within(demand: Outlook, *, units: int, share: float, covered: int, calls_max: int) -> int:
    """Return the most calls that keep the disappointed within their share, at least `covered`.

    The bound runs over the whole sale: it counts the calls made and the shoppers disappointed so
    far. More calls never disappoint fewer, so the greatest number is found by bisection.
    """
    low, high = min(covered, calls_max), calls_max + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _is_too_many(demand, units=units, share=share, calls=middle):
            high = middle
        else:
            low = middle
    return low


def calls_in_mean(demand: Outlook, *, units: float, share: float) -> float:
    """Return the same number of calls as a real number, for an outlook of expected values.

    It is exact to a tenth of a call, or to a thousandth of the greatest possible number.
    """
    if units < 1:
        return 0.0
    low = max(served_surely(demand, units) - demand.asking, 0.0)
    baskets, _ = served(demand, units)
    high = low + max((baskets - demand.askers_mean) / demand.ask_share, 0.0) + 1.0
    grain = max(high / 1000, 0.1)
    while high - low > grain:
        middle = (low + high) / 2
        if _is_too_many(demand, units=units, share=share, calls=middle):
            high = middle
        else:
            low = middle
    return low


def _is_too_many(demand: Outlook, *, units: float, share: float, calls: float) -> bool:
    if not share or _has_no_unit(demand, units=units, calls=calls):
        return True
    refused, nothing = short(demand, units=units, calls=calls)
    bound = share * (demand.called + calls)
    risk = _risk(demand, units)
    nothing_max = (bound - KEPT_BACK - demand.disappointed) * risk
    refused_max = (REFUSED_TIMES * (bound - KEPT_BACK) - demand.refused) * risk
    least = min(LEAST, bound)
    return nothing > max(nothing_max, least) or refused > max(refused_max, least)


def _risk(demand: Outlook, units_free: float) -> float:
    """Return the part of what is left of the bound that may be expected to be used up now."""
    free = max(units_free, 0.0) / max(units_free + demand.units_held, 1.0)
    most = RISK_OF_SEVERAL if demand.units_var > 0 else 1.0
    return min(max(RISK_TIMES * free**2, RISK_LEAST), most)


def _has_no_unit(demand: Outlook, *, units: float, calls: float) -> bool:
    """Say whether far more shoppers would ask by some moment than there are units for."""
    return any(
        horizon.asks_mean + calls * horizon.new_asks
        > ASKS_MAX * served(demand, demand.for_new(units, horizon.later_mean))[0] + 1e-9
        for horizon in demand.moments
    )
