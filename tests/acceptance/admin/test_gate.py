"""The gate of a room: how operators set it, over HTTP and on their screen."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute, open_room
from yarl import URL

from waitroom.gate.rules import NO_GATE
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
GATE = "/admin/rooms/drop/gate"
DEFAULT = {
    "when_away": "closed",
    "return_addresses": [],
    "triggers": [],
    "pass_s": 300,
    "arrive_at": "",
}
RULES = {
    "when_away": "open",
    "return_addresses": ["https://shop.example"],
    "triggers": [{"path": "/checkout", "cookie": "", "header": "", "lets_pass": False}],
    "pass_s": 600,
    "arrive_at": "",
}


async def test_a_gate_is_changed_refused_copied_and_on_record(
    service: Service, client: Client
) -> None:
    await open_room(service)
    admin = await sign_in(service, client, "admin")

    before = await (await client.get(GATE, headers=admin)).json()
    put = await client.put(GATE, json={**RULES, "reason": "Sale"}, headers=admin)
    again = await client.put(GATE, json={**RULES, "was": RULES}, headers=admin)
    late = await client.put(GATE, json={**DEFAULT, "was": DEFAULT}, headers=admin)
    bad = await client.put(
        GATE, json={**RULES, "return_addresses": ["https://a@b.example"]}, headers=admin
    )
    copy = {"room": "next", "name": "Next", "copy_of": "drop"}
    made = await client.post("/admin/rooms", json=copy, headers=admin)

    assert before == {"room": "drop", "gate": DEFAULT}
    assert (put.status, (await put.json())["gate"]) == (200, RULES)
    assert again.status == 200
    refused = await late.json()
    assert (late.status, refused["code"]) == (409, "changed_meanwhile")
    assert refused["changed"]["pass_s"] == [300, 600]
    wrong = await bad.json()
    assert (bad.status, wrong["field"]) == (422, "return_addresses")
    assert "https://shop.example/checkout" in wrong["detail"]
    assert made.status == 201
    copied = await (await client.get("/admin/rooms/next/gate", headers=admin)).json()
    assert copied["gate"] == RULES
    # The worker that took the change decides by it at once, and a copied gate is read soon.
    assert service.gates.of("drop").pass_s == 600
    assert service.gates.of("no-such-room") is NO_GATE
    acts = await execute(
        service, "SELECT who, detail, reason FROM operator_action WHERE action = 'gate'"
    )
    assert [(act["who"], act["reason"]) for act in acts] == [("admin", "Sale")]
    assert '"pass_s": [300, 600]' in acts[0]["detail"]
    said = await (await client.get("/admin/rooms/drop/actions", headers=admin)).json()
    assert any("the gate in front of the site" in str(act) for act in said["actions"])
    assert (await client.get("/admin/rooms/none/gate", headers=admin)).status == 404
    assert (await client.put("/admin/rooms/none/gate", json={}, headers=admin)).status == 404


async def line_screen(service: Service, site: Site, pages: Pages) -> Page:
    """Open a room, and return the screen *Line* of it to an operator."""
    await open_room(service)
    await all_know(site, "drop", status=None)
    await service.operators.add("night", role="operator", password=PASSWORD)
    page = await pages()
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/line")
    return page


async def test_an_operator_sets_the_gate_on_the_screen(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await line_screen(service, site, pages)
    form = page.locator("#gate-form")

    await form.get_by_label("When this service is away").select_option("open")
    await form.get_by_label("Addresses that shoppers may return to").fill("http://shop.example")
    await form.get_by_role("button", name="Add a line").click()
    await form.get_by_label("Path").fill("/checkout")
    await form.get_by_role("button", name="Save the gate").click()
    await expect(form.locator(".at-field")).to_contain_text("It begins with https://")
    await form.get_by_label("Addresses that shoppers may return to").fill("https://shop.example")
    await form.get_by_role("button", name="Save the gate").click()
    await expect(page.locator("#gate-told .status")).to_have_text("The gate was saved.")

    kept = await service.gate_store.read("drop")
    assert kept.when_away == "open"
    assert kept.return_addresses == ["https://shop.example"]
    assert [one.path for one in kept.triggers] == ["/checkout"]
    await _speak_to_a_site(service, page)
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        await check_page(page)
    await _see_but_change_nothing(service, page)
    await _renew_and_end(service, page)


async def test_a_refusal_stands_in_plain_words_at_the_line_that_it_is_about(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await line_screen(service, site, pages)
    form, lines = page.locator("#gate-form"), page.locator("#gate-triggers > li")
    addresses = form.get_by_label("Addresses that shoppers may return to")

    await addresses.fill("https://shop.example\nshop.example")
    for path in ("/checkout", "/basket"):
        await form.get_by_role("button", name="Add a line").click()
        await lines.last.get_by_label("Path").fill(path)
    await lines.last.get_by_label("Cookie").fill("two words")
    told = []
    for mend in (
        addresses.fill("https://shop.example"),
        lines.last.get_by_label("Cookie").fill("basket"),
    ):
        await form.get_by_role("button", name="Save the gate").click()
        await expect(form.locator(".at-field")).to_be_visible()
        told.append(await form.locator(".at-field").inner_text())
        at = await form.locator("[aria-invalid]").get_attribute("name")
        told.append(f"{at} {await lines.last.locator('[aria-invalid]').count()}")
        await mend
    await form.get_by_role("button", name="Save the gate").click()
    await expect(page.locator("#gate-told .status")).to_have_text("The gate was saved.")

    assert [one.partition(":")[0] for one in told[::2]] == ["Line 2", "Line 2"]
    assert not [one for one in told if "$" in one or "`" in one]
    assert told[1::2] == ["return_addresses 0", "cookie 1"]


async def _speak_to_a_site(service: Service, page: Page) -> None:
    """Let the room speak KnownUser to a site: refused at a field, then saved, with its keys."""
    form, keys = page.locator("#site-form"), page.locator("#site-dialog")
    customer = form.get_by_label("Customer")
    for wrong, says in (("Acme", "small letters"), ("multiple", "is not multiple")):
        await customer.fill(wrong)
        await form.get_by_role("button", name="Save the site").click()
        await expect(form.locator(".at-field")).to_contain_text(says)
    await customer.fill("acme")
    await form.get_by_label("Page that ends the session").fill("/thank-you")
    await customer.press("Enter")
    await expect(keys.get_by_role("heading")).to_have_text("The keys of acme")

    [speaker] = await service.known_user_store.every()
    assert (speaker.rules.event, speaker.rules.cancel_path) == ("drop", "/thank-you")
    assert await keys.get_by_label("Secret key", exact=True).input_value() == speaker.secret
    key = await keys.get_by_label("Configuration key (API key)", exact=True).input_value()
    assert speaker.opens(key)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await keys.get_by_role("button", name="Copy: Secret key").click()
    await expect(keys.get_by_role("status")).to_have_text("Copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == speaker.secret
    await check_page(page)
    await keys.get_by_role("button", name="I have stored them").click()
    assert await keys.get_by_label("Secret key", exact=True).input_value() == ""

    await expect(page.locator("#site-told .status")).to_have_text("The site was saved.")
    pulled = urlsplit(
        await page.get_by_role("textbox", name="Address of the integration").input_value()
    )
    answer = await page.request.get(
        URL(page.url).with_path(pulled.path).human_repr(), headers={"api-key": key}
    )
    told = await answer.json()
    [integration, *_] = told["Integrations"]
    assert told["CustomerId"] == "acme"
    for label, name in (("Entry domain", "QueueDomain"), ("Path prefix", "QueuePathPrefix")):
        field = page.locator("#site-known").get_by_role("textbox", name=label)
        assert await field.input_value() == integration[name]


async def _see_but_change_nothing(service: Service, page: Page) -> None:
    await execute(service, "UPDATE operator SET role = 'viewer' WHERE name = 'night'")
    await page.reload()
    form = page.locator("#site-form")
    await expect(form.get_by_label("Customer")).to_have_value("acme")
    await expect(form.get_by_label("Customer")).to_be_disabled()
    await expect(page.get_by_role("button", name="Copy: Entry domain")).to_be_enabled()
    assert await page.locator("#site-form button, #site-end, #site-renew").count() == 0


async def _renew_and_end(service: Service, page: Page) -> None:
    [before] = await service.known_user_store.every()
    await execute(service, "UPDATE operator SET role = 'admin' WHERE name = 'night'")
    await page.reload()
    await page.get_by_role("button", name=re.compile("^Renew the site")).click()
    await page.get_by_role("button", name="Renew it").click()
    secret = page.get_by_label("Secret key", exact=True)
    await expect(secret).to_have_value(re.compile("[0-9a-f]{64}"))
    [after] = await service.known_user_store.every()
    assert before.secret != after.secret == await secret.input_value()
    await page.get_by_role("button", name="I have stored them").click()
    await page.get_by_role("button", name="Disconnect the site").click()
    await page.get_by_role("button", name="Disconnect it").click()
    await expect(page.locator("#site-told .status")).to_have_text("The room speaks to no site now.")
    await expect(page.locator("#site-known")).to_be_hidden()
    assert await service.known_user_store.every() == []
