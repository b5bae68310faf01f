"""Operators' date and time fields, in a browser whose clocks go forward and back."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, expect
from programs import Site, all_know
from signing_in import sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
GAP, FOLD = "2027-03-28T02:30", "2027-10-31T02:31"

# Gives a field of the page a moment, types a text, and returns what the field then says and means.
TYPE = """async (texts) => {
    const moments = await import("/static/js/moment.js");
    return texts.map(([stood, typed]) => {
        const field = Object.assign(document.createElement("input"), { type: "datetime-local" });
        field.id = `field-${Math.random()}`;
        document.body.append(field);
        moments.watchMoment(field);
        moments.setMoment(field, stood);
        if (typed !== null) {
            field.value = typed;
            field.dispatchEvent(new Event("input", { bubbles: true }));
        }
        const note = field.previousElementSibling.textContent;
        return [moments.readMoment(field), field.checkValidity(), note];
    });
}"""

# What stood in the field, what is typed, and the moment that is sent; None if it is refused.
BERLIN: list[tuple[str | None, str | None, str | None, str]] = [
    (None, "2027-06-01T12:00", "2027-06-01T10:00:00.000Z", "UTC+2"),
    (None, "2027-12-01T12:00", "2027-12-01T11:00:00.000Z", "UTC+1"),
    (None, GAP, None, "There is no 02:30 on this day"),
    ("2027-06-01T10:00:00Z", GAP, None, "There is no 02:30"),
    (None, "2027-03-28T01:59", "2027-03-28T00:59:00.000Z", "UTC+1"),
    (None, "2027-03-28T03:00", "2027-03-28T01:00:00.000Z", "UTC+2"),
    ("2027-10-31T01:30:00Z", FOLD, "2027-10-31T01:31:00.000Z", "02:31, UTC+1."),
    ("2027-10-31T00:30:00Z", FOLD, "2027-10-31T00:31:00.000Z", "02:31, UTC+2."),
    (None, FOLD, "2027-10-31T00:31:00.000Z", "02:31, UTC+2."),
    ("2027-12-01T10:00:00Z", "2027-10-31T03:00", "2027-10-31T02:00:00.000Z", "UTC+1"),
    # A text that still stands keeps the seconds that the field leaves out.
    ("2027-10-31T01:30:12.345678Z", None, "2027-10-31T01:30:12.345678Z", "02:30, UTC+1."),
    (None, "20277-01-01T10:00", None, "Choose a date in the years 2000 to 2199."),
    (None, "1999-12-31T10:00", None, "Choose a date in the years 2000 to 2199."),
    ("nonsense", None, "", ""),
    ("2027-06-01T10:00:00Z", "", "", ""),
]
ELSEWHERE: dict[str, tuple[str | None, str | None, str | None, str]] = {
    "Pacific/Apia": (None, "2011-12-30T12:00", None, "There is no 12:00 on this day"),
    "Australia/Lord_Howe": ("2027-04-03T15:10:00Z", "2027-04-04T01:41",
                            "2027-04-03T15:11:00.000Z", "01:41, UTC+10:30."),
    "America/St_Johns": (None, "2027-07-01T12:00", "2027-07-01T14:30:00.000Z", "UTC−2:30"),  # noqa: RUF001
}  # fmt: skip


async def test_a_text_means_one_moment_or_is_refused_with_a_sentence(
    site: Site, pages: Pages
) -> None:
    for zone, cases in {"Europe/Berlin": BERLIN, **{z: [c] for z, c in ELSEWHERE.items()}}.items():
        page = await pages(timezone_id=zone)
        await page.goto(f"{site.url}/admin/login")

        read = await page.evaluate(TYPE, [case[:2] for case in cases])

        for (stood, typed, moment, note), (sent, valid, said) in zip(cases, read, strict=True):
            assert (sent, valid) == (moment, moment is not None), (zone, stood, typed)
            assert said.startswith(note), (zone, stood, typed, said)
            assert bool(said) == bool(note), (zone, stood, typed, said)


# Shows a field that its screen keeps folded up until it is wanted.
UNCOVER = """(field) => {
    for (let box = field; box; box = box.parentElement) [box.hidden, box.open] = [false, true];
}"""


async def enter(page: Page, site: Site, service: Service, screen: str) -> None:
    await service.operators.add("night", role="operator", password=PASSWORD)
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/{screen}")


async def test_every_screen_refuses_a_skipped_hour_and_keeps_a_repeated_one(
    service: Service, site: Site, pages: Pages
) -> None:
    stored = {"opens_at": "2027-10-31T01:30:00Z", "closes_at": "2027-12-01T10:00:00Z"}
    await open_room(service, status="scheduled", **stored)
    await all_know(site, status=None)
    page = await pages(viewport={"width": 1280, "height": 900}, timezone_id="Europe/Berlin")
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(f"{asked.method} {asked.url}"))
    await enter(page, site, service, "rules")

    async def opens_at() -> Any:
        (row,) = await execute(service, "SELECT opens_at AT TIME ZONE 'UTC' AS at FROM room")
        return f"{row['at']:%Y-%m-%dT%H:%M}"

    opens, note = page.locator("#opens_at"), page.locator("#opens_at-zone")
    await expect(opens).to_have_value("2027-10-31T02:30")
    await expect(note).to_contain_text("02:30, UTC+1.")
    for text, sentence in ((GAP, "There is no 02:30"), ("20277-01-01T10:00", "2000 to 2199")):
        await opens.fill(text)
        await page.locator("#rules-save").click()
        await expect(note).to_contain_text(sentence)
        await expect(opens).to_be_focused()
    assert not [one for one in sent if one.startswith("PATCH")]

    await opens.fill("2027-10-31T02:30")
    for _ in range(4):
        await page.keyboard.press("ArrowRight")
    await page.keyboard.type("31")
    await expect(opens).to_have_value(FOLD)
    await expect(note).to_contain_text("02:31, UTC+1.")
    await page.locator("#rules-save").click()
    await expect(page.locator("#rules-told")).to_have_text("The rules were applied.")
    assert await opens_at() == "2027-10-31T01:31"
    await page.get_by_role("button", name="Use 02:31, UTC+2").click()
    await expect(note).to_contain_text("02:31, UTC+2.")
    await page.locator("#rules-save").click()
    await expect(page.locator("#rules-told")).to_have_text("The rules were applied.")
    assert await opens_at() == "2027-10-31T00:31"

    # The search keeps the moment in its address, and asks for none that does not exist.
    await page.goto(f"{site.url}/admin/screens/drop/orders?from=2027-10-31T01:30:12Z")
    await expect(page.locator("#found")).to_have_text("No orders like that.")
    assert "from=2027-10-31T01%3A30%3A12Z" in page.url
    for path, field, button in (
        ("/admin/screens/drop/orders", "to", "Search"),
        ("/admin/screens/drop/analytics", "from", "Count"),
        ("/admin/screens/drop/line", "invite-until", "Make the links"),
        ("/admin/webhooks", "since", "Replay"),
    ):
        await page.goto(site.url + path)
        await page.locator(f"#{field}").evaluate(UNCOVER)
        for text, sentence in ((GAP, "There is no 02:30"), ("20277-01-01T10:00", "2000 to 2199")):
            await page.locator(f"#{field}").fill(text)
            await page.get_by_role("button", name=button).click()
            await expect(page.locator(f"#{field}-zone")).to_contain_text(sentence)
    await page.goto(f"{site.url}/admin/screens/drop/orders")
    await page.locator("#from").focus()
    await page.keyboard.type("02302027")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#from-zone")).to_contain_text("does not exist")

    assert not [one for one in sent if one.startswith("POST") and "login" not in one]
    assert not [one for one in sent if "2027-03-28" in one or "20277" in one]


async def test_a_forecast_survives_rates_that_lead_beyond_all_dates(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, seats_max=0)
    await service.lines.join(service.board.room("drop").line_id, 3, os.urandom(32))
    await all_know(site)
    page = await pages(viewport={"width": 1280, "height": 900})
    await enter(page, site, service, "live")
    await expect(page.locator("#forecast")).to_contain_text("Nobody would be let in")

    await page.locator("#seats").fill("5")
    for rate, words in (("1e-12", "within a year"), ("-1", "Nobody"), ("1e-300", "within a year")):
        await page.locator("#rate").fill(rate)
        await expect(page.locator("#forecast")).to_contain_text(words)
