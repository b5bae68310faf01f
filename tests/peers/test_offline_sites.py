"""Real sites of each framework let in by passes, and lead everybody else to the room."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from peers.samples import free_port, node
from programs import Site, all_know
from sources import ROOT
from support import authorization, eventually, open_room
from yarl import URL

from waitroom.gate.rules import GateRules
from waitroom.run.app import Service

Sites = Callable[[str, str, str], Awaitable[str]]
PAGE, PROGRAM = {"Accept": "text/html"}, {"Accept": "application/json"}
CASES = json.loads((ROOT / "connectors" / "cases.json").read_text(encoding="utf-8"))
FORGED = next(case["pass"] for case in CASES["cases"] if case["expect"] == "pass_of_unknown_key")


async def let_in(session: aiohttp.ClientSession, waitroom: str) -> tuple[str, str]:
    """Return the session and the pass of a shopper who joined and claimed."""
    async with session.post(f"{waitroom}/rooms/drop/tickets") as answer:
        ticket = authorization((await answer.json())["ticket"])

    async def is_called() -> bool:
        async with session.get(f"{waitroom}/rooms/drop/tickets/me", headers=ticket) as answer:
            return bool((await answer.json())["status"] == "called")

    await eventually(is_called)
    async with session.post(f"{waitroom}/rooms/drop/claims", headers=ticket) as answer:
        body = await answer.json()
        assert answer.status == 201, body
        return body["session"], body["pass"]


class Browser:
    """Asks a site for pages, with or without a pass in its cookie, and follows nothing."""

    def __init__(self, session: aiohttp.ClientSession, site: str) -> None:
        self._session, self._site = session, site

    async def ask(self, path: str, cookie: str = "", **asked: Any) -> tuple[int, str, Any]:
        headers = {**PAGE, **asked.pop("headers", {})}
        if cookie:
            headers["Cookie"] = f"waitroom_pass_drop={cookie}"
        method = asked.pop("method", "GET")
        url = URL(self._site + path, encoded=True)
        async with self._session.request(
            method, url, headers=headers, allow_redirects=False, **asked
        ) as answer:
            return answer.status, await answer.text(), answer.headers


async def is_led_to_the_room(browser: Browser, url: str, room: str) -> None:
    assert (await browser.ask("/"))[:2] == (200, "home")

    async def has_heard_of_the_room() -> bool:
        return (await browser.ask("/checkout"))[0] != 503

    await eventually(has_heard_of_the_room)
    status, _, headers = await browser.ask("/checkout?size=42&q=a%20b")
    there = urlsplit(headers["Location"])
    assert (status, f"{there.scheme}://{there.netloc}{there.path}") == (302, room)
    assert parse_qs(there.query) == {"to": [f"{url}/checkout?size=42&q=a%20b"]}
    for path in ("/%63heckout", "//checkout", "/CHECKOUT/x", "/a/..%2fcheckout"):
        assert (await browser.ask(path))[0] in {302, 400}, path
    status, text, _ = await browser.ask("/checkout", headers=PROGRAM)
    assert (status, json.loads(text)["code"]) == (429, "pass_missing")
    assert json.loads(text)["room_url"].startswith(room)
    form = {"method": "POST", "data": b"a=1", "headers": {"Referer": f"{url}/cart"}}
    status, text, _ = await browser.ask("/checkout", **form)
    assert (status, "Nothing was sent" in text) == (429, True)
    status, _, headers = await browser.ask("/checkout", FORGED)
    assert (status, headers["X-Waitroom-Refusal"]) == (302, "pass_of_unknown_key")
    assert "waitroom_pass_drop=;" in headers["Set-Cookie"]
    status, text, headers = await browser.ask(f"/checkout?waitroom_pass={FORGED}")
    assert (status, headers["X-Waitroom-Refusal"]) == (403, "pass_of_unknown_key")


async def is_let_in(browser: Browser, url: str, good: str) -> None:
    status, text, headers = await browser.ask(f"/checkout?a=1&waitroom_pass={good}&b=2")
    assert status == 302, text
    assert headers["Location"] == f"{url}/checkout?a=1&b=2"
    assert headers["Set-Cookie"].startswith(f"waitroom_pass_drop={good}; Path=/; HttpOnly")
    assert (await browser.ask("/checkout", good))[:2] == (200, "checkout ")
    status, text, _ = await browser.ask("/checkout", good, method="POST", data=b"a=1")
    assert (status, text) == (200, "checkout a=1")
    assert (await browser.ask("/checkout", headers={"X-Waitroom-Pass": good}))[0] == 200


async def is_released(browser: Browser, good: str) -> None:
    status, text, headers = await browser.ask("/checkout/paid", good)
    assert (status, text) == (200, "thanks")
    assert "X-Waitroom-Command" not in headers
    assert "waitroom_pass_drop=;" in headers["Set-Cookie"]
    status, text, _ = await browser.ask("/checkout", good, headers=PROGRAM)
    assert (status, json.loads(text)["code"]) == (429, "pass_revoked")


async def walk(url: str, issuer: str, waitroom: str) -> None:
    """Walk through everything that a gate does, at a site that the docs have as a sample."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        browser = Browser(session, url)
        await is_led_to_the_room(browser, url, f"{issuer}/rooms/drop")
        token, good = await let_in(session, waitroom)
        await is_let_in(browser, url, good)
        # A session that ends at the service, whose pass has not run out.
        other_token, other = await let_in(session, waitroom)
        assert (await browser.ask("/checkout", other))[0] == 200
        checkout = f"{waitroom}/checkout/session"
        async with session.delete(checkout, headers=authorization(other_token)) as answer:
            assert answer.status == 204

        async def is_refused() -> bool:
            return (await browser.ask("/checkout", other, headers=PROGRAM))[0] == 429

        await eventually(is_refused)
        await is_released(browser, good)

        async def is_over() -> bool:
            async with session.get(checkout, headers=authorization(token)) as answer:
                return answer.status == 401

        await eventually(is_over)


NAMES = [
    "site_aiohttp.py",
    "site_starlette.py",
    "site_flask.py",
    "site_django.py",
    "site_express.mjs",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_site_of_the_docs_lets_in_by_passes(
    name: str, service: Service, site: Site, sites: Sites
) -> None:
    await open_room(service, skus={}, seats_max=50, calls_per_minute=6000)
    await service.gate_store.put("drop", GateRules(), was=None, who="test", reason="")
    await all_know(site)
    issuer = service.settings.base_url
    url = await sites(name, issuer, site.url)

    await walk(url, issuer, site.url)


@pytest.mark.parametrize("name", NAMES)
async def test_a_site_whose_room_cannot_be_reached_says_so_and_serves_its_other_pages(
    name: str, sites: Sites
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    url = await sites(name, "https://queue.example", nowhere)

    async with aiohttp.ClientSession() as session:
        browser = Browser(session, url)
        status, text, headers = await browser.ask("/checkout")
        assert (status, headers["Retry-After"]) == (503, "10")
        assert "The waiting room does not answer" in text
        status, text, headers = await browser.ask("/checkout", headers=PROGRAM)
        assert (status, json.loads(text)["code"]) == (503, "room_away")
        assert (await browser.ask("/"))[:2] == (200, "home")


async def test_the_node_connector_judges_every_case_as_the_python_one() -> None:
    folder = ROOT / "connectors" / "javascript"
    command = [node(), "--test", "test.mjs"]

    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True)

    assert done.returncode == 0, done.stdout.decode()
