"""The description of the API as one OpenAPI 3.1 document. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import (
    CLIENT_KEY,
    JSON,
    RATE_LIMIT,
    RETRY_AFTER,
    SHOWN_KEY,
    Answer,
    Caller,
    Described,
    Header,
)
from inventory.kit.doors.query import Text
from inventory.kit.problem import ClientKeyWeak, Refusal
from waitroom.run.openapi.operations import Audience, Operation, Part
from waitroom.run.openapi.refused import refusals_of
from waitroom.run.openapi.schemas import portable, type_schemas

VERSION = "3.1.0"
PROBLEM = "application/problem+json"

_UUID: Json = {"type": "string", "format": "uuid"}
_CODE: Json = {"type": "string"}
# The parameters of paths, which have the same grammar wherever they stand.
PARTS: dict[str, tuple[str, Json]] = {
    "room": ("The room's name in addresses.", _CODE),
    "sku": ("The code of a SKU.", _CODE),
    "product": ("The code of a product.", _CODE),
    "hold_id": ("The hold's id.", _UUID),
    "order_id": ("The order's id.", _UUID),
    "name": ("The operator's name.", _CODE),
    "lane": ("The lane's name.", _CODE),
    "seller": ("The seller's name as an operator.", _CODE),
    "profile": ("The profile's name.", _CODE),
    "batch": ("The number of a batch of invitations.", {"type": "integer", "minimum": 1}),
    "line": ("The line, such as `main-1`.", _CODE),
    "number": ("The number in this line.", {"type": "integer", "minimum": 1}),
    "endpoint": ("The webhook's id.", {"type": "integer", "minimum": 1}),
    "delivery": ("The delivery's id.", {"type": "integer", "minimum": 1}),
    "verb": ("What to do with the room.", _CODE),
    "session": ("The session's id, as the check tells it to a site.", _CODE),
    "key": ("The key's id.", {"type": "integer", "minimum": 1}),
    "passkey": ("The id of the passkey.", {"type": "integer", "minimum": 1}),
    "customer": ("The name of the site in KnownUser V3.", _CODE),
    "network": (
        "The keyed hash of a network.",
        {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    ),
    "path": ("The path of the request that the proxy asks about.", _CODE),
}
# A request that carries a session may be about one of several rooms.
ROOM = Text(
    name="room",
    text="The room that the request is about, for a client with sessions in several rooms.",
)
TAGS = {
    Audience.SHOPPER: "Rooms, tickets and places, the public log, and what is on sale.",
    Audience.CHECKOUT: "The session of an admitted shopper: holds, orders, receipts.",
    Audience.CUSTOMER: "Shoppers whom the shop's identity provider has signed in.",
    Audience.OPERATOR: "Rooms, stock, orders and webhooks, for operators and programs with a key.",
    Audience.SERVICE: "Health and metrics, and for sites the check and the keys of passes.",
}
INTRO = """waitroom is a virtual waiting room with a checkout.

