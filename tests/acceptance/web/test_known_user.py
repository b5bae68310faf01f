"""KnownUser V3 over HTTP, told by a site that speaks it itself; `make peers` asks the connector."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import open_room, tick
from yarl import URL

from waitroom.admin.accounts.keys import NewKey
from waitroom.gate.known_user.protocol import queue_id_of, read
from waitroom.run.app import Service

Client = TestClient[Any, Any]
RULES = "/admin/rooms/drop/gate/known-user"
PAGE = "https://shop.example/a?b=c"


class Visitor:
    """A browser with cookies of its own that follows no redirect by itself."""

    def __init__(self, service: Service, client: Client) -> None:
        self._service = service
        self._client = client
        self._jar = CookieJar(unsafe=True)

    async def get(self, path: str, **query: str) -> aiohttp.ClientResponse:
        return await self._ask("GET", path, query)

    async def post(self, path: str, **form: str) -> aiohttp.ClientResponse:
        return await self._ask("POST", path, {}, data=form)

    async def _ask(
        self, method: str, path: str, query: dict[str, str], **more: Any
    ) -> aiohttp.ClientResponse:
        url = self._client.make_url(f"{path}?{urlencode(query)}" if query else path)
        headers = {
            "Accept": "text/html",
            "Cookie": self._jar.filter_cookies(url).output(header="", sep=";").strip(),
        }
        answer = await self._client.request(
            method, url.relative(), headers=headers, allow_redirects=False, **more
        )
        await answer.read()
        self._jar.update_cookies(answer.cookies, url)
        return answer

    async def let_in(self) -> str:
        """Take a number, claim it, and return the address to which the room leads on."""
        await self.get("/rooms/drop")
        await self.post("/rooms/drop/join")
        await tick(self._service)
        entered = await self.post("/rooms/drop/enter")
        assert entered.headers["Location"] == "/rooms/drop/onward"
        return (await self.get("/rooms/drop/onward")).headers["Location"]


def token_in(address: str) -> str:
    return parse_qs(urlsplit(address).query)["queueittoken"][0]


async def set_up(service: Service, client: Client, **rules: Any) -> tuple[str, dict[str, str]]:
    """Let the room speak to a site; return the site's secret, and how an admin signs in."""
    await open_room(service, skus={})
    admin = await sign_in(service, client, "admin")
    gate = {"return_addresses": ["https://shop.example", "https://other.example/in"]}
    assert (await client.put("/admin/rooms/drop/gate", json=gate, headers=admin)).status == 200
    put = await client.put(RULES, json={"customer": "acme", **rules}, headers=admin)
    assert put.status == 200, await put.text()
    return (await put.json())["keys"]["secret"], admin


async def test_a_visitor_of_a_site_waits_and_returns_with_a_token(
    service: Service, client: Client
) -> None:
    secret, _ = await set_up(service, client, binds_address=True)
    visitor = Visitor(service, client)
    named = {"c": "acme", "e": "drop", "t": PAGE}

    # The front page of the service is the front page, unless a site sends a visitor there.
    assert (await visitor.get("/")).status == 200
    came = await visitor.get("/", **named, cid="de-DE", ver="javascript-5.0.1", man="Queue")
    page = await visitor.get("/rooms/drop")
    back = await visitor.let_in()

    assert (came.status, came.headers["Location"]) == (302, "/rooms/drop")
    assert page.headers["Content-Language"] == "de"
    assert back.startswith(f"{PAGE}&queueittoken=")
    token = read(token_in(back), secret)
    assert token is not None
    session_id = await service.pool.fetchval("SELECT admission_id FROM admission")
    assert token.event == "drop"
    assert token.queue_id == queue_id_of(session_id, secret)
    assert token.cookie_min == await service.pool.fetchval("SELECT session_s / 60 FROM room")
    assert len(token.address_hash) == 64
    # Without the site's cookie the same browser gets a fresh token at once, and no new place.
    again = await visitor.get("/known-user/", **named | {"t": "https://other.example/in/x"})
    assert again.headers["Location"].startswith("https://other.example/in/x?queueittoken=")
    there = await (await visitor.get("/rooms/drop")).text()
    assert 'href="/rooms/drop/onward"' in there
    # A room that sells nothing names the site.
    assert "shop.example</a>" in there
    # A shopper who came by no site goes to the first address.
    assert (await Visitor(service, client).let_in()).startswith(
        "https://shop.example/?queueittoken="
    )


async def test_what_is_not_allowed_or_not_known_leads_nowhere(
    service: Service, client: Client
) -> None:
    secret, admin = await set_up(service, client)
    visitor = Visitor(service, client)

    for target in ("https://evil.example/", "https://shop.example@evil.example", "javascript:1"):
        refused = await visitor.get("/", c="acme", e="drop", t=target)
        assert (refused.status, "Location" in refused.headers) == (422, False)
    for named in ({"c": "acme", "e": "none"}, {"c": "none", "e": "drop"}):
        assert (await visitor.get("/", **named)).status == 404
        assert (await visitor.get("/known-user/", **named)).status == 404
    assert (await visitor.get("/known-user/")).status == 404
    onward = await visitor.get("/rooms/drop/onward")
    assert onward.headers["Location"] == "/rooms/drop"
    # Another room cannot take the event, and a name that breaks tokens is refused.
    await open_room(service, "next", skus={})
    theirs = "/admin/rooms/next/gate/known-user"
    taken = await client.put(theirs, json={"customer": "acme", "event": "drop"}, headers=admin)
    bad = await client.put(theirs, json={"customer": "a_b"}, headers=admin)
    second = await client.put(theirs, json={"customer": "acme"}, headers=admin)
    assert (taken.status, (await taken.json())["code"]) == (409, "event_taken")
    assert (bad.status, (await bad.json())["field"]) == (422, "customer")
    assert (await second.json())["keys"] is None
    assert secret not in await (await client.get(RULES, headers=admin)).text()


