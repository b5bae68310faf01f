"""Valkey's primary goes away in the middle of a sale: behind sentinels, and in a cluster."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from programs import Running
from redis.exceptions import RedisError
from support import eventually, open_room, secrets, settings
from told_sale import ToldCrowd, untrue
from valkeys import Node, clustered, find_redis, watched, wheel_server

from waitroom.run.app import Service, open_service

Program = Callable[..., Awaitable[Running]]

SHOPPERS, UNITS = 60, 30
PATIENCE_S = 120.0
# Longer than a failover takes.
ARRIVE_S = 12.0
# The promise: the service uses the promoted server so soon after its primary went away.
FOLLOWS_S = 15.0
STATE = "waitroom:state:{drop}"

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Sale:
    crowd: ToldCrowd
    service: Service

    async def joined(self, least: int) -> None:
        async def so_many() -> bool:
            return len(self.crowd.told.numbers) >= least

        await eventually(so_many, within_s=PATIENCE_S)

    async def comes_to_its_end(self) -> None:
        result = await asyncio.wait_for(self.crowd.run(), PATIENCE_S)
        assert await untrue(self.service, self.crowd.told) == []
        assert result.units_bought == UNITS
        assert result.unfinished == 0
        # No shopper noticed anything.
        assert result.errors == {}


@asynccontextmanager
async def sale(program: Program, postgres_url: str, valkey_url: str) -> AsyncIterator[Sale]:
    running = await program(
        "serve",
        WAITROOM_POSTGRES_URL=postgres_url,
        WAITROOM_VALKEY_URL=valkey_url,
        WAITROOM_WORKERS="2",
    )
    made = settings(postgres_url, valkey_url)
    async with open_service(made, secrets(), roles=frozenset()) as service:
        await open_room(service, skus={"mug": UNITS}, limit=1, seats_max=6, session_s=60)
        crowd = ToldCrowd(running.url, shoppers=SHOPPERS, arrive_s=ARRIVE_S)
        yield Sale(crowd=crowd, service=service)


async def is_fresh(node: Node, since: int) -> bool:
    """Say whether a node has a state document that is later than a version."""
    with suppress(RedisError, OSError):
        return int(await node.ask("HGET", STATE, "version") or 0) > since
    return False


async def version_at(node: Node) -> int:
    """Return the version of the document that is there."""
    await eventually(lambda: is_fresh(node, 0))
    return int(await node.ask("HGET", STATE, "version"))


async def follows(node: Node, since: int) -> None:
    """Wait until the service publishes at a node, and say how long it took."""
    began_at = time.monotonic()
    await eventually(lambda: is_fresh(node, since), within_s=PATIENCE_S)
    took_s = time.monotonic() - began_at
    log.info("followed", after_s=round(took_s, 1))
    assert took_s < FOLLOWS_S


@pytest.mark.parametrize("program_of", [wheel_server, find_redis])
@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_the_service_follows_the_primary_that_sentinels_promote(
    tmp_path: Path,
    program: Program,
    postgres_url: str,
    how: str,
    program_of: Callable[[], Path | None],
) -> None:
    server = program_of()
    assert server is not None, "this test needs redis-server: install the package redis-server"
    async with (
        watched(server, tmp_path) as valkeys,
        sale(program, postgres_url, valkeys.url) as found,
    ):
        ending = asyncio.create_task(found.comes_to_its_end())
        await found.joined(10)
        version = await version_at(valkeys.primary)

        if how == "killed":
            valkeys.primary.kill()
        else:
            valkeys.primary.freeze()
        await follows(valkeys.replica, version)

        assert await valkeys.is_promoted()
        if how == "frozen":
            valkeys.primary.thaw()
        await ending


async def test_slots_move_and_a_primary_dies_while_a_crowd_joins(
    tmp_path: Path, program: Program, postgres_url: str
) -> None:
    async with (
        clustered(wheel_server(), tmp_path) as cluster,
        sale(program, postgres_url, cluster.url) as found,
    ):
        ending = asyncio.create_task(found.comes_to_its_end())
        await found.joined(10)
        primaries = cluster.nodes[:3]
        owner = await cluster.owner_of(STATE)
        other = primaries[(primaries.index(owner) + 1) % 3]
        slot = int(await owner.ask("CLUSTER", "KEYSLOT", STATE))
        version = await version_at(owner)

        await cluster.move_slot(slot, owner, other)
        await follows(other, version)
        version = await version_at(other)
        other.kill()
        await follows(cluster.nodes[3 + primaries.index(other)], version)

        await ending
