"""Sweeping: work that is overdue ends promptly. Nothing depends on it being prompt."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from inventory.kit.loops import repeat

SWEEP_EVERY_S = 1.0
SWEEP_BATCH_MAX = 500
# A storm of expiries is worked off batch by batch, with a pause between two batches in which other
# requests get the locks. The pause is about as long as a batch, so new holds keep half of their
# usual pace.
BREATH_S = 0.08

# A sweep takes the size of a batch and returns how many rows it has ended.
Sweep = Callable[[int], Awaitable[int]]


class Sweeper:
    """Run each sweep with a bound on its batch, again at once while batches come back full."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self._sweeps = sweeps

    async def run(self, stopping: asyncio.Event) -> None:
        """Run every sweep in a guarded loop of its own.

        A slow sweep delays no other, and a sweep that fails neither stops the others nor ends the
        process, which may be the leading one.
        """
        await asyncio.gather(
            *(
                repeat(f"sweep_{name}", partial(self._round, name), stopping)
                for name in self._sweeps
            )
        )

    async def _round(self, name: str) -> float:
        return BREATH_S if await self.sweep(name) else SWEEP_EVERY_S

    async def sweep(self, name: str) -> bool:
        """Run one sweep once; say whether it has more to do."""
        return await self._sweeps[name](SWEEP_BATCH_MAX) >= SWEEP_BATCH_MAX
