"""A ticket and a session belong to the browser or app that got them; a copy is worth nothing."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from jars import Browser
from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in
from support import Shopper, authorization, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]

TICKET, SESSION = "waitroom_ticket_drop", "waitroom_session_drop"
APP, OTHER_APP = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "c1a2d93b7e8f40516273849aa5b6c7d8"
UUID = "6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f60"
HOLD = {"items": [{"sku": "mug", "quantity": 1}]}


def with_key(key: str, token: str = "") -> dict[str, str]:
    return {"Waitroom-Client-Key": key, **(authorization(token) if token else {})}


async def tail(service: Service) -> int:
    (line,) = await execute(service, "SELECT sum(tail) AS tail FROM line")
    return int(line["tail"])


async def arrived(client: Client) -> tuple[Browser, str]:
    """Return a browser that has opened the page and joined, and the token in its answer."""
    browser = Browser(client)
    await browser.open("/rooms/drop")
    joined = await browser.ask("POST", "/rooms/drop/tickets")
    body = await joined.json()
    assert joined.status == 201, body
    return browser, body["ticket"]


async def refused(answer: ClientResponse, code: str) -> None:
    body = await answer.json()
    assert (answer.status, body["code"]) == (403, code), body
    # It says where the place is, and how to go on.
    assert "works only" in body["detail"]


async def test_a_copied_token_is_refused_and_all_cookies_together_are_one_browser(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    owner, told = await arrived(client)
    claimed = await owner.ask("POST", "/rooms/drop/claims")
    session = (await claimed.json())["session"]
    kept = owner.jar.kept

    # The ticket's cookie alone, also in a browser with an id of its own, or its value as a bearer.
    for bearer in (kept[TICKET], told):
        headers = authorization(bearer)
        await refused(await client.get("/rooms/drop/tickets/me", headers=headers), "ticket_bound")
    for thief in (Browser(client, **{TICKET: kept[TICKET]}), await owner.copy(TICKET)):
        for method, path in (
            ("GET", "tickets/me"),
            ("DELETE", "tickets/me"),
            ("POST", "tickets"),
            ("POST", "claims"),
            ("POST", "tickets/me/code"),
            ("PUT", "tickets/me/choice"),
        ):
            answer = await thief.ask(method, f"/rooms/drop/{path}", json={})
            await refused(answer, "ticket_bound")
    # The session's cookie alone, or its value.
    for bearer in (kept[SESSION], session):
        answer = await client.get("/checkout/session", headers=authorization(bearer))
        await refused(answer, "session_bound")
    thief = await owner.copy(SESSION, TICKET)
    for method, path in (
        ("GET", "/checkout/session"),
        ("GET", "/checkout/session?room=drop"),
        ("DELETE", "/checkout/session"),
        ("POST", "/checkout/holds"),
        ("GET", "/checkout/orders"),
    ):
        answer = await thief.ask(method, path, json=HOLD, headers={"Idempotency-Key": UUID})
        await refused(answer, "session_bound")
    assert (await thief.ask("GET", "/check?room=drop")).status == 401
    assert "works only in the browser" in await thief.open("/checkout?room=drop")

    # The same cookies all together are the same browser, as far as any service can tell.
    twin = Browser(client, **kept)
    for browser in (owner, twin):
        assert (await browser.ask("GET", "/rooms/drop/tickets/me")).status == 200
        assert (await browser.ask("GET", "/check?room=drop")).status == 204
    held = await owner.ask("POST", "/checkout/holds", json=HOLD, headers={"Idempotency-Key": UUID})
    assert held.status == 201
    assert await tail(service) == 1


async def test_a_key_of_an_app_binds_what_it_gets(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)

    joined = await client.post("/rooms/drop/tickets", headers=with_key(APP))
    ticket = (await joined.json())["ticket"]
    for headers in (authorization(ticket), with_key(OTHER_APP, ticket)):
        await refused(await client.get("/rooms/drop/tickets/me", headers=headers), "ticket_bound")
        await refused(await client.post("/rooms/drop/claims", headers=headers), "ticket_bound")
    # Letters count alike, as everywhere in hex.
    claimed = await client.post("/rooms/drop/claims", headers=with_key(APP.upper(), ticket))
    session = (await claimed.json())["session"]
    stolen = await client.get("/checkout/session", headers=authorization(session))
    own = await client.get("/checkout/session", headers=with_key(APP, session))
    # An app that sends no key gets what each bearer may use.
    plain = Shopper(client)
    await plain.join()

    await refused(stolen, "session_bound")
    assert (joined.status, claimed.status, own.status) == (201, 201, 200)
    assert (await plain.me())["number"] == 2
    for weak in ("x", "0" * 32, APP[:-1], f"{APP}g", APP * 5, f" {APP} {APP}"):
        for path in ("tickets", "claims", "move"):
            headers = {**with_key(weak), **authorization(plain.ticket)}
            answer = await client.post(
                f"/rooms/drop/{path}", json={"code": "ABCDEFGHJK"}, headers=headers
            )
            assert (answer.status, (await answer.json())["code"]) == (400, "client_key_weak")
    assert await tail(service) == 2


async def test_a_key_of_a_join_counts_within_its_client(service: Service, client: Client) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    first, second = Browser(client), Browser(client)
    for browser in (first, second):
        await browser.open("/rooms/drop")

    async def number(sender: Any, **headers: str) -> int:
        headers = {"Idempotency-Key": UUID, **headers}
        answer = await sender("POST", "/rooms/drop/tickets", headers=headers)
        return int((await answer.json())["number"])

    apps = [await number(client.request, **with_key(key)) for key in (APP, OTHER_APP, APP)]
    for browser in (first, second):
        await number(browser.ask)
        # The answer is lost, and the browser asks again.
        browser.jar.kept.pop(TICKET)
    browsers = [await number(browser.ask) for browser in (first, second)]
    plain = [await number(client.request) for _ in "ab"]

    assert (apps, browsers, plain) == ([1, 2, 1], [3, 4], [5, 5])


async def test_a_place_is_brought_by_its_code_to_a_browser_with_a_copy_of_another(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    owner, _ = await arrived(client)
    victim, _ = await arrived(client)
    code = (await (await owner.ask("POST", "/rooms/drop/tickets/me/code")).json())["code"]

    thief = await victim.copy(TICKET)
    page = await thief.open("/rooms/drop")
    moved = await thief.ask("POST", "/rooms/drop/move", json={"code": code})
    body = await moved.json()

    assert 'data-view="elsewhere"' in page
    assert "data-joins" not in page
    assert (moved.status, body["number"]) == (201, 1)
    # The place of the copy is still its owner's; a browser gives up its own alone.
    assert (await (await victim.ask("GET", "/rooms/drop/tickets/me")).json())["number"] == 2
    assert (await thief.ask("GET", "/rooms/drop/tickets/me")).status == 200
    gone = await owner.ask("GET", "/rooms/drop/tickets/me")
    assert (gone.status, (await gone.json())["code"]) == (410, "ticket_moved")
    # What was moved is bound to the browser that brought it.
    stolen = await thief.copy(TICKET)
    await refused(await stolen.ask("GET", "/rooms/drop/tickets/me"), "ticket_bound")
    await refused(
        await client.get("/rooms/drop/tickets/me", headers=authorization(body["ticket"])),
        "ticket_bound",
    )


async def test_a_browser_that_lost_its_id_takes_another_number_only_when_asked(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    browser, _ = await arrived(client)
    for name in ("waitroom_visitor", "waitroom_browser"):
        browser.jar.kept.pop(name)

    page = await browser.open("/rooms/drop")
    by_script = await browser.ask("POST", "/rooms/drop/tickets")
    forms = [
        await browser.press(f"/rooms/drop/{verb}", sure="1")
        for verb in ("enter", "aside", "code", "leave")
    ]
    before = await tail(service)
    by_button = await browser.press("/rooms/drop/join")

    assert "A ticket works only in the browser that took it" in page
    assert re.search(r'<form[^>]*/rooms/drop/bring"', page)
    await refused(by_script, "ticket_bound")
    assert [form.status for form in forms] == [303, 303, 303, 200]
    assert before == 1
    assert by_button.status == 303
    assert 'id="number">2<' in await browser.open("/rooms/drop")


async def test_pages_that_load_at_once_part_no_browser_from_its_ticket(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0)
    await tick(service)
    first, second = Browser(client), Browser(client)
    for page in (first, second):
        await page.open("/rooms/drop")
    await first.ask("POST", "/rooms/drop/tickets")

    # They were tabs of one browser: the second one's page arrives last, with an id of its own.
    both = Browser(client, **{**first.jar.kept, **second.jar.kept})
    again = await both.ask("POST", "/rooms/drop/tickets")

    assert (again.status, (await again.json())["number"]) == (200, 1)
    assert await tail(service) == 1


async def test_cookies_are_for_one_room_and_on_https_for_this_host_alone(
    services: Callable[..., Awaitable[Service]],
    clients: Callable[[Service], Awaitable[Client]],
) -> None:
    service = await services(public_url="https://queue.example")
    client = await clients(service)
    for room in ("drop", "other"):
        await open_room(service, room, skus={f"mug-{room}": 5})
    await tick(service)
    browser, lines = Browser(client), []
    own = {"Origin": "https://queue.example"}

    for room in ("drop", "other"):
        opened = await browser.ask("GET", f"/rooms/{room}", headers={"Accept": "text/html"})
        joined = await browser.ask("POST", f"/rooms/{room}/tickets", headers=own)
        claimed = await browser.ask("POST", f"/rooms/{room}/claims", headers=own)
        for answer in (opened, joined, claimed):
            lines += answer.headers.getall("Set-Cookie", ())
    # What binds them does not go before them.
    ages = {line.partition("=")[0]: re.search(r"Max-Age=(\d+)", line) for line in lines}

    names = {name for name in browser.jar.kept if name != "waitroom_seen"}
    kinds = ("ticket_drop", "ticket_other", "session_drop", "session_other")
    assert names == {f"__Host-waitroom_{kind}" for kind in ("visitor", "browser", *kinds)}
    for line in lines:
        flags = set(line.split("; ")[1:])
        assert {"HttpOnly", "Secure", "SameSite=Lax"} < flags, line
        assert line.startswith("waitroom_seen=") or "Path=/" in flags
        assert "Domain" not in line
    assert len({match and match[1] for name, match in ages.items() if "seen" not in name}) == 1
    # One room's session is none in another.
    for room, found in (("drop", [204, 401]), ("other", [401, 204])):
        others = {name for name in browser.jar.kept if name.endswith(room)}
        alone = Browser(client, **{k: v for k, v in browser.jar.kept.items() if k not in others})
        checks = [await alone.ask("GET", f"/check?room={one}") for one in ("other", "drop")]
        assert [check.status for check in checks] == found


async def test_a_scanner_that_opens_a_link_uses_no_invitation_up(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=0, join_by="invitation")
    await tick(service)
    header = await sign_in(service, client, name="op")
    made = await client.post("/admin/rooms/drop/invitations", json={"count": 1}, headers=header)
    (link,) = (await made.json())["links"]
    path = link[link.index("/rooms/") :]

    for method in ("GET", "HEAD"):
        scanner = Browser(client)
        await scanner.ask(method, path)
        page = await scanner.open(path)
        # No script of the page joins by itself; a person presses the button.
        assert "data-joins" not in page
        assert 'data-invited="1"' in page
        assert 'id="join"' in page
    opened = await tail(service)
    person = Browser(client)
    await person.open(path)
    taken = await person.press("/rooms/drop/join")

    assert (opened, taken.status, await tail(service)) == (0, 303, 1)
    # A program opens the link as well, and the place is still the person's.
    assert (await person.ask("GET", "/rooms/drop/tickets/me")).status == 200


async def test_two_browsers_with_one_session(service: Service, site: Site, pages: Pages) -> None:
    await open_room(service, skus={"mug": 3})
    await all_know(site)
    owner, thief = await pages(), await pages()
    await owner.goto(f"{site.url}/rooms/drop")
    await owner.locator("#enter").click()
    await owner.wait_for_url("**/checkout*")
    cookies = {one["name"]: one for one in await owner.context.cookies()}

    await thief.context.add_cookies([cookies[TICKET], cookies[SESSION]])
    await thief.goto(f"{site.url}/rooms/drop")
    await expect(thief.locator("[data-for=elsewhere]")).to_be_visible()
    await expect(thief.locator("#bring-code")).to_have_count(1)
    await thief.goto(f"{site.url}/checkout?room=drop")
    await expect(thief.locator("main")).to_contain_text("works only in the browser or app")
    await owner.reload()
    await expect(owner.locator("#deadline")).to_be_visible()
    assert await tail(service) == 1


async def test_a_page_with_an_invitation_waits_for_a_press(
    service: Service, site: Site, pages: Pages, client: Client
) -> None:
    await open_room(service, seats_max=0, join_by="invitation")
    await all_know(site)
    header = await sign_in(service, client, name="op")
    made = await client.post("/admin/rooms/drop/invitations", json={"count": 1}, headers=header)
    (link,) = (await made.json())["links"]
    page = await pages()

    async with page.expect_response("**/rooms/drop/state"):
        await page.goto(f"{site.url}{link[link.index('/rooms/') :]}")
    await expect(page.locator("#join")).to_be_visible()
    before = await tail(service)
    await page.locator("#join").click()
    await expect(page.locator("#number")).to_have_text("1")

    assert before == 0
