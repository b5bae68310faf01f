"""Processes are frozen, or replaced while shoppers ask, and no shopper's request fails."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.test_utils import TestClient
from chaos.programs import at_work, roles_of
from programs import Running, all_know
from support import eventually, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]

KEPT_CONNECTIONS = 6
# Clients that ask without pause take the processors from the processes that start.
PAUSE_S = 0.02
# A shopper who is connected to a frozen process waits for its successor.
PATIENCE_S = 60.0


@dataclass(slots=True)
class Asking:
    """Clients that keep their connections until they are told otherwise, and never try again."""

    host: str
    port: int
    answers: int = 0
    told_to_close: int = 0
    failures: list[str] = field(default_factory=list)

    async def ask(self, *, keep: bool) -> None:
        """Ask again and again on one connection, or each time on a new one."""
        while True:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            try:
                while await self._ask_once(reader, writer) and keep:
                    self.answers += 1
                    await asyncio.sleep(PAUSE_S)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(repr(error))
            finally:
                writer.close()
            await asyncio.sleep(PAUSE_S)

    async def _ask_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Return whether the connection may be used again."""
        writer.write(b"GET /rooms/drop/state HTTP/1.1\r\nHost: test\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        status, _, fields = head.partition("\r\n")
        headers = dict(line.split(": ", 1) for line in fields.splitlines() if line)
        await reader.readexactly(int(headers["content-length"]))
        if " 200 " not in status:
            self.failures.append(status)
        closes = headers.get("connection") == "close"
        self.told_to_close += closes
        return not closes


@asynccontextmanager
async def asked(url: str) -> AsyncIterator[Asking]:
    """Ask all the while."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    asking = Asking(address.hostname, address.port)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asking.ask(keep=True)) for _ in range(KEPT_CONNECTIONS)]
        tasks.append(group.create_task(asking.ask(keep=False)))
        yield asking
        for task in tasks:
            task.cancel()


def names_of(pids: list[int]) -> dict[str, list[int]]:
    """Return the processes by their role."""
    roles: dict[str, list[int]] = {}
    for pid in pids:
        roles.setdefault(roles_of(pid), []).append(pid)
    return roles


async def test_every_answer_of_a_process_that_drains_ends_its_connection(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    paths = ("/rooms/drop/state", "/rooms/drop", "/rooms/none", "/readyz", "/healthz/")
    ended = []
    for draining in (False, True):
        service.draining = draining
        for path in paths:
            answer = await client.get(path, allow_redirects=False)
            ended.append(answer.headers.get("Connection") == "close")

    assert ended == [False] * len(paths) + [True] * len(paths)


async def test_processes_that_are_frozen_or_renewed_are_replaced_and_no_request_fails(
    service: Service, serving: Running
) -> None:
    await open_room(service, skus={"mug": 3})
    await all_know(serving)
    supervisor = serving.process.pid
    roles = names_of(at_work(supervisor))
    frozen = [roles["web"][0], roles["controller,sweeper"][0]]

    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)

    # Every connection gets its answer, also those that the frozen process has not accepted.
    async def look() -> int:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as new,
            new.get(f"{serving.url}/rooms/drop/state") as answer,
        ):
            return answer.status

    looks = [asyncio.create_task(look()) for _ in range(18)]
    waiting = (await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED))[1]
    assert waiting

    async def replaced() -> bool:
        now = at_work(supervisor)
        return len(now) == 3 and not set(frozen) & set(now)

    await eventually(replaced, within_s=PATIENCE_S)
    assert [await each for each in looks] == [200] * len(looks)
    said = serving.log.read_text()
    assert said.count("process_frozen") == 2
    assert roles["web"][1] in at_work(supervisor)

    before = set(at_work(supervisor))
    async with asked(serving.url) as asking:
        serving.process.send_signal(signal.SIGHUP)

        async def renewed() -> bool:
            now = set(at_work(supervisor))
            return len(now) == 3 and not now & before

        await eventually(renewed, within_s=PATIENCE_S)

    assert asking.failures == []
    assert asking.answers > KEPT_CONNECTIONS
    assert asking.told_to_close >= KEPT_CONNECTIONS
