"""Every route is described for programs, or answers browsers alone."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web

import checkout
import inventory
import waitroom
from inventory.kit.doors.described import action_of, description_of
from inventory.kit.problem import Refusal
from waitroom.admin.accounts.guard import ACCESS
from waitroom.run import app as program
from waitroom.run.addresses import public_address
from waitroom.run.openapi.operations import operations_of, plain_path
from waitroom.run.openapi.refused import BEYOND_ROUTES, refusals_of
from waitroom.run.settings import Settings

# Pages, forms and files for browsers are no interface for programs, and stay undescribed.
FOR_BROWSERS = re.compile(
    r"""GET\ /(shop/\{room\}|products/\{product\})?
    | GET\ /(static/.*|pictures/)?\{name\}
    | POST\ /language
    | (GET|POST)\ /rooms/\{room\}/(join|enter|leave|aside|back|more-time|choose|mail|no-mail)
    | POST\ /rooms/\{room\}/(code|bring)
    | POST\ /rooms/\{room\}/(returns|no-returns)
    | (GET|POST)\ /rooms/\{room\}/mailed(/stop|/bring)?
    | GET\ /rooms/\{room\}/(opening\.ics|look/\{hash\}\.css)
    | (GET|POST)\ /checkout(/(find|hold|change|release|extend|pay|unwish|leave|customer))?
    | (GET|POST)\ /admin/(login(/.*)?|logout|confirm|first(/.*)?)
    | GET\ /admin(/(new|people|account|audit|screens/.*|preview/.*))?
    | GET\ /admin/account/authenticator\.svg
    | GET\ /admin/rooms/\{room\}/(preview|qr\.\{ending\}|look/\{hash\}\.css)
    | GET\ /api
    # KnownUser V3 leads browsers to and fro.
    | GET\ /rooms/\{room\}/onward
    | GET\ (/known-user)?/(cancel/.*|error/.*)?
    """,
    re.VERBOSE,
)
HOW = """
Put `@described(...)` above the handler (inventory/kit/doors/described.py says how), with the type
of its body and of its answer, its query parameters, and the refusals that it raises. A route that
only answers browsers with pages or takes their forms is listed in FOR_BROWSERS, in this test."""


@pytest.fixture(scope="module")
async def made() -> web.Application:
    return await program.undriven_app(Settings(demo=True))


@pytest.fixture(scope="module")
def routes(made: web.Application) -> list[web.RouteDef]:
    found = made[program.OPENAPI].all_routes()
    return [route for route in found if isinstance(route, web.RouteDef)]


def test_every_route_is_described_or_for_browsers(routes: list[web.RouteDef]) -> None:
    bare = [
        f"{route.method} {plain_path(route.path)}, served by {_named(route.handler)}"
        for route in routes
        if description_of(route.handler) is None
        and not FOR_BROWSERS.fullmatch(f"{route.method} {plain_path(route.path)}")
    ]

    assert len(routes) > 150
    assert bare == [], HOW


def test_the_service_cannot_stand_below_a_path_with_which_one_of_its_own_begins(
    made: web.Application,
) -> None:
    firsts = {one.canonical.split("/")[1] for one in made.router.resources()} - {"", "{name}"}

    assert {"shop", "inventory", "rooms"} <= firsts
    for first in sorted(firsts):
        with pytest.raises(ValueError, match="not a path"):
            public_address(f"https://shop.example/{first}")


def test_every_described_route_says_in_its_docstring_what_it_does(
    routes: list[web.RouteDef],
) -> None:
    silent = [
        _named(route.handler)
        for route in routes
        if description_of(route.handler) is not None and not action_of(route.handler).__doc__
    ]

    assert silent == []


def _named(handler: Callable[..., object]) -> str:
    action = action_of(handler)
    return f"{action.__module__}.{action.__qualname__}"


def _refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from _refusals(child)


def test_every_refusal_is_described_at_some_route(
    made: web.Application, routes: list[web.RouteDef]
) -> None:
    for package in (inventory, checkout, waitroom):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    told = {kind for one in operations_of(routes, made[ACCESS]) for kind in refusals_of(one)}
    ours = {kind for kind in _refusals() if not kind.__name__.startswith("_")}
    # A refusal in several tables stands at a route if one of the same code and sentence does.
    said = {(kind.code, kind.status, kind.title) for kind in told | BEYOND_ROUTES}

    lost = {one.__name__ for one in ours if (one.code, one.status, one.title) not in said}
    assert lost == set(), "Name each at a route that raises it, or in BEYOND_ROUTES."
