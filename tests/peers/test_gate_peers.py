"""Proxies before a shop, as `config/gate/` has them: who gets in, also while waitroom is away."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gate_peers import PEERS, Shop, open_shop, started
from peers.samples import free_port
from programs import all_know, open_site
from proxies import mounted
from support import eventually, open_room, secrets, settings
from yarl import URL

from waitroom.gate.rules import GateRules
from waitroom.gate.trigger import Trigger
from waitroom.run.app import Service

PAGE = {"Accept": "text/html,*/*;q=0.8"}
# What servers might take for the protected page.
SLIPS = (
    "/Checkout",
    "//checkout",
    "/%63heckout",
    "/x/..%2fcheckout",
    "/checkout;a=b",
    "/checkout%2f",
)


@dataclass(slots=True)
class Front:
    """A proxy with the shop behind it; `stop` ends waitroom."""

    url: str
    shop: Shop
    waitroom: AsyncExitStack

    async def ask(
        self, browser: aiohttp.ClientSession, path: str, method: str = "GET", **asked: Any
    ) -> tuple[int, Any, dict[str, str]]:
        headers = {**PAGE, **asked.pop("headers", {})}
        address = URL(self.url + path, encoded=True)
        async with browser.request(
            method, address, headers=headers, allow_redirects=False, **asked
        ) as answer:
            kind = answer.headers.get("Content-Type", "")
            body = await (answer.json(content_type=None) if "json" in kind else answer.text())
            return answer.status, body, dict(answer.headers)


@asynccontextmanager
async def front_of(
    name: str, folder: Path, urls: tuple[str, str], *, opened: bool
) -> AsyncIterator[Front]:
    port = free_port()
    made = settings(*urls, public_url=f"http://127.0.0.1:{port}/queue")
    async with AsyncExitStack() as stack, open_shop() as shop:
        waitroom = await stack.enter_async_context(AsyncExitStack())
        site = await waitroom.enter_async_context(open_site(made, secrets()))
        await all_know(site, "drop")
        url = await stack.enter_async_context(
            started(
                name,
                folder,
                port=port,
                shop=shop.port,
                waitroom=URL(site.url).port or 0,
                opened=opened,
            )
        )
        yield Front(url, shop, waitroom)


def browser() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


async def walk_in(front: Front, shopper: aiohttp.ClientSession, wanted: str) -> None:
    """Go from a protected page through the room, and back to that page."""
    status, _, headers = await front.ask(shopper, wanted)
    assert status == 302, status
    room = headers["Location"]
    assert room.startswith(f"{front.url}/queue/rooms/drop?t=")
    async with shopper.get(room, headers=PAGE) as page:
        assert page.status == 200
        assert str(page.url) == f"{front.url}/queue/rooms/drop"
    joined, _, headers = await front.ask(shopper, "/queue/rooms/drop/join", "POST")
    assert (joined, headers["Location"]) == (303, "/queue/rooms/drop")
    entered, _, headers = await front.ask(shopper, "/queue/rooms/drop/enter", "POST")
    assert (entered, headers["Location"]) == (303, front.url + wanted)


@pytest.mark.parametrize("name", PEERS)
async def test_a_proxy_lets_in_who_has_a_session_and_shuts_when_waitroom_is_away(
    name: str, tmp_path: Path, service: Service, postgres_url: str, valkey_url: str
) -> None:
    await open_room(service, skus={})
    rules = GateRules(triggers=[Trigger(path="/checkout")])
    await service.gate_store.put("drop", rules, was=None, who="test", reason="")
    async with (
        front_of(name, tmp_path, (postgres_url, valkey_url), opened=False) as front,
        browser() as shopper,
        browser() as stranger,
    ):
        forged = {
            "X-Waitroom-Session": "1",
            "X-Waitroom-Seconds-Left": "9",
            "X-Waitroom-Checked": "yes",
            "X-Forwarded-Uri": "/about",
            "X-Original-URI": "/about",
            "X-Forwarded-Method": "GET",
        }

        # The site beside the sale is open to everybody, and hears nothing that a client makes up.
        status, told, _ = await front.ask(stranger, "/about?a=1", headers=forged)
        assert (status, told["path"]) == (200, "/about?a=1")
        assert not told["headers"].get("x-waitroom-session")
        # A form passes with its body.
        _, told, _ = await front.ask(stranger, "/about", "POST", data={"size": "42"})
        assert (told["method"], told["body"]) == ("POST", "size=42")

        # A shopper waits, and comes back to the page that they wanted.
        wanted = "/checkout/pay?basket=7&x=%20"
        await walk_in(front, shopper, wanted)
        status, told, _ = await front.ask(shopper, wanted)
        assert (status, told["path"]) == (200, wanted)
        assert told["headers"]["x-waitroom-session"].isdigit()
        assert 0 < int(told["headers"]["x-waitroom-seconds-left"]) <= 600
        assert told["headers"]["host"] == front.url.removeprefix("http://")
        _, told, _ = await front.ask(shopper, "/checkout/pay", "POST", data={"card": "x"})
        assert (told["method"], told["body"]) == ("POST", "card=x")

        # Others do not get in by another spelling, nor by headers of their own.
        for path in ("/checkout", *SLIPS):
            status, _, headers = await front.ask(stranger, path, headers=forged)
            assert (path, status) == (path, 302)
            assert headers["Location"].startswith(f"{front.url}/queue/rooms/drop")
        # A form is held back with a page that says so, and programs are told where to go.
        status, page, _ = await front.ask(stranger, "/checkout/pay", "POST", data={"card": "x"})
        assert (status, "Nothing that you filled in" in page) == (409, True)
        json = {"Accept": "application/json"}
        status, told, headers = await front.ask(stranger, "/checkout/api", "POST", headers=json)
        assert (status, told["code"], headers["Retry-After"]) == (429, "queue", "5")
        assert headers["Location"] == f"{front.url}/queue/rooms/drop"

        # The seat is free as soon as the shop or the shopper says so.
        if PEERS[name].releases:
            front.shop.says["X-Waitroom-Command"] = "release"
            _, _, headers = await front.ask(shopper, "/checkout/thanks")
            assert "X-Waitroom-Command" not in headers
        else:
            status, _, _ = await front.ask(
                shopper, "/queue/checkout/session?room=drop", "DELETE", headers=json
            )
            assert status == 204

        async def is_out() -> bool:
            return (await front.ask(shopper, "/checkout"))[0] == 302

        await eventually(is_out)

        await front.waitroom.aclose()
        status, page, headers = await front.ask(stranger, "/checkout")
        assert status == 503
        assert "drop" not in str(page)


@pytest.mark.parametrize("name", PEERS)
async def test_a_proxy_that_is_told_so_stays_open_while_waitroom_is_away(
    name: str, tmp_path: Path, service: Service, postgres_url: str, valkey_url: str
) -> None:
    await open_room(service, skus={})
    async with (
        front_of(name, tmp_path, (postgres_url, valkey_url), opened=True) as front,
        browser() as stranger,
    ):
        status, _, _ = await front.ask(stranger, "/checkout")
        assert status == 302
        # A request that waitroom cannot read is no sign that it is away. With those that proxies
        # add, these headers are too many for it, and not for the shop.
        many = {f"X-{number}": "a" for number in range(121)}
        status, told, _ = await front.ask(stranger, "/checkout", headers=many)
        assert status in {302, 400}, told
        # Nor is one whose head leaves no room for the headers that the proxy adds.
        large = {"Host": "h" * 6000, "Cookie": f"a={'x' * 7500}"}
        status, told, _ = await front.ask(stranger, "/checkout", headers=large)
        assert status == 431 or not isinstance(told, dict), told

        await front.waitroom.aclose()
        status, told, _ = await front.ask(
            stranger, "/checkout", "POST", data={"card": "x"}, headers={"X-Waitroom-Session": "1"}
        )
        assert (status, told["method"], told["body"]) == (200, "POST", "card=x")
        assert not told["headers"].get("x-waitroom-session")


async def test_a_session_arrives_on_another_domain_and_the_address_is_clean(
    tmp_path: Path, service: Service, postgres_url: str, valkey_url: str
) -> None:
    await open_room(service, skus={})
    async with mounted("/queue") as queue, open_shop() as shop, AsyncExitStack() as stack:
        port = free_port()
        # Cookies of one name never go to the other.
        shop_url = f"http://localhost:{port}"
        rules = GateRules(return_addresses=[shop_url], arrive_at="/waitroom/arrive")
        await service.gate_store.put("drop", rules, was=None, who="test", reason="")
        made = settings(postgres_url, valkey_url, public_url=queue.url)
        queue.program = (await stack.enter_async_context(open_site(made, secrets()))).url
        await all_know(queue.program, "drop")
        ports = {"port": port, "shop": shop.port, "waitroom": URL(queue.program).port or 0}
        await stack.enter_async_context(started("nginx", tmp_path, **ports, opened=False))
        front, line = Front(shop_url, shop, stack), Front(queue.url, shop, stack)
        shopper = await stack.enter_async_context(browser())

        async def is_led() -> str:
            location = (await front.ask(shopper, "/checkout?basket=7"))[2]["Location"]
            return location if "?t=" in location else ""

        room = await eventually(is_led)
        async with shopper.get(room, headers=PAGE) as page:
            assert (page.status, str(page.url)) == (200, f"{queue.url}/rooms/drop"), (
                await page.text()
            )
        await line.ask(shopper, "/rooms/drop/join", "POST")
        _, _, headers = await line.ask(shopper, "/rooms/drop/enter", "POST")
        arrival = headers["Location"]
        assert arrival.startswith(f"{front.url}/waitroom/arrive?token=")
        came, _, headers = await front.ask(shopper, arrival.removeprefix(front.url))
        assert (came, headers["Location"]) == (303, f"{front.url}/checkout?basket=7")
        status, told, _ = await front.ask(shopper, "/checkout?basket=7")
        assert (status, told["path"]) == (200, "/checkout?basket=7")
        # The link is worth nothing to a stranger who finds it in a history.
        async with browser() as stranger:
            again, _, headers = await front.ask(stranger, arrival.removeprefix(front.url))
            assert (again, headers["Location"]) == (303, f"{queue.url}/rooms/drop")
            assert (await front.ask(stranger, "/checkout"))[0] == 302