Bodies are JSON in UTF-8. A request that cannot be granted is answered with a problem document
(RFC 9457): programs read its `code`, which never changes, and people its `detail`. An answer with
`Retry-After` says when to try again. Amounts are in minor units of the currency (ISO 4217), and
moments have their offset from UTC (RFC 3339)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What a test sent and got: the request's body, and the answer's body by status."""

    request: Any
    answers: Mapping[int, Any]


NO_EXAMPLE = Example(request=None, answers={})


def openapi_json(
    operations: Iterable[Operation], examples: Mapping[str, Example], *, version: str
) -> Json:
    """Return the OpenAPI document of these operations."""
    listed = list(operations)
    types = dict.fromkeys(kind for one in listed for kind in _types(one))
    schemas, components = type_schemas(types)
    known = dict(zip(types, schemas, strict=True))
    paths: dict[str, Json] = {}
    refused: set[type[Refusal]] = set()
    for one in listed:
        refused.update(refusals_of(one))
        example = examples.get(one.name, NO_EXAMPLE)
        paths.setdefault(one.path, {})[one.method] = _operation(one, known, example)
    responses = _shared_responses(paths)
    return {
        "openapi": VERSION,
        "info": {
            "title": "waitroom",
            "version": version,
            "description": INTRO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": words} for tag, words in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "responses": responses,
            "securitySchemes": _SCHEMES,
            "examples": {
                kind.__name__: {"summary": kind.title, "value": kind().body()}
                for kind in sorted(refused, key=lambda kind: kind.__name__)
            },
        },
    }


def _shared_responses(paths: Mapping[str, Json]) -> Json:
    """Put what several operations answer alike into one place, and return it by its names."""
    users: dict[tuple[str, bytes], list[Json]] = {}
    for item in paths.values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    key = (status, msgspec.json.encode(response))
                    users.setdefault(key, []).append(operation["responses"])
    shared: Json = {}
    for (status, _), found in users.items():
        if len(found) > 1:
            name = f"Refused{status}_{len(shared) + 1}"
            shared[name] = found[0][status]
            for responses in found:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return shared


def _types(operation: Operation) -> list[Any]:
    """Return the types of an operation's JSON bodies."""
    described = operation.described
    answers = [a.body for a in described.answers if a.content_type == JSON]
    bodies = [described.body] if JSON in described.accepts else []
    return [kind for kind in [*bodies, *answers] if kind is not None]


def _operation(operation: Operation, known: Mapping[Any, Json], example: Example) -> Json:
    described = operation.described
    found: Json = {
        "operationId": operation.name,
        "tags": [operation.audience],
        "summary": operation.summary,
    }
    if operation.text:
        found["description"] = operation.text
    query = [*described.query]
    if described.caller is Caller.SESSION and all(one.name != ROOM.name for one in query):
        query.append(ROOM)
    found["parameters"] = [
        *(_in_path(part) for part in operation.parts),
        *(
            _parameter("query", one.name, one.text, one.schema(), required=one.required)
            for one in query
        ),
        *(_in_head(header) for header in _headers(described)),
    ]
    if described.body is not None:
        found["requestBody"] = _request(operation, known, example)
    found["responses"] = _responses(operation, known, example)
    found["security"] = _security(operation)
    return found


def _headers(described: Described) -> Iterator[Header]:
    """Return the headers of a request; the token of a shopper may be bound to an app's key."""
    yield from described.headers
    bearers = {Caller.TICKET, Caller.SESSION}
    if described.caller in bearers and CLIENT_KEY not in described.headers:
        yield CLIENT_KEY if ClientKeyWeak in described.refusals else SHOWN_KEY


def _in_path(part: Part) -> Json:
    words, schema = PARTS[part.name]
    if part.pattern:
        schema = {"type": "string", "pattern": f"^(?:{part.pattern})$"}
    return _parameter("path", part.name, words, schema, required=True)


def _in_head(header: Header) -> Json:
    return _parameter(
        "header", header.name, header.text, _header_schema(header), required=header.required
    )


def _header_schema(header: Header) -> Json:
    return {"type": "string", **({"pattern": header.pattern} if header.pattern else {})}


def _parameter(where: str, name: str, words: str, schema: Json, *, required: bool) -> Json:
    found: Json = {"name": name, "in": where, "schema": portable(schema)}
    if words:
        found["description"] = words
    if required:
        found["required"] = True
    return found


def _request(operation: Operation, known: Mapping[Any, Json], example: Example) -> Json:
    described = operation.described
    content: Json = {}
    for kind in described.accepts:
        if kind == JSON:
            content[kind] = {"schema": known[described.body]}
            if example.request is not None:
                content[kind]["example"] = example.request
        else:
            content[kind] = {"schema": _raw(kind)}
    return {"content": content, "required": described.body_required}


def _responses(operation: Operation, known: Mapping[Any, Json], example: Example) -> Json:
    found: Json = {}
    for answer in operation.described.answers:
        good, other = _good(answer, known, example), found.get(str(answer.status))
        if other is not None:
            good = _either(other, good)
        found[str(answer.status)] = good
    by_status: dict[int, list[type[Refusal]]] = {}
    for kind in refusals_of(operation):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in by_status.items():
        found[str(status)] = _refused(status, kinds)
    return found


