"""Fixtures for what speaks to Stripe; whoever wants them names this module in `pytest_plugins`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestServer
from stripe_peer import SECRET_KEY, WEBHOOK_SECRET, Wire, running_localstripe
from support import secrets, settings

from waitroom.run.app import Service, open_service
from waitroom.run.gateways import open_gateway


@pytest.fixture(scope="session")
def localstripe() -> Iterator[str]:
    with running_localstripe() as url:
        yield url


@pytest.fixture
async def wire(localstripe: str) -> AsyncIterator[Wire]:
    """Lead to an empty localstripe."""
    async with aiohttp.ClientSession(cookie_jar=DummyCookieJar()) as session:
        async with session.delete(f"{localstripe}/_config/data") as answer:
            assert answer.status == 200
        made = Wire(localstripe, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", made.carry)
        async with TestServer(app) as server:
            made.url = str(server.make_url("")).rstrip("/")
            yield made


@pytest.fixture
async def stripe_shops(
    postgres_url: str, valkey_url: str, wire: Wire, pooler: Path | None
) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Open as many services of a shop on Stripe as a test wants, without loops by default."""
    async with AsyncExitStack() as stack:

        async def open_one(
            *,
            roles: frozenset[str] = frozenset(),
            secret_key: str = SECRET_KEY,
            webhook_secrets: Sequence[str] = (WEBHOOK_SECRET,),
            **changes: Any,
        ) -> Service:
            values = {
                "gateway": "stripe",
                "stripe_publishable_key": "pk_test_of_the_tests",
                "public_url": "https://shop.example.com",
                "payment_wait_s": 30.0,
                "postgres_pooler": pooler is not None,
                **changes,
            }
            made = settings(postgres_url, valkey_url, **values)
            hidden = msgspec.structs.replace(
                secrets(),
                stripe_secret_key=secret_key,
                stripe_webhook_secrets=list(webhook_secrets),
            )
            return await stack.enter_async_context(
                open_service(
                    made, hidden, roles=roles, gateway=partial(open_gateway, stripe_api=wire.url)
                )
            )

        yield open_one


@pytest.fixture
async def shop(stripe_shops: Callable[..., Awaitable[Service]]) -> Service:
    return await stripe_shops()
