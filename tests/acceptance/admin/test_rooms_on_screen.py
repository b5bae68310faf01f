"""A room's whole life on the operators' screens, on a phone: made, copied, changed, ended."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from browsers import check_page
from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.look.look import RoomLook
from waitroom.look.look_store import LookStore
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 844}


async def enter(page: Page, site: Site, service: Service, role: str) -> None:
    await service.operators.add(role, role=role, password=PASSWORD)
    await sign_in_on_screen(page, site.url, role)


def field(page: Page, label: str) -> Any:
    return page.get_by_label(label, exact=True)


async def make_the_winter_sale(page: Page) -> None:
    await page.get_by_role("link", name="Make a room").click()
    await field(page, "Name").fill("Winter in Zürich")
    await expect(field(page, "Code")).to_have_value("winter-in-zurich")
    await field(page, "Sale opens").fill("2120-12-01T10:00")
    await field(page, "Sale closes").fill("2120-12-01T09:00")
    await page.get_by_role("button", name="Make the room").click()
    problem = page.locator("#closes_at-problem")
    await expect(problem).to_have_text("The sale has to close after it opens.")
    await expect(field(page, "Sale closes")).to_be_focused()
    await check_page(page)
    await field(page, "Sale closes").fill("2120-12-01T11:00")
    await expect(problem).to_have_count(0)
    await page.get_by_role("button", name="Make the room").click()
    await page.wait_for_url("**/admin/screens/winter-in-zurich/rules")


async def change_its_rules(page: Page) -> None:
    await expect(field(page, "Sale opens")).to_have_value("2120-12-01T10:00")
    await expect(page.locator("#hours-title ~ [data-zone]")).to_contain_text("Europe/Berlin")
    seats = page.locator("[data-rule=seats_max]")
    await expect(field(page, "Seats")).to_have_value("100")
    await field(page, "Seats").fill("-1")
    await page.get_by_role("button", name="Apply the rules").click()
    await expect(field(page, "Seats")).to_be_focused()
    await expect(page.locator("#seats_max-problem")).to_be_visible()
    await field(page, "Seats").fill("7")
    await expect(seats).to_contain_text("Now: 100")
    await field(page, "Inside").fill("3690")
    await expect(page.locator("#session_s-was")).to_have_text("Now: 600 seconds (10 min)")
    await expect(page.locator("#session_s-spelled")).to_have_text("= 1 h 1 min 30 s")
    await expect(page.locator("#pending-word")).to_have_text("2 rules changed, not applied yet.")
    await check_page(page)
    await field(page, "Doors open").fill("2120-12-01T10:30")
    await field(page, "Name").fill("Winter in Bern")
    await page.get_by_role("button", name="Apply the rules").click()
    refusal = "The doors open with the sale or before it, not after."
    await expect(page.locator("#doors_at-problem")).to_have_text(refusal)
    await field(page, "Doors open").fill("2120-12-01T09:30")
    await page.get_by_role("button", name="Apply the rules").click()
    await expect(page.locator("#rules-told")).to_have_text("The rules were applied.")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Winter in Bern, Rules")
    await field(page, "Seats").fill("9")
    await page.get_by_role("button", name="Discard the changes").click()
    await expect(field(page, "Seats")).to_have_value("7")


async def test_a_room_is_made_copied_changed_paused_and_ended_on_a_phone(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await pages(viewport=PHONE, timezone_id="Europe/Berlin")
    await enter(page, site, service, "admin")
    await expect(page.locator("#main")).to_contain_text("There is no room yet")
    await make_the_winter_sale(page)
    await change_its_rules(page)

    # The copy is made of the rules as they are now, and is the room of every tab from then on.
    await page.get_by_role("link", name="Rooms", exact=True).click()
    await check_page(page)
    await page.get_by_role("link", name="Copy this room").click()
    await expect(page.locator("#copy_of")).to_have_value("winter-in-zurich")
    await expect(page.get_by_label("Its look")).to_be_checked()
    await page.get_by_label("Its products").check()
    await field(page, "Units of each to begin with").fill("3")
    await check_page(page)
    await field(page, "Name").fill("Spring")
    await field(page, "Code").fill("winter-in-zurich")
    await page.get_by_role("button", name="Make the room").click()
    taken = "There is a room 'winter-in-zurich' already. Choose another code."
    await expect(page.locator("#room-problem")).to_have_text(taken)
    await field(page, "Code").fill("spring")
    await page.get_by_role("button", name="Make the room").click()
    await page.wait_for_url("**/admin/screens/spring/rules")
    await expect(field(page, "Seats")).to_have_value("7")
    await expect(field(page, "Sale opens")).to_have_value("")
    tabs = page.get_by_role("navigation", name="Screens of the room")
    for name in ("Orders", "Live"):
        await tabs.get_by_role("link", name=name, exact=True).click()
        await page.wait_for_url(f"**/admin/screens/spring/{name.lower()}")
    await page.get_by_role("button", name="Open the room").click()
    await page.get_by_role("button", name="Pause the line").click()
    await expect(page.locator("#phase-told")).to_contain_text("The line is paused.")
    await page.reload()
    await expect(page.locator("#state-word")).to_have_text("Paused")
    await expect(page.locator("#room-choice")).to_have_value("spring")
    await page.get_by_role("button", name="Resume the line").click()
    await expect(page.locator("#state-word")).to_have_text("Open")
    await page.get_by_role("button", name="End the sale").click()
    await page.locator("#close-confirm").fill("Winter in Bern")
    await page.locator("#close-yes").click()
    said = await page.locator("#close-confirm").evaluate("(field) => field.validationMessage")
    assert said == "That is neither Spring nor spring."
    await page.locator("#close-confirm").fill("Spring")
    await page.locator("#close-reason").fill("the hall is full")
    await page.locator("#close-yes").click()
    await expect(page.locator("#phase-told")).to_have_text("The sale has ended.")
    await expect(page.locator("#state-word")).to_have_text("Ended")

    rooms = await execute(
        service, "SELECT room, name, status, seats_max, session_s, opens_at FROM room ORDER BY room"
    )
    assert [tuple(row)[:5] for row in rooms] == [
        ("spring", "Spring", "ended", 7, 3690),
        ("winter-in-zurich", "Winter in Bern", "scheduled", 7, 3690),
    ]
    assert rooms[0]["opens_at"] is None


async def test_a_viewer_sees_rules_line_and_analytics_and_changes_nothing(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3})
    await all_know(site)
    page = await pages(viewport=PHONE, color_scheme="dark")
    await enter(page, site, service, "viewer")
    await expect(page.get_by_role("link", name="Make a room")).to_have_count(0)
    for name in ("rules", "line", "analytics"):
        await page.goto(f"{site.url}/admin/screens/drop/{name}")
        await expect(page.locator("#main")).to_contain_text("signed in as a viewer")
        await expect(page.locator("fieldset:not([disabled])")).to_have_count(0)
        await expect(page.locator("#lane-rows tr, [data-rule], #report h2").first).to_be_visible()
        if name != "rules":
            await check_page(page)


async def test_a_copy_has_the_rules_lanes_profiles_and_sellers_of_its_room(
    service: Service, client: Client
) -> None:
    await open_room(
        service, seats_max=7, language="de", order_by="draw", message="Welcome", skus={},
        opens_at="2120-06-01T12:00:00Z", status="scheduled",
    )  # fmt: skip
    for seller in ("sal", "uma"):
        await service.operators.add(seller, role="seller", password=PASSWORD)
    await service.rooms.set_lane("drop", "press", share=0.2, who="test")
    await service.rooms.set_profile(
        "drop", "slow", name="Slow", time_factor=1.1, places_max=4, who="test"
    )
    await service.rooms.admit("drop", "sal", admitted=True, who="test")
    cookie = await sign_in(service, client, "admin")

    async def make(**body: Any) -> tuple[int, Any]:
        answer = await client.post("/admin/rooms", json=body, headers=cookie)
        return answer.status, await answer.json()

    wish = {"room": "again", "name": "Again", "copy_of": "drop", "rules": {"seats_max": 8}}
    status, made = await make(**wish)
    unknown = await make(room="third", name="Third", copy_of="nothing")
    repeated = await make(**wish)

    settings = made["settings"]
    assert status == 201
    assert (settings["seats_max"], settings["language"], settings["order_by"]) == (8, "de", "draw")
    assert (made["opens_at"], made["message"], made["status"]) == (None, "", "before_opening")
    lanes = [(lane.lane, lane.share) for lane in await service.rooms.lanes("again")]
    assert lanes == [(lane.lane, lane.share) for lane in await service.rooms.lanes("drop")]
    assert len(lanes) == 2
    profiles = await service.rooms.profiles("again")
    assert profiles == await service.rooms.profiles("drop")
    assert [one.seller for one in await service.rooms.sellers("again") if one.admitted] == ["sal"]
    assert unknown[0] == 404
    # The look and the goods come if they are asked for, and stock comes as a number alone.
    await service.stock.add("mug", room="drop", name="Mug", price_minor=1000)
    await service.ledger.move("mug", kind="received", quantity=5, who="test", reason="")
    await make(room="bare", name="Bare", copy_of="drop")
    assert await service.stock.page(room="bare", private=True) == []
    look = {"brand": "Clay", "texts": {"en": {"name": "Drop", "help": "Ask us."}}}
    draft = msgspec.convert(look, RoomLook)
    await LookStore(service.pool).save("drop", draft, was=None, who="test")
    await LookStore(service.pool).publish("drop", who="test")
    status, _ = await make(
        room="more", name="More", copy_of="drop", with_look=True, with_goods=True, units=2
    )
    (sku,) = await service.stock.page(room="more", private=True)
    copied = (await LookStore(service.pool).read("more")).live
    assert status == 201
    assert (sku.sku, sku.price_minor, sku.on_hand, sku.limit_per_session) == (
        "mug-more",
        1000,
        2,
        4,
    )
    assert (copied.brand, copied.texts["en"].name, copied.texts["en"].help) == (
        "Clay",
        "",
        "Ask us.",
    )
    assert (await service.stock.read("mug")).on_hand == 5
    status, _ = await make(room="most", name="Most", copy_of="more", with_goods=True)
    (sku,) = await service.stock.page(room="most", private=True)
    assert (status, sku.sku, sku.on_hand) == (201, "mug-most", 0)
    assert (await make(room="odd", name="Odd", units=2))[0] == 422
    other = {"room": "usd", "name": "Usd", "currency": "USD", "copy_of": "drop"}
    assert (await make(**other, with_goods=True))[1]["field"] == "currency"
    assert (repeated[0], repeated[1]["field"]) == (400, "room")


async def test_a_share_is_shown_with_every_digit_that_is_in_force(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, policy="expected", disappointed_max=0.00125)
    await all_know(site, "drop", status=None)
    await service.operators.add("night", role="operator", password=PASSWORD)
    page = await pages()
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/line")
    await expect(page.locator("#plan")).to_contain_text("at most 0.125 find nothing")
    await page.goto(f"{site.url}/admin/screens/drop/rules")
    share, apply = page.locator("#disappointed_max"), page.locator("#rules-save")
    await expect(share).to_have_value("0.125")

    await share.fill("0.0001")
    await apply.click()
    await expect(page.locator("#rules-told")).to_have_text("The rules were applied.")
    await expect(share).to_have_value("0.0001")
    await expect(page.locator("#pending-word")).to_have_text("")
    await share.fill("0.00015")
    await apply.click()
    await expect(page.locator("#disappointed_max-problem")).to_contain_text("0.0002")

    (room,) = await execute(service, "SELECT disappointed_max FROM room")
    assert room["disappointed_max"] == pytest.approx(1e-6)
