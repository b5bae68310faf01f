"""The middleware that limits every request by its network, and the buckets of bearers."""

import time
from collections.abc import Callable

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


LIMITS: "web.AppKey[Limits]" = web.AppKey("limits")


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
        self._classes: dict[web.AbstractRoute, LimitClass] = {}
        self._warned_at = float("-inf")

    def middleware(self) -> Middleware:
        """Return the middleware. It raises `TooManyRequests`."""
        networks, classes, take, clock = (
            self._clients.network,
            self._classes,
            self._buckets.take,
            self._clock,
        )
        allowances, has_limits = self._allowances, bool(self._factor)

        @web.middleware
        async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[NETWORK] = network = networks(request)
            if has_limits:
                route = request.match_info.route
                name = (classes.get(route) or self._of_route(route)).name
                allowance = allowances[name]
                wait_s = take((name, network), allowance, clock())
                if wait_s:
                    self._refuse(request, name, allowance, wait_s)
            return await handler(request)

        return limited

    def _of_route(self, route: web.AbstractRoute) -> LimitClass:
        """Return the class of a route, and remember it."""
        known = self._classes.get(route)
        if known is not None:
            return known
        is_file = isinstance(route.resource, web.StaticResource)
        found = FILES if is_file else class_of(route.handler, route.method)
        # A path that no route serves gets a new route object each time, which is not worth keeping.
        if route.resource is not None and len(self._classes) < ROUTES_MAX:
            self._classes[route] = found
        return found

    def spend_as_bearer(self, request: web.Request, bearer: str) -> None:
        """Take a request from the bucket of a ticket or a session."""
        limit = self._of_route(request.match_info.route)
        if limit.bearer is not None:
            self.spend(bearer, f"{limit.name}-bearer", limit.bearer)

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
    limits = request.config_dict.get(LIMITS)
    if limits is not None:
        limits.spend_as_bearer(request, bearer)


def spend_as_account(request: web.Request, account: str) -> None:
    """Take this request from the bucket of an account or a key; raises `TooManyRequests`."""
    limits = request.config_dict.get(LIMITS)
    if limits is not None:
        limits.spend(account, "account", ACCOUNT)
