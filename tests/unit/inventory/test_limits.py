"""Buckets: exact, bounded, and in force on every route without a word."""

import random
import re
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from aiohttp.web_urldispatcher import UrlMappingMatchInfo
from sources import ROOT

from inventory.kit.doors.client import TRUSTED_PROXIES, Clients, asked_host, client_network
from inventory.kit.doors.client_address import TrustedProxies, parse_networks
from inventory.kit.http import rim
from inventory.kit.limits import limited as limited_module
from inventory.kit.limits.classes import (
    CLASSES,
    JOINS,
    READS,
    WRITES,
    LimitClass,
    class_of,
    limited_as,
)
from inventory.kit.limits.gcra import Allowance, Buckets
from inventory.kit.limits.limited import LIMITS, Limits, spend_as_account, spend_as_bearer
from inventory.kit.problem import TooManyRequests
from waitroom.admin.accounts.guard import ACCESS
from waitroom.run.app import undriven_app
from waitroom.run.settings import Settings

SHOPPERS = 500
SMALL = LimitClass(name="small", network=Allowance(3, 0.5), bearer=Allowance(2, 1))


@pytest.mark.parametrize(("burst", "per_s"), [(1, 1), (3, 0.1), (20, 2), (1500, 10), (7, 1000)])
def test_a_bucket_gives_its_burst_and_then_its_rate(burst: int, per_s: float) -> None:
    buckets, allowance, now = Buckets(), Allowance(burst, per_s), 12_345.678

    def takes(at: float) -> int:
        """Take all that is there at this moment."""
        taken = 0
        while buckets.take(("x", "here"), allowance, at) == 0:
            taken += 1
        return taken

    assert takes(now) == burst
    wait_s = buckets.take(("x", "here"), allowance, now)
    assert wait_s == pytest.approx(1 / per_s)
    assert takes(now + wait_s) == 1, "what it says to wait is enough"
    assert takes(now + 5.5 / per_s) == min(4, burst)
    assert takes(now + 1000 * burst / per_s) == burst, "no more than the burst is saved up"
    assert buckets.take(("x", "elsewhere"), allowance, now) == 0
    assert buckets.take(("other", "here"), allowance, now) == 0


def test_a_client_with_many_networks_fills_no_memory_and_frees_no_drained_bucket() -> None:
    buckets, allowance = Buckets(size_max=100), Allowance(5, 0.001)
    allowed = 0
    for index in range(5000):
        buckets.take(("read", f"2001:db8:0:{index:x}::/64"), allowance, float(index) / 1000)
        allowed += buckets.take(("read", "192.0.2.1"), allowance, float(index) / 1000) == 0

    assert len(buckets) <= 200
    assert allowed == 5


class Clock:
    """A clock that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def _limited(
    handler: Callable[[web.Request], object],
    *,
    clock: Clock,
    trusted: tuple[str, ...] = ("127.0.0.1",),
    factor: float = 1.0,
) -> TestClient[web.Request, web.Application]:
    proxies = TrustedProxies(networks=parse_networks(trusted))
    limits = Limits(Clients(proxies), factor=factor, clock=clock)
    app = web.Application(middlewares=[rim, limits.middleware()])
    app[TRUSTED_PROXIES] = proxies
    app[LIMITS] = limits
    app.router.add_get("/", handler)
    return TestClient(TestServer(app))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_module, "CLASSES", (*CLASSES, SMALL))


WIDE = LimitClass(name="wide", network=Allowance(4_000, 1_000))


async def test_a_wide_allowance_is_counted_by_samples_until_it_is_half_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limited_module, "CLASSES", (*CLASSES, WIDE))
    clock = Clock()
    limits = Limits(Clients(TrustedProxies()), clock=clock)
    middleware = limits.middleware()
    request = make_mocked_request("GET", "/", app=web.Application())
    route = web.Application().router.add_get("/", limited_as(WIDE)(_here))
    monkeypatch.setattr(request, "_match_info", UrlMappingMatchInfo({}, route))

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async def passed() -> int:
        """Ask until a request is refused; return how many were answered."""
        for count in range(10_000):
            try:
                await middleware(request, answer)
            except TooManyRequests:
                return count
        return 10_000

    assert 3_980 <= await passed() <= 4_020, "the burst, but for what was passing meanwhile"
    assert await passed() == 0, "each request is counted while the bucket is nearly empty"
    clock.now += 1
    assert await passed() == 1_000
    clock.now += 3
    assert await passed() == 3_000
    clock.now += 100
    assert 3_980 <= await passed() <= 4_020


async def test_a_busy_network_in_a_crowd_has_its_allowance_but_for_some_percent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of joins one in eight is counted, by chance more or fewer of this network's."""
    limits = Limits(Clients(TrustedProxies()), clock=Clock())
    middleware, chance = limits.middleware(), random.Random(7)
    route = web.Application().router.add_post("/", limited_as(JOINS)(_here))

    def come_from(address: str) -> web.Request:
        transport = Mock(get_extra_info=Mock(return_value=(address, 1)))
        protocol = Mock(peername=(address, 1), transport=transport)
        request = make_mocked_request("POST", "/", protocol=protocol, transport=transport)
        monkeypatch.setattr(request, "_match_info", UrlMappingMatchInfo({}, route))
        return request

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    busy = come_from("192.0.2.1")
    crowd = [come_from(f"198.51.100.{index}") for index in range(200)]

    async def passed() -> int:
        """Ask until the busy network is refused; return how many of its requests were answered."""
        for count in range(3_000):
            for other in chance.choices(crowd, k=chance.randrange(3)):
                await middleware(other, answer)
            try:
                await middleware(busy, answer)
            except TooManyRequests:
                return count
        return 3_000

    assert await passed() == pytest.approx(JOINS.network.burst, rel=0.1)


