"""The plan that a part of the benchmark is given, and the outcome that it returns."""

from dataclasses import dataclass, field
from typing import Any

from measure import Reading, Spread
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The extent of a measurement.

    rounds, slice_s: how many rounds are run, and the seconds of one slice in them.
    long_line: the numbers that are issued, and the entries of a draw.
    open_holds, storm_holds: the holds that are planted.
    releases: the holds that one session has placed and released.
    inside: the shoppers in each of the leader's crowded rooms.
    waiting: those who wait there, and in the large room of `waiting`; 0 for as many as usual.
    clients: the clients who place holds on one hot SKU, by turns.
    kinds: the kinds to measure beside bare handlers; empty for all.
    """

    rounds: int
    slice_s: float
    long_line: int
    open_holds: int
    storm_holds: int
    releases: int
    inside: tuple[int, ...]
    clients: tuple[int, ...]
    waiting: int = 0
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of one part: readings by kind, ratios, facts for programs, tables for people."""

    readings: dict[str, list[Reading]] = field(default_factory=dict)
    ratios: dict[str, Spread] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    shown: list[Table | str] = field(default_factory=list)
