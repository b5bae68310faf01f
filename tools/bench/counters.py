"""The batchers' counters over all processes of a service.

Web processes share one port, so a scrape of `/metrics` alone would not say which process answered.
The counters are read from the files that all processes share instead.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector

BATCHES = "waitroom_batches_total"
BATCHED = "waitroom_batched_total"


class BatchCounter:
    """Counts the requests in each batch, by batcher, from one lap to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = self._read()

    def lap(self) -> dict[str, float]:
        """Return the mean batch size since the last lap, of each batcher that was at work."""
        before, self._last = self._last, self._read()
        return mean_sizes(before, self._last)

    def _read(self) -> Mapping[tuple[str, str], float]:
        found: Counter[tuple[str, str]] = Counter()
        collector = MultiProcessCollector(None, path=str(self._folder))  # type: ignore[no-untyped-call]
        for family in collector.collect():  # type: ignore[no-untyped-call]
            for sample in family.samples:
                if sample.name in {BATCHES, BATCHED}:
                    found[sample.name, sample.labels["batcher"]] += sample.value
        return found


def mean_sizes(
    before: Mapping[tuple[str, str], float], after: Mapping[tuple[str, str], float]
) -> dict[str, float]:
    """Return requests per batch for each batcher that made any between two readings."""
    sizes = {}
    for batcher in sorted({batcher for _, batcher in after}):
        batches, batched = (
            after.get((name, batcher), 0.0) - before.get((name, batcher), 0.0)
            for name in (BATCHES, BATCHED)
        )
        if batches:
            sizes[batcher] = batched / batches
    return sizes