async def _here(request: web.Request) -> web.Response:
    return web.Response(text=f"{client_network(request)} {asked_host(request)}")


@pytest.mark.usefixtures("small")
async def test_a_refusal_says_which_limit_it_met_and_when_to_come_again() -> None:
    clock = Clock()
    async with await _limited(limited_as(SMALL)(_here), clock=clock) as client:
        mine = {"X-Forwarded-For": "2001:db8::1"}
        for n in range(3):
            other = {"X-Forwarded-For": f"2001:db8::{n + 1}"}
            assert (await client.get("/", headers=other)).status == 200, "one /64 is one network"
        refused = await client.get("/", headers=mine)
        assert refused.status == 429
        assert (await refused.json())["code"] == "too_many_requests"
        assert refused.headers["Retry-After"] == "2"
        assert refused.headers["RateLimit"] == '"small";r=0;t=2'
        assert refused.headers["RateLimit-Policy"] == '"small";q=3;w=6'
        neighbour = {"X-Forwarded-For": "2001:db8:0:1::1"}
        assert (await client.get("/", headers=neighbour)).status == 200
        clock.now += int(refused.headers["Retry-After"])
        assert (await client.get("/", headers=mine)).status == 200


@pytest.mark.usefixtures("small")
async def test_an_address_that_no_trusted_proxy_names_counts_for_nothing() -> None:
    async with await _limited(limited_as(SMALL)(_here), clock=Clock(), trusted=()) as client:
        statuses, texts = [], []
        for n in range(5):
            headers = {"X-Forwarded-For": f"192.0.2.{n}", "X-Forwarded-Host": "evil.example"}
            answer = await client.get("/", headers=headers)
            statuses.append(answer.status)
            texts.append(await answer.text())

    assert statuses == [200, 200, 200, 429, 429]
    assert texts[0].startswith("127.0.0.1 127.0.0.1:"), "neither does the host that it names"


@pytest.mark.usefixtures("small")
async def test_a_bearer_has_a_bucket_apart_from_all_others_at_the_address() -> None:
    async def as_bearer(request: web.Request) -> web.Response:
        spend_as_bearer(request, request.query["who"])
        spend_as_account(request, request.query["who"])
        return web.Response()

    async with await _limited(limited_as(SMALL)(as_bearer), clock=Clock(), factor=0) as client:
        statuses = [(await client.get(f"/?who={who}")).status for who in "aaabbb"]

    assert statuses == [200, 200, 429, 200, 200, 429], "a factor of 0 lifts only networks' limits"


async def test_hundreds_of_shoppers_behind_one_address_are_not_refused() -> None:
    """Each loads the page and its files, joins twice, polls for a minute, claims, holds and pays.

    Nothing is refused even if every one of them does each step in the same moment.
    """
    buckets, now = Buckets(), 0.0
    limits = {limit.name: limit for limit in CLASSES}
    at_once = {"read": 4, "file": 40, "join": 2, "claim": 2, "hold": 3, "pay": 2, "write": 3}

    def come(name: str, times: int) -> set[bool]:
        network = limits[name].network
        return {buckets.take((name, "nat"), network, now) == 0 for _ in range(SHOPPERS * times)}

    assert {name: come(name, times) for name, times in at_once.items()} == {
        name: {True} for name in at_once
    }
    for _ in range(60):
        now += 1
        # A page asks every two seconds at most, for the state or for the place.
        assert come("read", 1) == {True}


async def test_every_route_has_a_class_and_a_new_one_that_of_its_method() -> None:
    app = await undriven_app(Settings(gateway="test"))
    found = {
        (route.method, route.resource.canonical): class_of(route.handler, route.method)
        for route in app.router.routes()
        if route.resource is not None
    }
    by_class: dict[str, set[str]] = {}
    for (method, path), limit in found.items():
        by_class.setdefault(limit.name, set()).add(f"{method} {path}")

    def new() -> None:
        """Stand for a handler that names no class."""

    assert class_of(new, "GET") is class_of(new, "HEAD") is READS
    assert class_of(new, "POST") is class_of(new, "DELETE") is class_of(new, "FROB") is WRITES
    assert class_of(limited_as(JOINS)(new), "GET") is JOINS
    assert by_class.keys() == {limit.name for limit in CLASSES}, "no class is idle"
    assert {name: sorted(by_class[name]) for name in ("join", "claim", "hold", "pay")} == {
        "join": ["POST /rooms/{room}/join", "POST /rooms/{room}/tickets"],
        "claim": ["POST /rooms/{room}/claims", "POST /rooms/{room}/enter"],
        "hold": [
            "PATCH /checkout/holds/{hold_id}",
            "POST /checkout/change",
            "POST /checkout/extend",
            "POST /checkout/hold",
            "POST /checkout/holds",
        ],
        "pay": ["POST /checkout/orders", "POST /checkout/pay"],
    }
    operators = [route.handler for route in app.router.routes() if route.handler in app[ACCESS]]
    assert {class_of(handler, "GET").name for handler in operators} <= {"read", "service"}


def test_the_docs_tell_the_allowances_as_they_are() -> None:
    told = {}
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        if match := re.match(r"\| `([a-z-]+)`[^|]*\| ([\d,]+), ([\d,]+) \|", line):
            told[match[1]] = (int(match[2].replace(",", "")), int(match[3].replace(",", "")))

    assert told == {limit.name: (limit.network.burst, limit.network.per_s) for limit in CLASSES}
