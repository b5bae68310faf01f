"""The crowd: shoppers who keep coming until the run is over, and a witness who only looks."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from chaos.client import Client, Clock, Ended
from chaos.shopper import Shopper, Temper
from chaos.told import PAGE, STATE, Story

AT_ONCE, A_SECOND, SHOPPERS_MAX = 40, 2.5, 300
WITNESS_EVERY_S = 0.5
# What has begun at the end of a run is over within this, also an order that was left idle.
FINISH_S = 75.0


@dataclass(slots=True, kw_only=True)
class Crowd:
    """Shoppers of one seed on their way to one room. `cards` are good ones."""

    url: str
    story: Story
    clock: Clock
    cards: Sequence[str]
    bad_card: str
    shoppers_max: int = SHOPPERS_MAX
    at_once: int = AT_ONCE
    _shoppers: dict[asyncio.Task[None], Shopper] = field(default_factory=dict)
    _looking: list[asyncio.Task[None]] = field(default_factory=list)
    _witness: Client | None = None

    def begin(self) -> None:
        """Let the first ones come at once, and the others one by one."""
        self._looking = [
            asyncio.create_task(self._come()),
            asyncio.create_task(self._witness_all()),
        ]

    async def end(self) -> None:
        """Send home who waits, let who is inside come to an end, and raise a client's error."""
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        for shopper in self._shoppers.values():
            shopper.client.over.set()
        if self._shoppers:
            done, left = await asyncio.wait(self._shoppers, timeout=FINISH_S)
            for task in left:
                task.cancel()
                self.story.undecided.append((self._shoppers[task].client.shopper, "walk"))
            await asyncio.gather(*left, return_exceptions=True)
            for task in done:
                task.result()

    def _add(self, number: int) -> None:
        dice = Random(f"{self.story.seed}:{number}")
        client = Client(self.url, self.story, self.clock, number, dice)
        shopper = Shopper(
            client,
            Temper.draw(dice, cards=self.cards, bad_card=self.bad_card),
            self.story,
            self.clock,
        )
        self._shoppers[asyncio.create_task(shopper.run())] = shopper

    async def _come(self) -> None:
        dice = Random(self.story.seed)
        for number in range(1, self.shoppers_max + 1):
            self._add(number)
            if number > self.at_once:
                await asyncio.sleep(dice.expovariate(A_SECOND))

    async def _witness_all(self) -> None:
        """Look at the document and at the page on new connections, as newcomers do."""
        async with Client(self.url, self.story, self.clock, 0, Random(0)) as client:
            while True:
                for kind, path in ((STATE, "/rooms/drop/state"), (PAGE, "/rooms/drop")):
                    with suppress(Ended):
                        await client.ask(kind, "GET", path)
                    await client.reopen()
                    await asyncio.sleep(WITNESS_EVERY_S)
