"""The gate of a room: how operators set it, over HTTP and on their screen."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute, open_room

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


async def test_an_operator_sets_the_gate_on_the_screen(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service)
    await all_know(site.url, "drop", status=None)
    await service.operators.add("night", role="operator", password=PASSWORD)
    page = await pages()
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/line")
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
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        await check_page(page)
