"""Two shards for a test: whole services in the test's own loop, each with engines of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import tomli_w
from programs import Site, open_site
from support import secrets, settings

from waitroom.run.processes import claim_port
from waitroom.run.settings import Settings
from waitroom.run.shards.shard import Shard

OTHER = "autumn"


def settings_of(own: str, shards: dict[str, Shard]) -> Settings:
    """Return the settings of a process of one shard, as the same file gives them to all."""
    mine = shards[own]
    return settings(
        mine.postgres_url,
        mine.valkey_url,
        public_url=mine.public_url,
        shard=own,
        shards=msgspec.to_builtins(shards),
    )


def shards_on(
    postgres_urls: tuple[str, str], valkey_urls: tuple[str, str], *, rooms: tuple[str, ...]
) -> dict[str, Shard]:
    """Return the main shard and another one, which has these rooms, on free ports."""
    urls = [f"http://127.0.0.1:{claim_port('127.0.0.1', 0)}" for _ in range(2)]
    made = [
        Shard(public_url=url, postgres_url=postgres, valkey_url=valkey)
        for url, postgres, valkey in zip(urls, postgres_urls, valkey_urls, strict=True)
    ]
    return {"main": made[0], OTHER: msgspec.structs.replace(made[1], rooms=list(rooms))}


@asynccontextmanager
async def running(own: str, shards: dict[str, Shard]) -> AsyncIterator[Site]:
    """Run all roles of one shard at its public address."""
    made = settings_of(own, shards)
    port = int(made.public_url.rpartition(":")[2])
    async with open_site(made, secrets(), port=port) as site:
        yield site


def as_toml(shards: dict[str, Shard]) -> str:
    """Return the settings file of the shards."""
    tables = msgspec.to_builtins(shards)
    top = tables.pop("main")
    return tomli_w.dumps({**{k: v for k, v in top.items() if v and k != "rooms"}, "shards": tables})
