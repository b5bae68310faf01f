"""The middleware that limits every request by its network, and the buckets of bearers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from inventory.kit.doors.client import NETWORK, Clients
from inventory.kit.limits.classes import ACCOUNT, CLASSES, FILES, LimitClass, class_of
from inventory.kit.limits.fields import refused_fields
from inventory.kit.limits.gcra import Allowance, Buckets
from inventory.kit.problem import TooManyRequests

log = structlog.get_logger()

# One warning a minute tells an operator as much as thousands.
WARN_EVERY_S = 60.0
# A process has some hundred routes, each with at most a few methods.
ROUTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that was allowed to its network."""

    limits: "Limits"
    limit: LimitClass


_ASKED = web.RequestKey("limits", _Asked)


class Limits:
    """The limits of a process. `factor` scales what a network may; 0 lifts that."""

    def __init__(
        self,
        clients: Clients,
        *,
        factor: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._buckets = Buckets()
        self._factor = factor
        self._allowances = {limit.name: limit.network.times(factor or 1.0) for limit in CLASSES}
        self._asked: dict[tuple[Any, str], _Asked] = {}
        self._warned_at = float("-inf")

    def middleware(self) -> Middleware:
        """Return the middleware. It raises `TooManyRequests`."""
        networks, routes, take, clock = self._clients, self._asked, self._buckets.take, self._clock
        allowances = self._allowances

        @web.middleware
        async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
            network = networks.network(request)
            request[NETWORK] = network
            route = (request.match_info.handler, request.method)
            asked = routes.get(route) or self._of_route(request, route)
            request[_ASKED] = asked
            if self._factor:
                name = asked.limit.name
                wait_s = take((name, network), allowances[name], clock())
                if wait_s:
                    self._refuse(request, name, allowances[name], wait_s)
            return await handler(request)

        return limited

    def _of_route(self, request: web.Request, route: tuple[Any, str]) -> _Asked:
        """Return the class of a route, and remember it."""
        handler, method = route
        resource = getattr(request.match_info.route, "resource", None)
        is_file = isinstance(resource, web.StaticResource)
        asked = _Asked(self, FILES if is_file else class_of(handler, method))
        # A path that no route serves has a handler of its own each time, and is not worth a place.
        if resource is not None and len(self._asked) < ROUTES_MAX:
            self._asked[route] = asked
        return asked

    def spend(self, key: str, name: str, allowance: Allowance) -> None:
        """Take a request from a bearer's bucket; raises `TooManyRequests`."""
        wait_s = self._buckets.take((name, key), allowance, self._clock())
        if wait_s:
            raise TooManyRequests(headers=refused_fields(name, allowance, wait_s))

    def _refuse(self, request: web.Request, name: str, allowance: Allowance, wait_s: float) -> None:
        now = self._clock()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            # All shoppers behind a proxy that is not trusted count as one.
            behind = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
            proxy = behind and not self._clients.trusts(request)
            log.warning("too_many_requests", limit=name, behind_proxy_not_trusted=proxy)
        raise TooManyRequests(headers=refused_fields(name, allowance, wait_s))


def spend_as_bearer(request: web.Request, bearer: str) -> None:
    """Take this request from the bucket of a ticket or a session; raises `TooManyRequests`."""
    asked = request.get(_ASKED)
    if asked is not None and asked.limit.bearer is not None:
        asked.limits.spend(bearer, f"{asked.limit.name}-bearer", asked.limit.bearer)


def spend_as_account(request: web.Request, account: str) -> None:
    """Take this request from the bucket of an account or a key; raises `TooManyRequests`."""
    asked = request.get(_ASKED)
    if asked is not None:
        asked.limits.spend(account, "account", ACCOUNT)
