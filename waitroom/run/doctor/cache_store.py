"""Asks Valkey for the facts that `cache` judges."""

import statistics
import time
from typing import Any, cast

import redis.asyncio as redis

from waitroom.run.doctor.cache import Cache

TIMEOUT_S = 2.0
ROUND_TRIPS = 5


class CacheStore:
    """One connection to Valkey."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )

    async def close(self) -> None:
        await self._client.aclose()

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
        )

    async def clock_ahead_s(self) -> float:
        """Return by how many seconds Valkey's clock is ahead of this machine's."""
        before = time.time()
        seconds, micros = await self._client.time()
        return float(seconds) + micros / 1e6 - (before + time.time()) / 2
