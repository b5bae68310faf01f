"""Plant known mistakes in a copy of the project, one by one, and see that the tests notice.

    python tools/mutants/run.py [--only 7] [--simulation] [--table]

A mistake is a patch in this folder; above the patch stand its number in docs/mistakes.md, what it
does, and the tests that have to notice. As the project stands these tests must pass, with the
mistake planted at least one must fail. A run that breaks otherwise (a migration that cannot be
read, a test that cannot start) does not count as noticed. `--simulation` takes the mistakes whose
head says that simulated sales find them, and runs nothing but those sales. `--table` prints the
table for the docs.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
# Mistakes that need a rare kind of sale break a promise within so many.
ENVIRONMENT = {"TEST_SALES": "100", **os.environ}
SALES = "tests/unit/simulation/test_sales.py::test_every_sale_keeps_its_promises"
FAILED = re.compile(r"\d+ failed")
BROKEN = re.compile(r"\d+ errors?\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One patch.

    number: the mistake's number in docs/mistakes.md.
    what: the mistake in a few words.
    tests: the tests that have to notice it.
    simulated: whether simulated sales notice it, without any other test.
    """

    number: int
    what: str
    tests: tuple[str, ...]
    simulated: bool
    patch: Path


def read_mistake(patch: Path) -> Mistake:
    """Read the head above a patch: `number:`, `what:` and a `test:` line for each test."""
    head = patch.read_text(encoding="utf-8").partition("diff --git")[0]
    said = [line.partition(": ")[::2] for line in head.splitlines() if line]
    values = dict(said)
    tests = tuple(value for name, value in said if name == "test")
    return Mistake(
        number=int(values["number"]),
        what=values["what"],
        tests=tests,
        simulated="simulation" in values,
        patch=patch,
    )


def copy_project(to: Path) -> None:
    """Copy the files that git tracks, and the new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def run_tests(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )


def apply(folder: Path, patch: Path, *options: str) -> None:
    done = subprocess.run(
        ["git", "apply", *options, str(patch)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(f"{patch.name} cannot be planted:\n{done.stderr}")


def verdict_on(folder: Path, mistake: Mistake) -> str:
    """Plant one mistake, run its tests, and return the verdict."""
    apply(folder, mistake.patch)
    try:
        done = run_tests(folder, mistake.tests)
    finally:
        apply(folder, mistake.patch, "--reverse")
    if done.returncode == 1 and FAILED.search(done.stdout) and not BROKEN.search(done.stdout):
        return "noticed"
    return "NOT NOTICED" if done.returncode == 0 else f"BROKEN\n{done.stdout[-2000:]}"


@click.command()
@click.option("--only", type=int, multiple=True, help="These mistakes alone, by number.")
@click.option("--simulation", is_flag=True, help="Those that simulated sales find, by these alone.")
@click.option("--table", is_flag=True, help="Print the table for docs/mistakes.md and run nothing.")
def main(only: tuple[int, ...], simulation: bool, table: bool) -> None:  # noqa: FBT001 - flags
    """Plant each mistake and expect the tests to fail."""
    found = [read_mistake(patch) for patch in sorted(Path(__file__).parent.glob("*.patch"))]
    chosen = [mistake for mistake in found if not only or mistake.number in only]
    if simulation:
        chosen = [replace(one, tests=(SALES,)) for one in chosen if one.simulated]
    if table:
        for mistake in chosen:
            tests = ", ".join(f"`{test.rsplit('/', 1)[-1]}`" for test in mistake.tests)
            tests += ", simulated sales" if mistake.simulated else ""
            click.echo(f"| {mistake.number} | {mistake.what} | {tests} |")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        tests = tuple(dict.fromkeys(test for mistake in chosen for test in mistake.tests))
        click.echo(f"{len(chosen)} mistakes; first the tests as they are …")
        whole = run_tests(folder, tests)
        if whole.returncode != 0:
            raise click.ClickException(f"they do not pass:\n{whole.stdout[-3000:]}")
        missed = 0
        for mistake in chosen:
            started = time.monotonic()
            verdict = verdict_on(folder, mistake)
            missed += verdict != "noticed"
            took = f"{time.monotonic() - started:.0f} s"
            click.echo(f"{mistake.number:>3}  {mistake.what:<64} {verdict} ({took})")
    if missed:
        raise click.ClickException(f"{missed} mistakes went unnoticed")
    click.echo("every mistake was noticed")


if __name__ == "__main__":
    main()
