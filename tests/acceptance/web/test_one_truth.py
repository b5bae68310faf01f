"""The waiting page tells one truth: its figures, its reasons and its messages agree."""

import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import product

import msgspec
import pytest
from browsers import check_page, look_again
from playwright.async_api import Page, expect
from programs import Site, all_know
from support import eventually, open_room
from told import state

from inventory.kit.language.catalogues import english
from waitroom.line.state import encode_state
from waitroom.line.wait import WaitRow, row_at
from waitroom.run.app import Service
from waitroom.web.waiting.view import ahead, band, odds, stock, wait, why

Pages = Callable[..., Awaitable[Page]]

# A table as a document has it; the last place is not told a wait.
TABLE = [
    WaitRow(place=place, wait_low_s=low, wait_high_s=high, chance=chance, poll_s=2.0)
    for place, low, high, chance in (
        (1, 0.0, 40.0, 1.0),
        (4, 30.0, 95.5, 0.9),
        (9, None, None, 0.01),
    )
]
PLACES = [1, 2, 3, 4, 5, 9, 12]


async def test_script_and_server_say_the_same_and_messages_are_kept(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await all_know(site)
    page = await pages()
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#room")).to_have_attribute("data-view", "waiting")
    bands = [(s * 0.6, s * 1.7) for s in (0, 5, 36, 60, 90, 150, 1000, 3100, 5300, 9999, 90_000)]
    chances = [0.0, 0.004, 0.01, 0.03, 0.125, 0.2, 0.4, 0.445, 0.6, 0.8, 0.97, 0.99, 0.995, 1.0]
    rooms = [
        state(status, available=left, held=held, promised=promised, admits=admits)
        for status, left, held, promised, admits in product(
            ("open", "paused", "sold_out"), (0, 2), (0, 1), (0, 3), (True, False)
        )
    ]

    said = await page.evaluate(
        """async ([bands, chances, rooms, table, places]) => {
            const words = await import("/static/js/format.js");
            const view = await import("/static/js/waiting-view.js");
            const { estimate } = await import("/static/js/place.js");
            const place = (n) => { view.drawPlace({ place: n, chance: 1 }, 9, rooms[0], ""); return document.getElementById("people-ahead").textContent; };
            return {
                bands: bands.map(([low, high]) => words.band(low, high)),
                odds: chances.map(words.odds),
                stock: rooms.map(view.stock),
                why: rooms.map(view.reason),
                wait: rooms.map((room) => words.waitOf({ low: null, high: null, chance: 0.01 }, room)),
                ahead: [0, 1, 2, 3].map(place),
                told: places.map((place) => { const { low, high } = estimate(table, place); return [low, high]; }),
            };
        }""",  # noqa: E501 - a script
        [
            bands,
            chances,
            [msgspec.json.decode(encode_state(room)) for room in rooms],
            msgspec.to_builtins(TABLE),
            PLACES,
        ],
    )

    spoken = english()
    assert said["bands"] == [band(low, high, spoken) for low, high in bands]
    assert said["odds"] == [odds(chance, spoken) for chance in chances]
    assert said["stock"] == [stock(room, spoken) for room in rooms]
    assert said["wait"] == [wait(None, None, 0.01, room, spoken) for room in rooms]
    assert said["ahead"] == [ahead(place, spoken) for place in range(4)]
    reasons = {"": "", "none_free": None}
    for room, text in zip(rooms, said["why"], strict=True):
        name = why(room)
        expected = stock(room, spoken) if name == "none_free" else reasons.setdefault(name, text)
        assert text == expected, (name, room)
        assert bool(name) == bool(text)
    waits = [row_at(TABLE, place) for place in PLACES]
    assert said["told"] == [
        pytest.approx([row.wait_low_s, row.wait_high_s], abs=0.001)
        if row.wait_low_s is not None
        else [None, None]
        for row in waits
    ]

    # Messages: each is heard in its turn, and what stays on the page goes when it is over.
    heard = await page.evaluate(
        """async () => {
            const news = await import("/static/js/waiting-news.js"), later = window.setTimeout;
            window.setTimeout = (does, ms) => later(does, ms / 50);
            const region = document.getElementById("status"), heard = [];
            new MutationObserver(() => heard.push(region.textContent)).observe(region, { childList: true });
            news.speak("One."); news.tell("Two.", "two", true); news.speak("Three."); news.speak("First.", true);
            while (!heard.includes("Three.")) await new Promise((done) => later(done, 20));
            const shown = document.getElementById("notice").textContent;
            news.withdraw("two");
            return { heard, shown, after: document.getElementById("notice").textContent };
        }"""  # noqa: E501 - a script
    )
    ours = {"One.", "Two.", "Three.", "First."}
    assert [text for text in heard["heard"] if text in ours] == ["One.", "First.", "Two.", "Three."]
    assert heard["shown"].endswith("Two.")
    assert heard["shown"][0].isdigit()
    assert heard["after"] == ""


async def test_a_draw_from_the_open_doors_to_the_reveal(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, status="scheduled", order_by="draw", seats_max=0)
    soon = datetime.now(UTC) + timedelta(hours=3)
    await service.rooms.change("drop", f'{{"opens_at": "{soon.isoformat()}"}}', who="test")
    await all_know(site, status="before_opening")
    page, plain = await pages(), await pages(java_script_enabled=False)
    await plain.goto(f"{site.url}/rooms/drop")
    await expect(plain.locator("#join")).to_have_text("Enter the draw")
    await expect(plain.locator("#opens-in")).to_contain_text("Opens in ")

    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("[data-for=entered] h2")).to_have_text("You are in the draw")
    await expect(page.locator("#opens-in")).to_have_text(re.compile(r"Opens in [23]:\d\d:\d\d"))
    await expect(page.locator("#goods")).to_contain_text("Mug")
    calendar = await page.request.get(f"{site.url}/rooms/drop/opening.ics")
    assert f"DTSTART:{soon:%Y%m%dT%H%M%SZ}" in await calendar.text()
    await page.locator("#leave").click()
    await expect(page.locator("#leave-title")).to_have_text("Leave the draw?")
    await page.keyboard.press("Escape")
    assert "before_opening" not in await page.locator("body").inner_text()

    for _ in range(4):
        await service.lines.join(service.board.room("drop").line_id, 1, os.urandom(32))
    await service.rooms.set_status("drop", "open", who="test")
    await all_know(site, status="open")
    await look_again(page)

    await expect(page.locator("#drew-text")).to_contain_text("of 5.")
    number = await page.locator("#number").inner_text()
    await expect(page.locator("#drew-text")).to_have_text(f"You drew {number} of 5.")
    await expect(page.locator("#notice")).to_contain_text(f"Your number is {number}.")
    await expect(page.locator("#leave")).to_have_text("Leave the line")
    # Seats are none, so no forecast stands beside the reason.
    await expect(page.locator("#why")).to_contain_text("No one is let in just now")
    await expect(page.locator("#wait")).to_have_text("Not known yet")
    await page.locator("#alert summary").click()
    await expect(page.locator("#alert-test")).to_be_visible()
    await check_page(page)
    await page.locator("#drew a").click()
    await page.wait_for_url("**/rooms/drop/log#how")


