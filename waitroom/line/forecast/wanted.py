"""The wanted SKUs: what is left of each, and what shoppers inside and in line came for. Pure.

From both follows how the stock goes as shoppers ask (`depletion`): in units asked for, from which
the policy calls, and in units that shoppers will pay for, from which chances follow.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from waitroom.line.assortment.choices import Choices, Chosen, Stretch, named_in
from waitroom.line.assortment.depletion import Depletion, Piece, Taste, deplete
from waitroom.line.assortment.tastes import Tastes
from waitroom.line.forecast.outlook import Outlook
from waitroom.line.snapshot import RoomSnapshot, Shelf

# The state document names at most so many SKUs, those that are wanted most.
TOLD_MAX = 12
# For what is told to shoppers, tastes are trusted as if at most this many shoppers had been seen. A
# chance that is told is not taken back, while the next calls follow what is learned by then.
TOLD_WEIGHT_MAX = 50.0
# The part of the units that refused sessions wait for which they would pay for. Most shoppers whose
# SKU is gone look elsewhere before one comes back.
WISHES_PAID = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One moment of an assortment.

    inside: the shoppers who may still ask, by the SKU that they named. ahead: the line.
    most: the SKUs that are wanted most, the most wanted first.
    """

    shelves: tuple[Shelf, ...]
    taste: Taste
    inside: Mapping[int, int]
    ahead: Sequence[Stretch]
    most: tuple[Shelf, ...]

    def gross(self, outlook: Outlook) -> Depletion:
        """Return how the free units go, in units asked for."""
        units = {shelf.sku_id: float(max(shelf.free - shelf.wished, 0)) for shelf in self.shelves}
        each = outlook.units_mean
        course = deplete(units, self._pieces(outlook, each=each), taste=self._sized(outlook))
        held = max(sum(shelf.held for shelf in self.shelves), 1)
        awaited = tuple((shelf.held / held, float(shelf.wished)) for shelf in self.shelves)
        return replace(course, awaited=awaited)

    def net(self, outlook: Outlook, *, askers: float, paid_share: float) -> Depletion:
        """Return how all units go that are not bought yet, in units that shoppers pay for.

        `askers` are the shoppers ahead of the line who will ask. `paid_share` is the share of the
        units in baskets that will be bought. What comes back goes to refused sessions first, and
        comes back once more from those whose shoppers have gone.
        """
        units = {
            shelf.sku_id: max(
                shelf.free + shelf.held * (1 - paid_share) - shelf.wished * WISHES_PAID, 0.0
            )
            for shelf in self.shelves
        }
        each = outlook.asker_mean
        pieces = self._pieces(outlook, each=each, askers=askers)
        taste = self._sized(outlook)
        taste = replace(taste, weight=min(taste.weight, TOLD_WEIGHT_MAX))
        return deplete(units, pieces, taste=taste)

    def _sized(self, outlook: Outlook) -> Taste:
        mean = outlook.units_mean
        return replace(self.taste, units_each=outlook.units_var / mean + mean)

    def _pieces(
        self, outlook: Outlook, *, each: float, askers: float | None = None
    ) -> Iterator[Piece]:
        """Yield the shoppers inside, and then those in line, as the units that they ask for."""
        share = outlook.askers_mean / outlook.asking if outlook.asking else 0.0
        yield Piece(
            asked=(outlook.askers_mean if askers is None else askers) * each,
            named={sku: count * share * each for sku, count in self.inside.items()},
        )
        each *= outlook.ask_share
        for stretch in self.ahead:
            named = {sku: count * each for sku, count in stretch.named.items()}
            yield Piece(asked=stretch.shoppers * each, named=named)


@dataclass(slots=True)
class Assortment:
    """The leader's memory of a room's SKUs and choices. Losing it loses figures, and no promise."""

    _shelves: tuple[Shelf, ...] = ()
    _choices: dict[int, Choices] = field(default_factory=dict)

    def take(self, shelves: tuple[Shelf, ...], chosen: Sequence[Chosen]) -> None:
        """Take in what a reading has of SKUs and choices."""
        self._shelves = shelves
        for one in chosen:
            self._choices.setdefault(one.line_id, Choices()).put(one)

    def look(self, room: RoomSnapshot, outlook: Outlook, tastes: Tastes) -> Wanted | None:
        """Return this moment of the assortment, None for a room with fewer than two SKUs."""
        here = {line.line_id for line in room.lines}
        self._choices = {id_: kept for id_, kept in self._choices.items() if id_ in here}
        if len(self._shelves) < 2:
            return None
        ahead = self._ahead(room)
        named = named_in(ahead)
        taste = tastes.taste(named)
        open_ = sum(stretch.shoppers for stretch in ahead) - named.total()
        wanted = {
            shelf.sku_id: named[shelf.sku_id] + open_ * taste.shares.get(shelf.sku_id, 0.0)
            for shelf in self._shelves
        }
        most = sorted(self._shelves, key=lambda shelf: (-wanted[shelf.sku_id], shelf.sku))
        return Wanted(
            shelves=self._shelves,
            taste=taste,
            inside=outlook.crowd.named,
            ahead=ahead,
            most=tuple(most[:TOLD_MAX]),
        )

    def _ahead(self, room: RoomSnapshot) -> list[Stretch]:
        """Return the numbers that wait. Several lanes are taken as well mixed."""
        found: list[list[Stretch]] = []
        for line in room.lines:
            choices = self._choices.get(line.line_id, Choices())
            choices.pass_by(line.head)
            drawn = min(line.entries, line.tail)
            found.append(list(choices.ahead(line.head, line.tail, drawn=drawn)))
        if len(found) == 1:
            return found[0]
        mixed: Counter[int] = Counter()
        for stretches in found:
            mixed.update(named_in(stretches))
        shoppers = sum(stretch.shoppers for stretches in found for stretch in stretches)
        return [Stretch(shoppers=shoppers, named=mixed)]
