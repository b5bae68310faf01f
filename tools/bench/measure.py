"""Readings of one slice each, and the ratios between slices of one run."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from client import Slice, percentiles_ms
from counters import BatchCounter
from processes import CpuClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One slice: its rate, latencies, CPU by part; its bare neighbours' mean rate if it has any.

    `batches` has the mean number of requests in a batch, by batcher.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    bare_per_second: float = 0.0
    batches: Mapping[str, float] = field(default_factory=dict)

    def cores(self, part: str) -> float:
        """Return how many cores a part was using, on average."""
        return self.cpu_us.get(part, 0.0) * self.per_second / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median and quartiles."""

    low: float
    median: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    if len(values) < 2:
        return Spread(low=values[0], median=values[0], high=values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low=low, median=median, high=high)


def read_slice(part: Slice, clock: CpuClock, batches: BatchCounter) -> Reading:
    p50_ms, p99_ms = percentiles_ms(part.latencies)
    return Reading(
        per_second=part.per_second,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        cpu_us=clock.lap_each_us(part.answered),
        batches=batches.lap(),
    )


def share(readings: Sequence[Reading]) -> Spread:
    """Return the ratios of a kind's slices to their bare neighbours."""
    return spread([reading.per_second / reading.bare_per_second for reading in readings])


def against(readings: Sequence[Reading], yardstick: Sequence[Reading]) -> Spread:
    """Return the ratios of two kinds, slice by slice, of the same rounds."""
    pairs = zip(readings, yardstick, strict=True)
    return spread([one.per_second / other.per_second for one, other in pairs])
