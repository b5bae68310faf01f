"""What stands in front of the workers goes away, and the workers go on."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from support import eventually, execute, open_room, tick

from inventory.kit.database import ReplyLost, ask, connection
from inventory.kit.problem import EngineDown
from waitroom.desk.serving import ServingReport
from waitroom.run import way_in
from waitroom.run.app import Service
from waitroom.run.way_in import Probe, WayIn

Client = TestClient[Any, Any]
# A stop of the clock ends at the leader's last beat at the latest, and no two end at one moment.
LONG_AGO = """
UPDATE office SET beat_at = clock_timestamp(), served_at = clock_timestamp() - interval '1 hour'"""
SERVED = "SELECT served_at > clock_timestamp() - interval '1 minute' AS served FROM office"


class Front:
    """A proxy in front of the service, as far as its answers go."""

    def __init__(self) -> None:
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/healthz"
        return web.Response(status=self.status)


async def test_no_worker_reports_that_it_serves_while_the_public_address_leads_to_nobody(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way_in, "PROBE_EVERY_S", 0.05)
    await open_room(service, skus={"mug": 3})
    await tick(service)
    front, app = Front(), web.Application()
    app.router.add_get("/healthz", front.answer)
    server = TestServer(app)
    await server.start_server()
    way, stopping = WayIn(), asyncio.Event()
    probing = asyncio.create_task(Probe(str(server.make_url("/")).rstrip("/"), way).run(stopping))
    report = ServingReport(service.lines, is_cut_off=lambda: way.is_cut_off)
    report.begin()

    async def reports() -> bool:
        await execute(service, LONG_AGO)
        await report.report()
        return bool((await execute(service, SERVED))[0]["served"])

    async def reports_not() -> bool:
        return not await reports()

    await eventually(reports)
    for status in (502, 503):
        front.status = status
        await eventually(reports_not)
        front.status = 200
        await eventually(reports)
    await server.close()
    await eventually(reports_not)

    # A shopper who comes all the same shows that the way is open.
    async def asks() -> bool:
        assert (await client.get("/rooms/drop/state")).status == 200
        return await reports()

    await eventually(asks)
    stopping.set()
    await probing


async def test_a_worker_whose_database_fails_most_of_what_it_is_asked_does_not_report(
    service: Service,
) -> None:
    await tick(service)
    service.serving.begin()

    async def fail() -> None:
        with suppress(EngineDown):
            async with connection(service.pool):
                raise ReplyLost

    async def reports() -> bool:
        await execute(service, LONG_AGO)
        await service.serving.report()
        return bool((await execute(service, SERVED))[0]["served"])

    assert await reports()
    await fail()
    assert await reports(), "one failure is nothing"

    for _ in range(9):
        await fail()
    assert not await reports()

    async with asyncio.timeout(20):
        while service.pool.falters:
            await ask(service.pool, "SELECT 1")
    assert await reports()