async def test_a_failed_token_is_explained_with_a_way_to_a_new_one(
    service: Service, client: Client
) -> None:
    await set_up(service, client)
    visitor = Visitor(service, client)
    named = {"c": "acme", "e": "drop", "t": PAGE, "queueittoken": "e_drop~h_0"}

    for start in ("", "/known-user"):
        for problem in ("hash", "eventid", "timestamp", "ip", "connector/sessionstate"):
            page = await visitor.get(f"{start}/error/{problem}/", **named)
            text = await page.text()
            assert page.status == 403
            assert "/known-user/?c=acme&amp;e=drop&amp;t=https%3A%2F%2Fshop.example" in text
    unknown = await visitor.get("/error/hash/", c="acme", e="none")
    assert "go back to the shop" in await unknown.text()


async def test_a_site_ends_a_visit_by_its_queue_id_and_no_page_of_the_web_does(
    service: Service, client: Client
) -> None:
    secret, _ = await set_up(service, client)
    visitor, waiting = Visitor(service, client), Visitor(service, client)
    token = read(token_in(await visitor.let_in()), secret)
    assert token is not None
    await waiting.get("/rooms/drop")
    await waiting.post("/rooms/drop/join")
    one, many = f"/cancel/acme/drop/{token.queue_id}", "/known-user/cancel/multiple/acme"

    asked = await visitor.get("/cancel/acme/drop", r=PAGE)
    forged = await visitor.get("/cancel/acme/drop/00000000-0000-4000-8000-000000000000", r=PAGE)
    stranger = await Visitor(service, client).get(one, r=PAGE)
    elsewhere = await visitor.get(one, r="https://evil.example/")
    waits = await waiting.get(one, r=PAGE)
    question = await waiting.get("/rooms/drop/leave")
    live = await visitor.get("/rooms/drop/onward")
    ended = await visitor.get(many, wrl=f"drop~{token.queue_id}_none", r=PAGE)
    after = await visitor.get("/rooms/drop/onward")

    assert [each.headers["Location"] for each in (asked, forged)] == [
        "/checkout/leave?room=drop"
    ] * 2
    assert stranger.headers["Location"] == PAGE
    assert elsewhere.status == 422
    assert waits.headers["Location"] == "/rooms/drop/leave"
    assert 'action="/rooms/drop/leave"' in await question.text()
    assert live.headers["Location"].startswith("https://shop.example/?queueittoken=")
    assert ended.headers["Location"] == PAGE
    assert after.headers["Location"] == "/rooms/drop"
    assert (await visitor.get("/cancel/acme/none")).status == 404


async def test_a_site_pulls_its_configuration_with_its_key(
    service: Service, client: Client
) -> None:
    await open_room(service)
    admin = await sign_in(service, client, "admin")
    gate = {
        "return_addresses": ["https://shop.example"],
        "triggers": [{"path": "/checkout"}, {"path": "/checkout/help", "lets_pass": True}],
    }
    await client.put("/admin/rooms/drop/gate", json=gate, headers=admin)
    body = {"customer": "acme", "event": "autumn", "extends": True, "cancel_path": "/done"}
    keys = (await (await client.put(RULES, json=body, headers=admin)).json())["keys"]
    path = "/status/integrationconfig/secure/acme"

    got = await client.get(path, headers={"api-key": keys["configuration_key"]})
    wrong = await client.get(path, headers={"api-key": keys["secret"]})
    renewed = (await (await client.post(f"{RULES}/secret", headers=admin)).json())["keys"]
    late = await client.get(path, headers={"api-key": keys["configuration_key"]})
    new = await client.get(f"/known-user{path}", headers={"api-key": renewed["configuration_key"]})
    removed = await client.delete(RULES, headers=admin)

    told = await got.json()
    assert told["CustomerId"] == "acme"
    assert [(one["ActionType"], one["EventId"]) for one in told["Integrations"]] == [
        ("Cancel", "autumn"),
        ("Ignore", "autumn"),
        ("Queue", "autumn"),
    ]
    assert told["Integrations"][2]["QueueDomain"] == URL(service.settings.base_url).authority
    assert (wrong.status, (await wrong.json())["code"]) == (401, "configuration_key_wrong")
    assert (late.status, new.status, removed.status) == (401, 200, 204)
    assert renewed["secret"] != keys["secret"]
    read_back = await (await client.get(RULES, headers=admin)).json()
    assert read_back == {"room": "drop", "known_user": None, "keys": None}
    said = await (await client.get("/admin/rooms/drop/actions", headers=admin)).json()
    kinds = [act["action"] for act in said["actions"]]
    assert kinds[:3] == ["known_user", "known_user_secret", "known_user"]


async def test_a_key_of_one_room_joins_no_site_of_other_rooms(
    service: Service, client: Client
) -> None:
    await set_up(service, client)
    await service.rooms.create("mine", "Mine", who="test")
    new = NewKey(name="mine", scopes=("rooms",), rooms=("mine",))
    secret = await service.keys.add(new, maker=None, now=datetime.now(UTC))
    key, rules = {"Authorization": f"Bearer {secret}"}, RULES.replace("drop", "mine")
    client.session.cookie_jar.clear()

    joined = await client.put(rules, json={"customer": "acme"}, headers=key)
    own = await client.put(rules, json={"customer": "mine"}, headers=key)
    again = await client.put(rules, json={"customer": "mine", "extends": True}, headers=key)

    assert (joined.status, (await joined.json())["code"]) == (403, "key_narrowed")
    assert (own.status, again.status) == (200, 200)
