"""Every call that the docs name is one that the service answers."""

import re
from typing import Any

from aiohttp.test_utils import TestClient
from blocks import PAGES, blocks

METHODS = "GET|POST|PUT|PATCH|DELETE"
# `GET /path`, or several methods before one path: `GET`, `POST /path`.
CALL = re.compile(rf"((?:`(?:{METHODS})`, )*)`({METHODS}) (/[^`?\s]*)")
STATUSES = {"/open", "/pause", "/resume", "/close"}


def shape(path: str) -> str:
    """Return a path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def named() -> set[tuple[str, str]]:
    found = set()
    for page in PAGES:
        for before, method, path in CALL.findall(page.read_text(encoding="utf-8")):
            methods = {method, *re.findall(METHODS, before)}
            found |= {(each, shape(path)) for each in methods}
    for block in blocks("http"):
        method, path, *_ = block.first.split()
        # Webhooks are calls that the service makes.
        found |= {(method, path)} if block.page != "docs/integrate/webhooks.md" else set()
    return found


async def test_every_call_in_the_docs_has_a_route(client: TestClient[Any, Any]) -> None:
    assert client.app is not None
    routes = {
        (route.method, shape(resource.canonical))
        for resource in client.app.router.resources()
        for route in resource
    }
    # A room's status is set by a verb, which the docs write out.
    routes |= {("POST", "/admin/rooms/{}" + verb) for verb in STATUSES}
    routes |= {("POST", "/checkout/webhooks/stripe"), ("GET", "/checkout/stripe/{}")}

    every_method = {path for method, path in routes if method == "*"}

    calls = {(method, path) for method, path in named() if path not in every_method}

    assert len(calls) > 60
    assert calls - routes == set()
