"""Ten times the load that fits: what shoppers who are inside notice, and what the others are told.

    python tools/overload/run.py [--rounds 3] [--seconds 6] [--only quiet,state] [--before DIR]

The real program serves from two web processes on engines of its own, on the same machine as its
crowd. Shoppers who are inside place holds and pay for them throughout, a few times a second; what
they notice beside a crowd is compared with what they notice without one, in the same round. A crowd
that asks without pause heeds no `Retry-After`. With `--before` each round is run by the code of
another checkout too, so that both meet the same machine. Each reading has the processor time of the
web processes, that of the crowd for each answer, and the memory of the largest web process. The
crowd takes its part of the same cores, so of two rates the one by the core-second is of the code.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tools/bench", "tests", "tools")]

import click
from chaos.stage import Stage, stage
from processes import Running
from programs import all_know
from rich.console import Console
from rich.table import Table
from sale import SHOP, Sale

HERE = Path(__file__).parent
WEB_PROCESSES = 2
SESSIONS = 4_000
TABLE_WIDTH = 150
REST_S = 1.0
# One process may have too few descriptors for all.
IDLE: tuple[dict[str, Any], ...] = ({"idle": 10_000},) * 2
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A crowd, by the fields of `crowd.Order`, and further ones that are not counted."""

    part: str
    name: str
    crowd: dict[str, Any] = field(default_factory=dict)
    further: tuple[dict[str, Any], ...] = ()


