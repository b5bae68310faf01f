"""The state document in the caches of proxies: what reaches the service, and how old it may be."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from front_peers import STATE, before_hosts
from support import open_room

from inventory.kit.http import answers_under
from waitroom.line.wait import STALE_S
from waitroom.run.app import Service

# A crowd's polls in a second, ten times and a hundred times as many.
CROWDS = (10, 100, 1000)
SECONDS = 4.0
TICK_S = 1.0
# What says to a shared cache that an answer is for one client, or differs between clients.
OF_ONE_CLIENT = {"set-cookie", "vary", "pragma", "expires"}


@dataclass(slots=True)
class Heard:
    """What a crowd was answered; `ages` are seconds since the document was written."""

    statuses: set[int] = field(default_factory=set)
    ages: list[float] = field(default_factory=list)
    seconds: float = 0.0


async def poll(browser: aiohttp.ClientSession, per_s: int) -> Heard:
    """Ask at a steady pace, whether or not earlier questions were answered."""
    heard, began_at = Heard(), time.monotonic()

    async def look() -> None:
        async with browser.get(STATE) as answer:
            body = await answer.read()
            heard.statuses.add(answer.status)
        written_at = datetime.fromisoformat(json.loads(body)["updated_at"])
        heard.ages.append((datetime.now(UTC) - written_at).total_seconds())

    async with asyncio.TaskGroup() as looks:
        for number in range(int(per_s * SECONDS)):
            await asyncio.sleep(began_at + number / per_s - time.monotonic())
            looks.create_task(look())
    heard.seconds = time.monotonic() - began_at
    return heard


@asynccontextmanager
async def silent_host() -> AsyncIterator[int]:
    """Open a port at which connections are accepted and nothing is said, as by a frozen host."""
    frozen: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: frozen.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in frozen:
        writer.close()


async def test_the_polls_that_reach_the_service_do_not_grow_with_the_crowd(
    service: Service, postgres_url: str, valkey_url: str, tmp_path: Path
) -> None:
    await open_room(service)
    reached: dict[int, float] = {}
    heard: dict[int, Heard] = {}
    async with (
        before_hosts("nginx", (postgres_url, valkey_url), tmp_path, hosts=1) as front,
        front.browser() as browser,
    ):
        for per_s in CROWDS:
            before = answers_under("/rooms/{room}/state")
            heard[per_s] = await poll(browser, per_s)
            reached[per_s] = answers_under("/rooms/{room}/state") - before

    # A document lives for a second, so the service is asked for one at most once in that time.
    assert {n: count for n, count in reached.items() if count > heard[n].seconds + 1} == {}
    assert {n: len(heard[n].ages) for n in CROWDS} == {n: n * SECONDS for n in CROWDS}
    assert {status for one in heard.values() for status in one.statuses} == {200}


async def test_no_document_outlives_its_successor_by_long_beside_a_host_that_froze(
    service: Service, postgres_url: str, valkey_url: str, tmp_path: Path
) -> None:
    await open_room(service)
    async with (
        silent_host() as frozen,
        before_hosts(
            "nginx", (postgres_url, valkey_url), tmp_path, hosts=1, besides=[frozen]
        ) as front,
        front.browser() as browser,
    ):
        heard = [await poll(browser, per_s) for per_s in (20, 20, 20)]

    assert {status for one in heard for status in one.statuses} == {200}
    # The leader counts on it when it says until when a call has to be taken up.
    assert max(age for one in heard for age in one.ages) < TICK_S + STALE_S


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
async def test_a_cache_may_give_one_answer_to_all(
    program: str, service: Service, postgres_url: str, valkey_url: str, tmp_path: Path
) -> None:
    await open_room(service)
    own = [
        {},
        {"Cookie": "waitroom_visitor=another"},
        {"Authorization": "Bearer none"},
        {"Accept-Language": "de"},
        {"Accept-Encoding": "br"},
    ]
    async with (
        before_hosts(program, (postgres_url, valkey_url), tmp_path, hosts=1) as front,
        front.browser() as browser,
    ):
        before = answers_under("/rooms/{room}/state")
        answers = []
        for headers in own:
            async with browser.get(STATE, headers=headers) as answer:
                answers.append((await answer.read(), answer.headers))
        etag = answers[-1][1]["ETag"]
        async with browser.get(STATE, headers={"If-None-Match": etag}) as again:
            unchanged = again.status
        reached = answers_under("/rooms/{room}/state") - before

    assert all(headers["Cache-Control"] == "public, max-age=1" for _, headers in answers)
    assert all(OF_ONE_CLIENT.isdisjoint(map(str.lower, headers)) for _, headers in answers)
    # A second may end between two of them.
    assert len({body for body, _ in answers}) <= 2
    assert reached <= 3
    assert unchanged in {200, 304}
