"""The middleware that limits requests by their network, and the buckets of bearers."""

import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from inventory.kit.doors.client import Clients
from inventory.kit.limits.classes import (
    ACCOUNT,
    CLASSES,
    FILES,
    SAFE_METHODS,
    LimitClass,
    class_of,
)
from inventory.kit.limits.fields import refused_fields
from inventory.kit.limits.gcra import Buckets, Kind
from inventory.kit.problem import TooManyRequests

log = structlog.get_logger()

# One warning a minute tells an operator as much as thousands.
WARN_EVERY_S = 60.0
# Allowances of this size are counted by samples. A bucket may then seem some percent emptier or
# fuller than it is, until it is half full and every request counts.
SAMPLED_FROM = 1_500
SAMPLE = 8
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
        self.clients = clients
        self._clock = clock
        buckets = Buckets()
        self._factor = factor
        self._networks = {
            limit.name: _Limit(buckets.of(limit.name, limit.network.times(factor or 1.0)))
            for limit in CLASSES
        }
        self._bearers = {
            limit.name: buckets.of(f"{limit.name}-bearer", limit.bearer)
            for limit in CLASSES
            if limit.bearer is not None
        }
        self._accounts = buckets.of("account", ACCOUNT)
        self._classes: dict[web.AbstractRoute, LimitClass] = {}
        # The buckets of bearers by route, of the routes that have any.
        self._of_bearers: dict[web.AbstractRoute, Kind] = {}
        self._warned_at = float("-inf")

    def middleware(self) -> Middleware:
        """Return the middleware. It raises `TooManyRequests`.

        Every request of the service passes it, so it makes no coroutine of its own. It knows a
        route by what handles it: aiohttp wraps a handler in the inner middlewares once.
        """
        if not self._factor:
            return _unlimited
        network_of, clock = self.clients.network, self._clock
        limits_of_reads: dict[Handler, _Limit] = {}
        limits_of_others: dict[Handler, _Limit] = {}

        @web.middleware
        def limited(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            # One handler may serve reads and writes, which have allowances of their own.
            known = limits_of_reads if request.method in SAFE_METHODS else limits_of_others
            limit = known.get(handler) or self._limit_of(request, handler, known)
            limit.left = left = limit.left - 1
            if left:
                return handler(request)
            wait_s = limit.take(network_of(request), clock())
            limit.left = limit.sample
            if wait_s:
                self._warn(request, limit.kind)
                raise _refusal(limit.kind, wait_s)
            return handler(request)

        return limited

    def _limit_of(
        self, request: web.Request, handler: Handler, known: "dict[Handler, _Limit]"
    ) -> "_Limit":
        """Return the network's limit for a request, and remember it for the others of its route."""
        route = request.match_info.route
        name = self._of_route(route).name
        found = self._networks[name]
        # A path that no route serves has another handler each time, which is not worth keeping.
        if route.resource is not None and len(known) < ROUTES_MAX:
            known[handler] = found
        return found

    def _of_route(self, route: web.AbstractRoute) -> LimitClass:
        """Return the class of a route, and remember it unless no resource is behind it."""
        known = self._classes.get(route)
        if known is not None:
            return known
        is_file = isinstance(route.resource, web.StaticResource)
        found = FILES if is_file else class_of(route.handler, route.method)
        if route.resource is not None and len(self._classes) < ROUTES_MAX:
            self._classes[route] = found
        return found

    def spend_as_bearer(self, request: web.Request, bearer: str | bytes) -> None:
        """Take a request from the bucket of a ticket or a session; raises `TooManyRequests`."""
        route = request.match_info.route
        kind = self._of_bearers.get(route)
        if kind is None:
            kind = self._bearers.get(self._of_route(route).name)
            if kind is None:
                return
            if route in self._classes:
                self._of_bearers[route] = kind
        if wait_s := kind.take(bearer, self._clock()):
            raise _refusal(kind, wait_s)

    def spend_as_account(self, account: str) -> None:
        """Take a request from the bucket of an account or a key; raises `TooManyRequests`."""
        if wait_s := self._accounts.take(account, self._clock()):
            raise _refusal(self._accounts, wait_s)

    def _warn(self, request: web.Request, kind: Kind) -> None:
        now = self._clock()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            # All shoppers behind a proxy that is not trusted count as one.
            behind = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
            proxy = behind and not self.clients.trusts(request)
            log.warning("too_many_requests", limit=kind.name, behind_proxy_not_trusted=proxy)


def _refusal(kind: Kind, wait_s: float) -> TooManyRequests:
    return TooManyRequests(headers=refused_fields(kind.name, kind.allowance, wait_s))


@web.middleware
def _unlimited(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
    return handler(request)


class _Limit:
    """What networks may take of the routes of one class.

    While no network is near a wide allowance, one request in `SAMPLE` is counted, as that many. To
    know a network and its bucket costs a poll a twentieth, and a poll that is refused costs as
    much as one that is answered. As soon as a bucket is less than half full, every request of the
    class is counted, until that bucket has been half full again.
    """

    __slots__ = ("_exact_until", "_usual", "kind", "left", "sample", "take")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._usual = SAMPLE if kind.allowance.burst >= SAMPLED_FROM else 1
        self._exact_until = float("-inf")
        # One request in `sample` is counted, and after `left` more the next one.
        self.sample = self.left = self._usual
        # Takes the request that is counted; returns the seconds to wait, 0 if it is allowed.
        self.take: Callable[[str, float], float] = (
            self._take_for_others if self._usual > 1 else kind.take
        )

    def _take_for_others(self, network: str, now: float) -> float:
        wait_s = self.kind.take(network, now, self.sample)
        half_full_at = self.kind.half_full_at(network)
        if half_full_at > now:
            self._exact_until = max(half_full_at, self._exact_until)
        self.sample = 1 if now < self._exact_until else self._usual
        return wait_s


def spend_as_bearer(request: web.Request, bearer: str | bytes) -> None:
    """Take this request from the bucket of a ticket or a session; raises `TooManyRequests`."""
    limits = request.app.get(LIMITS)
    if limits is not None:
        limits.spend_as_bearer(request, bearer)


def spend_as_account(request: web.Request, account: str) -> None:
    """Take this request from the bucket of an account or a key; raises `TooManyRequests`."""
    limits = request.app.get(LIMITS)
    if limits is not None:
        limits.spend_as_account(account)
