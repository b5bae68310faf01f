"""What is given for a sale beside its scenario: arrivals, rules and stock as they were recorded."""

from dataclasses import dataclass, field

from waitroom.rehearse.scenario.scenario import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an earlier sale went, in seconds from its opening, where the crowd had no say in it.

    `arrivals` has when each number joined, in order; `gone` the numbers that gave their place up or
    lost it, and when. `rules` and `open` are what held from a moment on, the first from the start;
    `stock` has (when, which SKU, how many units came or went).
    """

    arrivals: list[float]
    gone: dict[int, float] = field(default_factory=dict)
    rules: tuple[tuple[float, Rules], ...] = ()
    open: tuple[tuple[float, bool], ...] = ((0.0, True),)
    stock: tuple[tuple[float, int, int], ...] = ()
