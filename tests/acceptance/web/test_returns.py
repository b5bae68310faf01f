"""What shoppers see of the restock line: waiting for what was refused, and staying for returns."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from postbox import open_postbox
from programs import Running, Site, all_know, open_site
from support import (
    KEY,
    Shopper,
    authorization,
    eventually,
    execute,
    open_room,
    settings,
    shift_clock,
    tick,
)

from inventory.kit.language.catalogues import tags
from waitroom.run.app import Service, open_service
from waitroom.run.settings import Secrets

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
OpenClient = Callable[[Service], Awaitable[Client]]

WEIGHT_MAX = 30_000
MAIL_FROM = "The shop <queue@shop.example>"


async def refused(answer: ClientResponse, status: int, code: str) -> None:
    body = await answer.json(content_type="application/problem+json")
    assert (answer.status, body["code"]) == (status, code)


async def admitted(service: Service, client: Client, count: int) -> list[Shopper]:
    """Let so many shoppers in, whatever is in stock."""
    await tick(service)
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
        assert (await shopper.claim()).status == 201
    return shoppers


def units(count: int, name: str) -> str:
    return f"{count} \u00d7 {name}"


# The API.


@pytest.fixture
async def mailing(postgres_url: str, valkey_url: str) -> AsyncIterator[Service]:
    """A service that was told of a relay; none of its loops runs, so nothing is sent."""
    made = settings(postgres_url, valkey_url, mail_from=MAIL_FROM)
    kept = Secrets(signing_keys=[KEY], smtp_url="smtp://127.0.0.1:1")
    async with open_service(made, kept, roles=frozenset()) as service:
        yield service


async def returns(
    client: Client, shopper: Shopper, method: str = "GET", **body: Any
) -> ClientResponse:
    return await client.request(
        method,
        "/rooms/drop/returns",
        headers=authorization(shopper.ticket),
        **({"json": body} if body else {}),
    )


async def test_a_ticket_stays_for_returns_and_leaves_again(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    await open_room(mailing, skus={"mug": 0}, seats_max=0)
    await tick(mailing)
    shopper = Shopper(client)
    await shopper.join()

    before = await (await returns(client, shopper)).json()
    stayed = await returns(client, shopper, "PUT", email=" ada@example.com ")
    told = await (await returns(client, shopper)).json()
    without = await (await returns(client, shopper, "PUT")).json()
    left = await returns(client, shopper, "DELETE")
    after = await (await returns(client, shopper)).json()

    assert before == {"in_line": False, "email": None, "mail_offered": True, "window_s": 900}
    assert stayed.status == 200
    assert await stayed.json() == {"in_line": True, "email": "ada@example.com"}
    assert (told["in_line"], told["email"]) == (True, "ada@example.com")
    assert without == {"in_line": True, "email": None}
    assert left.status == 204
    assert after == before
    assert stayed.headers["Cache-Control"] == "no-store"


async def test_an_address_that_cannot_be_one_is_refused(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    await open_room(mailing)
    (shopper,) = await admitted(mailing, client, 1)

    for email in ("ada", "ada@example", "a@b.example\r\nBcc: c@d.example", "x" * 300, 7):
        await refused(await returns(client, shopper, "PUT", email=email), 422, "unprocessable")
    await refused(await returns(client, shopper, "PUT", mail="a@b.example"), 422, "unprocessable")

    assert await execute(mailing, "SELECT FROM returns_wait") == []


async def test_no_address_is_taken_where_no_mail_is_sent(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1})
    (shopper,) = await admitted(service, client, 1)

    answer = await returns(client, shopper, "PUT", email="ada@example.com")
    without = await returns(client, shopper, "PUT", email="")

    await refused(answer, 409, "mail_not_offered")
    assert await without.json() == {"in_line": True, "email": None}
    assert (await (await returns(client, shopper)).json())["mail_offered"] is False


async def test_whoever_bought_left_or_holds_another_ticket_cannot_stay(
    service: Service, client: Client
) -> None:
    await open_room(service, policy="rate")
    buyer, leaver, stranger, late = await admitted(service, client, 4)
    await buyer.pay((await (await buyer.hold(mug=1)).json())["hold_id"])
    await leaver.leave()
    await execute(
        service, "UPDATE admission SET ticket_id = '\\x00' WHERE number = $1", stranger.number
    )

    await refused(await returns(client, buyer, "PUT"), 409, "already_bought")
    await refused(await returns(client, leaver, "PUT"), 410, "ticket_left")
    await refused(await returns(client, stranger, "PUT"), 403, "other_ticket")
    await refused(await returns(client, Shopper(client, ticket="x"), "PUT"), 401, "no_ticket")
    await service.rooms.set_status("drop", "ended", who="test")
    await service.board.refresh(rooms=True)
    await refused(await returns(client, late, "PUT"), 409, "room_ended")
    await refused(await client.put("/rooms/nowhere/returns"), 404, "not_found")


async def test_a_ticket_says_that_it_stays_and_that_it_was_called_for_returns(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, session_s=60, hold_s=30)
    (shopper,) = await admitted(service, client, 1)
    inside = await shopper.me()
    await returns(client, shopper, "PUT")
    staying = await shopper.me()
    await shift_clock(service, 61)
    await service.office.end_due(100)
    waiting = await shopper.me()

    await tick(service)
    called = await shopper.me()

    assert (inside["status"], inside["returns"]) == ("claimed", False)
    assert staying["returns"] is True
    assert (waiting["status"], waiting["returns"], waiting["place"]) == ("waiting", True, 0)
    assert (called["status"], called["returns"], called["for_returns"]) == ("called", False, True)
    assert called["seconds_left"] > 800
    assert (await shopper.claim()).status == 201


async def test_a_usual_call_is_not_called_for_returns(service: Service, client: Client) -> None:
    await open_room(service)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()

    called = await shopper.me()

    assert (called["status"], called["for_returns"]) == ("called", False)


# Pages without JavaScript.


@dataclass(slots=True)
class Browser:
    """A browser that sends its cookies and forms, and runs no script."""

    client: Client
    shopper: Shopper

    async def open(self, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        headers = {
            "Accept": "text/html",
            "Cookie": f"waitroom_ticket_drop={self.shopper.ticket}; "
            f"waitroom_session_drop={self.shopper.session}",
        }
        method = "GET" if form is None else "POST"
        answer = await self.client.request(
            method, path, data=form, headers=headers, allow_redirects=False
        )
        if answer.status == 303:
            return await self.open(answer.headers["Location"])
        return answer.status, await answer.text()


def shown(page: str) -> str:
    """Return what the page says, in one line and without what is hidden."""
    body = re.sub(r"<(template|script|noscript)\b.*?</\1>", "", page, flags=re.DOTALL)
    body = re.sub(r"<(section|form|p|div)\b[^>]* hidden>.*?</\1>", "", body, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


async def test_the_checkout_shows_what_was_refused_and_what_came_free(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 3}, policy="rate")
    holder, shopper = await admitted(service, client, 2)
    held = (await (await holder.hold(mug=1)).json())["hold_id"]
    browser = Browser(client, shopper)

    status, page = await browser.open(
        "/checkout/hold", {"quantity-mug": "1", "quantity-vase": "1", "key": "one"}
    )
    text = shown(page)
    _, still = await browser.open("/checkout?room=drop&still=1")
    # The sweeper is what serves; here no loop runs.
    await client.delete(f"/checkout/holds/{held}", headers=authorization(holder.session))
    await service.holds.serve(100)
    _, later = await browser.open("/checkout")

    assert status == 409
    assert f"{units(1, 'Mug')} : none is free now. 1 is in other people" in text
    assert "you are in line for it, by your number" in text
    assert "Refreshing changes nothing." in text
    assert re.search(r'http-equiv="refresh" content="15; url=/checkout\?room=drop"', page)
    assert 'href="/checkout?room=drop&amp;still=1"' in page
    assert "http-equiv" not in still
    assert re.search(r'name="quantity-vase"[^>]* value="1"', page)
    assert "Take what is available" in text
    assert "Held for you" in shown(later)
    assert units(1, "Mug") in shown(later)
    assert "You are in line" not in shown(later)
    assert "http-equiv" not in later


async def test_a_refused_basket_is_given_as_far_as_it_goes(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 3}, policy="rate")
    holder, shopper = await admitted(service, client, 2)
    await holder.hold(mug=1)
    browser = Browser(client, shopper)
    wish = {"quantity-mug": "1", "quantity-vase": "2"}

    await browser.open("/checkout/hold", {**wish, "key": "one"})
    status, page = await browser.open("/checkout/hold", {**wish, "key": "two", "partial": "1"})

    assert status == 200
    assert units(2, "Vase") in shown(page)
    assert f"{units(1, 'Mug')} : none is free now." in shown(page)
    assert 'content="60; url=/checkout?room=drop"' in page


async def test_nobody_is_offered_a_part_of_nothing(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1}, policy="rate")
    holder, shopper = await admitted(service, client, 2)
    await holder.hold(mug=1)

    _, page = await Browser(client, shopper).open(
        "/checkout/hold", {"quantity-mug": "1", "key": "one"}
    )

    assert "Take what is available" not in shown(page)


async def test_waiting_is_given_up_with_a_form(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1}, policy="rate")
    holder, shopper = await admitted(service, client, 2)
    await holder.hold(mug=1)
    await shopper.hold(mug=1)
    browser = Browser(client, shopper)

    _, before = await browser.open("/checkout")
    _, after = await browser.open("/checkout/unwish", {})

    assert "You are in line" in shown(before)
    assert "You are in line" not in shown(after)
    assert await execute(service, "SELECT FROM wish") == []
    assert await service.ledger.breaches() == []


async def test_every_hold_of_a_session_is_shown_and_paid_for_by_its_own_button(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3, "vase": 3}, policy="rate")
    (shopper,) = await admitted(service, client, 1)
    first = (await (await shopper.hold(mug=2)).json())["hold_id"]
    second = (await (await shopper.hold(vase=1)).json())["hold_id"]
    browser = Browser(client, shopper)

    _, page = await browser.open("/checkout")
    text, ids = shown(page), re.findall(r'\bid="([^"]+)"', page.split("<template")[0])
    key = re.findall(r'name="key" value="([^"]+-pay)"', page)[0]
    form = {"key": key, "token": "tok_approve"}
    _, paid = await browser.open("/checkout/pay", {**form, "hold_id": second})
    _, rest = await browser.open("/checkout")
    _, paid_too = await browser.open("/checkout/pay", {**form, "hold_id": first})

    assert f"Pay €20.00 for {units(2, 'Mug')}" in text
    assert f"Pay €10.00 for {units(1, 'Vase')}" in text
    assert text.count("Put everything back") == 2
    assert len(ids) == len(set(ids))
    assert {"deadline", "pay-button", "pay-button-2", "held", "held-2"} <= set(ids)
    assert "Vase" in shown(paid)
    assert units(2, "Mug") in shown(rest)
    assert units(1, "Vase") not in shown(rest)
    assert "Mug" in shown(paid_too)
    orders = await execute(service, "SELECT total_minor FROM purchase WHERE state = 'paid'")
    assert sorted(row["total_minor"] for row in orders) == [1000, 2000]


async def test_units_are_put_back_one_by_one(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 3, "vase": 1}, policy="rate")
    (shopper,) = await admitted(service, client, 1)
    held = (await (await shopper.hold(mug=2, vase=1)).json())["hold_id"]
    browser = Browser(client, shopper)

    async def keep(**quantities: int) -> str:
        form = {f"keep-{sku}": str(n) for sku, n in quantities.items()}
        return shown((await browser.open("/checkout/change", {"hold_id": held, **form}))[1])

    fewer = await keep(mug=1, vase=1)
    again = await keep(mug=1, vase=1)
    one = await keep(mug=1, vase=0)
    none = await keep(mug=0, vase=0)

    assert units(1, "Mug") in fewer
    assert units(1, "Mug") in again
    assert units(1, "Mug") in one
    assert units(1, "Vase") in again
    assert units(1, "Vase") not in one
    assert "Held for you" not in none
    assert await execute(service, "SELECT FROM hold WHERE state = 'held'") == []


async def test_staying_for_returns_works_with_forms_from_both_pages(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, policy="rate")
    holder, shopper = await admitted(service, client, 2)
    await holder.hold(mug=1)
    await shopper.hold(mug=1)
    await tick(service)
    browser = Browser(client, shopper)
    onlooker = Shopper(client)
    await onlooker.join()
    waiting = Browser(client, onlooker)

    _, at_checkout = await browser.open("/rooms/drop/returns", {"from": "checkout"})
    _, gone = await browser.open("/rooms/drop/no-returns", {"from": "checkout"})
    _, offered = await waiting.open("/rooms/drop")
    _, staying = await waiting.open("/rooms/drop/returns", {"email": ""})

    assert "<h1>Checkout</h1>" in at_checkout
    assert "You stay in line for returns." in shown(at_checkout)
    assert "Leave the line for returns" not in shown(gone)
    assert "Stay in line for returns" in shown(gone)
    assert "Returned items go by number." in shown(offered)
    assert "have 15 minutes to enter" in shown(offered)
    assert 'type="email"' not in offered
    assert "You stay in line for returns." in shown(staying)


async def test_whoever_stayed_finds_the_way_back_when_the_session_is_over(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1}, session_s=60, policy="rate")
    holder, shopper = await admitted(service, client, 2)
    await holder.hold(mug=1)
    await shopper.hold(mug=1)
    await returns(client, shopper, "PUT")
    await shift_clock(service, 61)
    await service.office.end_due(100)
    await tick(service)
    browser = Browser(client, shopper)

    status, over = await browser.open("/checkout")
    _, room = await browser.open("/rooms/drop")

    assert status == 401
    assert 'href="/rooms/drop"' in over
    assert "You stay in line for returns." in shown(room)


async def test_an_address_is_asked_for_only_where_mail_is_sent(
    mailing: Service, clients: OpenClient
) -> None:
    client = await clients(mailing)
    await open_room(mailing, skus={"mug": 1}, policy="rate")
    (holder,) = await admitted(mailing, client, 1)
    await holder.hold(mug=1)
    await tick(mailing)
    onlooker = Shopper(client)
    await onlooker.join()
    browser = Browser(client, onlooker)

    _, offered = await browser.open("/rooms/drop")
    _, staying = await browser.open("/rooms/drop/returns", {"email": "ada@example.com"})
    status, wrong = await browser.open("/rooms/drop/returns", {"email": "ada"})

    assert 'type="email"' in offered
    assert "Then the address is deleted." in shown(offered)
    assert "When you are called we write to ada@example.com." in shown(staying)
    assert (status, "That cannot be an e-mail address." in wrong) == (422, True)


async def test_there_is_nothing_to_stay_for_while_something_is_free(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()

    _, page = await Browser(client, shopper).open("/rooms/drop")

    assert "Stay in line for returns" not in shown(page)


async def test_the_waiting_page_is_light_in_every_language(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()

    headers = {**authorization(shopper.ticket), "Accept": "text/html", "Accept-Encoding": "gzip"}
    pages = {
        tag: await client.get("/rooms/drop", headers={**headers, "Accept-Language": tag})
        for tag in tags()
    }
    sizes = {tag: int(page.headers["Content-Length"]) for tag, page in pages.items()}
    weight, needed = max(sizes.values()) - sizes["en"], ["/rooms/drop"]
    for path in needed:
        answer = await client.get(path, headers=headers)
        found = await answer.text()
        weight += int(answer.headers["Content-Length"])
        imported = re.findall(r'(?:href|src)="(/static/(?:css|js)/[^"]+)"', found)
        imported += [f"/static/js/{name}" for name in re.findall(r'from "\./([^"]+)"', found)]
        needed += [part for part in imported if part not in needed]

    assert len(needed) == 3
    assert weight < WEIGHT_MAX


# A real browser.


async def _enter(page: Page, site: Site | Running) -> None:
    await page.goto(f"{site.url}/rooms/drop")
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")


async def test_what_is_put_back_is_held_for_whoever_was_refused_without_their_doing(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 1}, policy="rate")
    await all_know(site)
    first, second = await pages(), await pages()
    for page in (first, second):
        await _enter(page, site)
        await page.locator('[name="quantity-mug"]').fill("1")
    await first.locator("#hold-button").click()
    await expect(first.locator("#pay-button")).to_be_visible()

    await second.locator("#hold-button").click()
    await expect(second.locator("#hold-problem")).to_contain_text("none is free right now")
    await expect(second.locator("#waiting-items")).to_contain_text("1 is in other people")
    await first.locator("#release").click()
    await expect(first.locator("#held")).to_have_count(0)

    await expect(second.locator("#held-items")).to_contain_text(units(1, "Mug"))
    await expect(second.locator("#status")).to_contain_text("came free and is held for you")
    await expect(second.locator("#waiting-box")).to_be_hidden()
    await expect(second.locator("#deadline")).to_contain_text(":")
    await second.locator("#pay-button").click()
    await second.wait_for_url("**/checkout/orders/**")
    await expect(second.locator("#order-status")).to_contain_text("aid")
    assert await service.ledger.breaches() == []


async def test_a_shopper_chooses_more_waits_for_one_thing_and_pays_for_another(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 1, "vase": 3, "bowl": 3}, policy="rate")
    await all_know(site)
    rival, page = await pages(), await pages()
    await _enter(rival, site)
    await rival.locator('[name="quantity-mug"]').fill("1")
    await rival.locator("#hold-button").click()
    await expect(rival.locator("#pay-button")).to_be_visible()
    await _enter(page, site)

    async def reserve(**quantities: int) -> None:
        for sku, quantity in quantities.items():
            await page.locator(f'[name="quantity-{sku}"]').fill(str(quantity))
        await page.locator("#hold-button").click()

    await reserve(vase=1)
    await expect(page.locator("#held-items")).to_contain_text(units(1, "Vase"))
    await reserve(bowl=2)
    await expect(page.locator("#held-items")).to_contain_text(units(2, "Bowl"))
    await expect(page.locator("#pay-button")).to_contain_text("€30.00")
    await page.get_by_role("button", name="Put one back: Bowl").click()
    await expect(page.locator("#held-items")).to_contain_text(units(1, "Bowl"))
    await reserve(mug=1, vase=1)
    await expect(page.locator("#hold-problem")).to_contain_text("You are in line for it")
    await page.locator("#partial-button").click()
    await expect(page.locator("#held-items-2")).to_contain_text(units(1, "Vase"))
    await expect(page.locator("#waiting-items")).to_contain_text(units(1, "Mug"))
    await rival.locator("#release").click()

    await expect(page.locator("#held-items-3")).to_contain_text(units(1, "Mug"))
    await page.locator("#pay-button-3").click()
    await page.wait_for_url("**/checkout/orders/**")
    await expect(page.locator("#order-status")).to_contain_text("aid")
    await page.goto(f"{site.url}/checkout")
    await expect(page.locator(".held")).to_have_count(2)
    await page.locator("#release").click()
    await expect(page.locator(".held")).to_have_count(1)
    await expect(page.locator("#held-items")).to_contain_text(units(1, "Vase"))
    (order,) = await execute(service, "SELECT state, total_minor FROM purchase")
    assert tuple(order) == ("paid", 1000)
    assert await service.ledger.breaches() == []


async def test_leaving_the_line_is_asked_about_first(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 1}, seats_max=0)
    await all_know(site)
    page = await pages()
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#place")).to_contain_text("1")

    await page.locator("#leave").click()
    await page.locator("#leave-dialog").get_by_role("button", name="Keep my place").click()
    await expect(page.locator("#leave-dialog")).to_have_count(0)
    await expect(page.locator("#leave")).to_be_focused()
    await page.locator("#leave").click()
    await page.locator("#leave-yes").click()

    await expect(page.locator("#room")).to_have_attribute("data-view", "left")
    (row,) = await execute(service, "SELECT state FROM admission")
    assert row["state"] == "left"


async def test_mail_brings_back_whoever_stayed_for_returns(
    service: Service, postgres_url: str, valkey_url: str, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 1}, session_s=600, returns_window_s=900)
    async with open_postbox() as box:
        made = settings(postgres_url, valkey_url, mail_from=MAIL_FROM)
        async with open_site(made, Secrets(signing_keys=[KEY], smtp_url=box.url)) as serving:
            await all_know(serving)
            lucky, late = await pages(), await pages()
            await _enter(lucky, serving)
            await lucky.locator('[name="quantity-mug"]').fill("1")
            await lucky.locator("#hold-button").click()
            await expect(lucky.locator("#pay-button")).to_be_visible()
            await late.goto(f"{serving.url}/rooms/drop")
            await lucky.locator("#pay-email").fill("lucky@example.com")
            await lucky.locator("#pay-button").click()
            await lucky.wait_for_url("**/checkout/orders/**")
            await expect(late.locator("#state-word")).to_contain_text("old out")
            # The order goes to its shopper, with a link that opens it anywhere.
            await eventually(lambda: _any(box.taken))
            (message,) = box.taken
            text = message.get_content()
            (link,) = re.findall(r"^http\S+", text, flags=re.MULTILINE)
            assert message["To"] == "lucky@example.com"
            assert units(1, "Mug") in text
            elsewhere = await pages(java_script_enabled=False)
            await elsewhere.goto(at(link, serving))
            await expect(elsewhere.locator("#order-status")).to_contain_text("aid")
            box.taken.clear()

            await late.locator("#returns-open").click()
            await late.locator("#returns-email").fill("late@example.com")
            await late.locator("#returns-stay").click()
            await expect(late.locator("#returns-told")).to_contain_text("late@example.com")
            await late.goto("about:blank")
            await service.ledger.move("mug", kind="received", quantity=1, who="test")
            await eventually(lambda: _any(box.taken))

            (message,) = box.taken
            text = message.get_content()
            (link,) = re.findall(r"^http\S+", text, flags=re.MULTILINE)
            assert box.recipients == ["lucky@example.com", "late@example.com"]
            assert "Your number: 2" in text
            assert at(link, serving) == f"{serving.url}/rooms/drop"
            await late.goto(at(link, serving))
            await expect(late.locator("#for-returns")).to_contain_text("15 minutes")
            await late.locator("#enter").click()
            await late.wait_for_url("**/checkout?room=*")
            await late.locator('[name="quantity-mug"]').fill("1")
            await late.locator("#hold-button").click()
            await expect(late.locator("#held-items")).to_contain_text(units(1, "Mug"))

    found = await execute(service, "SELECT state, address FROM mail")
    assert [tuple(mail) for mail in found] == [("sent", ""), ("sent", "")]
    assert await execute(service, "SELECT FROM returns_wait") == []
    assert await service.ledger.breaches() == []


def at(link: str, site: Site) -> str:
    """Return a link of a message as this site's own, whose port no setting knows."""
    return site.url + re.sub(r"^https?://[^/]+", "", link.strip())


async def _any(found: list[Any]) -> bool:
    return bool(found)


async def test_a_key_of_a_form_is_good_for_each_hold_on_the_page(
    service: Service, client: Client
) -> None:
    await open_room(service, policy="rate")
    (shopper,) = await admitted(service, client, 1)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    form = {"key": str(uuid4()), "token": "tok_approve", "hold_id": held}
    browser = Browser(client, shopper)

    answers_ = [await browser.open("/checkout/pay", form) for _ in range(2)]

    assert [status for status, _ in answers_] == [200, 200]
    assert len(await execute(service, "SELECT FROM purchase")) == 1
