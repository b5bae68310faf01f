"""The recorded part of a sale, beside its scenario: arrivals, rules and stock."""

from dataclasses import dataclass, field

from waitroom.rehearse.scenario.scenario import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The events of an earlier sale that the crowd did not decide, in seconds from its opening.

    `arrivals` has the moment at which each number joined, in order. `gone` has the numbers that
    gave up or lost their place, with the moment. `rules` and `open` have (moment, value from then
    on), the first at the start. `stock` has (moment, SKU's index, units added or removed).
    """

    arrivals: list[float]
    gone: dict[int, float] = field(default_factory=dict)
    rules: tuple[tuple[float, Rules], ...] = ()
    open: tuple[tuple[float, bool], ...] = ((0.0, True),)
    stock: tuple[tuple[float, int, int], ...] = ()
