"""Hypothesis against the real database: any order of steps, and the books agree after each."""

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from databases import Databases
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support import secrets, size
from support import settings as service_settings
from world import SKUS, World

from waitroom.run.app import open_service

EXAMPLES = size("EXAMPLES", 5)
STEPS = 40

which = strategies.integers(0, 7)
flags = strategies.booleans()
baskets = strategies.dictionaries(
    strategies.sampled_from(SKUS), strategies.integers(1, 4), min_size=1, max_size=3
)


class Machine(RuleBasedStateMachine):
    """Every run borrows a database of those that a subclass names."""

    databases: Databases
    valkey_url: str
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = ExitStack()

    def run(self, step: Coroutine[Any, Any, Any]) -> None:
        self.runner.run(step)

    async def _open(self, postgres_url: str) -> None:
        made = service_settings(postgres_url, self.valkey_url)
        self.opened = open_service(made, secrets(), roles=frozenset())
        self.world = World(await self.opened.__aenter__())
        await self.world.open()
        await self.world.arrive(3)

    async def _close(self) -> None:
        await self.opened.__aexit__(None, None, None)

    @initialize()
    def open(self) -> None:
        self.run(self._open(self.stack.enter_context(self.databases.borrowed())))

    @rule(count=strategies.integers(1, 3))
    def arrive(self, count: int) -> None:
        self.run(self.world.arrive(count))

    @rule(who=which, basket=baskets, partial=flags)
    def place(self, who: int, basket: dict[str, int], *, partial: bool) -> None:
        self.run(self.world.place(who, basket, partial=partial))

    @rule(hold=which, basket=baskets)
    def change(self, hold: int, basket: dict[str, int]) -> None:
        self.run(self.world.change(hold, basket))

    @rule(hold=which)
    def extend(self, hold: int) -> None:
        self.run(self.world.extend(hold))

    @rule(hold=which)
    def release(self, hold: int) -> None:
        self.run(self.world.release(hold))

    @rule(who=which)
    def leave(self, who: int) -> None:
        self.run(self.world.leave(who))

    @rule(hold=which, token=which)
    def pay(self, hold: int, token: int) -> None:
        self.run(self.world.pay(hold, token))

    @rule(hold=which, token=which)
    def start_and_die(self, hold: int, token: int) -> None:
        self.run(self.world.start(hold, token))

    @rule(order=which)
    def gateway_acts_and_we_die(self, order: int) -> None:
        self.run(self.world.gateway_acts_and_we_die(order))

    @rule(order=which)
    def we_note_and_die(self, order: int) -> None:
        self.run(self.world.we_note_and_die(order))

    @rule(order=which, times=strategies.integers(1, 2))
    def hear(self, order: int, times: int) -> None:
        self.run(self.world.hear(order, times))

    @rule(seconds=strategies.sampled_from([5, 60]))
    def gateway_time(self, seconds: int) -> None:
        self.run(self.world.gateway_time(seconds))

    @rule()
    def settle(self) -> None:
        self.run(self.world.settle())

    @rule(order=which, amount=strategies.integers(0, 900), restock=flags, driven=flags)
    def refund(self, order: int, amount: int, *, restock: bool, driven: bool) -> None:
        self.run(self.world.refund(order, amount, restock=restock, driven=driven))

    @rule(order=which, restock=flags)
    def cancel(self, order: int, *, restock: bool) -> None:
        self.run(self.world.cancel(order, restock=restock))

    @rule(sku=which, units=strategies.integers(1, 3))
    def receive(self, sku: int, units: int) -> None:
        self.run(self.world.receive(sku, units))

    @rule(sku=which, units=strategies.integers(1, 3))
    def correct(self, sku: int, units: int) -> None:
        self.run(self.world.correct(sku, units))

    @rule(seconds=strategies.sampled_from([10, 61, 400]))
    def pass_time(self, seconds: int) -> None:
        self.run(self.world.pass_time(seconds))

    @rule(batch=strategies.sampled_from([1, 100]))
    def sweep(self, batch: int) -> None:
        self.run(self.world.sweep(batch))

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "world"):
            self.run(self.world.check())

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.run(self.world.end())
            finally:
                self.run(self._close())
        self.stack.close()
        self.runner.close()


def test_money_and_units_agree_whatever_happens_in_any_order(
    databases: Databases, valkey_url: str
) -> None:
    class OnEngines(Machine):
        pass

    OnEngines.databases, OnEngines.valkey_url = databases, valkey_url
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnEngines,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
