"""Proxies before several hosts, with the samples of `config/`: what shoppers get through them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from front_peers import front
from peers.samples import free_port
from programs import all_know, open_site
from support import eventually, open_room, secrets, settings
from tls_front import HOST, new_authority
from yarl import URL

from inventory.kit.http import answers_under
from waitroom.run.app import Service

STATE = "/rooms/drop/state"
# More than a catalogue may have by the defaults of some proxies.
LARGE_BYTES = 3 * 2**20


@dataclass(slots=True)
class Front:
    """A proxy before two hosts; `hosts` end when they are closed."""

    url: str
    plain_url: str
    hosts: list[AsyncExitStack]
    trusted: ssl.SSLContext

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=self.trusted),
            headers={"Sec-Fetch-Site": "same-origin"},
        ) as session:
            yield session


@pytest.fixture(params=["nginx", "haproxy", "caddy"])
async def before_two(
    request: pytest.FixtureRequest,
    service: Service,
    postgres_url: str,
    valkey_url: str,
    tmp_path: Path,
) -> AsyncIterator[Front]:
    await open_room(service)
    authority = new_authority(tmp_path / "ca")
    port, plain = free_port(), free_port()
    made = settings(postgres_url, valkey_url, public_url=f"https://{HOST}:{port}")
    async with AsyncExitStack() as stack:
        hosts, ports = [], []
        for _ in range(2):
            host = await stack.enter_async_context(AsyncExitStack())
            site = await host.enter_async_context(open_site(made, secrets()))
            await all_know(site.url)
            hosts.append(host)
            ports.append(URL(site.url).port or 0)
        url = await stack.enter_async_context(
            front(request.param, tmp_path, authority, port=port, plain=plain, hosts=ports)
        )
        trusted = ssl.create_default_context(cafile=str(authority.ca))
        yield Front(url, f"http://{HOST}:{plain}", hosts, trusted)


async def asked(browser: aiohttp.ClientSession, path: str = STATE, **options: Any) -> int:
    async with browser.get(path, **options) as answer:
        await answer.read()
        return answer.status


async def test_a_sale_goes_on_through_a_proxy_when_a_host_ends_and_it_says_when_all_have(
    before_two: Front, request: pytest.FixtureRequest
) -> None:
    keeps_states = "caddy" not in request.node.name
    async with before_two.browser() as one, before_two.browser() as other:
        # A page is each browser's own.
        pages = [
            await asked(each, "/rooms/drop", headers={"Accept": "text/html"})
            for each in (one, other)
        ]
        visitors = [
            {cookie.value for cookie in each.cookie_jar if "visitor" in cookie.key}
            for each in (one, other)
        ]
        async with one.post("/rooms/drop/tickets") as joined:
            place = (joined.status, (await joined.json()).get("number"))
        # Before the session that would be needed is asked for, the proxy has to let it pass.
        async with one.post(
            "/admin/rooms/drop/catalogue", data=BytesIO(b"x" * LARGE_BYTES)
        ) as large:
            refused = large.status

        before = answers_under("/rooms/{room}/state")
        states: list[int] = []
        for _ in range(10):
            states += await asyncio.gather(*(asked(each) for each in (one, other) * 10))
        reached = answers_under("/rooms/{room}/state") - before
        async with (
            one.get(STATE) as first,
            one.get(STATE, headers={"If-None-Match": first.headers["ETag"]}) as second,
        ):
            unchanged = second.status

        await before_two.hosts[0].aclose()
        left = [await asked(each, "/healthz") for each in (one, other) * 5]
        await before_two.hosts[1].aclose()

        async def says_that_places_are_kept() -> bool:
            async with one.get(STATE) as answer:
                text = await answer.text()
                return answer.status in {502, 503} and "Your place in line is kept" in text

        await eventually(says_that_places_are_kept)

    assert pages == [200, 200]
    assert all(visitors)
    assert visitors[0] != visitors[1]
    assert place == (201, 1)
    assert refused in {401, 403, 404}
    assert states == [200] * 200
    # A document lives a second. Caddy has no cache; HAProxy lets through what asks at once.
    assert not keeps_states or reached <= 100, reached
    assert unchanged in {200, 304}
    assert left == [200] * 10


async def test_a_plain_address_leads_to_the_secure_one(before_two: Front) -> None:
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{before_two.plain_url}/rooms/drop", allow_redirects=False) as answer,
    ):
        assert answer.status == 308
        assert answer.headers["Location"].startswith(f"https://{HOST}")
