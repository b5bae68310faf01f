"""The results: tables for people, `bench.json` for programs."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from measure import Reading, Spread, spread
from outcome import Outcome
from rich.console import Console
from rich.table import Table

# The project's aims, as medians within one run on two cores.
TARGETS = {
    "state_vs_bare": 0.97,
    "join_vs_bare": 0.4,
    "claim_vs_bare": 0.45,
    "hold_http_vs_bare": 0.45,
    "hold_http_vs_for_update": 7.0,
    "hold_inprocess_vs_for_update": 18.0,
    "state_1m_vs_10k": 0.9,
    "hold_http_vs_one_statement_at_1": 0.83,
    "hold_http_vs_for_update_at_256": 10.0,
    "hold_http_vs_one_statement_at_256": 4.0,
    "hold_inprocess_vs_for_update_at_256": 25.0,
    "hold_inprocess_vs_one_statement_at_256": 8.0,
    "open_holds_vs_none_http": 0.85,
    "open_holds_vs_none_inprocess": 0.85,
    "hold_beside_releases_vs_none": 0.9,
    "look_without_releases_vs_with": 0.5,
    "own_hold_without_releases_vs_with": 0.5,
    "hold_beside_locked_room_vs_quiet": 0.9,
    "document_age_bound_vs_oldest": 1.0,
    "storm_same_sku_vs_before": 0.5,
    "storm_other_sku_vs_before": 0.5,
    "free_places_bound_vs_filled": 1.0,
}
PARTS = ("web", "postgres", "valkey", "submitters")


def rates_table(title: str, readings: Mapping[str, Sequence[Reading]]) -> Table:
    """Return a row for each kind: its rate, its latencies, and the CPU time of one request."""
    table = Table(title=title)
    counted = any(reading.batches for found in readings.values() for reading in found)
    batch = ("a batch",) if counted else ()
    for column in ("kind", "per second", "quartiles", "p50 ms", "p99 ms", *batch, "CPU µs", *PARTS):
        table.add_column(column, justify="left" if column == "kind" else "right", no_wrap=True)
    for kind, found in readings.items():
        cpu = {part: _median_cpu(found, part) for part in PARTS}
        table.add_row(
            kind,
            *rate_cells(found),
            *([batch_cell(found)] if counted else []),
            f"{sum(cpu.values()):.0f}",
            *(f"{cpu[part]:.0f}" if cpu[part] else "" for part in PARTS),
        )
    return table


def rate_cells(readings: Sequence[Reading]) -> tuple[str, str, str, str]:
    """Return rate, its quartiles, and both latencies, as a table shows them."""
    rate = spread([reading.per_second for reading in readings])
    return (
        f"{rate.median:,.0f}",
        f"{rate.low:,.0f}-{rate.high:,.0f}",
        f"{middle(readings, 'p50_ms'):.2f}",
        f"{middle(readings, 'p99_ms'):.2f}",
    )


def batch_cell(readings: Sequence[Reading]) -> str:
    """Return each batcher with the mean size of its batches; empty where none was at work."""
    return ", ".join(f"{name} {size:.1f}" for name, size in batch_sizes(readings).items())


def batch_sizes(readings: Sequence[Reading]) -> dict[str, float]:
    """Return the median of each batcher's mean batch size, over the slices in which it worked."""
    names = sorted({name for reading in readings for name in reading.batches})
    return {
        name: spread([r.batches[name] for r in readings if name in r.batches]).median
        for name in names
    }


def middle(readings: Sequence[Reading], name: str) -> float:
    return spread([getattr(reading, name) for reading in readings]).median


def show(console: Console, outcomes: Sequence[Outcome]) -> None:
    table = Table(title="Ratios within this run")
    for column in ("ratio", "median", "quartiles", "aim", ""):
        table.add_column(column, justify="left" if column in {"ratio", ""} else "right")
    for name, ratio in _ratios(outcomes).items():
        aim = 1.0 if name.startswith("leader_tick_bound") else TARGETS.get(name)
        verdict = "" if aim is None else "met" if ratio.median >= aim else "short"
        table.add_row(
            name,
            f"{ratio.median:.2f}",
            f"{ratio.low:.2f}-{ratio.high:.2f}",
            "" if aim is None else f">= {aim:g}",
            verdict,
        )
    console.print(table)


def write(path: Path, outcomes: Sequence[Outcome], facts: Mapping[str, Any]) -> None:
    found = _ratios(outcomes)
    readings = {kind: kept for outcome in outcomes for kind, kept in outcome.readings.items()}
    document = {
        "ratios": {name: round(ratio.median, 4) for name, ratio in found.items()},
        "figures": {
            "at": datetime.now(UTC),
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
            **facts,
            "quartiles": found,
            "kinds": {kind: _figures(kept) for kind, kept in readings.items()},
            **{name: fact for outcome in outcomes for name, fact in outcome.facts.items()},
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _ratios(outcomes: Sequence[Outcome]) -> dict[str, Spread]:
    return {name: ratio for outcome in outcomes for name, ratio in outcome.ratios.items()}


def _figures(readings: list[Reading]) -> dict[str, Any]:
    return {
        "per_second": spread([reading.per_second for reading in readings]),
        "p50_ms": spread([reading.p50_ms for reading in readings]),
        "p99_ms": spread([reading.p99_ms for reading in readings]),
        "batches": {name: round(size, 1) for name, size in batch_sizes(readings).items()},
        "cpu_us": {part: round(_median_cpu(readings, part), 1) for part in (*PARTS, "load")},
    }


def _median_cpu(readings: Sequence[Reading], part: str) -> float:
    return spread([reading.cpu_us.get(part, 0.0) for reading in readings]).median
