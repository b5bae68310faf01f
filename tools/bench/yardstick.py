"""The yardsticks for holds: a transaction for each request, as services are mostly built.

Every design has connections of its own, with its plans pinned as those of `place_holds` are: with
plans made on empty tables it would fall far behind. `for-update` has as many connections as the
service. The other two have one in each process: requests then queue there and not at the row, where
each that waits costs the others. That suits one hot row best and nothing else, and so it is the
most that such a design can do here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import for_update
import msgspec
import one_statement
from aiohttp import web

from checkout.api import Checkout
from inventory.hold import Basket, idempotency_uuid
from inventory.kit.database import Pool
from inventory.kit.http import idempotency_key, json_response, read_body
from waitroom.run.settings import Settings

PINNED = {
    "application_name": "yardstick",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

Place = Callable[[Pool, int, UUID, dict[str, int]], Awaitable[dict[str, Any]]]

_BASKET = msgspec.json.Decoder(Basket)


@asynccontextmanager
async def open_yardsticks(
    settings: Settings, checkout: Checkout
) -> AsyncIterator[list[web.RouteDef]]:
    """Connect, and return a route for each design."""
    designs = {
        "for-update": (for_update.place, settings.postgres_connections_max),
        "for-update-lean": (for_update.place, 1),
        "one-statement": (one_statement.place, 1),
    }
    async with AsyncExitStack() as stack:
        routes = []
        for name, (place, connections) in designs.items():
            pool = await stack.enter_async_context(_open_pool(settings.postgres_url, connections))
            routes.append(web.post(f"/bench/{name}", _handler(checkout, pool, place)))
        yield routes


def _open_pool(url: str, connections: int) -> Pool:
    # Nothing bounds the wait for a connection: a crowd shall wait its turn and not be refused.
    return asyncpg.create_pool(
        url, min_size=1, max_size=connections, reset=_leave_as_it_is, server_settings=PINNED
    )


def _handler(
    checkout: Checkout, pool: Pool, place: Place
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        session = await checkout.sessions.of(request)
        key = idempotency_key(request)
        assert key is not None
        quantities = (await read_body(request, _BASKET)).quantities()
        answer = await place(pool, session.session_id, idempotency_uuid(key), quantities)
        return json_response(answer, status=201)

    return handle


async def _leave_as_it_is(_: Any) -> None:
    """Spare a round trip for each use, as the service's own pool does."""
