"""A long seeded run over the real database: several shoppers' steps at a time, in two services.

    python tools/soak.py --minutes 5 --seed 1

Steps are chosen by the seed; several run at once, so that they meet. After each round the books
must agree, and at the end the gateway's must agree with ours. A failure names its seed and round.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import asyncpg
import structlog
from support import secrets, settings
from world import SKUS, World

from waitroom.run.app import open_service
from waitroom.run.engines import EmbeddedEngines, EngineUrls
from waitroom.store.migrate import migrate

AT_ONCE = 6
ROUNDS_PER_SALE = 120
CLOCK_STEPS_S = (5, 20, 61)


class Dice:
    """Chooses the steps of a world by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def step(self, world: World) -> Awaitable[object]:
        roll = self._random
        which, flag = roll.randrange(40), roll.random() < 0.5
        basket = {sku: roll.randint(1, 3) for sku in roll.sample(SKUS, roll.randint(1, len(SKUS)))}
        chances: list[tuple[int, Awaitable[object]]] = [
            (4, world.arrive(roll.randint(1, 3))),
            (8, world.place(which, basket, partial=flag)),
            (3, world.change(which, basket)),
            (1, world.extend(which)),
            (2, world.release(which)),
            (1, world.leave(which)),
            (6, world.pay(which, roll.randrange(7))),
            (2, world.start(which, roll.randrange(7))),
            (3, world.gateway_acts_and_we_die(which)),
            (2, world.we_note_and_die(which)),
            (3, world.hear(which, roll.randint(1, 3))),
            (2, world.gateway_time(roll.choice([5, 60]))),
            (3, world.settle()),
            (3, world.refund(which, roll.choice([0, 1, 2, 3, 500]), restock=flag, driven=flag)),
            (1, world.cancel(which, restock=flag)),
            (3, world.receive(roll.randrange(3), roll.randint(1, 3))),
            (2, world.correct(roll.randrange(3), roll.randint(1, 2))),
            (1, world.pass_time(roll.choice(CLOCK_STEPS_S))),
            (4, world.sweep(roll.choice([1, 100]))),
        ]
        (chosen,) = roll.choices(range(len(chances)), weights=[weight for weight, _ in chances])
        for index, (_, step) in enumerate(chances):
            if index != chosen:
                step.close()  # type: ignore[attr-defined] # coroutines that shall not run
        return chances[chosen][1]


async def one_sale(urls: EngineUrls, seed: int) -> World:
    """Run one sale to its end; raise the first failure with its seed and round."""
    made = settings(str(urls.postgres_owner_url), str(urls.valkey_url), postgres_connections_max=12)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_service(made, secrets(), roles=frozenset()))
        other = await stack.enter_async_context(open_service(made, secrets(), roles=frozenset()))
        world = World(first)
        await world.open()
        await other.board.refresh(rooms=True)
        twin = World(other)
        twin.sessions, twin.holds, twin.orders, twin.story = (
            world.sessions,
            world.holds,
            world.orders,
            world.story,
        )
        dice = Dice(seed)
        for number in range(ROUNDS_PER_SALE):
            try:
                await asyncio.gather(*(dice.step((world, twin)[i % 2]) for i in range(AT_ONCE)))
                await world.check()
            except BaseException as error:
                raise RuntimeError(f"seed {seed}, round {number}: {error!r}") from error
        await world.end()
    return world


async def empty(urls: EngineUrls) -> None:
    connection = await asyncpg.connect(urls.postgres_owner_url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    await migrate(str(urls.postgres_owner_url))


@click.command()
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--seed", default=1, show_default=True, help="The first sale's seed; then the next.")
def main(minutes: float, seed: int) -> None:
    """Run sale after sale until the time is up."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    until = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory() as folder, EmbeddedEngines(Path(folder)) as urls:
        while time.monotonic() < until:
            asyncio.run(empty(urls))
            world = asyncio.run(one_sale(urls, seed))
            story = ", ".join(f"{count} {name}" for name, count in world.story.most_common())
            click.echo(f"seed {seed}: {len(world.orders)} orders; {story}")
            seed += 1


if __name__ == "__main__":
    main()
