"""The clairvoyant yardstick: a policy that knows who will do what. Pure.

It calls each number at the first tick at which every shopper called so far, and this one, will find
a unit when asking. So no shopper finds nothing, whatever the bound. Numbers are called in order,
hence a later call of one number would let no other be called earlier.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice
from math import inf
from operator import itemgetter
from typing import Protocol

from waitroom.line.admission import AdmissionState
from waitroom.line.policy import PolicyInput
from waitroom.rehearse.play.admitted import Admitted
from waitroom.rehearse.play.dice import log_normal
from waitroom.rehearse.play.shop import (
    AGAIN_S,
    DECLINED_S,
    GATEWAY_S,
    PAYMENTS_MAX,
    Shop,
    choice_of,
    claims_at,
    looks_s,
    wanted_units,
)
from waitroom.rehearse.scenario.scenario import Scenario, Shopping

# A moment, and who asks then; or a moment, and which SKU gets how many units back.
Ask = tuple[float, Admitted]
Back = tuple[float, int, int]


class World(Protocol):
    """The part of a simulation that the clairvoyant looks at."""

    scenario: Scenario
    shop: Shop
    shifted_at: list[float]

    @property
    def now(self) -> float: ...

    def next_in_line(self) -> Iterator[tuple[Admitted, float]]:
        """Yield the shoppers to call next, each with the moment at which they would hear of it."""
        ...


@dataclass(slots=True, eq=False)
class Clairvoyant:
    """Call each number as soon as there will be a unit for it.

    `shift_at` is when the scenario's shifts will come, as far as they will.
    """

    world: World
    shift_at: Sequence[float] = ()
    name: str = "clairvoyant"
    _asks_at: dict[tuple[int, float, AdmissionState], float] = field(default_factory=dict)

    def calls_max(self, room: PolicyInput) -> int:
        """Return the greatest number of calls after which everybody still finds a unit."""
        most = min(room.batch_max, max(room.seats_max - room.seats_taken, 0), room.calls_allowed)
        asks, backs = self._to_come()
        line = ((self._ask_of(a, heard_at), a) for a, heard_at in self.world.next_in_line())
        called: list[Ask] = []

        def suffice(calls: int) -> bool:
            called.extend(islice(line, max(calls - len(called), 0)))
            return self._all_find([*asks, *called[:calls]], backs)

        low, high = 0, 1
        while high <= most and suffice(high):
            low, high = high, 2 * high
        high = min(high, most + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if suffice(middle) else (low, middle)
        return low

    def _shopping(self, at: float) -> Shopping:
        expected = sum(shift_at <= at for shift_at in self.shift_at)
        return self.world.scenario.shopping_after(max(expected, len(self.world.shifted_at)))

    def _to_come(self) -> tuple[list[Ask], list[Back]]:
        """Return the asks and the returned units of the shoppers called so far."""
        asks: list[Ask] = []
        backs: list[Back] = []
        for a in self.world.shop.open.values():
            if a.held:
                back_at = self._back_at(a, a.held_at or 0.0)
                if back_at < inf:
                    backs.append((back_at, a.shelf, a.held))
            elif a.asked_at is None and (at := self._asks(a)) < inf:
                asks.append((at, a))
        heapify(backs)
        return asks, backs

    def _asks(self, a: Admitted) -> float:
        """Return when a called shopper will ask for the first time; infinite for never."""
        key = (a.number, a.called_at, a.state)
        at = self._asks_at.get(key)
        if at is None:
            chooses_at = a.chooses_at
            if a.state is AdmissionState.CALLED:
                chooses_at = self._chooses_at(a, a.claims_at)
            at = self._asks_at[key] = self._wants_at(a, chooses_at)
        return at

    def _ask_of(self, a: Admitted, heard_at: float) -> float:
        """Return when a shopper would ask who is called now and hears of it at `heard_at`."""
        claims = claims_at(a, self._shopping(self.world.now), heard_at=heard_at)
        return self._wants_at(a, self._chooses_at(a, claims))

    def _chooses_at(self, a: Admitted, claims: float | None) -> float | None:
        if claims is None or claims >= a.claim_until:
            return None
        return claims + looks_s(a, self._shopping(claims))

    def _wants_at(self, a: Admitted, chooses_at: float | None) -> float:
        if chooses_at is None:
            return inf
        wants = a.bot or a.dice.holds < self._shopping(chooses_at).hold_share
        return chooses_at if wants else inf

    def _back_at(self, a: Admitted, held_at: float) -> float:
        """Return when a hold ends without being paid; infinite if it is paid."""
        shopping, trouble = self._shopping(held_at), self.world.scenario.trouble
        share = self.world.scenario.bots.bot_pay_share if a.bot else shopping.pay_share
        at = held_at + log_normal(shopping.pay_s, shopping.pay_spread, a.dice.pay_z)
        until = held_at + self.world.shop.rules.hold_s
        if a.dice.pays >= share:
            says_so = not a.bot and a.dice.told < shopping.told_share
            return min(at, until) if says_so else until
        for fails in a.dice.fails[:PAYMENTS_MAX]:
            if at >= until:
                return until
            troubled = trouble.at(at)
            at += GATEWAY_S + (trouble.delay_s if troubled else 0.0)
            if not (troubled and fails < trouble.fail_share):
                return inf
            until = max(until, at + DECLINED_S)
            at += AGAIN_S
        return until

    def _all_find(self, asks: list[Ask], backs: list[Back]) -> bool:
        """Say whether all who ask will find something, however they choose."""
        world = self.world
        stock, free = world.scenario.stock, [shelf.units for shelf in world.shop.books.shelves]
        to_come = list(backs)
        for at, a in sorted(asks, key=itemgetter(0)):
            if at == inf:
                break
            while to_come and to_come[0][0] <= at:
                _, shelf, units = heappop(to_come)
                free[shelf] += units
            shopping = self._shopping(at)
            best = choice_of(a, stock, shopping, free.__getitem__)
            wants = wanted_units(a, world.scenario, shopping, world.shop.rules)
            if free[best] < 1:
                if not any(free):
                    return False
            elif free[best] >= wants or a.dice.fewer < shopping.fewer_share or a.bot:
                units = min(free[best], wants)
                free[best] -= units
                if (back_at := self._back_at(a, at)) < inf:
                    heappush(to_come, (back_at, best, units))
        return True
