"""The policy `expected`: how many calls the stock can serve. Pure.

Let N be the number of called shoppers who will ask for a hold, and M the number of baskets that the
units fill. N is a sum of independent trials. Both are taken as normal, and their variances include
the doubt about the learned figures. The expected number of shoppers who find nothing is then
E[(N - M)+], the partial expectation of a normal.

While little is known the doubt makes the policy cautious: a wide tail holds more disappointed
shoppers than a narrow one, so fewer are called for the same expectation.
"""

from math import ceil, erf, exp, pi, sqrt

from waitroom.line.forecast.outlook import Outlook

# Each tick may expect no more than this share of the disappointments that the bound still allows.
# Calls cannot be taken back. If by chance more shoppers ask than expected, nothing mends that; if
# fewer ask, more are called. So the final number of disappointed shoppers exceeds the expectation
# of any single tick, and the more so the more ticks there are.
SPEND_SHARE = 0.1


def partial_expectation(mean: float, sd: float) -> float:
    """Return E[max(X, 0)] of a normal X: mean cdf(mean / sd) + sd pdf(mean / sd)."""
    if sd <= 0:
        return max(mean, 0.0)
    z = mean / sd
    return mean * 0.5 * (1 + erf(z / sqrt(2))) + sd * exp(-z * z / 2) / sqrt(2 * pi)


def served(demand: Outlook, units: float) -> tuple[float, float]:
    """Return mean and variance of the number of baskets that the units fill.

    The last basket may be short.

    Baskets are a renewal process in units: the mean is (units + overshoot) / mean, where the
    overshoot of the last basket is (E[u^2] / E[u] - 1) / 2 for whole units, and the variance is
    units * var / mean^3 (Feller, volume 2, chapter XI). The doubt about the mean is added. Where
    the units are of several SKUs, baskets of what is gone by then are among them.
    """
    units = demand.asked_for(units)
    if units < 1:
        return 0.0, 0.0
    mean, var = demand.units_mean, demand.units_var
    overshoot = ((var + mean**2) / mean - 1) / 2
    baskets = max((units + overshoot) / mean, 1.0)
    chosen_var = demand.asked_var / mean**2
    return baskets, units * var / mean**3 + baskets**2 * demand.units_doubt + chosen_var


def disappointed(demand: Outlook, *, units: float, calls: float) -> float:
    """Return the expected number of shoppers who find nothing, open ones and new calls together."""
    # If the units suffice even when each shopper takes as many as possible, all are served.
    if demand.asking + calls <= served_surely(demand, units):
        return 0.0
    share = demand.ask_share
    askers = demand.askers_mean + calls * share
    var = demand.askers_var + calls * share * (1 - share) + askers**2 * demand.ask_doubt
    var += (demand.askers_guess + calls * demand.ask_guess) ** 2
    baskets, baskets_var = served(demand, units)
    return partial_expectation(askers - baskets, sqrt(var + baskets_var))


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
    far. Units that surely come back before a new call asks count as free. The expectation is convex
    in the number of calls and the bound is linear, so the greatest number is found by bisection.
    """
    units_then = units + demand.units_back
    if units_then < 1:
        return 0
    low, high = min(covered, calls_max), calls_max + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _is_too_many(demand, units=units_then, share=share, calls=middle):
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
    allowed = share * (demand.called + calls) - demand.disappointed
    expected = disappointed(demand, units=units, calls=calls)
    return expected > max(allowed, 0.0) * SPEND_SHARE
