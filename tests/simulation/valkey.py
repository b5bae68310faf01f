"""Valkey in memory: keys, hashes and the two scripts, over the network, forgetful on demand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

from redis.exceptions import ConnectionError as Refused
from redis.exceptions import TimeoutError as NoReply

from inventory.kit.limits.gcra import Allowance, Buckets
from simulation.clockwork import Clockwork
from simulation.network import Cut, Link, Reply
from waitroom.store import memory
from waitroom.store.memory import Memory
from waitroom.store.valkey.client import TIMEOUT_S


class Valkey:
    """The server. Deadlines of keys are not kept: a sale is shorter than any of them."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop
        self.away_until = 0.0
        self.flush()

    def flush(self) -> None:
        self.hashes: dict[str, dict[str, Any]] = {}
        self.notes: dict[str, bytes] = {}
        self.buckets = Buckets()

    def serve(self, reply: Reply, command: Callable[["Valkey"], Any]) -> None:
        if self.loop.time() < self.away_until:
            reply.cut()
        else:
            reply.say(command(self))

    # Commands, as the client names them.

    def hget(self, key: str, field: str) -> Any:
        return self.hashes.get(key, {}).get(field)

    def hincrby(self, key: str, field: str, count: int) -> int:
        kept = self.hashes.setdefault(key, {})
        kept[field] = kept.get(field, 0) + count
        return int(kept[field])

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        kept = self.hashes.get(key, {})
        return {field.encode(): str(count).encode() for field, count in kept.items()}

    def delete(self, key: str) -> int:
        return int(self.hashes.pop(key, None) is not None)

    def expire(self, key: str, seconds: int) -> int:
        return 1

    def publish_state(self, key: str, version: int, body: bytes, _ttl_s: int) -> int:
        kept = self.hashes.setdefault(key, {})
        if kept.get("version", 0) < version:
            kept.update(version=version, body=body)
        return 1

    def allow(self, key: str, per_s: float, window_s: float) -> float:
        allowance = Allowance(burst=round(window_s / per_s), per_s=1 / per_s)
        return self.buckets.take(("", key), allowance, self.loop.time())


class Pipeline:
    """Commands that go out together."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._queued: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, command: str) -> Callable[..., None]:
        return lambda *values: self._queued.append((command, values))

    async def execute(self) -> list[Any]:
        queued = self._queued
        return list(
            await self._client.ask(
                lambda server: [getattr(server, name)(*values) for name, values in queued]
            )
        )


class Client:
    """What `Memory` uses of redis-py."""

    def __init__(self, server: Valkey, link: Link) -> None:
        self._server, self._link = server, link

    async def ask(self, command: Callable[[Valkey], Any]) -> Any:
        try:
            return await self._link.ask(TIMEOUT_S, self._server.serve, command)
        except Cut as error:
            raise Refused("connection closed") from error
        except TimeoutError as error:
            raise NoReply("no reply") from error

    def pipeline(self, *, transaction: bool) -> Pipeline:
        return Pipeline(self)

    def register_script(self, text: str) -> Callable[..., Any]:
        """Return a script's contract in Python: of the document's script, or of the limits'."""
        name = "publish_state" if "ARGV[2] the document" in text else "allow"

        async def run(keys: list[str], args: list[Any]) -> Any:
            return await self.ask(lambda server: getattr(server, name)(*keys, *args))

        return run

    async def close(self) -> None:
        """Nothing is kept open."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What `open_client` returns."""

    client: Client
    close: Callable[[], Any]


def memory_on(server: Valkey, link: Link) -> Memory:
    """Return the real `Memory` on a simulated client."""
    client = Client(server, link)

    def open_client(_: str) -> Opened:
        return Opened(client, client.close)

    with mock.patch.object(memory, "open_client", open_client):
        return Memory("redis://nowhere")
