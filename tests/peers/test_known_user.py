"""Queue-it's connector for JavaScript, unmodified, in front of a room that speaks KnownUser V3."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest
from aiohttp import CookieJar
from programs import Site
from support import eventually, open_room

from waitroom.gate.known_user.integration import KnownUserRules
from waitroom.gate.known_user.known_user_store import SiteKeys
from waitroom.gate.known_user.protocol import Token, keyed_hash, mint
from waitroom.gate.rules import GateRules
from waitroom.gate.trigger import Trigger
from waitroom.run.app import Service

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / "build" / "peers"
VERSIONS = ("5.0.1", "4.4.4")
COOKIE = "QueueITAccepted-SDFrts345E-V3_drop"
START_WAIT_S = 60.0


def connector(version: str) -> Path:
    """Install the connector from npm, unless it is there, and return the folder that has it."""
    folder = INSTALLED / f"known-user-{version}"
    if not (folder / "node_modules" / "@queue-it" / "connector-javascript").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        wanted = f"@queue-it/connector-javascript@{version}"
        subprocess.run(["npm", "install", "--silent", wanted], cwd=folder, check=True)
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The running site, the service behind it, and what the two know of each other."""

    url: str
    service_url: str
    keys: SiteKeys

    def token(self, secret: str = "", **changes: Any) -> str:
        """Return a token of the room, with changes."""
        values = {"event": "drop", "queue_id": "c1f6d9a2", "expires_at": int(time.time()) + 60}
        return mint(Token(**{**values, **changes}), secret or self.keys.secret)


@asynccontextmanager
async def shop(service: Service, site: Site, version: str, **rules: Any) -> AsyncIterator[Shop]:
    """Start the site, and let the room speak to it."""
    folder = await asyncio.to_thread(connector, version)
    spoken = KnownUserRules(customer="acme", event="drop", cancel_path="/left", **rules)
    keys = await service.known_user_store.put("drop", spoken, who="test", reason="")
    assert keys is not None
    environment = {
        **os.environ,
        "CONNECTOR": str(folder),
        "SERVICE": site.url,
        "CUSTOMER": "acme",
        "EVENT": "drop",
        "SECRET": keys.secret,
        "CONFIGURATION_KEY": keys.configuration_key,
    }
    process = await asyncio.create_subprocess_exec(
        "node", HERE / "known_user" / "site.cjs", stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), START_WAIT_S))
        found = Shop(url=f"http://127.0.0.1:{port}", service_url=site.url, keys=keys)
        await _lead_back_to(service, found)
        yield found
    finally:
        process.terminate()
        await process.wait()


