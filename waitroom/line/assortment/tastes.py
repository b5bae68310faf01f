"""Tastes: how the wish for each SKU is learned from what called shoppers hold and miss. Pure.

While everything is on the shelf, a first hold tells the first choice. Once a SKU is gone, a hold of
another one comes from a shopper who wanted that, or from a flexible one who wanted the SKU that is
gone. Such a hold is divided between the two by what was learned before (expectation maximisation,
one observation at a time). A request that was refused for the one SKU while others were left tells
a first choice of a shopper who is not flexible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from waitroom.line.assortment.depletion import Taste
from waitroom.line.snapshot import Shelf

# An observation counts half after this many further ones. It is longer than for rates: a share of a
# tenth needs some hundred shoppers to be known at all, and tastes change less than patience does.
HALF_LIFE = 300
FADE = 2 ** (1 / HALF_LIFE)
# The imagined shoppers want each SKU as often as there are units of it: a seller stocks what sells.
PRIOR_SHOPPERS = 8.0
# The imagined shoppers who found their SKU gone; half of them are flexible.
PRIOR_MISSED = 4.0
# So much of a shopper counts for how well flexibility is known: of most holds nobody can tell for
# sure whether the shopper had wanted another SKU.
MISSED_KNOWN = 1 / 3
# Shares are trusted as if at most this many shoppers had been seen: others may choose otherwise.
KNOWN_MAX = 150.0
# The learner keeps at most so many SKUs apart, those with the most units.
SKUS_MAX = 200


@dataclass(slots=True)
class Tastes:
    """Learn first choices and flexibility. Losing it loses figures, and no promise."""

    _first: dict[int, float] = field(default_factory=dict)
    _flexible: float = 0.0
    _stuck: float = 0.0
    _shelves: tuple[Shelf, ...] = ()
    # The free units of each SKU that has any, and the SKUs that have none.
    _left: dict[int, int] = field(default_factory=dict)
    _gone: list[int] = field(default_factory=list)

    def look(self, shelves: Sequence[Shelf]) -> None:
        """Note what is on the shelves from now on."""
        self._shelves = tuple(shelves[:SKUS_MAX])
        self._left = {shelf.sku_id: shelf.free for shelf in self._shelves if shelf.free > 0}
        self._gone = [shelf.sku_id for shelf in self._shelves if shelf.free <= 0]

    def held(self, sku: int, *, named: int | None) -> None:
        """Count a first hold of a SKU, by a shopper who may have named one."""
        left, gone = self._left, [other for other in self._gone if other != sku]
        if named is not None:
            if named != sku and named not in left:
                self._move(1.0)
            return
        if not gone:
            # Everything else is on the shelf, so this is a first choice.
            self._fade()
            self._add(sku, 1.0)
            return
        taste = self.taste({})
        missing = sum(taste.shares.get(other, 0.0) for other in gone)
        moving = taste.flexible * missing
        moving *= max(left.get(sku, 0), 1) / max(sum(left.values()), 1)
        own = taste.shares.get(sku, 0.0)
        moved = moving / (own + moving) if own + moving > 0 else 0.0
        self._fade()
        self._add(sku, 1 - moved)
        if moved > 0:
            self._move(moved)
            for other in gone:
                self._add(other, moved * taste.shares.get(other, 0.0) / missing)

    def missed(self, sku: int, *, named: int | None) -> None:
        """Count a shopper who asked for a SKU that was gone, while others were left."""
        self._flexible, self._stuck = self._flexible / FADE, self._stuck / FADE + 1
        if named is None:
            self._fade()
            self._add(sku, 1.0)

    def taste(self, named: Mapping[int, float]) -> Taste:
        """Return what is known; `named` counts the shoppers in line by what they named.

        Before anything was learned the shares are those of the units, and where shoppers named what
        they came for, half those of the named.
        """
        units = {shelf.sku_id: max(shelf.units, 0) for shelf in self._shelves}
        on_hand, spoken = sum(units.values()), sum(named.get(sku, 0.0) for sku in units)
        weight = sum(self._first.get(sku, 0.0) for sku in units)
        shares = {}
        for sku, count in units.items():
            prior = count / on_hand if on_hand else 1 / len(units)
            if spoken:
                prior = (prior + named.get(sku, 0.0) / spoken) / 2
            seen = self._first.get(sku, 0.0)
            shares[sku] = (seen + PRIOR_SHOPPERS * prior) / (weight + PRIOR_SHOPPERS)
        missed = self._flexible + self._stuck + PRIOR_MISSED
        flexible = (self._flexible + PRIOR_MISSED / 2) / missed
        return Taste(
            shares=shares,
            flexible=flexible,
            flexible_var=flexible * (1 - flexible) / (min(missed, KNOWN_MAX) * MISSED_KNOWN),
            weight=min(weight + PRIOR_SHOPPERS, KNOWN_MAX),
        )

    def _fade(self) -> None:
        for sku in self._first:
            self._first[sku] /= FADE

    def _add(self, sku: int, weight: float) -> None:
        self._first[sku] = self._first.get(sku, 0.0) + weight

    def _move(self, weight: float) -> None:
        fade = FADE**weight
        self._flexible, self._stuck = self._flexible / fade + weight, self._stuck / fade
