"""Sweeping: what is overdue ends promptly. Nothing depends on it being prompt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
import structlog

from inventory.kit.problem import Refusal

log = structlog.get_logger()

SWEEP_EVERY_S = 1.0
SWEEP_BATCH_MAX = 500
# A storm of expiries is worked off batch by batch; between two of them others get their turn.
BREATH_S = 0.02

Sweep = Callable[[int], Awaitable[int]]


class Sweeper:
    """Run each sweep with a bound on its batch, again at once while batches come back full."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self._sweeps = sweeps

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            full = await self.sweep()
            try:
                await asyncio.wait_for(stopping.wait(), BREATH_S if full else SWEEP_EVERY_S)
            except TimeoutError:
                continue

    async def sweep(self) -> bool:
        """Run every sweep once; say whether one of them has more to do."""
        full = False
        for name, sweep in self._sweeps.items():
            try:
                ended = await sweep(SWEEP_BATCH_MAX)
            except (Refusal, asyncpg.PostgresError) as error:
                log.warning("sweep_failed", sweep=name, error=repr(error))
                continue
            full = full or ended >= SWEEP_BATCH_MAX
        return full
