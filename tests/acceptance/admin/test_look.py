"""How a room looks: an operator's draft, its preview, and what shoppers see once it is live."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, Shopper, authorization, eventually, execute, open_room, tick

from waitroom.look.states import STATES
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
LOOK = "/admin/rooms/drop/look"


async def test_a_draft_is_previewed_in_every_state_and_reaches_no_shopper(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    operator = await sign_in(service, client, "operator")
    draft = {
        "brand": "Ofen & Glas",
        "accent_light": "#8a1050",
        "texts": {"de": {"name": "Herbstfund", "ended": "Danke f\u00fcr alles."}},
    }

    saved = await client.put(LOOK, json=draft, headers=operator)
    shopper = await client.get("/rooms/drop", headers={"Accept": "text/html"})
    pages = {
        state.name: await client.get(
            f"/admin/rooms/drop/preview?state={state.name}&language=de", headers=operator
        )
        for state in STATES
    }

    assert saved.status == 200
    assert "Ofen" not in await shopper.text()
    for state in STATES:
        page = pages[state.name]
        text = await page.text()
        assert page.status == 200, state
        assert state.page != "waiting" or "Herbstfund" in text
        assert "Ofen &amp; Glas" in text
        assert "Set-Cookie" not in page.headers
        assert "sandbox allow-same-origin" in page.headers["Content-Security-Policy"]
    assert "Danke f\u00fcr alles." in await pages["ended"].text()
    told = {"product": "Mug", "held": "10,00", "gone": "came-for", "paid": "sample-1"}
    for name, words in told.items():
        assert words in await pages[name].text(), name
    dark = await client.get("/admin/rooms/drop/preview?state=held&scheme=dark", headers=operator)
    assert "/admin/preview/dark/shop.css" in await dark.text()
    assert "<script" not in await dark.text()
    style = await client.get("/admin/preview/dark/style.css", headers=operator)
    assert "color-scheme: dark;" in await style.text()
    assert "prefers-color-scheme" not in await style.text()
    assert (await client.get("/admin/preview/dark/admin.css", headers=operator)).status == 404
    sheet = (await pages["waiting"].text()).partition("/admin/rooms/drop/look/")[2][:20]
    assert (await client.get(f"{LOOK}/{sheet}")).status in {401, 403}
    assert (
        "--accent: #8a1050" in await (await client.get(f"{LOOK}/{sheet}", headers=operator)).text()
    )
    assert await execute(service, "SELECT FROM admission") == []


async def test_a_live_look_is_worn_by_every_page_of_its_room(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3}, policy="rate")
    await tick(service)
    operator = await sign_in(service, client, "operator")
    draft = {"brand": "Ofen", "paper_dark": "#101018", "texts": {"en": {"intro": "<b>Only</b> 3."}}}
    await client.put(LOOK, json=draft, headers=operator)

    published = await client.post(f"{LOOK}/publish", headers=operator)
    again = await client.post(f"{LOOK}/publish", headers=operator)
    shopper = Shopper(client)
    await shopper.join()
    assert (await shopper.claim()).status == 201
    html = {"Accept": "text/html", **authorization(shopper.session)}
    paths = ("/rooms/drop", "/shop/drop", "/products/mug", "/checkout?room=drop")
    pages = {path: await (await client.get(path, headers=html)).text() for path in paths}

    assert (published.status, again.status) == (200, 200)
    address = pages["/rooms/drop"].partition('"/rooms/drop/look/')[2].partition('"')[0]
    for path, text in pages.items():
        assert f'<link rel="stylesheet" href="/rooms/drop/look/{address}">' in text, path
        assert "<bdi>Ofen</bdi>" in text, path
    assert "&lt;b&gt;Only&lt;/b&gt; 3." in pages["/rooms/drop"]
    sheet = await client.get(f"/rooms/drop/look/{address}")
    stale = await client.get(f"/rooms/drop/look/{'0' * 16}.css")
    assert "immutable" in sheet.headers["Cache-Control"]
    assert stale.headers["Cache-Control"] == "no-store"
    assert await sheet.text() == await stale.text()
    told = await execute(
        service, "SELECT action FROM operator_action WHERE action LIKE '%look' ORDER BY action_id"
    )
    assert [row["action"] for row in told] == ["save_look", "publish_look"]


async def test_only_operators_change_a_look_and_none_to_a_colour_that_cannot_be_read(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    operator, viewer = [await sign_in(service, client, r) for r in ("operator", "viewer")]

    refused = await client.put(LOOK, json={"accent_light": "#e8871e"}, headers=operator)
    body = await refused.json(content_type="application/problem+json")
    taken = await client.put(LOOK, json={"accent_light": body["nearest"]}, headers=operator)

    assert (refused.status, body["code"], body["field"]) == (
        422,
        "unreadable_colour",
        "accent_light",
    )
    assert taken.status == 200
    mine = {"brand": "Kiln", "was": {"accent_light": "#e8871e"}}
    late = await client.put(LOOK, json=mine, headers=operator)
    assert late.status == 409
    told = await late.json(content_type="application/problem+json")
    assert told["code"] == "changed_meanwhile"
    assert told["changed"] == {"accent_light": ["#e8871e", body["nearest"]]}
    mine["was"] = (await taken.json())["draft"]
    assert (await client.put(LOOK, json=mine, headers=operator)).status == 200
    assert (await client.put(LOOK, json={}, headers=viewer)).status == 403
    assert (await client.post(f"{LOOK}/publish", headers=viewer)).status == 403
    assert (await client.get(LOOK, headers=viewer)).status == 200
    assert (await client.get("/admin/rooms/none/look", headers=viewer)).status == 404


async def test_an_operator_dresses_a_room_on_the_screen(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await all_know(site)
    await service.operators.add("night", role="operator", password=PASSWORD)
    page = await pages(viewport={"width": 390, "height": 844})
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/look")

    await page.locator("#accent_light").fill("#e8871e")
    await page.locator("#look-save").click()
    await expect(page.locator("#accent_light-problem")).to_contain_text("needs 4.5")
    await page.locator("#accent_light-problem button").click()
    await page.locator("#texts-language").select_option("de")
    await page.locator("#text-name").fill("Herbstfund")
    await page.locator("#texts-language").select_option("en")
    await page.locator("#look-save").click()
    await page.locator("#preview-language").select_option("de")
    await expect(page.frame_locator("#preview").locator("h1")).to_have_text("Herbstfund")
    await page.locator("#look-publish").click()

    await expect(page.locator("#look-state")).to_have_text("Shoppers see this look.")
    fits = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert fits
    shopper = await pages(locale="de")

    async def sees() -> bool:
        await shopper.goto(f"{site.url}/rooms/drop")
        return await shopper.locator("h1").inner_text() == "Herbstfund"

    await eventually(sees)
    colour = await shopper.evaluate("getComputedStyle(document.body).getPropertyValue('--accent')")
    assert colour != "#1f5f4c"
