"""Depletion: which SKUs are gone after how many units were asked for. Pure.

A shopper asks for the SKU of their first choice. If it is gone, a flexible shopper takes another
SKU and the others take nothing. So the units asked for and the units taken part ways once the first
SKU is gone, and what is left then lasts longer than its number says.

`deplete` walks along the shoppers in the order in which they are called, as expected numbers. It
jumps from one SKU's end to the next, so it takes a step for each SKU and each piece of the line.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter

# The slope that stands in where the last shoppers take next to nothing of a SKU.
SLOPE_LEAST = 1e-3
_EMPTY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of the line.

    asked: the units that its shoppers are expected to ask for.
    named: the part of them by SKU, from the shoppers who named what they came for.
    """

    asked: float
    named: Mapping[int, float] = field(default_factory=dict)

    def times(self, factor: float) -> "Piece":
        """Return the piece in units of another size."""
        named = {sku: units * factor for sku, units in self.named.items()}
        return Piece(asked=self.asked * factor, named=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """The choices of shoppers who named nothing.

    shares: by SKU, the part of the units asked for of which it is the first choice.
    flexible: the part of the shoppers who take another SKU when theirs is gone.
    weight: the number of shoppers that the shares are worth.
    flexible_var: the variance of the estimate of `flexible`.
    units_each: the mean size of the hold that a unit belongs to; 1 where each shopper takes one.
    """

    shares: Mapping[int, float]
    flexible: float = 0.5
    weight: float = 1.0
    flexible_var: float = 0.0
    units_each: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The end of one SKU.

    at: the units of any SKU that were asked for when it is gone.
    var: the variance of that number, from who chooses what and from how well that is known.
    """

    at: float
    var: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Depletion:
    """The course of a stock, in units asked for from now on.

    skus: the end of each SKU.
    steps: pairs of units asked for and units taken by then, both rising.
    unwanted: the units that no shopper will take of those who wait, are inside or may come.
    flexible: the part of the shoppers who take another SKU when theirs is gone.
    flexible_var: the variance of the estimate of `flexible`.
    awaited: for each SKU, its part of the units in baskets, and the units of it that refused
        sessions wait for.
    """

    skus: Mapping[int, Gone]
    steps: tuple[tuple[float, float], ...]
    unwanted: float = 0.0
    flexible: float = 1.0
    flexible_var: float = 0.0
    awaited: tuple[tuple[float, float], ...] = ()

    @property
    def last(self) -> Gone:
        """Return the end of the SKU that lasts longest."""
        return max(self.skus.values(), key=lambda gone: gone.at, default=Gone(at=0.0))

    def asked_for(self, units: float) -> float:
        """Return the units that are asked for until `units` that are left have been taken.

        They are without the unwanted ones. Units beyond those that the walk began with have come
        back since, and count once each.
        """
        asked, taken = self.steps[-1]
        if units >= taken:
            return asked + units - taken
        return asked - self._asked_when(taken - units)

    def for_new(self, back: float) -> float:
        """Return the part of units that come back for which no refused session waits."""
        return sum(max(back * part - wished, 0.0) for part, wished in self.awaited)

    def taking(self, asked: float) -> float:
        """Return the part of the units asked for that is taken, once `asked` units were."""
        if len(self.steps) < 2:
            return 1.0
        index = bisect_left(self.steps, asked, key=itemgetter(0))
        index = min(max(index, 1), len(self.steps) - 1)
        (asked_0, taken_0), (asked_1, taken_1) = self.steps[index - 1], self.steps[index]
        return min((taken_1 - taken_0) / max(asked_1 - asked_0, _EMPTY), 1.0)

    def _asked_when(self, taken: float) -> float:
        """Return the units asked for when so many are taken."""
        index = max(bisect_left(self.steps, taken, key=itemgetter(1)), 1)
        (asked_0, taken_0), (asked_1, taken_1) = self.steps[index - 1], self.steps[index]
        return asked_0 + (asked_1 - asked_0) * (taken - taken_0) / max(taken_1 - taken_0, _EMPTY)


@dataclass(slots=True)
class _Walk:
    """The state of a walk: the units left of each SKU, and what was asked for and taken so far.

    `named` are the units of each SKU that were asked for by shoppers who named it.
    """

    taste: Taste
    left: dict[int, float]
    first: dict[int, float]
    asked: float = 0.0
    taken: float = 0.0
    named: dict[int, float] = field(default_factory=dict)
    slopes: dict[int, float] = field(default_factory=dict)
    gone: dict[int, Gone] = field(default_factory=dict)
    steps: list[tuple[float, float]] = field(default_factory=list)

    def pass_by(self, piece: Piece) -> None:
        """Let the shoppers of a piece ask."""
        if piece.asked <= 0:
            return
        open_share = max(1 - sum(piece.named.values()) / piece.asked, 0.0)
        first = {
            sku: piece.named.get(sku, 0.0) / piece.asked
            + open_share * self.taste.shares.get(sku, 0.0)
            for sku in self.first
        }
        left = piece.asked
        while left > _EMPTY and self.left:
            self.slopes = self._slopes(first)
            ends = {sku: self.left[sku] / slope for sku, slope in self.slopes.items() if slope > 0}
            step = min(left, *ends.values()) if ends else left
            for sku, units in piece.named.items():
                self.named[sku] = self.named.get(sku, 0.0) + units * step / piece.asked
            self._take(step)
            left -= step

    def _slopes(self, first: Mapping[int, float]) -> dict[int, float]:
        """Return the units of each SKU that are taken for each unit asked for.

        Flexible shoppers see what is plentiful, so they take by the units left.
        """
        units = sum(self.left.values())
        moving = self.taste.flexible * max(1 - sum(first[sku] for sku in self.left), 0.0)
        return {sku: first[sku] + moving * left / units for sku, left in self.left.items()}

    def _take(self, step: float) -> None:
        self.asked += step
        self.taken += step * sum(self.slopes.values())
        self.steps.append((self.asked, self.taken))
        for sku, slope in self.slopes.items():
            self.left[sku] -= step * slope
            if self.left[sku] <= _EMPTY:
                del self.left[sku]
                self.gone[sku] = self._end(sku, self.asked, slope)

    def _end(self, sku: int, at: float, slope: float) -> Gone:
        """Return the end of a SKU, with its variance.

        Each shopper who did not name it takes it or does not: a binomial variance, and one for how
        few shoppers that share was learned from. A named choice is certain.
        """
        named, slope = self.named.get(sku, 0.0), max(slope, SLOPE_LEAST)
        others = max(at - named, _EMPTY)
        share = min(max(self.first[sku] - named, 0.0) / others, 1.0)
        by_chance = others * share * (1 - share) * self.taste.units_each
        doubted = others**2 * share * (1 - share) / self.taste.weight
        return Gone(at=at, var=(by_chance + doubted) / slope**2)

    def finish(self) -> Depletion:
        """Return the course. A SKU that no walk comes to the end of lasts on as it did last."""
        unwanted = sum(self.left.values())
        for sku, left in self.left.items():
            slope = max(self.slopes.get(sku, 0.0), SLOPE_LEAST)
            at = self.asked + left / slope
            self.gone[sku] = self._end(sku, at, slope)
        return Depletion(
            skus=self.gone,
            steps=tuple(self.steps),
            unwanted=unwanted,
            flexible=self.taste.flexible,
            flexible_var=self.taste.flexible_var,
        )


def deplete(units: Mapping[int, float], pieces: Iterable[Piece], *, taste: Taste) -> Depletion:
    """Return the course of these units by SKU, as the shoppers of the pieces ask in order.

    After the pieces as many more shoppers are imagined as there are units, so that a room with a
    short line counts on arrivals.
    """
    walk = _Walk(taste=taste, left={}, first=dict(units), steps=[(0.0, 0.0)])
    for sku, count in units.items():
        if count > _EMPTY:
            walk.left[sku] = count
        else:
            walk.gone[sku] = Gone(at=0.0)
    for piece in chain(pieces, (Piece(asked=sum(walk.left.values())),)):
        walk.pass_by(piece)
        if not walk.left:
            break
    return walk.finish()
