"""Checks of the other shards: whether their engines answer, and where the rooms live."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from waitroom.desk.shards.shard_map import ShardMap, disagreements
from waitroom.run.addresses import EMBEDDED
from waitroom.run.doctor.cache_store import CacheStore
from waitroom.run.doctor.database_store import open_database_store
from waitroom.run.doctor.finding import Finding, ok, warn
from waitroom.run.shards.shard import Shard
from waitroom.store.shards.home_store import Home


async def check_shard(name: str, shards: ShardMap, shard: Shard) -> list[Finding]:
    """Look at the engines of another shard, and at its rooms; raises what the engines raise."""
    check = f"shards.{name}"
    if not {shard.postgres_url, shard.valkey_url}.isdisjoint({"", EMBEDDED}):
        return [
            warn(
                check,
                f"this machine does not know the engines of the shard {name}",
                f"run `waitroom doctor --shard {name}` where they are known",
            )
        ]
    database = await open_database_store(shard.postgres_url)
    try:
        homes = await database.homes()
    finally:
        await database.close()
    cache = CacheStore(shard.valkey_url)
    try:
        await cache.facts()
    finally:
        await cache.close()
    answers = ok(check, f"PostgreSQL and Valkey of the shard {name} answer")
    return [answers, *judge_homes(replace(shards, own=name), homes)]


def judge_homes(shards: ShardMap, homes: Sequence[Home]) -> Iterator[Finding]:
    """Compare where the rooms of a database live with the settings."""
    lines = list(disagreements(shards, homes))
    for line in lines:
        says, _, advice = line.partition(": ")
        yield warn("shards.rooms", says, advice)
    if not lines and shards.addresses:
        says = f"every room of the shard {shards.own} is where the settings say"
        yield ok("shards.rooms", says)
