"""The OpenAPI document as a person reads it: by audience, call by call, then the types. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from inventory.kit.doors.decoding import Json

_TYPES = "#/components/schemas/"
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "up to {} characters",
    "minItems": "{} or more",
    "maxItems": "up to {}",
}
_FORMATS = {"date-time": "moment", "uuid": "UUID"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the words for a type; `type` names the type that it leads to, "" for none."""

    text: str
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A parameter, a header or a member of a body; `where` is "" for a member."""

    name: str
    where: str
    required: bool
    kind: list[Piece]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: its status in digits and in words, its meaning and its body."""

    status: str
    reason: str
    text: str
    kind: list[Piece]
    headers: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal of a call."""

    status: str
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One method of one path."""

    name: str
    method: str
    path: str
    summary: str
    text: str
    callers: list[str]
    parameters: list[Field]
    body: list[Piece]
    replies: list[Reply]
    refusals: list[Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The calls of one audience."""

    name: str
    text: str
    calls: list[Call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A type of bodies, with its fields."""

    name: str
    text: str
    fields: list[Field]


def groups_of(document: Json) -> list[Group]:
    """Return the calls by audience, in the order of the document."""
    calls: dict[str, list[Call]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            calls[operation["tags"][0]].append(_call(document, path, method, operation))
    return [
        Group(name=tag["name"], text=tag["description"], calls=calls[tag["name"]])
        for tag in document["tags"]
        if calls[tag["name"]]
    ]


def shapes_of(document: Json) -> list[Shape]:
    """Return the types by name."""
    schemas: Mapping[str, Json] = document["components"]["schemas"]
    return [
        Shape(
            name=name,
            text=schema.get("description", ""),
            fields=[
                Field(
                    name=field,
                    where="",
                    required=field in schema.get("required", ()),
                    kind=list(_kind(one)),
                    text=one.get("description", ""),
                )
                for field, one in schema.get("properties", {}).items()
            ],
        )
        for name, schema in sorted(schemas.items())
    ]


def _call(document: Json, path: str, method: str, operation: Json) -> Call:
    good: list[Reply] = []
    refusals: list[Refused] = []
    for status, found in operation["responses"].items():
        response = _resolved(document, found)
        if int(status) < 400:
            good.append(_reply(status, response))
        else:
            refusals.extend(_refusals(document, status, response))
    body = operation.get("requestBody", {"content": {}})["content"]
    return Call(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        text=operation.get("description", ""),
        callers=[_caller(need) for need in operation["security"]],
        parameters=[
            Field(
                name=one["name"],
                where=one["in"],
                required=one.get("required", False),
                kind=list(_kind(one["schema"])),
                text=one.get("description", ""),
            )
            for one in operation["parameters"]
        ],
        body=list(_content(body)),
        replies=good,
        refusals=refusals,
    )


def _resolved(document: Json, found: Json) -> Json:
    if "$ref" not in found:
        return found
    shared: Json = document["components"]["responses"][found["$ref"].rpartition("/")[2]]
    return shared


def _caller(need: Mapping[str, list[str]]) -> str:
    for name, scopes in need.items():
        return f"a key with the scope {scopes[0]}" if scopes else f"a caller with a {name}"
    return "anyone on the machine itself"


def _reply(status: str, response: Json) -> Reply:
    return Reply(
        status=status,
        reason=HTTPStatus(int(status)).phrase,
        text=response["description"],
        kind=list(_content(response.get("content", {}))),
        headers=sorted(response.get("headers", {})),
    )


def _refusals(document: Json, status: str, response: Json) -> Iterator[Refused]:
    for media in response["content"].values():
        for name in media["examples"]:
            told = document["components"]["examples"][name]["value"]
            yield Refused(status=status, code=told["code"], sentence=told["title"])


def _content(content: Json) -> Iterator[Piece]:
    for number, (form, media) in enumerate(content.items()):
        if number:
            yield Piece(text=" or ")
        if form == "application/json":
            yield from _kind(media["schema"])
        else:
            yield Piece(text=form)


def _kind(schema: Json) -> Iterator[Piece]:
    """Yield the words for a type."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_TYPES)
        yield Piece(text=name, type=name)
    elif "anyOf" in schema:
        for number, one in enumerate(schema["anyOf"]):
            if number:
                yield Piece(text=" or ")
            yield from _kind(one)
    elif "enum" in schema:
        yield Piece(text=", ".join(_word(one) for one in schema["enum"]))
    elif "const" in schema:
        yield Piece(text=_word(schema["const"]))
    elif schema.get("type") == "array":
        yield Piece(text="list of ")
        yield from _kind(schema.get("items", {}))
        yield from _bounds(schema)
    elif isinstance(schema.get("additionalProperties"), dict):
        yield Piece(text="object of ")
        yield from _kind(schema["additionalProperties"])
    else:
        kind = schema.get("type", "any JSON")
        yield Piece(text=_FORMATS.get(schema.get("format", ""), str(kind)))
        yield from _bounds(schema)


def _bounds(schema: Json) -> Iterator[Piece]:
    for name, words in _BOUNDS.items():
        if name in schema:
            yield Piece(text=", " + words.format(schema[name]))


def _word(value: Any) -> str:
    return "null" if value is None else f"“{value}”" if value == "" else str(value)
