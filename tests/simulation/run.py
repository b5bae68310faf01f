"""Play many sales, a seed each, or one again with its story.

python -m simulation.run --seeds 2000 --from 1
python -m simulation.run --seed 17
"""

import gc
import multiprocessing
import os
import sys
import time
import traceback

import click

from simulation.sale import Sale, play

AT_ONCE = 25


def replay_command(seed: int) -> str:
    return f"make simulate SEED={seed}"


def broken_in(seeds: range) -> list[tuple[int, str]]:
    """Play the sales of some seeds; return each that broke a promise, and which."""
    found, collects = [], gc.isenabled()
    # What a sale leaves is collected once for many of them.
    gc.disable()
    try:
        for seed in seeds:
            try:
                play(seed)
            except Exception as error:  # noqa: BLE001 - whatever it is, the seed shows it again
                found.append((seed, f"{type(error).__name__}: {error}"))
    finally:
        if collects:
            gc.enable()
            gc.collect()
    return found


def tell(seed: int) -> bool:
    """Play one sale and print its story; return whether all promises were kept."""
    try:
        sale = play(seed, trace=True)
    except Exception as error:  # noqa: BLE001 - it is printed
        broken: Sale | None = getattr(error, "sale", None)
        click.echo("\n".join(broken.lines or []) if broken else "")
        click.echo("".join(traceback.format_exception(error)[-2:]))
        click.echo(f"seed {seed} breaks a promise: {error}")
        return False
    click.echo("\n".join(sale.lines or []))
    click.echo(f"seed {seed}, a {sale.plan.kind}, keeps every promise")
    return True


@click.command()
@click.option("--seeds", default=2000, show_default=True, help="How many sales to play.")
@click.option("--from", "first", default=1, show_default=True, help="The first seed.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Processes at once.")
@click.option("--seed", type=int, help="Play this sale alone, and print its story.")
def main(seeds: int, first: int, jobs: int, seed: int | None) -> None:
    """Play sales in virtual time; a sale that breaks a promise fails the run."""
    if seed is not None:
        sys.exit(not tell(seed))
    began, broken = time.monotonic(), []
    pieces = [
        range(at, min(at + AT_ONCE, first + seeds)) for at in range(first, first + seeds, AT_ONCE)
    ]
    # Each piece is played in a copy of this process, and what it leaves ends with it, uncollected.
    gc.disable()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for found in pool.imap_unordered(broken_in, pieces):
            for one, why in found:
                broken.append(one)
                click.echo(f"seed {one}: {why}\n  again: {replay_command(one)}")
    took = time.monotonic() - began
    click.echo(
        f"{seeds} sales in {took:.0f} s, {60 * seeds / took:.0f} a minute; {len(broken)} broken"
    )
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
