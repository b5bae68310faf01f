"""A browser that keeps no cookies takes no number, and its page goes on saying why."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient
from browsers import look_again
from jars import BY_PAGE, Jar
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import admitted, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
SAID = "allow cookies"


async def numbers_given(service: Service) -> int:
    (line,) = await execute(service, "SELECT tail FROM line")
    return int(line["tail"])


async def without_cookies(page: Page) -> None:
    """Let the browser forget each cookie before it could send it back."""

    async def strip(route: Any) -> None:
        answer = await route.fetch(headers={**route.request.headers, "cookie": ""})
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "set-cookie"}
        await route.fulfill(response=answer, headers=headers)

    await page.route("**/*", strip)


@pytest.mark.parametrize("script", [True, False])
async def test_without_cookies_the_explanation_stands_and_no_number_is_given(
    service: Service, site: Site, pages: Pages, *, script: bool
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await all_know(site)
    page = await pages(java_script_enabled=script)
    await without_cookies(page)

    for _ in range(2):
        await page.goto(f"{site.url}/rooms/drop")
        if not script:
            await page.locator("#join").click()
        await expect(page.locator("#notice" if script else "#status")).to_contain_text(SAID)
    if script:
        # It stands while the page looks again, which it does at once and then every few seconds.
        async with page.expect_response("**/state"):
            await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator("#join")).to_be_visible()
    await expect(page.locator("#notice" if script else "#status")).to_contain_text(SAID)
    # The page may be looking just now; its answer has nowhere to go when the page closes.
    await page.unroute_all(behavior="ignoreErrors")

    assert await numbers_given(service) == 0


async def test_cookies_that_are_cleared_while_called_change_no_number_unasked(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3})
    await all_know(site)
    page = await pages()
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#enter")).to_be_visible()
    reference = await page.locator("#reference").text_content()

    # The page that took the number has the ticket, and puts it back.
    await page.context.clear_cookies()
    await look_again(page)
    await expect(page.locator("#notice")).to_contain_text("Your ticket is back")
    await page.reload()
    await expect(page.locator("#reference")).to_have_text(str(reference))
    await expect(page.locator("#enter")).to_be_visible()

    # A page that was loaded with the ticket has it no more, and says which it was.
    await page.context.clear_cookies()
    await look_again(page)
    await expect(page.locator("#lost-text")).to_contain_text(f"number 1, reference {reference}")
    await expect(page.locator("#bring-code")).to_have_count(1)
    # Loaded afresh, the page knows it from what the browser kept besides cookies.
    await page.reload()
    await expect(page.locator("#lost-text")).to_contain_text(f"number 1, reference {reference}")
    assert await numbers_given(service) == 1

    await page.locator("#join-after-loss").click()
    await expect(page.locator("#number")).to_have_text("2")


async def test_a_browser_that_lost_its_cookie_gets_another_and_joins(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)

    refused = await client.post("/rooms/drop/tickets", headers=BY_PAGE)
    cookie = refused.headers["Set-Cookie"].split(";")[0]
    joined = await client.post("/rooms/drop/tickets", headers={**BY_PAGE, "Cookie": cookie})

    assert (refused.status, (await refused.json())["code"]) == (403, "cookies_needed")
    assert joined.status == 201
    assert await numbers_given(service) == 1


PROGRAMS: list[dict[str, str]] = [
    {},
    # As the `fetch` of Node.js sends it.
    {"Sec-Fetch-Mode": "cors"},
    {**BY_PAGE, "Idempotency-Key": "6f0c9f1e-4c57-4d0e-9a0b-1d2c3b4a5f60"},
    {**BY_PAGE, "Authorization": "Bearer a.b.c"},
]


@pytest.mark.parametrize("headers", PROGRAMS)
async def test_a_program_needs_no_cookie(
    service: Service, client: Client, headers: dict[str, str]
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)

    assert (await client.post("/rooms/drop/tickets", headers=headers)).status == 201


async def test_cookies_of_many_rooms_shut_a_browser_out_of_none(
    service: Service, site: Site
) -> None:
    for room in ("drop", "other", "over"):
        await open_room(service, room, skus={f"mug-{room}": 3}, seats_max=0)
    await service.rooms.set_status("over", "ended", who="test")
    await all_know(site)
    await all_know(site, "over", status="ended")
    token = "1.1234.main-1." + "a" * 86
    rooms = [f"a-room-with-a-name-of-30-let-{i:02}" for i in range(68)]
    jar = Jar(
        shop="s" * 6000,
        waitroom_visitor="ab" * 16,
        waitroom_ticket_other=token,
        waitroom_invitation_other=token,
        waitroom_session_other=token,
        waitroom_ticket_over=token,
        **{f"waitroom_ticket_{room}": token for room in rooms},
    )
    async with aiohttp.ClientSession(site.url, cookie_jar=aiohttp.DummyCookieJar()) as browser:

        async def ask(method: str, path: str, **headers: str) -> int:
            async with browser.request(
                method, path, headers={"Cookie": jar.header(), **headers}, allow_redirects=False
            ) as answer:
                jar.hear(answer)
                return answer.status

        assert len(jar.header()) > 15_000
        assert await ask("GET", "/rooms/drop", Accept="text/html") == 200
        joined = [await ask("POST", "/rooms/drop/tickets", **BY_PAGE) for _ in range(6)]
        form = await ask("POST", "/rooms/drop/join", **BY_PAGE)

    ours = {name: value for name, value in jar.kept.items() if name.startswith("waitroom_")}
    assert (joined, form) == ([201] + [200] * 5, 303)
    assert sum(len(name) + len(value) + 3 for name, value in ours.items()) <= 4096
    # The newest are left, and what this shopper still needs.
    assert {"shop", "waitroom_visitor", "waitroom_ticket_drop", "waitroom_ticket_other"} < {
        *jar.kept
    }
    assert {"waitroom_session_other", "waitroom_invitation_other"} < ours.keys()
    assert "waitroom_ticket_over" not in ours
    assert f"waitroom_ticket_{rooms[0]}" not in ours
    assert f"waitroom_ticket_{rooms[-1]}" in ours


@pytest.mark.parametrize("kept", ["x", "", "\u00e9" * 32, "A" * 33])
async def test_an_id_of_no_use_is_replaced(service: Service, client: Client, kept: str) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    headers = {"Accept": "text/html", "Cookie": f"waitroom_visitor={kept}"}

    page = await client.get("/rooms/drop", headers=headers)
    name, _, value = page.headers["Set-Cookie"].partition(";")[0].partition("=")
    again = await client.get("/rooms/drop", headers={**headers, "Cookie": f"{name}={value}"})

    assert (name, len(value)) == ("waitroom_visitor", 32)
    assert "waitroom_visitor" not in str(again.headers.getall("Set-Cookie", ()))


async def test_a_second_cookie_of_the_name_hides_none_that_is_valid(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    inside = await admitted(client)
    client.session.cookie_jar.clear()
    ticket = f"waitroom_ticket_drop={inside.ticket}"
    session = f"waitroom_session_drop={inside.session}"
    rubbish = "waitroom_ticket_drop=x; waitroom_session_drop=x"

    for cookies in (
        f"{ticket}; {session}; {rubbish}",
        f"{rubbish}; {ticket}; {session}",
        f"waitroom_ticket_drop=; {ticket}; {session}; {session}; waitroom_session_drop=",
    ):
        headers = {"Cookie": cookies}
        assert (await client.get("/rooms/drop/tickets/me", headers=headers)).status == 200
        assert (await client.get("/check?room=drop", headers=headers)).status == 204
    no_ticket = await client.get("/rooms/drop/tickets/me", headers={"Cookie": rubbish})
    assert no_ticket.status == 401
