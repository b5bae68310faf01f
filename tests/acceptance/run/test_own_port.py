"""A port of its own for operators and metrics: their routes are nowhere else then."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from waitroom.run.app import Service, make_app, make_ops_app
from waitroom.run.processes.ports import bind_shared
from waitroom.run.serve import ports_of
from waitroom.run.settings import Settings, SettingsError, load_settings

HIDDEN = ("/admin", "/admin/login", "/%61dmin/login", "//admin/login", "/metrics", "/metrics/")


async def test_screens_and_metrics_answer_at_their_own_port_alone(
    services: Callable[..., Awaitable[Service]],
) -> None:
    public, own = bind_shared("127.0.0.1", 0)[0], bind_shared("127.0.0.1", 0)[0]
    port = own.getsockname()[1]
    runner = web.AppRunner(make_app(await services(admin_port=port)))
    await runner.setup()
    for one in (public, own):
        await web.SockSite(runner, one).start()

    async def ask(at: int, path: str) -> Any:
        host = {"Host": f"127.0.0.1:{port}"}
        async with session.get(f"http://127.0.0.1:{at}{path}", headers=host) as answer:
            return answer.status, await answer.text()

    async with aiohttp.ClientSession() as session:
        hidden = [await ask(public.getsockname()[1], path) for path in HIDDEN]
        health = await ask(public.getsockname()[1], "/healthz")
        login, metrics, screens = [
            await ask(port, path) for path in ("/admin/login", "/metrics", "/admin")
        ]
    await runner.cleanup()

    assert {status for status, _ in hidden} == {404}
    assert (health[0], login[0], metrics[0]) == (200, 200, 200)
    assert "waitroom_request_seconds" in metrics[1]
    assert screens[0] == 401


async def test_a_process_without_shoppers_tells_its_health_and_metrics_there(
    services: Callable[..., Awaitable[Service]],
) -> None:
    service = await services(admin_port=9001)
    async with TestClient(TestServer(make_ops_app(service))) as client:
        told = {path: await client.get(path) for path in ("/healthz", "/readyz", "/metrics")}
        screens = await client.get("/admin")
        service.draining = True
        stopping = await client.get("/readyz")
        metrics = await told["/metrics"].text()

    assert [answer.status for answer in told.values()] == [200, 200, 200]
    assert "waitroom_leading" in metrics
    assert (screens.status, stopping.status) == (404, 503)


def test_web_processes_tell_the_metrics_of_all_that_their_supervisor_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(admin_port=9001)
    alone = ports_of(settings, frozenset({"controller", "sweeper"}))
    monkeypatch.setenv("WAITROOM_SUPERVISOR", "1")
    beside_web = ports_of(settings, frozenset({"controller", "sweeper"}))

    assert (alone, beside_web) == ([9001], [])
    assert ports_of(settings, frozenset({"web"})) == [8080, 9001]
    assert ports_of(Settings(), frozenset({"controller"})) == []


def test_the_port_of_operators_is_another_one() -> None:
    with pytest.raises(SettingsError, match="admin_port has to differ from port"):
        load_settings(environment={}, overrides={"port": 9000, "admin_port": 9000})

    settings = load_settings(environment={}, overrides={"port": 9000, "admin_port": 9001})

    assert settings.admin_url == "http://127.0.0.1:9001"
    assert settings.screens_url == settings.admin_url
    assert settings.ports == [9000, 9001]
