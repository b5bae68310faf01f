"""Valkey, for all that may be forgotten: the state on its way, notes, rate limits.

Nothing here is a promise. Every call answers without Valkey too, as if it remembered nothing; after
a failure it is left alone for a moment, so that an outage costs one timeout and not one for
each request.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any, TypeVar, cast

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from inventory.kit.limits.fields import refused_fields
from inventory.kit.limits.gcra import Allowance, Buckets
from inventory.kit.problem import TooManyRequests
from waitroom.store.valkey.client import open_client

log = structlog.get_logger()

AWAY = Counter(
    "waitroom_valkey_away_total",
    "Failures of Valkey, each of which leaves it alone for a moment.",
)

PAUSE_S = 1.0
_NAMING = b"waitroom.memory.1"
_DIGEST_BYTES = 12
# While a leader is there a document is replaced each second. After PostgreSQL was brought back from
# an older copy, `waitroom restored` reads in it how far the numbers had come.
STATE_TTL_S = 86_400

Answer = TypeVar("Answer")


@cache
def _script(name: str) -> str:
    return resources.files("waitroom.store").joinpath("lua", name).read_text(encoding="utf-8")


class Memory:
    """The calls of Valkey.

    `key` is a key of the service that outlives rotations. The names of buckets and networks are
    kept as digests under it: a copy of Valkey's data has no addresses, and none can be tried
    against it.
    """

    def __init__(self, url: str, *, key: bytes = b"") -> None:
        self._naming_key = hmac.digest(key, _NAMING, "sha256")
        opened = open_client(url)
        self._client, self._close = opened.client, opened.close
        self._publish = self._client.register_script(_script("publish_state.lua"))
        self._allow = self._client.register_script(_script("allow.lua"))
        self._away_until = 0.0
        self._buckets = Buckets()

    async def close(self) -> None:
        await self._close()

    async def _ask(self, call: Callable[[], Awaitable[Answer]], otherwise: Answer) -> Answer:
        if time.monotonic() < self._away_until:
            return otherwise
        try:
            return await call()
        except (RedisError, OSError, TimeoutError) as error:
            if time.monotonic() >= self._away_until:
                AWAY.inc()
                log.warning("valkey_away", error=error)
            self._away_until = time.monotonic() + PAUSE_S
            return otherwise

    async def alive(self) -> bool:
        return bool(
            await self._ask(lambda: cast("Awaitable[Any]", self._client.ping()), otherwise=False)
        )

    async def publish_state(self, room: str, version: int, body: bytes) -> None:
        """Put a state document out for the workers, unless a later one is there."""
        await self._ask(
            lambda: self._publish(keys=[_state_key(room)], args=[version, body, STATE_TTL_S]), None
        )

    async def states(self, rooms: Sequence[str]) -> dict[str, bytes]:
        """Return the documents that are there."""
        if not rooms:
            return {}

        async def read() -> list[bytes | None]:
            # No transaction: in a cluster the rooms lie on several servers.
            pipe = self._client.pipeline(transaction=False)
            for room in rooms:
                pipe.hget(_state_key(room), "body")
            return await pipe.execute()

        found: list[bytes | None] = await self._ask(read, [])
        return {room: body for room, body in zip(rooms, found, strict=False) if body is not None}

    async def note(self, name: str) -> bytes | None:
        """Return a note that some worker keeps for all of them, if it is there."""
        return await self._ask(
            lambda: cast("Awaitable[Any]", self._client.get(f"waitroom:note:{name}")), None
        )

    async def keep_note(self, name: str, value: bytes, *, ttl_s: int) -> bool:
        """Keep a note for all workers; return whether it is kept."""
        kept = await self._ask(
            lambda: cast(
                "Awaitable[Any]", self._client.set(f"waitroom:note:{name}", value, ex=ttl_s)
            ),
            None,
        )
        return bool(kept)

    async def claim_note(self, name: str, value: bytes, *, ttl_s: int) -> bytes | None:
        """Keep a note unless there is one, and return the earlier one, None for none."""

        async def claim() -> bytes | None:
            key = f"waitroom:note:{name}"
            if await cast("Awaitable[Any]", self._client.set(key, value, ex=ttl_s, nx=True)):
                return None
            return await cast("Awaitable[bytes | None]", self._client.get(key))

        return await self._ask(claim, None)

    async def take_note(self, name: str) -> bytes | None:
        return await self._ask(
            lambda: cast("Awaitable[Any]", self._client.getdel(f"waitroom:note:{name}")), None
        )

    async def add_counts(self, name: str, counts: dict[str, int], *, ttl_s: int) -> None:
        """Add to counts that all workers keep together until a reader takes them."""
        key = f"waitroom:counts:{name}"

        async def add() -> None:
            pipe = self._client.pipeline(transaction=True)
            for field, count in counts.items():
                pipe.hincrby(key, field, count)
            pipe.expire(key, ttl_s)
            await pipe.execute()

        await self._ask(add, None)

    async def take_counts(self, name: str) -> dict[str, int]:
        """Take the counts that are there: each is taken once."""
        key = f"waitroom:counts:{name}"

        async def take() -> dict[bytes, bytes]:
            pipe = self._client.pipeline(transaction=True)
            pipe.hgetall(key)
            pipe.delete(key)
            found: dict[bytes, bytes] = (await pipe.execute())[0]
            return found

        found = await self._ask(take, dict[bytes, bytes]())
        return {field.decode(): int(count) for field, count in found.items()}

    async def exchange_counts(
        self, name: str, counts: dict[str, int], *, ttl_s: int
    ) -> dict[str, int]:
        """Add to counts that all workers keep together; return the sums, none without Valkey.

        The names of the counts are kept as digests.
        """
        key = f"waitroom:counts:{name}"

        async def exchange() -> list[int]:
            pipe = self._client.pipeline(transaction=False)
            for field, count in counts.items():
                pipe.hincrby(key, self._digest(field), count)
            pipe.expire(key, ttl_s)
            return await pipe.execute()

        sums: list[int] = await self._ask(exchange, [])
        return dict(zip(counts, sums, strict=False))

    def _digest(self, name: str) -> str:
        return hmac.digest(self._naming_key, name.encode(), "sha256")[:_DIGEST_BYTES].hex()

    async def allow(self, bucket: str, *, per_minute: int) -> float:
        """Take one request from a bucket of a minute; return the seconds to wait, 0 if allowed.

        Without Valkey each process keeps buckets of its own.
        """
        allowance = _of_a_minute(per_minute)
        waited = await self._ask(
            lambda: self._allow(
                keys=[f"waitroom:bucket:{self._digest(bucket)}"],
                args=[1 / allowance.per_s, allowance.window_s],
            ),
            None,
        )
        if waited is not None:
            return float(waited)
        return self._buckets.take(("", bucket), allowance, time.monotonic())

    async def limit(self, bucket: str, *, per_minute: int, told: str = "") -> None:
        """Take one request from a bucket; raises `TooManyRequests` if it is empty."""
        wait_s = await self.allow(bucket, per_minute=per_minute)
        if wait_s > 0:
            # What follows the first colon says whose bucket it is.
            name = bucket.partition(":")[0]
            raise TooManyRequests(
                told, headers=refused_fields(name, _of_a_minute(per_minute), wait_s)
            )


def _of_a_minute(per_minute: int) -> Allowance:
    return Allowance(burst=per_minute, per_s=per_minute / 60)


def _state_key(room: str) -> str:
    return f"waitroom:state:{{{room}}}"
