"""How many calls the stock will do for: the arithmetic of the policy `expected`. Pure.

Those called before and now who will ask are N shoppers; the units that are there serve the first M
of them. N is a sum of independent trials, M the number of baskets that the units fill; both are
taken as normal, with the doubt about the learned figures in their variance. The expected number of
those who find nothing is then E[(N - M)+], the partial expectation of a normal.

The doubt makes for caution while little is known: a tail that is wide holds more of those who find
nothing than one that is narrow, so fewer are called for the same expectation.
"""

from math import ceil, erf, exp, pi, sqrt

from waitroom.line.forecast.outlook import Outlook

# Of the disappointments that the bound still allows, those that are under way may come to no more
# than this share. Calls cannot be taken back: when chance has it that more ask than was expected
# nothing can be done, when fewer ask more are called. So what comes in the end is more than any
# one tick expects, and the more ticks there are the more so.
SPEND_SHARE = 0.1


def partial_expectation(mean: float, sd: float) -> float:
    """Return E[max(X, 0)] of a normal X: mean cdf(mean / sd) + sd pdf(mean / sd)."""
    if sd <= 0:
        return max(mean, 0.0)
    z = mean / sd
    return mean * 0.5 * (1 + erf(z / sqrt(2))) + sd * exp(-z * z / 2) / sqrt(2 * pi)


def served(demand: Outlook, units: float) -> tuple[float, float]:
    """Return mean and variance of how many baskets the units fill, the last one as it may be.

    Baskets are a renewal process in units: the mean is (units + overshoot) / mean, where the
    overshoot of the last basket is (E[u^2] / E[u] - 1) / 2 for whole units, and the variance is
    units * var / mean^3 (Feller, volume 2, chapter XI). Doubt about the mean comes on top.
    """
    if units < 1:
        return 0.0, 0.0
    mean, var = demand.units_mean, demand.units_var
    overshoot = ((var + mean**2) / mean - 1) / 2
    baskets = max((units + overshoot) / mean, 1.0)
    return baskets, units * var / mean**3 + baskets**2 * demand.units_doubt


def disappointed(demand: Outlook, *, units: float, calls: float) -> float:
    """Return how many of the open and of so many new calls are expected to find nothing."""
    # As many as there are units for, whatever they take, find something for sure.
    if demand.asking + calls <= served_surely(demand, units):
        return 0.0
    share = demand.ask_share
    askers = demand.askers_mean + calls * share
    var = demand.askers_var + calls * share * (1 - share) + askers**2 * demand.ask_doubt
    var += (demand.askers_guess + calls * demand.ask_guess) ** 2
    baskets, baskets_var = served(demand, units)
    return partial_expectation(askers - baskets, sqrt(var + baskets_var))


def served_surely(demand: Outlook, units: float) -> int:
    """Return how many find something even if each takes as much as one may."""
    if units < 1:
        return 0
    return 1 if demand.units_max is None else ceil(int(units) / demand.units_max)


def covered_calls(demand: Outlook, *, units: int, each: int) -> int:
    """Return how many calls `guaranteed` would make: `each` units for everybody who may ask.

    There a promise keeps others from taking more than theirs. Here nothing does, so where shoppers
    may take more than `each`, everybody counts for as many units as they are found to take.
    """
    if demand.units_max is None or demand.units_max > each:
        per_call = max(float(each), demand.units_mean * (1 + 2 * sqrt(demand.units_doubt)))
    else:
        per_call = float(each)
    covered = int((units - demand.asking * per_call) / per_call + 1e-9)
    # The last units are not kept back because somebody might have wanted more of them.
    surely = int(served_surely(demand, units) - demand.asking) if units >= each else 0
    return max(covered, surely, 0)


def calls_within(demand: Outlook, *, units: int, share: float, covered: int, calls_max: int) -> int:
    """Return the most calls, at least the covered ones, that keep the disappointed in their share.

    The bound runs over the whole sale: those who found nothing so far count, and the calls made so
    far. Units that surely come back before a new call asks count as there. The expectation grows
    ever faster with the calls and the bound evenly, so the last number that will do is found by
    halving.
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
    """Return how many calls that would come to, as a real number, for an outlook of the mean.

    It is to a tenth of a call or to a thousandth of all that there are units for.
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
