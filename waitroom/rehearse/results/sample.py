"""What those who waited were told at some moments, and what they found on coming. Pure."""

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from waitroom.line.wait import row_at
from waitroom.rehearse.play.admitted import Admitted
from waitroom.rehearse.play.dice import log_normal

if TYPE_CHECKING:
    from waitroom.rehearse.play.simulation import Simulation

EVERY_S, EACH = 20, 8
# Beyond so many places for each unit that is not sold, hardly anything is left.
NEAR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a waiting number was told: its wait, and the chance that something is left."""

    number: int
    at: float
    wait_low_s: float | None
    wait_high_s: float | None
    chance: float


@dataclass(slots=True)
class Sampler:
    """Draw numbers from those who wait and write down what the document tells them.

    `left_for` has, for each drawn number that was called, whether it would have found something on
    coming, or while it would have stayed for what comes free. It is looked up for those too who
    stay away or want nothing: the published chance is that something is left, and not that somebody
    takes it.
    """

    rng: Random
    samples: list[Sample] = field(default_factory=list)
    left_for: dict[int, bool] = field(default_factory=dict)
    _drawn: set[int] = field(default_factory=set)

    def take(self, sim: "Simulation") -> None:
        """Draw half of them by the logarithm of the place, half from where it is not yet decided.

        Of a long line most are told that nothing will be left, and say little about the rest.
        """
        told, waiting = sim.leader.told, sim.tail - sim.head
        assert told is not None, "the leader has published"
        open_places = min(waiting, NEAR * (sim.books.on_hand - sim.books.sold) + 1)
        for turn in range(EACH):
            share = self.rng.random()
            place = int(waiting**share) if turn % 2 else 1 + int(share * open_places)
            row = row_at(told.table, place)
            self._drawn.add(sim.head + place)
            self.samples.append(
                Sample(
                    number=sim.head + place,
                    at=sim.now,
                    wait_low_s=row.wait_low_s,
                    wait_high_s=row.wait_high_s,
                    chance=row.chance,
                )
            )

    def follow(self, sim: "Simulation", a: Admitted, *, heard_at: float) -> None:
        """Look, once a drawn number would ask for a hold, whether something is there."""
        if a.number not in self._drawn:
            return
        shopping = sim.shop.shopping
        claims = log_normal(shopping.claim_s, shopping.claim_spread, a.dice.claim_z)
        looks = log_normal(shopping.browse_s, shopping.browse_spread, a.dice.browse_z)
        stays = log_normal(shopping.stay_s, shopping.stay_spread, a.dice.stay_z)
        # A promise that went back because its owner stayed away would have been theirs.
        promised = a.promised > 0

        def look(_: Admitted) -> None:
            found = promised or a.held_at is not None or _is_there(sim, a)
            self.left_for[a.number] = found
            if not found:
                sim.agenda.at(sim.now + stays, look_back, sim.now)

        def look_back(since: float) -> None:
            # What came free meanwhile is the lowest number's who stays for it.
            behind = any(
                b.number > a.number and b.held_at is not None and b.held_at > since
                for b in sim.admitted.values()
            )
            self.left_for[a.number] = a.held_at is not None or behind or _is_there(sim, a)

        sim.agenda.at(min(heard_at + claims, a.claim_until) + looks, look, a)


def _is_there(sim: "Simulation", a: Admitted) -> bool:
    return any(sim.books.to_be_had(a, shelf) for shelf in range(len(sim.books.shelves)))
