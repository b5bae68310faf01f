"""A draw among a million, and checking its whole log: `python tools/bench/run.py --only draw`.

Each measurement is a process of its own, so that its memory is its own: what it had at most, beyond
what it had when its modules were loaded. A log is written to a file as `waitroom verify --save`
writes it, and checked from there by what `waitroom verify` calls. Ticks are of 512, as they are
under load, and of 10, as in a calm hour; that log has a hundred thousand entries.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from measure import Spread, spread
from outcome import Outcome, Plan
from rich.console import Console
from rich.table import Table

from waitroom.log.audit import audit
from waitroom.log.draw import SHUFFLE_MAX, Permutation, Shuffle
from waitroom.log.verify.finding import all_holds
from waitroom.log.verify.sources import open_source

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from honest_log import HonestLog, head_of, served

KEY = sha256(b"bench").digest()
FEW = SHUFFLE_MAX + 1
TICKS = (512, 10)
CALLED_AT_ONCE = 100


def write_log(path: Path, *, entries: int, tick: int) -> int:
    """Write the log of a sale with this many entries to its draw; return the length of the log."""
    log = HonestLog()
    log.announce()
    root = sha256(b"a root").hexdigest()
    for first in range(1, entries + 1, tick):
        last = min(first + tick - 1, entries)
        log.add("entered", line=log.line, first=first, last=last, root=root)
    log.entered = entries
    log.set_status("open")
    log.close()
    log.sign()
    log.draw()
    for _ in range(entries // 1000):
        log.call(CALLED_AT_ONCE)
    with path.open("wb") as file:
        file.write(msgspec.json.encode(head_of(log.entries)) + b"\n")
        for entry in served(log.entries):
            file.write(msgspec.json.encode(entry) + b"\n")
    return len(log.entries)


def draw_all(count: int) -> None:
    """Compute every number once, and see that none is given twice."""
    order, taken = Permutation(KEY, count), bytearray(count + 1)
    for entry in range(1, count + 1):
        taken[order.number_of(entry)] = 1
    assert sum(taken) == count


def verify_file(path: str) -> None:
    source = open_source(path)
    assert all_holds(audit(source.entries, head=source.head))


def timed(work: Callable[[], None]) -> dict[str, float]:
    before = most_kib()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return {"s": seconds, "mib": (most_kib() - before) / 1024}


def most_kib() -> int:
    """Return this program's peak memory; getrusage would count its parent too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def child(*arguments: str) -> dict[str, float]:
    """Measure one thing in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def times(rounds: int, *arguments: str) -> dict[str, Spread]:
    """Measure in each round; return seconds and MiB."""
    found = [child(*arguments) for _ in range(rounds)]
    return {name: spread([one[name] for one in found]) for name in ("s", "mib")}


async def measure(plan: Plan, console: Console) -> Outcome:
    console.print("[bold]draw[/bold]: numbers for all, and the whole log checked")
    entries, rounds = plan.long_line, min(plan.rounds, 5)
    one_by_one = times(rounds, "--draw", str(entries))
    few = times(rounds, "--draw", str(FEW))
    shuffled = times(rounds, "--shuffle", str(SHUFFLE_MAX))
    facts: dict[str, Any] = {
        "entries": entries,
        "all_numbers": one_by_one,
        "us_a_number": one_by_one["s"].median / entries * 1e6,
        "shuffle_of_few": {"count": SHUFFLE_MAX, **shuffled},
        "verify": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for tick in TICKS:
            path = Path(folder) / f"log-{tick}.jsonl"
            length = write_log(path, entries=entries, tick=tick)
            checked = times(rounds, "--verify", str(path))
            facts["verify"][f"ticks_of_{tick}"] = {
                "log_entries": length,
                "log_mib": path.stat().st_size / 2**20,
                **checked,
                "us_a_log_entry": checked["s"].median / length * 1e6,
            }
    short, long = (facts["verify"][f"ticks_of_{tick}"]["us_a_log_entry"] for tick in TICKS)
    per_few = few["s"].median / FEW * 1e6
    ratios = {
        # About 1 where time grows as the log does; the first entries of a process cost more.
        "verify_long_vs_short_each": spread([short / long]),
        "draw_many_vs_few_each": spread([per_few / facts["us_a_number"]]),
    }
    return Outcome(ratios=ratios, facts={"draw": facts}, shown=[_table(facts)])


def _table(facts: dict[str, Any]) -> Table:
    table = Table("", "s", "µs each", "MiB more", title=f"A draw among {facts['entries']:,}")
    rows = {
        "all numbers, one by one": (facts["all_numbers"], facts["us_a_number"]),
        f"a shuffle of {SHUFFLE_MAX:,}": (facts["shuffle_of_few"], None),
    }
    for name, found in facts["verify"].items():
        label = f"verify, {name.replace('_', ' ')}: {found['log_entries']:,} log entries"
        rows[f"{label}, {found['log_mib']:.0f} MiB"] = (found, found["us_a_log_entry"])
    for label, (found, each) in rows.items():
        shown = "" if each is None else f"{each:.1f}"
        table.add_row(label, f"{found['s'].median:.3f}", shown, f"{found['mib'].median:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--draw", type=int, help="compute this many numbers")
    chosen.add_argument("--shuffle", type=int, help="shuffle this many numbers")
    chosen.add_argument("--verify", help="check a log in a file")
    given = parser.parse_args()
    if given.draw:
        found = timed(lambda: draw_all(given.draw))
    elif given.shuffle:
        found = timed(lambda: Shuffle(KEY, given.shuffle) and None)
    else:
        found = timed(lambda: verify_file(given.verify))
    print(json.dumps(found))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
