"""The memory asks a primary by its sentinel, or a cluster; `make peers` kills servers of both."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import eventually
from valkeys import SERVICE, SLOTS, Node, agrees, wheel_server

from waitroom.run.doctor.cache import judge_cache
from waitroom.run.doctor.cache_store import CacheStore
from waitroom.run.doctor.finding import Level
from waitroom.store.memory import Memory


async def by_sentinel(primary: Node, sentinel: Node) -> str:
    primary.start()
    sentinel.watch(primary, quorum=1)
    return f"redis+sentinel://{sentinel.where}/{SERVICE}"


async def as_cluster(one: Node, other: Node) -> str:
    for node in (one, other):
        node.start(cluster_enabled="yes")
    await one.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS // 2)
    await other.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS // 2 + 1, SLOTS - 1)
    await other.ask("CLUSTER", "MEET", one.address, one.port)

    async def whole() -> bool:
        return all([await agrees(node, 2) for node in (one, other)])

    await eventually(whole)
    return f"redis+cluster://{one.where}"


@pytest.mark.parametrize("arranged", [by_sentinel, as_cluster])
async def test_everything_that_is_remembered_is_found_again(
    tmp_path: Path, arranged: Callable[[Node, Node], Awaitable[str]]
) -> None:
    with ExitStack() as stack:
        nodes = [Node(wheel_server(), tmp_path / name) for name in ("one", "two")]
        for node in nodes:
            stack.callback(node.stop)
        url = await arranged(*nodes)
        memory = Memory(url)

        assert await eventually(memory.alive)
        await walk(memory)

        await memory.close()
        doctor = CacheStore(url)
        examined = {finding.check: finding.level for finding in judge_cache(await doctor.facts())}
        assert examined["valkey.role"] is Level.OK
        assert abs(await doctor.clock_ahead_s()) < 60
        await doctor.close()


async def walk(memory: Memory) -> None:
    rooms = [f"room-{number}" for number in range(9)]
    for room in rooms:
        await memory.publish_state(room, 2, room.encode())
        await memory.publish_state(room, 1, b"older")
    assert await memory.states(rooms) == {room: room.encode() for room in rooms}

    for name in rooms:
        await memory.add_counts(name, {"calls": 2, "late": 1}, ttl_s=60)
        assert await memory.take_counts(name) == {"calls": 2, "late": 1}
        assert await memory.take_counts(name) == {}
        assert await memory.exchange_counts(name, {"net": 3}, ttl_s=60) == {"net": 3}
        assert await memory.claim_note(name, b"first", ttl_s=60) is None
        assert await memory.claim_note(name, b"second", ttl_s=60) == b"first"
        assert await memory.take_note(name) == b"first"
        assert await memory.note(name) is None
        assert await memory.allow(name, per_minute=1) == 0
        assert await memory.allow(name, per_minute=1) > 0
