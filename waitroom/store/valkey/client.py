"""Clients of Valkey for the URLs that the package's story lists."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio as redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from waitroom.store.valkey.several import SEVERAL, Several, read_several

TIMEOUT_S = 1.0
CONNECTIONS_MAX = 16
# To each node of a cluster, whose client refuses a command instead of letting it wait.
NODE_CONNECTIONS_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A client, and what ends all its connections."""

    client: redis.Redis
    close: Callable[[], Awaitable[None]]


class _SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Connections to the primary that sentinels name; one who wants one more waits for it."""


def open_client(url: str) -> Opened:
    """Return a client that connects when it is first asked."""
    if url.partition("://")[0] not in SEVERAL:
        pool = redis.BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS_MAX, timeout=TIMEOUT_S, **_options()
        )
        return _opened(pool)
    several = read_several(url)
    return _by_sentinel(several) if several.by_sentinel else _cluster(several)


def _options() -> dict[str, Any]:
    return {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        # A command whose reply was lost is not sent again behind our back.
        "retry": Retry(NoBackoff(), 0),
    }


def _opened(pool: redis.ConnectionPool, *also: Callable[[], Awaitable[None]]) -> Opened:
    client = redis.Redis(connection_pool=pool)

    async def close() -> None:
        await client.aclose()
        await pool.disconnect()
        for one in also:
            await one()

    return Opened(client=client, close=close)


def _by_sentinel(several: Several) -> Opened:
    """Ask the sentinels for the primary whenever a connection is opened."""
    options: dict[str, Any] = {**parse_url(several.rest)}
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    own = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    if several.tls:
        options["ssl"] = True
    shared = {name: value for name, value in options.items() if name.startswith("ssl")}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        [(host.name, host.port) for host in several.hosts],
        sentinel_kwargs={**shared, **{k: v for k, v in own.items() if v}, **_options()},
    )
    pool = _SentinelPool(  # type: ignore[no-untyped-call]
        several.service,
        sentinels,
        max_connections=CONNECTIONS_MAX,
        timeout=TIMEOUT_S,
        **options,
        **_options(),
    )
    return _opened(pool, sentinels.aclose)


def _cluster(several: Several) -> Opened:
    options: dict[str, Any] = {**parse_url(several.rest)}
    for name in ("host", "port", "db", "connection_class"):
        options.pop(name, None)
    client = redis.RedisCluster(
        startup_nodes=[ClusterNode(host.name, host.port) for host in several.hosts],
        max_connections=NODE_CONNECTIONS_MAX,
        # While one of the primaries is away, the keys of the others are there.
        require_full_coverage=False,
        ssl=several.tls,
        **options,
        **_options(),
    )
    # It has the commands of a client of one server.
    return Opened(client=cast("redis.Redis", client), close=client.aclose)
