"""Contenders side by side: a slice each in every round, the order turned round each time."""

import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from measure import Reading
from rich.progress import Progress

Run = Callable[[float], Awaitable[Reading]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One thing to measure; `run` prepares and measures one slice of a given length in seconds."""

    name: str
    run: Run


async def compete(
    title: str, contenders: Sequence[Contender], *, rounds: int, slice_s: float
) -> dict[str, list[Reading]]:
    """Return every contender's readings in the order of the rounds.

    Those that are compared with each other should stand beside each other.
    """
    readings: dict[str, list[Reading]] = {contender.name: [] for contender in contenders}

    async def run_round(index: int, done: Callable[[], None]) -> None:
        for contender in contenders[:: -1 if index % 2 else 1]:
            readings[contender.name].append(await contender.run(slice_s))
            done()

    await run_rounds(
        title, run_round, rounds=rounds, slices=len(contenders), forget=lambda: _clear(readings)
    )
    return readings


def _clear(readings: dict[str, list[Reading]]) -> None:
    for found in readings.values():
        found.clear()


async def run_rounds(
    title: str,
    run_round: Callable[[int, Callable[[], None]], Awaitable[None]],
    *,
    rounds: int,
    slices: int,
    forget: Callable[[], None],
) -> None:
    """Run one round that warms caches and plans up, forget it, and run those that count."""
    with Progress(auto_refresh=False) as progress:
        task = progress.add_task(title, total=(rounds + 1) * slices)

        def done() -> None:
            progress.update(task, advance=1, refresh=True)

        await run_round(0, done)
        forget()
        # Nothing of the benchmark's own shall run in the background of a slice.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        gc.disable()
        for index in range(rounds):
            await run_round(index, done)
            gc.collect()