CASES = (
    Case(part="quiet", name="nobody else"),
    *(
        Case(
            part=kind,
            name=f"{size:,} ask for {what} without pause",
            crowd={"kind": kind, "kept": size},
        )
        for kind, what in (("state", "the state"), ("join", "a place"), ("page", "the page"))
        for size in (64, 300, 640, 3_000)
    ),
    *(
        Case(
            part="storm",
            name=f"{rate:,} new ones a second, 1 s of patience",
            crowd={"kind": "join", "new_per_s": rate},
        )
        for rate in (500, 1_500, 3_000, 6_000)
    ),
    Case(
        part="newcomers",
        name="newcomers beside 3,000 kept",
        crowd={"kind": "state", "kept": 3_000, "new_per_s": 20, "patience_s": 30.0},
    ),
    Case(
        part="idle",
        name="newcomers beside 20,000 idle",
        crowd={"kind": "state", "new_per_s": 50, "patience_s": 30.0},
        further=IDLE,
    ),
    Case(
        part="slow",
        name="3,000 kept, 2,000 that send a byte a second, 2,000 that read nothing, 20,000 idle",
        crowd={"kind": "state", "kept": 3_000},
        further=(*IDLE, {"kind": "page", "dripping": 2_000, "deaf": 2_000}),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one case came to; times in milliseconds, rates for each second."""

    case: str
    inside: dict[str, list[float]]
    inside_statuses: dict[str, int]
    kept: dict[str, Any]
    new: dict[str, Any]
    seconds: float
    megabytes: float
    web_cores: float
    crowd_cpu_s: float


def percentile_ms(took_s: Sequence[float], share: float) -> float:
    ordered = sorted(took_s)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


class Measured:
    """A running program, and a sale in it."""

    def __init__(self, running: Stage, sale: Sale, folder: Path) -> None:
        self._running, self._sale, self._folder = running, sale, folder
        address = urlsplit(running.url)
        self._where = {"host": address.hostname, "port": address.port}

    @property
    def web(self) -> list[int]:
        """The process ids of the web processes."""
        return self._running.processes("web")

    async def read(self, case: Case, seconds: float) -> Reading:
        sessions = await self._sale.admit(SESSIONS)
        tokens = self._folder / "tokens"
        tokens.write_bytes(b"\n".join(map(self._sale.session, sessions)))
        inside = {**self._where, "tokens": str(tokens), "seconds": seconds}
        before = _ticks(self.web)
        crowd, bought, *_ = await asyncio.gather(
            _child("crowd.py", {**self._where, "seconds": seconds, **case.crowd})
            if case.crowd
            else _nothing(),
            _child("inside.py", inside, after_s=REST_S if case.crowd else 0),
            *(
                _child("crowd.py", {**self._where, "seconds": seconds, **further})
                for further in case.further
            ),
        )
        cores = (_ticks(self.web) - before) / TICKS_PER_S / seconds
        return Reading(
            case=case.name,
            inside=bought["took_s"],
            inside_statuses=bought["statuses"],
            kept=crowd["kept"],
            new=crowd["new"],
            seconds=seconds,
            megabytes=max(map(_megabytes, self.web)),
            web_cores=cores,
            crowd_cpu_s=crowd["cpu_s"],
        )


async def _nothing() -> dict[str, Any]:
    nothing: dict[str, Any] = {"statuses": {}, "took_s": [], "refused_s": []}
    return {"kept": nothing, "new": nothing, "cpu_s": 0.0}


async def _child(script: str, order: dict[str, Any], *, after_s: float = 0.0) -> Any:
    await asyncio.sleep(after_s)
    if after_s:
        order = {**order, "seconds": order["seconds"] - after_s}
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / script), json.dumps(order), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await child.communicate()
    return json.loads(said)


def _ticks(pids: Sequence[int]) -> int:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in fields)


def _megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


@asynccontextmanager
async def _measured(source: Path) -> AsyncIterator[Measured]:
    with tempfile.TemporaryDirectory(prefix="waitroom-overload-") as name:
        folder = Path(name)
        async with stage(
            folder,
            WAITROOM_WORKERS=str(WEB_PROCESSES),
            WAITROOM_LIMITS_FACTOR="1000",
            WAITROOM_TRUSTED_PROXIES="10.255.255.255",
            PYTHONPATH=str(source),
            # Or the folder in which this was started would come first.
            PYTHONSAFEPATH="1",
        ) as running:
            address = urlsplit(running.url)
            assert address.hostname is not None
            assert address.port is not None
            sale = await Sale.open(
                Running(
                    host=address.hostname,
                    port=address.port,
                    postgres_url=running.database_url,
                    valkey_url=running.valkey_url,
                    folder=folder,
                ),
                rooms=(SHOP,),
            )
            await all_know(running.url, SHOP)
            yield Measured(running, sale, folder)
            await sale.close()


async def measure(
    sources: dict[str, Path],
    cases: Sequence[Case],
    *,
    rounds: int,
    seconds: float,
    console: Console,
) -> dict[str, dict[str, list[Reading]]]:
    found: dict[str, dict[str, list[Reading]]] = {
        source: {case.name: [] for case in cases} for source in sources
    }
    for index in range(rounds):
        for source in list(sources)[:: -1 if index % 2 else 1]:
            async with _measured(sources[source]) as measured:
                # The first moments warm caches and plans up.
                await measured.read(CASES[0], 2.0)
                for case in cases:
                    reading = await measured.read(case, seconds)
                    found[source][case.name].append(reading)
                    console.print(f"round {index + 1}, {source}:", *_row(reading, None), sep=" | ")
    return found


def _row(reading: Reading, quiet: Reading | None) -> list[str]:
    """Return the cells of one reading; `quiet` is that without a crowd, in the same round."""
    order = percentile_ms(reading.inside["order"], 0.99)
    times = order / percentile_ms(quiet.inside["order"], 0.99) if quiet else 0.0
    crowd = reading.kept if reading.kept["statuses"] else reading.new
    new = reading.new["statuses"]
    answered = reading.new["took_s"] + reading.new["refused_s"]
    told = len(crowd["took_s"]) + len(crowd["refused_s"])
    return [
        reading.case,
        *(_span_ms(reading.inside[kind]) for kind in ("hold", "order")),
        f"{times:.1f}" if quiet else "",
        f"{len(crowd['took_s']) / reading.seconds:,.0f}",
        f"{len(crowd['refused_s']) / reading.seconds:,.0f}",
        _span_ms(crowd["took_s"]),
        f"{new.get('timed_out', 0):,}" if new else "",
        f"{max(answered):.2f}" if answered else "",
        f"{reading.megabytes:.0f}",
        f"{reading.web_cores:.2f}",
        f"{len(crowd['took_s']) / reading.seconds / max(reading.web_cores, 0.01):,.0f}",
        f"{reading.crowd_cpu_s / max(told, 1) * 1e6:.0f}",
    ]


def _span_ms(took_s: Sequence[float]) -> str:
    return f"{percentile_ms(took_s, 0.5):.0f}, {percentile_ms(took_s, 0.99):.0f}" if took_s else ""


COLUMNS = (
    "beside",
    "hold ms, p50 p99",
    "order ms, p50 p99",
    "times quiet",
    "served /s",
    "refused /s",
    "served ms, p50 p99",
    "timed out",
    "longest s",
    "MB",
    "cores",
    "served by a core-second",
    "crowd µs",
)


def table(source: str, found: dict[str, list[Reading]]) -> Table:
    """Return the table of one checkout: of each case, the round whose order's p99 is the median."""
    shown = Table(title=f"Overload, {source}")
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column == "beside" else "right")
    quiet = found.get(CASES[0].name, [])
    for readings in found.values():
        ordered = sorted(
            range(len(readings)), key=lambda n: percentile_ms(readings[n].inside["order"], 0.99)
        )
        index = ordered[len(ordered) // 2]
        shown.add_row(*_row(readings[index], quiet[index] if quiet else None))
    return shown


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=6.0, show_default=True)
@click.option("--only", default="", help="Parts, with commas.")
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(rounds: int, seconds: float, only: str, before: Path | None) -> None:
    """Measure, and print the table."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    parts = set(filter(None, only.split(",")))
    cases = [case for case in CASES if not parts or case.part in parts]
    sources = {"now": ROOT, **({"before": before} if before else {})}
    found = asyncio.run(measure(sources, cases, rounds=rounds, seconds=seconds, console=console))
    for source, readings in found.items():
        console.print(table(source, readings))


if __name__ == "__main__":
    main()
