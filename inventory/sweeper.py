"""Sweeping: what is overdue ends promptly. Nothing depends on it being prompt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import asyncpg
import structlog

from inventory.kit.problem import Refusal

log = structlog.get_logger()

SWEEP_EVERY_S = 1.0
SWEEP_BATCH_MAX = 500
# A storm of expiries is worked off batch by batch; between two of them others get their turn. It is
# about what a batch takes, so that new holds keep half of what they had.
BREATH_S = 0.08

Sweep = Callable[[int], Awaitable[int]]


class Sweeper:
    """Run each sweep with a bound on its batch, again at once while batches come back full."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self._sweeps = sweeps

    async def run(self, stopping: asyncio.Event) -> None:
        """Run every sweep in a loop of its own, so that a slow one delays no other."""
        await asyncio.gather(*(self._repeat(name, stopping) for name in self._sweeps))

    async def _repeat(self, name: str, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            full = await self.sweep(name)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), BREATH_S if full else SWEEP_EVERY_S)

    async def sweep(self, name: str) -> bool:
        """Run one sweep once; say whether it has more to do."""
        try:
            return await self._sweeps[name](SWEEP_BATCH_MAX) >= SWEEP_BATCH_MAX
        except (Refusal, asyncpg.PostgresError) as error:
            log.warning("sweep_failed", sweep=name, error=repr(error))
            return False
