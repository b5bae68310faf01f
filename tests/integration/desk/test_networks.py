"""The places of each network: shared by workers, bounded, and known to each without Valkey."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest
from aiohttp.test_utils import TestClient
from support import open_room

from waitroom.desk import networks as networks_module
from waitroom.desk.networks import BUSY_FROM, Networks
from waitroom.run.service import Service
from waitroom.store.memory import Memory

HOME = "192.0.2.7"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def give(networks: Networks, places: int, network: str = HOME, *, line_id: int = 1) -> None:
    for _ in range(places):
        networks.gave("show", network, line_id=line_id)


async def test_workers_learn_what_the_others_gave_to_a_busy_network(valkey_url: str) -> None:
    memory, clock = Memory(valkey_url), Clock()
    one, two = Networks(memory, clock=clock), Networks(memory, clock=clock)
    give(one, 30)
    give(one, 1, "192.0.2.8")
    give(two, BUSY_FROM)
    for worker in (one, two):
        await worker.exchange()

    assert two.total("show", HOME) == 30 + BUSY_FROM
    # Places that were given before this worker had heard of the network count as none of lately.
    assert two.lately("show", HOME) == BUSY_FROM
    assert two.total("show", "192.0.2.8") == 0, "a network with a single place is told to no one"
    give(one, 5)
    give(two, 1)
    for worker in (one, two, one):
        await worker.exchange()
    assert two.total("show", HOME) == 36 + BUSY_FROM
    assert two.lately("show", HOME) == BUSY_FROM + 6

    give(one, 2, line_id=2)
    assert one.total("show", HOME) == 2, "a reset begins the counts again"
    await memory.close()


async def test_without_valkey_each_worker_knows_its_own_places_of_the_last_minute() -> None:
    clock = Clock()
    alone = Networks(Memory("redis://127.0.0.1:1/0"), clock=clock)
    give(alone, 60)
    await alone.exchange()
    clock.now += 90
    give(alone, 10)

    assert alone.total("show", HOME) == 70
    assert alone.lately("show", HOME) == 40, "half of those from the minute before"
    clock.now += 120
    assert alone.lately("show", HOME) == 0


async def test_the_few_places_of_a_network_count_until_it_is_busy_and_then_go_stale() -> None:
    clock = Clock()
    alone = Networks(Memory("redis://127.0.0.1:1/0"), clock=clock)
    give(alone, BUSY_FROM - 1)
    clock.now += 3600
    assert alone.lately("show", HOME) == BUSY_FROM - 1
    give(alone, 1)
    assert alone.lately("show", HOME) == BUSY_FROM
    alone.took_back("show", HOME)
    give(alone, 1)
    assert alone.lately("show", HOME) == BUSY_FROM, "none of them counts twice"
    give(alone, 1)
    assert alone.lately("show", HOME) == BUSY_FROM + 1
    clock.now += 120
    assert alone.lately("show", HOME) == 0


async def test_a_place_that_came_to_nothing_counts_no_more(valkey_url: str) -> None:
    memory, clock = Memory(valkey_url), Clock()
    one, two = Networks(memory, clock=clock), Networks(memory, clock=clock)
    give(two, 1000)
    give(one, BUSY_FROM)
    for worker in (two, one):
        await worker.exchange()
    assert one.has_most("show", HOME, 1000 + BUSY_FROM)

    one.took_back("show", HOME)
    assert one.total("show", HOME) == 999 + BUSY_FROM, "what others gave still counts"
    assert one.lately("show", HOME) == BUSY_FROM - 1
    give(one, 1, "192.0.2.8")
    assert one.has_most("show", "192.0.2.8", 1), "one that is being given counts"
    one.took_back("show", "192.0.2.8")
    one.took_back("show", "192.0.2.8")
    one.took_back("elsewhere", HOME)
    assert one.total("show", "192.0.2.8") == one.lately("show", "192.0.2.8") == 0
    assert len(one) == 1
    give(two, 1)
    for worker in (one, two):
        await worker.exchange()
    assert two.total("show", HOME) == 1000 + BUSY_FROM, "the others hear of it"
    await memory.close()


async def test_a_crowd_of_networks_neither_fills_the_memory_nor_hides_a_busy_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks_module, "NETWORKS_MAX", 100)
    crowded = Networks(Memory("redis://127.0.0.1:1/0"))
    give(crowded, 50)
    for index in range(1000):
        give(crowded, 1, f"2001:db8:0:{index:x}::/64")

    assert len(crowded) <= 100
    assert crowded.total("show", HOME) == 50


async def test_a_join_counts_for_its_network_and_a_repeat_does_not(
    services: Callable[..., Awaitable[Service]],
    clients: Callable[[Service], Awaitable[TestClient[Any, Any]]],
) -> None:
    service = await services(trusted_proxies=["127.0.0.1"])
    client = await clients(service)
    await open_room(service)
    networks = service.networks
    for key, address in [
        ("one", "2001:db8::1"),
        ("two", "2001:db8::2"),
        ("two", "2001:db8::2"),
        ("three", "203.0.113.9"),
    ]:
        headers = {"Idempotency-Key": uuid5(NAMESPACE_DNS, key).hex, "X-Forwarded-For": address}
        async with client.post("/rooms/drop/tickets", headers=headers) as answer:
            assert answer.status in {200, 201}

    assert networks.total("drop", "2001:db8::/64") == networks.lately("drop", "2001:db8::/64") == 2
    assert networks.total("drop", "203.0.113.9") == 1
