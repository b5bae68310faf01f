"""Samples of the published figures: what waiting shoppers were told, and what they found. Pure."""

from dataclasses import dataclass, field
from random import Random

from waitroom.line.forecast.skus import chance_of
from waitroom.line.state import LineState
from waitroom.line.wait import row_at
from waitroom.rehearse.play.admitted import Admitted
from waitroom.rehearse.play.books import Books
from waitroom.rehearse.play.dice import log_normal
from waitroom.rehearse.play.shop import Shop

EVERY_S, EACH = 20, 8
# Beyond so many places for each unit that is not sold, hardly anything is left.
NEAR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a waiting number was told: its wait, and the chance that something is left.

    `sku_chance` is what it was told of one shelf, `sku`, where the document tells of several.
    """

    number: int
    at: float
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float
    sku: int | None = None
    sku_chance: float | None = None


@dataclass(slots=True)
class Sampler:
    """Draw waiting numbers and write down what the document tells them.

    `left_for` says, for each drawn number that was called, whether something was left when it came
    or came free while it would have stayed. That is looked up for absent shoppers too, and for
    shoppers who want nothing: the published chance is that something is left, whether or not a
    shopper takes it. So something was left for a number that was passed by, too. `sku_left_for`
    says which shelves had something when it came. `shelf_of` has each shelf's index by its SKU.
    """

    rng: Random
    shelf_of: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    left_for: dict[int, bool] = field(default_factory=dict)
    sku_left_for: dict[int, frozenset[int]] = field(default_factory=dict)
    _drawn: set[int] = field(default_factory=set)

    def take(self, told: LineState, *, now: float, unsold: int) -> None:
        """Draw half of them by the logarithm of the place, half from where it is undecided.

        Most of a long line are told that nothing will be left, and say little about the rest.
        """
        waiting = told.tail - told.head
        open_places = min(waiting, NEAR * unsold + 1)
        for turn in range(EACH):
            share = self.rng.random()
            place = int(waiting**share) if turn % 2 else 1 + int(share * open_places)
            row = row_at(told.table, place)
            self._drawn.add(told.head + place)
            sku, sku_chance = self._one_sku(told, place)
            self.samples.append(
                Sample(
                    number=told.head + place,
                    at=now,
                    wait_low_s=row.wait_low_s,
                    wait_high_s=row.wait_high_s,
                    chance=row.chance,
                    sku=sku,
                    sku_chance=sku_chance,
                )
            )

    def _one_sku(self, told: LineState, place: int) -> tuple[int | None, float | None]:
        """Return one of the SKUs told of, by its index among them, and the chance told."""
        if not told.skus:
            return None, None
        table = told.skus[int(self.rng.random() * len(told.skus))]
        return self.shelf_of[table.sku], chance_of(told.skus, table.sku, place)

    def pass_by(self, number: int, books: Books) -> None:
        """Note what is left when a drawn number is passed by: something, but not what it named."""
        if number in self._drawn:
            self.left_for[number] = True
            there = (i for i, shelf in enumerate(books.shelves) if shelf.for_call)
            self.sku_left_for[number] = frozenset(there)

    def follow(
        self, shop: Shop, everybody: dict[int, Admitted], a: Admitted, *, heard_at: float
    ) -> None:
        """Look, once a drawn number would ask for a hold, whether something is there."""
        if a.number not in self._drawn:
            return
        shopping = shop.shopping
        claims = log_normal(shopping.claim_s, shopping.claim_spread, a.dice.claim_z)
        looks = log_normal(shopping.browse_s, shopping.browse_spread, a.dice.browse_z)
        stays = log_normal(shopping.stay_s, shopping.stay_spread, a.dice.stay_z)
        # A promise that went back because its owner stayed away would have been theirs.
        promised = a.promised > 0

        def look(_: Admitted) -> None:
            found = promised or a.held_at is not None or _is_there(shop, a)
            self.sku_left_for[a.number] = _shelves_there(shop, a)
            self.left_for[a.number] = found
            if not found:
                now = shop.agenda.now
                shop.agenda.at(now + stays, look_back, now)

        def look_back(since: float) -> None:
            # What came free meanwhile goes to the lowest number that stays for it.
            behind = any(
                b.number > a.number and b.held_at is not None and b.held_at > since
                for b in everybody.values()
            )
            self.left_for[a.number] = a.held_at is not None or behind or _is_there(shop, a)

        shop.agenda.at(min(heard_at + claims, a.claim_until) + looks, look, a)


def _is_there(shop: Shop, a: Admitted) -> bool:
    return any(shop.books.to_be_had(a, shelf) for shelf in range(len(shop.books.shelves)))


def _shelves_there(shop: Shop, a: Admitted) -> frozenset[int]:
    """Return the shelves from which a shopper could hold something, or holds or bought it."""
    there = {i for i in range(len(shop.books.shelves)) if shop.books.to_be_had(a, i)}
    if a.first_shelf is not None:
        there.add(a.first_shelf)
    return frozenset(there)
