"""What came out: a table for people, `bench.json` for programs."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from measure import Bench, Reading, Spread, against, share, spread
from rich.console import Console
from rich.table import Table
from sale import Sizes

# What the project has set itself, as medians within one run on two cores.
TARGETS = {
    "state_vs_bare": 0.95,
    "join_vs_bare": 0.75,
    "hold_http_vs_bare": 0.4,
    "hold_http_vs_for_update": 7.0,
    "hold_inprocess_vs_for_update": 18.0,
    "state_1m_vs_10k": 0.9,
}
GROWTH_BYTES_MAX = 1_000_000

_AGAINST = {
    "hold_http_vs_for_update": ("hold_http", "for_update"),
    "hold_inprocess_vs_for_update": ("hold_inprocess", "for_update"),
    "hold_inprocess_64_vs_for_update": ("hold_inprocess_64", "for_update"),
    "state_1m_vs_10k": ("state_1m", "state"),
}
_SHARES = ("state", "join", "claim", "hold_http", "for_update")
PARTS = ("web", "postgres", "valkey", "submitters")


def ratios(readings: Mapping[str, list[Reading]]) -> dict[str, Spread]:
    """Return every ratio that the kinds measured allow."""
    found = {f"{kind}_vs_bare": share(readings[kind]) for kind in _SHARES if kind in readings}
    for name, (one, other) in _AGAINST.items():
        if one in readings and other in readings:
            found[name] = against(readings[one], readings[other])
    return found


def growth(before: Sizes, after: Sizes) -> dict[str, int]:
    """Return what a longer line costs in bytes, with the log told apart."""
    log = after.log - before.log
    database = after.database - before.database
    return {
        "database_bytes": database - log,
        "log_bytes": log,
        "valkey_bytes": after.valkey - before.valkey,
    }


def show(console: Console, bench: Bench, grown: Mapping[str, int]) -> None:
    rates = Table(title="Requests a second, medians and quartiles")
    for column in ("kind", "per second", "quartiles", "p50 ms", "p99 ms", "CPU µs", *PARTS):
        rates.add_column(column, justify="left" if column == "kind" else "right")
    for kind, readings in bench.readings.items():
        rate = spread([reading.per_second for reading in readings])
        cpu = {part: _median_cpu(readings, part) for part in PARTS}
        rates.add_row(
            kind,
            f"{rate.median:,.0f}",
            f"{rate.low:,.0f}-{rate.high:,.0f}",
            f"{spread([reading.p50_ms for reading in readings]).median:.2f}",
            f"{spread([reading.p99_ms for reading in readings]).median:.2f}",
            f"{sum(cpu.values()):.0f}",
            *(f"{cpu[part]:.0f}" if cpu[part] else "" for part in PARTS),
        )
    table = Table(title="Ratios within this run")
    for column in ("ratio", "median", "quartiles", "aim", ""):
        table.add_column(column, justify="left" if column in {"ratio", ""} else "right")
    for name, ratio in ratios(bench.readings).items():
        aim = TARGETS.get(name)
        verdict = "" if aim is None else "met" if ratio.median >= aim else "short"
        table.add_row(
            name,
            f"{ratio.median:.2f}",
            f"{ratio.low:.2f}-{ratio.high:.2f}",
            "" if aim is None else f">= {aim:g}",
            verdict,
        )
    console.print(rates, table)
    for name, value in grown.items():
        console.print(f"grown with the line, {name}: {value:,}")


def write(path: Path, bench: Bench, grown: Mapping[str, int], facts: Mapping[str, Any]) -> None:
    found = ratios(bench.readings)
    document = {
        "ratios": {name: round(ratio.median, 4) for name, ratio in found.items()},
        "figures": {
            "at": datetime.now(UTC),
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
            **facts,
            "quartiles": found,
            "kinds": {kind: _figures(readings) for kind, readings in bench.readings.items()},
            "growth": dict(grown),
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _figures(readings: list[Reading]) -> dict[str, Any]:
    return {
        "per_second": spread([reading.per_second for reading in readings]),
        "p50_ms": spread([reading.p50_ms for reading in readings]),
        "p99_ms": spread([reading.p99_ms for reading in readings]),
        "cpu_us": {part: round(_median_cpu(readings, part), 1) for part in PARTS},
    }


def _median_cpu(readings: list[Reading], part: str) -> float:
    return spread([reading.cpu_us.get(part, 0.0) for reading in readings]).median
