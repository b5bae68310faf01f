"""The command: `python tools/chaos --seeds 5 [--only "a web process is killed"] [--resume]`."""

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[2]
# This folder is a package; what it shares with the tests lies beside it.
sys.path[:1] = [str(ROOT / "tools"), str(ROOT / "tests"), str(ROOT)]

import click

from chaos.faults import FAULTS
from chaos.report import keep, read, said_of, write
from chaos.runs import Result, record_name, run

RESULTS, RECORDS = ROOT / "build/chaos/results.jsonl", ROOT / "build/chaos/records"
PAGE = ROOT / "docs/chaos.md"


@click.command()
@click.option("--seeds", default=1, show_default=True, help="Runs of each kind.")
@click.option("--first", default=1, show_default=True, help="The first seed.")
@click.option("--only", multiple=True, help="Kinds whose names contain this, once or more.")
@click.option("--resume", is_flag=True, help="Leave out what build/chaos has results of.")
@click.option("--jobs", default=1, show_default=True, help="Runs at once.")
@click.option("--page/--no-page", default=True, help="Write the table into docs/chaos.md.")
def main(
    *, seeds: int, first: int, only: tuple[str, ...], resume: bool, jobs: int, page: bool
) -> None:
    """Let faults happen to running sales, and say which promises held."""
    kinds = [name for name in FAULTS if not only or any(part in name for part in only)]
    if not kinds:
        raise click.UsageError("no such fault; there are:\n  " + "\n  ".join(FAULTS))
    done = {(result.fault, result.seed) for result in read(RESULTS) if not result.failed}
    wanted = [
        (name, seed)
        for seed in range(first, first + seeds)
        for name in kinds
        if not (resume and (name, seed) in done)
    ]
    found = run_all(wanted, jobs)
    if page:
        write(PAGE, read(RESULTS))
    bad = [result for result in found if result.broken or result.failed]
    click.echo(f"{len(found)} runs of {len(kinds)} kinds; {len(bad)} with a broken promise")
    sys.exit(1 if bad else 0)


def run_all(wanted: list[tuple[str, int]], jobs: int) -> list[Result]:
    """Run everything, several at once, each in a process of its own; tell of each as it ends."""
    found: list[Result] = []
    # A process whose engines were killed may have threads that wait for them: none is used again.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [pool.submit(run, name, seed, RECORDS) for name, seed in wanted]
        for ended in as_completed(running):
            result = ended.result()
            keep(RESULTS, result)
            found.append(result)
            tell(result)
    return found


def tell(result: Result) -> None:
    """Print what a run came to, and how to see it again."""
    click.echo(said_of(result))
    for promise, how in result.broken[:8]:
        click.echo(f"    {promise}: {how}")
    if result.broken or result.failed:
        click.echo(f"    record: {RECORDS / record_name(result.fault, result.seed)}.jsonl")
        click.echo(f'    again:  make chaos SEEDS=1 FIRST={result.seed} ONLY="{result.fault}"')


if __name__ == "__main__":
    main()