async def _lead_back_to(service: Service, found: Shop) -> None:
    """Let the room lead back to the site, and wait until the service has heard of it all."""
    gate = GateRules(
        return_addresses=[found.url],
        triggers=[Trigger(path="/shop"), Trigger(path="/shop/help", lets_pass=True)],
    )
    await service.gate_store.put("drop", gate, was=None, who="test", reason="")

    async def heard() -> bool:
        refused = await visitor.get(f"{found.url}/shop")
        if refused.status != 302:
            return False
        entry = await visitor.get(refused.location)
        return entry.location == f"{found.service_url}/rooms/drop"

    visitor = Visitor(found)
    await eventually(heard)
    await visitor.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: where it leads, what the connector did, and the cookies that it set."""

    status: int
    location: str
    action: str
    text: str
    ajax: str
    cookies: dict[str, str]


@dataclass(slots=True)
class Visitor:
    """A browser that follows no redirect by itself."""

    shop: Shop
    session: aiohttp.ClientSession = field(
        default_factory=lambda: aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True))
    )

    async def get(self, address: str, **headers: str) -> Answer:
        return await self._ask("GET", address, headers)

    async def post(self, address: str) -> Answer:
        return await self._ask("POST", address, {})

    async def _ask(self, method: str, address: str, headers: dict[str, str]) -> Answer:
        # A connector always writes https and the public address of the service.
        here = address
        if address.startswith("https://"):
            parts = urlsplit(address)
            here = f"{self.shop.service_url}{parts.path}?{parts.query}"
        headers = {"Accept": "text/html", **{n.replace("_", "-"): v for n, v in headers.items()}}
        async with self.session.request(
            method, here, headers=headers, allow_redirects=False
        ) as answer:
            location = answer.headers.get("Location", "")
            if location.startswith("/"):
                location = str(answer.url.origin()) + location
            return Answer(
                status=answer.status,
                location=location,
                action=answer.headers.get("x-action", ""),
                text=await answer.text(),
                ajax=unquote(answer.headers.get("x-queueit-redirect", "")),
                cookies={name: unquote(one.value) for name, one in answer.cookies.items()},
            )

    async def walk(self, entry: str) -> str:
        """Go through the room from its entry, and return the address that leads back."""
        room = (await self.get(entry)).location
        await self.get(room)
        await self.post(f"{room}/join")
        found: list[str] = []

        async def is_in() -> bool:
            found[:] = [(await self.post(f"{room}/enter")).location]
            return not found[0].endswith("/rooms/drop")

        await eventually(is_in)
        return (
            found[0] if found[0].startswith(self.shop.url) else (await self.get(found[0])).location
        )

    async def close(self) -> None:
        await self.session.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_connector_accepts_the_rooms_tokens_and_refuses_all_others(
    service: Service, site: Site, version: str
) -> None:
    await open_room(service, skus={"mug": 50})
    async with shop(service, site, version, binds_address=True) as found:
        visitor, stranger = Visitor(found), Visitor(found)
        page = f"{found.url}/shop/a?b=c%20d"

        refused = await visitor.get(page)
        back = await visitor.walk(refused.location)
        accepted = await visitor.get(back)
        later = await visitor.get(page)

        assert (refused.status, refused.action) == (302, "Queue")
        named = parse_qs(urlsplit(refused.location).query)
        assert (named["c"], named["e"], named["t"]) == (["acme"], ["drop"], [page])
        assert back.startswith(f"{page}&queueittoken=e_drop~q_")
        assert (accepted.status, accepted.text) == (200, "the shop")
        assert "FixedValidityMins=10" in accepted.cookies[COOKIE]
        assert (later.status, later.text, later.cookies) == (200, "the shop", {})

        # What is wrong with a token is told on a page of the room, which leads to a good one.
        address = keyed_hash("198.51.100.7", found.keys.secret)
        wrong = {
            "hash": found.token("another secret"),
            "timestamp": found.token(expires_at=int(time.time()) - 5),
            "eventid": found.token(event="other"),
            "ip": found.token(address_hash=address),
        }
        for problem, token in wrong.items():
            answer = await stranger.get(f"{page}&queueittoken={token}")
            assert urlsplit(answer.location).path.endswith(f"/error/{problem}/"), answer
            told = await stranger.get(answer.location)
            assert told.status == 403
            assert "/known-user/?c=acme&amp;e=drop&amp;t=http" in told.text
        bound = await stranger.get(f"{page}&queueittoken={wrong['ip']}", x_client="198.51.100.7")
        assert bound.text == "the shop"
        moved = await stranger.get(page, x_client="198.51.100.8")
        assert "/error/connector/sessionstate/" in moved.location
        assert (await stranger.get(moved.location)).status == 403

        # A visitor who lost the site's cookie, and not the room's, returns at once.
        visitor.session.cookie_jar.clear(lambda cookie: cookie.key == COOKIE)
        again = await visitor.get((await visitor.get(page)).location)
        assert (await visitor.get(again.location)).text == "the shop"
        await visitor.close()
        await stranger.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_connector_extends_cancels_ignores_and_answers_scripts(
    service: Service, site: Site, version: str
) -> None:
    await open_room(service, skus={"mug": 50})
    async with shop(service, site, version, extends=True) as found:
        visitor = Visitor(found)
        page = f"{found.url}/shop"

        ignored = [await visitor.get(f"{found.url}{path}") for path in ("/shop/help", "/about")]
        asked = await visitor.get(f"{page}/data", x_queueit_ajaxpageurl=page.replace("/", "%2F"))
        back = await visitor.walk(asked.ajax)
        accepted = await visitor.get(back)
        extended = await visitor.get(page)
        by_hand = await visitor.get(f"{found.url}/shop/help", x_extend="yes")
        left = await visitor.get(f"{found.url}/left")
        after = await visitor.get(left.location)
        gone = await visitor.get(page)

        assert [(one.action, one.text) for one in ignored] == [
            ("Ignore", "the shop"),
            ("none", "the shop"),
        ]
        assert asked.status == 200
        assert parse_qs(urlsplit(asked.ajax).query)["t"] == [page]
        assert back.startswith(f"{page}?queueittoken=")
        assert (accepted.text, extended.text) == ("the shop", "the shop")
        for answer in (accepted, extended, by_hand):
            assert "FixedValidityMins" not in answer.cookies[COOKIE]
        assert (left.action, left.cookies[COOKIE]) == ("Cancel", "")
        assert "/known-user/cancel/multiple/acme" in left.location
        # The room ended the session and led back, and the site asks for a new turn.
        assert after.location == f"{found.url}/left"
        ended = await service.pool.fetchval("SELECT end_reason FROM admission")
        assert ended == "left"
        assert (gone.status, gone.action) == (302, "Queue")
        await _by_its_own_configuration(found)
        await visitor.close()


async def _by_its_own_configuration(found: Shop) -> None:
    """Walk by a site that has its configuration in its code, and asks at the root."""
    visitor = Visitor(found)
    page = f"{found.url}/own?local=queue"

    entry = (await visitor.get(page)).location
    back = await visitor.walk(entry)
    accepted = await visitor.get(back)
    left = await visitor.get(f"{found.url}/own?local=cancel")
    after = await visitor.get(left.location)

    assert urlsplit(entry).path == "/"
    assert parse_qs(urlsplit(entry).query)["cid"] == ["fr-FR"]
    assert accepted.text == "the shop"
    assert urlsplit(left.location).path == "/cancel/multiple/acme"
    assert after.location == f"{found.url}/own?local=cancel"
    await visitor.close()
