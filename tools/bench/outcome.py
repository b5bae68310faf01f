"""What a part of the benchmark is told, and what it gives back."""

from dataclasses import dataclass, field
from typing import Any

from measure import Reading, Spread
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to measure. `kinds` names those to measure beside bare handlers; empty for all."""

    rounds: int
    slice_s: float
    long_line: int
    open_holds: int
    storm_holds: int
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one part found: readings by kind, ratios, facts for programs, tables for people."""

    readings: dict[str, list[Reading]] = field(default_factory=dict)
    ratios: dict[str, Spread] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    shown: list[Table | str] = field(default_factory=list)
