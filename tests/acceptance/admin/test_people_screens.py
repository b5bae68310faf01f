"""The screens for people, one's own account, and the record of actions, on a phone."""

import asyncio
import csv
import io
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from browsers import check_page
from playwright.async_api import Download, Page, expect
from programs import Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, execute, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 844}
OTHER = "another horse battery staple"


async def rows_of(download: Download) -> list[dict[str, str]]:
    text = await asyncio.to_thread((await download.path()).read_text)
    return list(csv.DictReader(io.StringIO(text)))


async def test_people_are_added_changed_and_shut_out_and_the_record_tells_it_in_sentences(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, seats_max=200)
    await service.operators.add("ann", role="admin", password=PASSWORD)
    await service.rooms.change("drop", '{"seats_max": 300}', who="ann", reason="=1+1")
    await all_know(site, "drop")
    page = await pages(viewport=PHONE, timezone_id="Asia/Kathmandu")
    await sign_in_on_screen(page, site.url, "ann")

    await page.locator("header").get_by_role("link", name="People").click()
    card = page.locator('[data-name="bo"]')
    made = await add_somebody(page)
    await take_factors_away(service, page, card)
    await unlink(service, page, card)
    await change_somebody(page, card)
    await check_page(page)
    assert await service.operators.sign_in("bo", OTHER)
    assert made != OTHER

    await page.locator("header").get_by_role("link", name="Account").click()
    await change_own_password(page)
    await expect(page.locator("#sessions li")).to_have_text([re.compile("Chrome on .*, this one")])
    await check_page(page)

    await page.locator("header").get_by_role("link", name="Audit").click()
    acts = page.locator(".acts li")
    await expect(acts.first).to_contain_text("ann chose another password")
    await expect(acts.filter(has_text="set the seats from 200 to 300")).to_have_count(1)
    await check_page(page)
    await page.get_by_label("About").select_option("people")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(acts).to_have_count(9)
    await expect(acts.nth(-2)).to_contain_text("ann made an account for bo, as viewer")
    await expect(acts.nth(-1)).to_contain_text("made an account for ann, as admin")
    await filter_the_room(page, acts, site)
    await find_security_events(page, acts)


async def add_somebody(page: Page) -> str:
    """Add bo, and return the password that was made and is shown once."""
    await page.get_by_label("Name, to sign in with").fill("b o")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#name-problem")).to_contain_text("begins with a letter")
    await page.get_by_label("Name, to sign in with").fill("bo")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("heading", name="The password of bo")).to_be_visible()
    made = await page.locator("#shown").input_value()
    await page.get_by_role("button", name="I have passed it on").click()
    await expect(page.locator("#add-told")).to_contain_text("bo may sign in")
    return made


async def take_factors_away(service: Service, page: Page, card: Any) -> None:
    """Remove the authenticator app of bo, who has lost their phone."""
    await execute(
        service,
        """INSERT INTO operator_authenticator (operator_id, sealed, confirmed_at)
           SELECT operator_id, '\\x00', now() FROM operator WHERE name = 'bo'""",
    )
    await page.reload()
    await expect(card).to_contain_text("has a second factor")
    await card.get_by_role("button", name="Remove the second factors").click()
    await page.get_by_role("button", name="Remove them").click()
    await expect(card.locator(".told")).to_contain_text("The second factors of bo were removed.")
    await expect(card).not_to_contain_text("has a second factor")


async def unlink(service: Service, page: Page, card: Any) -> None:
    """Take from bo the person of the identity provider who is another by now."""
    await execute(
        service,
        """INSERT INTO operator_person (operator_id, issuer, subject)
           SELECT operator_id, 'https://id.example', 'u-1' FROM operator WHERE name = 'bo'""",
    )
    await page.reload()
    await expect(card).to_contain_text("signs in at the provider")
    await card.get_by_role("button", name="Unlink from the provider").click()
    await page.get_by_role("button", name="Unlink them").click()
    await expect(card.locator(".told")).to_contain_text("bo is linked to nobody at the provider.")
    await expect(card).not_to_contain_text("signs in at the provider")


async def change_somebody(page: Page, card: Any) -> None:
    """Change bo's role, set a password, end the access and allow it again."""
    told = card.locator(".told")
    await card.get_by_label("Role").select_option("operator")
    await card.get_by_role("button", name="Change the role").click()
    await page.get_by_role("button", name="Change it").click()
    await expect(told).to_contain_text("The role of bo was changed.")
    await expect(card.locator(".state")).to_have_text("Operator")
    await card.get_by_role("button", name="New password").click()
    await page.locator("#new-password").fill(OTHER)
    await page.get_by_role("button", name="Set it").click()
    await expect(told).to_contain_text("bo has a new password.")
    await card.get_by_role("button", name="End the access").click()
    await page.get_by_role("button", name="End it").click()
    await expect(card.locator(".state")).to_have_text("Access ended")
    await card.get_by_role("button", name="Allow the sign-in again").click()
    await expect(told).to_contain_text("bo may sign in again.")
    await expect(page.locator('[data-name="ann"] button')).to_have_count(0)


async def change_own_password(page: Page) -> None:
    async def ask(old: str, new: str, again: str) -> None:
        for field, text in (("old", old), ("new", new), ("again", again)):
            await page.locator(f"#{field}").fill(text)
        await page.get_by_role("button", name="Change the password").click()

    # The page's script lists it, and takes the form's button from then on.
    await expect(page.locator("#sessions li")).to_have_count(1)
    await ask(PASSWORD, OTHER, "something else entirely")
    await expect(page.locator("#again-problem")).to_have_text("This is not the same password.")
    await ask("not the right password", OTHER, OTHER)
    await expect(page.locator("#old-problem")).to_have_text("This is not your password.")
    await ask(PASSWORD, OTHER, OTHER)
    await expect(page.locator("#own-told")).to_contain_text("Your password was changed.")


