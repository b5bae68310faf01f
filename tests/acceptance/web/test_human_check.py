"""An outside check at joining, with a provider that the tests run."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import Page, expect
from programs import all_know, open_site
from support import execute, open_room, secrets, settings

from waitroom.client.proving import solved
from waitroom.desk.proving.human_check import HumanCheck, Verdict
from waitroom.desk.proving.provider import KNOWN, check_provider, provider_of
from waitroom.run.app import Service
from waitroom.web.waiting.proving import open_policy

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Pages = Callable[..., Awaitable[Page]]
Services = Callable[..., Awaitable[Service]]

# A widget with the calls of the known ones: the shopper presses its button.
SCRIPT = """
const { searchParams } = new URL(document.currentScript.src);
window.turnstile = { render(box, { sitekey, callback }) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", textContent: `I am a person (${sitekey})` });
  button.onclick = () => callback("good-" + Math.random());
  box.append(button);
} };
setTimeout(() => window[searchParams.get("onload")](), 0);
"""


class Peer:
    """A provider: it knows each good token once, as the real ones do, unless it is forgetful."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.slow_s = 0.0
        self.error = "invalid-input-response"
        self.is_forgetful = False
        # Answers arrive in two pieces.
        self.in_pieces = False
        self._used: set[str] = set()

    async def verify(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        await asyncio.sleep(self.slow_s)
        token = form["response"]
        good = token.startswith("good") and (self.is_forgetful or token not in self._used)
        self._used.add(token)
        body = {"success": good, "error-codes": [] if good else [self.error]}
        if self.in_pieces:
            return await self._in_pieces(request, json.dumps(body).encode())
        return web.json_response(body, status=self.status)

    @staticmethod
    async def _in_pieces(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body[:9])
        await asyncio.sleep(0.05)
        await response.write(body[9:])
        return response

    async def script(self, _: web.Request) -> web.Response:
        return web.Response(text=SCRIPT, content_type="text/javascript")


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    app, found = web.Application(), Peer()
    app.add_routes([web.post("/siteverify", found.verify), web.get("/api.js", found.script)])
    async with TestServer(app) as server:
        found.url = str(server.make_url("/")).rstrip("/")
        yield found


def chosen(peer: Peer) -> dict[str, str]:
    """Return the settings that choose this provider."""
    return {
        "check_site_key": "10000",
        "check_verify_url": f"{peer.url}/siteverify",
        "check_script_url": f"{peer.url}/api.js",
    }


async def opened(services: Services, peer: Peer, **rules: Any) -> Service:
    service = await services(**chosen(peer), trusted_proxies=["127.0.0.1"])
    usual = {"skus": {}, "seats_max": 0, "human_check": "always", "proof_of_work": "pressure"}
    await open_room(service, **{**usual, **rules})
    return service


async def join(client: Client, *, key: str = "", **body: str) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": key or str(uuid4()), "X-Forwarded-For": "192.0.2.9"}
    answer = await client.post("/rooms/drop/tickets", headers=headers, json=body)
    return answer.status, await answer.json()


async def test_a_join_passes_the_check_once_for_each_place(
    services: Services, clients: Clients, peer: Peer
) -> None:
    client = await clients(await opened(services, peer))
    key = str(uuid4())

    status, asked = await join(client)
    bad, refused = await join(client, check="bad")
    given, _ = await join(client, key=key, check="good-1")
    repeated, _ = await join(client, key=key, check="good-1")
    another, _ = await join(client, check="good-1")
    peer.is_forgetful = True
    vouched_again, once_more = await join(client, check="good-1")

    assert (status, asked["code"], asked["site_key"]) == (428, "check_needed", "10000")
    assert asked["script"] == f"{peer.url}/api.js"
    assert (bad, refused["code"]) == (428, "check_needed")
    assert "once more" in refused["detail"]
    assert (given, repeated, another) == (201, 200, 428)
    # Work does not make up for a token that another place has used.
    assert (vouched_again, once_more["code"]) == (428, "check_needed")
    assert [form["response"] for form in peer.asked] == ["bad", *["good-1"] * 3]
    assert peer.asked[0].keys() == {"secret", "response", "sitekey"}


async def test_while_the_provider_is_away_a_room_takes_work_or_gives_no_place(
    services: Services, clients: Clients, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitroom.desk.proving.human_check.AWAY_S", 0.0)
    service = await opened(services, peer)
    client = await clients(service)

    async def without_an_answer() -> None:
        status, asked = await join(client, check="good-1")
        assert (status, asked["code"]) == (428, "proof_needed")
        proof = await solved(asked["challenge"])
        assert (await join(client, check="good-1", proof=proof))[0] == 201
        await service.rooms.change("drop", '{"human_check_away": "closed"}', who="test", reason="")
        await service.board.refresh(rooms=True)
        answer = await client.post("/rooms/drop/tickets", json={"check": "good-1"})
        assert (answer.status, (await answer.json())["code"]) == (503, "check_away")
        assert int(answer.headers["Retry-After"]) > 0
        await service.rooms.change("drop", '{"human_check_away": "open"}', who="test", reason="")
        await service.board.refresh(rooms=True)

    # It fails, it says nonsense of our secret, it hangs.
    peer.status = 500
    await without_an_answer()
    peer.status, peer.error = 200, "invalid-input-secret"
    await join(client, check="bad")
    assert (await join(client, check="bad"))[1]["code"] == "proof_needed"
    monkeypatch.setattr("waitroom.desk.proving.human_check.VERIFY_WAIT_S", 0.1)
    peer.slow_s = 1.0
    await without_an_answer()


@pytest.mark.parametrize("work", ["never", "pressure", "always"])
async def test_under_pressure_alone_a_quiet_room_asks_for_no_check(
    services: Services, clients: Clients, peer: Peer, work: str
) -> None:
    service = await opened(services, peer, human_check="pressure", proof_of_work=work)
    client = await clients(service)

    quiet, told = await join(client)
    for _ in range(40):
        line_id = service.board.room("drop").line_id
        service.networks.gave("drop", "192.0.2.9", line_id=line_id)
    pressed, asked = await join(client)

    assert (quiet, told.get("code")) == ((428, "proof_needed") if work == "always" else (201, None))
    assert (pressed, asked["code"]) == (428, "check_needed")
    # The check is in place of the work, not beside it.
    assert (await join(client, check="good-1"))[0] == 201


async def test_no_token_makes_a_provider_look_away(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waitroom.desk.proving.human_check.QUESTIONS_MAX", 2)
    provider = provider_of("", site_key="1", secret="s", **addresses(peer))
    assert provider is not None
    check = HumanCheck(provider)

    peer.status, peer.error = 400, "bad-request"
    malformed = await check.verdict("bad\0")
    peer.status, peer.slow_s = 200, 0.2
    flood = await asyncio.gather(*(check.verdict(f"good-{n}") for n in range(6)))
    after = await check.verdict("good-after")
    peer.in_pieces = True
    in_pieces = await check.verdict("good-in-pieces")
    await check.close()

    assert malformed is Verdict.REFUSED
    assert sorted(flood, key=str) == [Verdict.AWAY] * 4 + [Verdict.HUMAN] * 2
    assert after is Verdict.HUMAN
    assert in_pieces is Verdict.HUMAN


async def test_a_provider_is_asked_once_while_it_is_away(peer: Peer) -> None:
    peer.status = 503
    provider = provider_of("", site_key="1", secret="s", **addresses(peer))
    assert provider is not None
    check = HumanCheck(provider)

    verdicts = [await check.verdict("good") for _ in range(5)]
    await check.close()

    assert verdicts == [Verdict.AWAY] * 5
    assert len(peer.asked) == 1
    assert "secret='s'" not in repr(provider)


def addresses(peer: Peer) -> dict[str, str]:
    return {"verify_url": f"{peer.url}/siteverify", "script_url": f"{peer.url}/api.js"}


async def test_a_shopper_passes_the_widget_on_the_page_which_lets_in_the_provider_alone(
    service: Service, postgres_url: str, valkey_url: str, pages: Pages, peer: Peer
) -> None:
    await open_room(service, skus={}, seats_max=0, human_check="always")
    await open_room(service, "calm", skus={}, seats_max=0)
    page = await pages()
    made = settings(postgres_url, valkey_url, **chosen(peer))
    async with open_site(made, secrets()) as site:
        await all_know(site)
        await all_know(site, "calm")
        calm = await page.goto(f"{site.url}/rooms/calm")
        # A blocker of the browser may keep the provider out.
        await page.route(f"{peer.url}/**", lambda route: route.abort())
        asking = await page.goto(f"{site.url}/rooms/drop")

        await expect(page.locator("#notice")).to_contain_text("could not be loaded")
        await page.unroute(f"{peer.url}/**")
        await page.locator("#join").click()
        await expect(page.locator("#notice")).to_contain_text("a person")
        await page.get_by_role("button", name="I am a person (10000)").click()

        await expect(page.locator("#number")).to_have_text("1")
        await expect(page.locator("#human")).to_have_count(0)
        await page.goto("about:blank")

    assert peer.url not in calm.headers["content-security-policy"]
    assert peer.url in asking.headers["content-security-policy"]
    (line,) = await execute(service, "SELECT max(tail) AS tail FROM line")
    assert line["tail"] == 1


def test_settings_of_a_check_are_whole_or_refused() -> None:
    check_provider("", "", "", "")
    check_provider("turnstile", "key", "", "")
    check_provider("", "key", "http://127.0.0.1:1/verify", "https://check.example/api.js")
    for wrong in (
        ("turnstile", "", "", ""),
        ("", "key", "", ""),
        ("", "key", "https://check.example/verify", ""),
        ("turnstile", "key", "http://check.example/verify", ""),
        ("hcaptcha", "key", "", "javascript:alert(1)"),
    ):
        with pytest.raises(ValueError, match="check"):
            check_provider(*wrong)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_policy_is_opened_for_the_provider_and_for_nobody_else(name: str) -> None:
    provider = provider_of(name, site_key="k", secret="s", verify_url="", script_url="")
    assert provider is not None
    policy = "default-src 'none'; script-src 'self' 'sha256-x'; style-src 'self'"

    opened = open_policy(policy, provider)

    origins = " ".join(provider.origins)
    assert f"script-src 'self' {origins} 'sha256-x'" in opened
    assert opened.endswith(f"frame-src {origins}")
    assert all(origin.startswith("https://") for origin in provider.origins)
