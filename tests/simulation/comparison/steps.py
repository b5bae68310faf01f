"""Random steps: most are about what is there, and some are repeats."""

import random
from typing import Any

from checkout.refund import RefundStage, RefundWish
from inventory.hold import Item
from simulation.comparison.side import SETTLES, STOCK


class Steps:
    """Chooses steps by the dice: most are about what is there."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._next = 1
        self._batches: list[tuple[list[int | None], list[int], int]] = []
        # The places that were given, each with the id of its ticket.
        self.places: list[tuple[int, int]] = []
        self.sessions: list[int] = []
        self._holds: list[tuple[int, int, dict[str, int]]] = []
        self._orders = 0
        # Refunds that were asked, each of an order under a key.
        self._refunds: list[tuple[int, int]] = []

    def _new(self) -> int:
        self._next += 1
        return self._next

    def choose(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        names = list(WEIGHTS)
        (name,) = self._dice.choices(names, weights=list(WEIGHTS.values()))
        chosen = getattr(self, f"_{name}")()
        return chosen or ("beat", (), {})

    def _join(self) -> Any:
        dice = self._dice
        if self._batches and dice.random() < 0.2:
            return "join", dice.choice(self._batches), {}
        ids = [self._new() for _ in range(dice.randint(1, 3))]
        keys = [one if dice.random() < 0.8 else None for one in ids]
        self._batches.append((keys, ids, self._new()))
        return "join", self._batches[-1], {}

    def _key_places(self) -> Any:
        keys = [key for batch in self._batches[-3:] for key in batch[0] if key is not None]
        return ("key_places", (keys,), {}) if keys else None

    def _lose(self) -> Any:
        return ("lose", self._dice.choice(self._batches), {}) if self._batches else None

    def _some_places(self) -> list[tuple[int, int]]:
        dice = self._dice
        count = min(len(self.places), dice.randint(1, 3))
        # Now and then a stranger's ticket for a number.
        return [
            (number, of if dice.random() < 0.95 else 999)
            for number, of in dice.sample(self.places, count)
        ]

    def _claim(self) -> Any:
        return ("claim", (self._some_places(),), {}) if self.places else None

    def _look(self) -> Any:
        return ("look", (self._some_places(),), {}) if self.places else None

    def _leave(self) -> Any:
        return ("leave", self._some_places()[0], {}) if self.places else None

    def _call(self) -> Any:
        return "call", (self._dice.randint(0, 4),), {"stale": self._dice.random() < 0.1}

    def _hold(self) -> Any:
        dice = self._dice
        if not self.sessions:
            return None
        if self._holds and dice.random() < 0.2:
            number, key, units = dice.choice(self._holds)
            if dice.random() < 0.3:
                # The key of another request.
                units = dict.fromkeys(units, 3)
            return "hold", ([(number, key, units)],), {}
        skus = dice.sample(list(STOCK), dice.randint(1, 2))
        units = {sku: dice.randint(1, 3) for sku in skus}
        self._holds.append((dice.choice(self.sessions[-5:]), self._new(), units))
        return "hold", (self._holds[-1 : -1 - dice.randint(1, 2) : -1],), {}

    def _of_hold(self, step: str) -> Any:
        if not self._holds:
            return None
        number, key, _ = self._dice.choice(self._holds[-6:])
        return step, (number, key), {}

    def _release(self) -> Any:
        return self._of_hold("release")

    def _read_hold(self) -> Any:
        return self._of_hold("read_hold")

    def _pay(self) -> Any:
        chosen = self._of_hold("pay")
        if chosen is None:
            return None
        if not self._orders or self._dice.random() < 0.8:
            self._orders += 1
        return "pay", (*chosen[1], self._orders), {}

    def _settle(self) -> Any:
        to = self._dice.choice([to for states in SETTLES.values() for to in states])
        return "settle", (self._dice.randint(1, self._orders or 1), to), {}

    def _take(self) -> Any:
        return "take", (self._dice.randint(1, self._orders or 1),), {}

    def _refund(self) -> Any:
        dice = self._dice
        if self._refunds and dice.random() < 0.2:
            order, key = dice.choice(self._refunds)
        else:
            order, key = dice.randint(1, self._orders or 1), self._new()
            self._refunds.append((order, key))
        restock = dice.random() < 0.7
        wishes = [
            RefundWish(reason="why", full=True, restock=restock),
            RefundWish(reason="why", items=[Item(dice.choice(list(STOCK)), 1)], restock=restock),
            RefundWish(reason="why", amount_minor=dice.choice([300, 1000])),
        ]
        return "refund", (order, key, dice.choice(wishes)), {}

    def _finish(self) -> Any:
        if not self._refunds:
            return None
        to = self._dice.choice([RefundStage.DONE, RefundStage.DONE, RefundStage.FAILED])
        return "finish", (*self._dice.choice(self._refunds[-3:]), to), {}

    def _end(self) -> Any:
        return ("end", (self._dice.choice(self.sessions),), {}) if self.sessions else None

    def _expire(self) -> Any:
        return "expire", (), {}

    def _sold_out(self) -> Any:
        return "sold_out", (), {}

    def _shift(self) -> Any:
        return "shift", (), {}


WEIGHTS = {
    "join": 10,
    "key_places": 3,
    "lose": 2,
    "claim": 9,
    "look": 5,
    "leave": 1,
    "call": 9,
    "hold": 10,
    "release": 2,
    "read_hold": 3,
    "pay": 7,
    "settle": 9,
    "take": 2,
    "refund": 4,
    "finish": 3,
    "end": 1,
    "expire": 2,
    "sold_out": 2,
    "shift": 4,
}
