"""Proxies before several hosts, with the samples of `config/`: what shoppers get through them."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from front_peers import STATE, Front, before_hosts
from support import eventually, open_room
from tls_front import HOST

from inventory.kit.http import answers_under
from waitroom.run.app import Service

# More than a catalogue may have by the defaults of some proxies.
LARGE_BYTES = 3 * 2**20


@pytest.fixture(params=["nginx", "haproxy", "caddy"])
async def before_two(
    request: pytest.FixtureRequest,
    service: Service,
    postgres_url: str,
    valkey_url: str,
    tmp_path: Path,
) -> AsyncIterator[Front]:
    await open_room(service)
    async with before_hosts(request.param, (postgres_url, valkey_url), tmp_path, hosts=2) as front:
        yield front


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
