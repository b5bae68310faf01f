"""The described routes: paths, names, audiences. Pure."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web

from inventory.kit.doors.described import Caller, Described, action_of, description_of
from waitroom.admin.accounts.scopes import Access

_PART = re.compile(r"\{(?P<name>\w+)(?::(?P<pattern>(?:[^{}]|\{[^{}]*\})+))?\}")
# Endings of classes that answer requests, which the name of an operation does without.
_CLASS_END = re.compile(r"(Api|Admin)\Z")
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Audience(StrEnum):
    """The part of the API that an operation belongs to."""

    SHOPPER = "shopper"
    CHECKOUT = "checkout"
    CUSTOMER = "customer"
    OPERATOR = "operator"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A parameter in a path; `pattern` is "" where the path bounds it in no way of its own."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path, as its handler describes it.

    `path` has its parameters in braces and without patterns. `access` is None for a route that
    asks for no operator. `name` is unique.
    """

    method: str
    path: str
    parts: tuple[Part, ...]
    name: str
    summary: str
    text: str
    audience: Audience
    described: Described
    access: Access | None


def operations_of(
    routes: Iterable[web.AbstractRouteDef], access: Mapping[Any, Access]
) -> list[Operation]:
    """Return the operations of the described routes, in their order.

    `access` has the rules of the handlers that the guard of the operators made.
    """
    found: list[Operation] = []
    names: set[str] = set()
    for route in routes:
        if not isinstance(route, web.RouteDef):
            continue
        described = description_of(route.handler)
        if described is None:
            continue
        operation = _operation(route, described, access.get(route.handler), names)
        names.add(operation.name)
        found.append(operation)
    return found


def _operation(
    route: web.RouteDef, described: Described, access: Access | None, names: set[str]
) -> Operation:
    action = action_of(route.handler)
    path = plain_path(route.path)
    summary, _, text = inspect.cleandoc(action.__doc__ or "").partition("\n")
    return Operation(
        # A route for any method is described by the one with which it is mostly asked.
        method="get" if route.method == "*" else route.method.lower(),
        path=path,
        parts=tuple(_parts(route.path)),
        name=_name(action, names),
        summary=summary.rstrip("."),
        text=text.strip(),
        audience=_audience(path, described),
        described=described,
        access=access,
    )


def plain_path(path: str) -> str:
    """Return a path without the patterns of its parameters."""
    return _PART.sub(r"{\g<name>}", path)


def _parts(path: str) -> Iterator[Part]:
    for match in _PART.finditer(path):
        yield Part(name=match["name"], pattern=match["pattern"] or "")


def _name(action: Callable[..., Any], names: set[str]) -> str:
    """Return the name of an operation, after the class and the function that serve it."""
    *owner, name = action.__qualname__.replace(".<locals>", "").split(".")[-2:]
    kind = _CLASS_END.sub("", owner[0]) if owner else ""
    words = [*_WORD_START.sub("_", kind).lower().split("_"), name.lstrip("_")]
    found = "_".join(word for word in words if word)
    number = 2
    while found in names:
        found, number = f"{found.rstrip('0123456789').rstrip('_')}_{number}", number + 1
    return found


def _audience(path: str, described: Described) -> Audience:
    if path.startswith("/admin"):
        return Audience.OPERATOR
    if path.startswith("/checkout/customer") or described.caller is Caller.CUSTOMER:
        return Audience.CUSTOMER
    if path.startswith("/checkout"):
        return Audience.CHECKOUT
    if path.startswith(("/rooms", "/inventory")):
        return Audience.SHOPPER
    return Audience.SERVICE