def _either(first: Json, other: Json) -> Json:
    """Return an answer that has one of two bodies, or one body in two forms."""
    content = dict(first["content"])
    for kind, media in other["content"].items():
        if kind in content:
            one_of = [content[kind]["schema"], media["schema"]]
            media = {**content[kind], "schema": {"anyOf": one_of}}  # noqa: PLW2901 - both, then
        content[kind] = media
    return {**first, "content": content}


def _good(answer: Answer, known: Mapping[Any, Json], example: Example) -> Json:
    found: Json = {"description": answer.text or _STATUS_WORDS.get(answer.status, "Done.")}
    if answer.headers:
        found["headers"] = {
            header.name: {"description": header.text, "schema": _header_schema(header)}
            for header in answer.headers
        }
    if answer.body is not None and answer.content_type == JSON:
        media: Json = {"schema": known[answer.body]}
        if answer.status in example.answers:
            media["example"] = example.answers[answer.status]
        found["content"] = {JSON: media}
    elif answer.body is not None:
        found["content"] = {answer.content_type: {"schema": _raw(answer.content_type)}}
    return found


def _raw(content_type: str) -> Json:
    """Return the schema of a body that is a file or a text, and so is not parsed."""
    is_text = content_type.startswith("text/") and content_type != "text/event-stream"
    return {"type": "string"} if is_text else {}


_HEADERS_REFUSED = {429: (RETRY_AFTER, *RATE_LIMIT), 503: (RETRY_AFTER,)}


def _refused(status: int, kinds: list[type[Refusal]]) -> Json:
    codes = list(dict.fromkeys(kind.code for kind in kinds))
    sentences = dict.fromkeys(f"`{kind.code}`: {kind.title}" for kind in kinds)
    found: Json = {
        "description": "\n".join(f"* {each}" for each in sentences),
        "content": {
            PROBLEM: {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/Problem"}],
                    "properties": {"code": {"enum": codes}, "status": {"const": status}},
                },
                "examples": {
                    kind.__name__: {"$ref": f"#/components/examples/{kind.__name__}"}
                    for kind in kinds
                },
            }
        },
    }
    if headers := _HEADERS_REFUSED.get(status):
        found["headers"] = {
            header.name: {"description": header.text, "schema": _header_schema(header)}
            for header in headers
        }
    return found


def _security(operation: Operation) -> list[Json]:
    """Return which credentials let a caller in; an empty one says that none is needed."""
    access = operation.access
    if access is not None:
        return [{"operator": []}, *({"key": [scope]} for scope in access.scopes)]
    if operation.described.caller is Caller.ANYONE:
        return []
    named = {operation.described.caller.value: list[str]()}
    return [named, {}] if operation.described.caller is Caller.OPERATOR else [named]


_STATUS_WORDS = {
    200: "The answer.",
    201: "It was made.",
    202: "It has begun, and is not decided yet.",
    204: "It is done; there is nothing to say.",
}

_PROBLEM: Json = {
    "title": "Problem",
    "description": "A request that was refused, in the form of RFC 9457. Some have more members.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "`urn:waitroom:problem:` and the code."},
        "title": {"type": "string", "description": "The refusal in a sentence."},
        "status": {"type": "integer", "description": "The status of the answer."},
        "detail": {"type": "string", "description": "What was refused here, in a sentence."},
        "code": {"type": "string", "description": "A stable word, for programs."},
        "field": {"type": "string", "description": "The member of the body that was refused."},
    },
}

_SCHEMES: Json = {
    "ticket": {
        "type": "http",
        "scheme": "bearer",
        "description": "The ticket that a join gave. Browsers send it as a cookie of the room.",
    },
    "session": {
        "type": "http",
        "scheme": "bearer",
        "description": "The session that a claim gave. Browsers send it as a cookie of the room.",
    },
    "customer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token of the shop's identity provider.",
    },
    "operator": {
        "type": "apiKey",
        "in": "cookie",
        "name": "waitroom_operator",
        "description": "The cookie of an operator who has signed in at `/admin/login`. Behind "
        "https its name begins with `__Host-`.",
    },
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`wrk_…`) whose scopes include the one that is named.",
    },
}
