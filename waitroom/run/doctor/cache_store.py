"""Asks Valkey for the facts that `cache` judges."""

import statistics
import time
from typing import Any, cast

from waitroom.run.doctor.cache import Cache
from waitroom.store.valkey.client import open_client
from waitroom.store.valkey.several import is_cluster

ROUND_TRIPS = 5


class CacheStore:
    """The service's own client of Valkey: one server, a primary behind sentinels, or a cluster."""

    def __init__(self, url: str) -> None:
        opened = open_client(url)
        self._client, self.close = opened.client, opened.close
        self._by_cluster = is_cluster(url)

    async def facts(self) -> Cache:
        """Return what Valkey says of itself; its errors pass through."""
        seconds = []
        for _ in range(ROUND_TRIPS):
            before = time.perf_counter()
            await cast("Any", self._client.ping())
            seconds.append(time.perf_counter() - before)
        info = await self._client.info()
        return Cache(
            info={name: str(value) for name, value in info.items()},
            round_trip_s=statistics.median(seconds),
            by_cluster=self._by_cluster,
        )

    async def clock_ahead_s(self) -> float:
        """Return by how many seconds Valkey's clock is ahead of this machine's."""
        before = time.time()
        seconds, micros = await self._client.time()
        return float(seconds) + micros / 1e6 - (before + time.time()) / 2