async def test_the_last_unit_from_a_promise_to_the_end(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 1}, message="Back in five minutes")
    await all_know(site)
    first, second, plain = await pages(), await pages(), await pages(java_script_enabled=False)
    await first.goto(f"{site.url}/rooms/drop")
    await expect(first.locator("#claim-left")).to_contain_text(":")
    await second.goto(f"{site.url}/rooms/drop")
    await expect(second.locator("#why")).to_contain_text("1 item is set aside for a person who was")
    await expect(second.locator("#people-ahead")).to_have_text("No one is ahead of you")

    await first.locator("#enter").click()
    await first.locator('[name="quantity-mug"]').fill("1")
    await first.locator("#hold-button").click()
    await first.locator("#pay-button").click()
    await first.wait_for_url("**/checkout/orders/**")
    await all_know(site, status="sold_out")
    await look_again(second)
    await expect(second.locator("#room")).to_have_attribute("data-view", "sold_out")
    await expect(second.locator("[data-for=sold_out]")).to_contain_text("Your place is kept")
    await expect(second.locator(".newcomer")).to_be_hidden()
    await plain.goto(f"{site.url}/rooms/drop")
    await expect(plain.locator("#wait-for-returns")).to_be_visible()
    await expect(plain.locator(".holder")).to_be_hidden()

    await service.ledger.move("mug", kind="received", quantity=1, who="test", reason="")
    await all_know(site, status="open")
    await look_again(second)
    # The box is taken back as soon as the call is there; what was said aloud stays.
    await expect(second.locator("#status")).to_contain_text("Something came back")

    await service.rooms.set_status("drop", "ended", who="test")
    await all_know(site, status="ended")
    await look_again(second)

    async def told() -> bool:
        await plain.reload()
        return await plain.locator("#room").get_attribute("data-view") == "ended"

    await eventually(told)
    assert await second.locator("#room").get_attribute("data-view") in {"ended", "called"}
    await expect(plain.locator("[data-for=ended]")).to_contain_text("Thank you for coming")
    for gone in ("#stock-box", "#message-box"):
        await expect(plain.locator(gone)).to_be_hidden()
