"""Holds every answer that the tests get against the description of the API.

`watch` looks at each answer on its way out. An answer that the document does not have, by status,
content type, code or schema, fails the test that got it. With `WAITROOM_EXAMPLES` naming a file,
good answers are kept as examples, the first of each operation and status.
"""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from aiohttp import web

from waitroom.run.app import OPENAPI, undriven_app
from waitroom.run.openapi.operations import Operation, operations_of, plain_path
from waitroom.run.settings import Settings

Seen = dict[str, Any]
JSON = "application/json"
EXAMPLES = os.environ.get("WAITROOM_EXAMPLES", "")
REDIRECTS = frozenset({301, 302, 303, 308})
EXAMPLE_BYTES_MAX = 4000
_examples: Seen = {}


class Described:
    """The document, and its operations by method and path."""

    def __init__(self, app: web.Application) -> None:
        self.document = app[OPENAPI].document_json()
        operations = operations_of(app[OPENAPI].all_routes(), {})
        self.operations: dict[tuple[str, str], Operation] = {
            (one.method, one.path): one for one in operations
        }

    def fault(self, request: web.Request, response: web.StreamResponse) -> str | None:
        """Return what the document has otherwise, None for nothing."""
        resource = request.match_info.route.resource
        key = (request.method.lower(), plain_path(resource.canonical) if resource else "")
        # Browsers are answered with pages, and led from one to the next.
        to_browser = response.content_type == "text/html" or response.status in REDIRECTS
        if key not in self.operations or to_browser or "Content-Encoding" in response.headers:
            return None
        body = response.body if isinstance(response, web.Response) else None
        text = body.decode() if isinstance(body, bytes) else ""
        fault = self._fault(key, response, text)
        if fault is None and EXAMPLES and response.status < 400:
            _keep(self.operations[key].name, request, response.status, text)
        return fault and f"{key[0].upper()} {key[1]}: {response.status} {fault}"

    def _fault(self, key: tuple[str, str], response: web.StreamResponse, text: str) -> str | None:
        told = self.document["paths"][key[1]][key[0]]["responses"].get(str(response.status))
        if told is None:
            return f"is not described: {text[:200]}"
        if "$ref" in told:
            told = self.document["components"]["responses"][told["$ref"].rpartition("/")[2]]
        content = told.get("content", {})
        if isinstance(response, web.Response) and bool(content) != bool(text):
            return f"has a body that is not described, or none: {text[:200]}"
        if not content or not text:
            return None
        if response.content_type not in content:
            return f"is {response.content_type}, described as {sorted(content)}"
        if not response.content_type.endswith("json"):
            return None
        schema = json.dumps(content[response.content_type]["schema"], sort_keys=True)
        error = next(_validator(schema).iter_errors(json.loads(text)), None)
        return error and f"at {list(error.instance_path)}: {error.message[:300]}"


@cache
def _described() -> Described:
    # Made in a loop of its own, since the test's is running.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(_make())).result()


async def _make() -> Described:
    return Described(await undriven_app(Settings(demo=True)))


@cache
def _validator(schema: str) -> Any:
    whole = {"components": _described().document["components"], **json.loads(schema)}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def watch(app: web.Application) -> list[str]:
    """Look at each answer of an application; return the list of faults, which grows."""
    faults: list[str] = []

    async def look(request: web.Request, response: web.StreamResponse) -> None:
        fault = _described().fault(request, response)
        if fault is not None:
            faults.append(fault)

    app.on_response_prepare.append(look)
    return faults


def _keep(name: str, request: web.Request, status: int, text: str) -> None:
    if len(text) > EXAMPLE_BYTES_MAX:
        return
    seen = _examples.setdefault(name, {"answers": {}})
    sent = request._read_bytes  # noqa: SLF001 - what the handler has read
    if sent and request.content_type == JSON:
        seen.setdefault("request", json.loads(sent))
    seen["answers"].setdefault(str(status), json.loads(text) if text else None)


def write_examples() -> None:
    """Write the examples, if any were asked for."""
    if EXAMPLES and _examples:
        kept = dict(sorted(_examples.items()))
        Path(EXAMPLES).write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