async def filter_the_room(page: Page, acts: Any, site: Site) -> None:
    """Look at a room's own record, by person and by day, and save it as a file."""
    await page.goto(f"{site.url}/admin/screens/drop/audit")
    await page.get_by_label("By").select_option("ann")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(acts).to_have_count(1)
    await expect(acts).to_contain_text("ann set the seats from 200 to 300")
    await expect(acts).to_contain_text("Reason: =1+1")
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="Save as a CSV file").click()
    (row,) = await rows_of(await saved.value)
    assert (row["who"], row["about"], row["room"]) == ("ann", "rooms", "drop")
    assert row["sentence"] == "ann set the seats from 200 to 300"
    assert row["reason"].startswith("'=")
    await check_page(page)
    await _a_record_in_the_zone_of_the_operator(page, acts)


async def find_security_events(page: Page, acts: Any) -> None:
    """Find who tried to sign in as ann, and read the file of it."""
    await page.locator("header").get_by_role("link", name="Security").click()
    await expect(acts.first).to_contain_text("ann saved the record of actions of the room drop")
    await check_page(page)
    await page.get_by_label("About").select_option("attempts")
    await page.get_by_label("Person or key").fill("ann")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(acts).to_have_text([re.compile("failed, as ann, with a wrong password")])
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="Save as a CSV file").click()
    (row,) = await rows_of(await saved.value)
    assert (row["kind"], row["who"], row["network"]) == ("sign_in_failed", "ann", "127.0.0.1")


async def _a_record_in_the_zone_of_the_operator(page: Page, acts: Any) -> None:
    """Tell days and clocks as they are in the operator's zone, and read the filter in it too."""
    zone = page.locator("[data-zone]")
    await expect(zone).to_have_text(re.compile(r"Asia/Kath?mandu, now UTC\+5:45"))
    at = datetime.fromisoformat(str(await acts.locator("time").get_attribute("datetime")))
    there = at.astimezone(ZoneInfo("Asia/Kathmandu"))
    await expect(acts.locator("time")).to_have_text(f"{there:%I:%M:%S %p}")
    await expect(page.locator("#record h2")).to_have_text(
        f"{there:%A, %B} {there.day}, {there.year}"
    )
    for label, moved, count in (("To", timedelta(), 0), ("To", timedelta(minutes=1), 1)):
        await page.get_by_label(label, exact=True).fill(f"{there + moved:%Y-%m-%dT%H:%M}")
        await page.get_by_role("button", name="Show", exact=True).click()
        await page.wait_for_url("**to=*")
        await expect(acts).to_have_count(count)
    await expect(page.locator("#from")).to_have_value("")
    await page.get_by_label("From", exact=True).fill("2030-01-01T00:00")
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.wait_for_url("**from=2029-12-31T18%3A15*")
    await expect(page.get_by_text("Nothing fits this filter.")).to_be_visible()
    await expect(page.get_by_label("From", exact=True)).to_have_value("2030-01-01T00:00")


async def test_the_record_of_no_room_is_for_admins_and_people_are_too(
    service: Service, client: Any
) -> None:
    await open_room(service)
    seen: dict[str, tuple[bool, bool, int]] = {}
    for role in ("viewer", "admin"):
        headers = await sign_in(service, client, role) | {"Accept": "text/html"}
        audit = await (await client.get("/admin/audit", headers=headers)).text()
        sheet = await (await client.get("/admin/audit.csv", headers=headers)).text()
        people = await client.get("/admin/people", headers=headers)
        seen[role] = ("made an account" in audit, "made an account" in sheet, people.status)

    assert seen == {"viewer": (False, False, 403), "admin": (True, True, 200)}
    # Without a script the filter is in UTC.
    before = await client.get("/admin/audit?to=2001-01-01T00:00", headers=headers)
    unread = await client.get("/admin/audit?from=soon", headers=headers)
    assert "Nothing fits this filter." in await before.text()
    assert (unread.status, "“From” must be a moment" in await unread.text()) == (400, True)
    assert await execute(service, "SELECT 1 FROM operator_action WHERE room_id IS NULL")


async def test_a_refusal_on_an_operators_page_says_what_to_do_next_and_whom_to_ask(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service)
    for name, role in (("ann", "admin"), ("bo", "admin"), ("vic", "viewer"), ("sal", "seller")):
        await service.operators.add(name, role=role, password=PASSWORD)
    await service.operators.change("bo", actor=None, active=False)
    page = await pages(viewport=PHONE)
    await page.goto(f"{site.url}/admin/nowhere")
    await page.get_by_role("link", name="Sign in").click()
    await page.wait_for_url("**/admin/login?to=%2Fadmin%2Fnowhere")
    await sign_in_on_screen(page, site.url, "vic")
    told = page.locator("main")

    await page.goto(f"{site.url}/admin/people")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your role does not allow this")
    await expect(told).to_contain_text("This needs the role admin, and yours is viewer.")
    await expect(told).to_contain_text("You are signed in as vic, with the role viewer.")
    await expect(told).to_contain_text("The admin here is ann.")
    await check_page(page)

    await page.goto(f"{site.url}/admin/screens/drop-2/rules")
    await expect(told).to_contain_text("A room keeps its code “drop-2” for good")
    await page.get_by_role("link", name="All rooms", exact=True).click()
    await page.wait_for_url("**/admin")

    await sign_in_on_screen(page, site.url, "sal")
    await page.goto(f"{site.url}/admin/screens/drop/goods")
    await expect(told).to_contain_text("An operator of the room can admit you to it.")
    await expect(told).not_to_contain_text("for good")
