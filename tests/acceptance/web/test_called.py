"""Being called by mail: a shopper leaves an address on the waiting page, and comes by the link."""

import re
from collections.abc import Awaitable, Callable

from browsers import check_page
from playwright.async_api import Page, expect
from postbox import Postbox, open_postbox
from programs import all_know, open_site
from support import KEY, eventually, execute, open_room, settings

from waitroom.run.app import Service
from waitroom.run.settings import Secrets

Pages = Callable[..., Awaitable[Page]]


def link_in(box: Postbox, to: str, base_url: str) -> str:
    """Return the address at this site that the last message to somebody opens."""
    text = next(mail for mail in reversed(box.taken) if mail["To"] == to).get_content()
    path = re.search(r"^https?://[^/]+(/rooms/drop/mailed\?key=\S+)", text, flags=re.MULTILINE)
    assert path is not None
    return base_url + path[1]


async def test_a_message_at_ones_turn_brings_the_place_to_another_device(
    service: Service, postgres_url: str, valkey_url: str, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0, policy="rate")
    async with open_postbox() as box:
        made = settings(postgres_url, valkey_url, mail_from="The shop <queue@shop.example>")
        kept = Secrets(signing_keys=[KEY], smtp_url=box.url)
        async with open_site(made, kept) as site:
            await all_know(site)
            room = f"{site.url}/rooms/drop"

            plain = await pages(java_script_enabled=False)
            await plain.goto(room)
            await plain.locator("#join").click()
            await plain.locator("#alert summary").click()
            await plain.locator("#mail-email").fill("plain@example.com")
            await plain.locator("#mail-ask").click()
            await expect(plain.locator("#mail-told")).to_contain_text("plain@example.com")
            await expect(plain.locator("#alert-ways")).to_be_hidden()

            page = await pages()
            await page.goto(room)
            await page.locator("#alert summary").click()
            await page.locator("#mail-email").fill("late@example.com")
            await page.locator("#mail-ask").click()
            await expect(page.locator("#mail-told")).to_contain_text("late@example.com")
            await expect(page.locator("#mail-stop")).to_be_focused()
            await check_page(page)
            await page.reload()
            await expect(page.locator("#mail-told")).to_be_visible()
            await page.locator("#mail-stop").click()
            await expect(page.locator("#mail-form")).to_be_visible()
            await page.locator("#mail-email").fill("late@example.com")
            await page.locator("#mail-ask").click()
            await expect(page.locator("#mail-told")).to_be_visible()

            await service.rooms.change("drop", '{"seats_max": 9}', who="test")

            async def both() -> bool:
                return {"plain@example.com", "late@example.com"} <= set(box.recipients)

            await eventually(both)
            await expect(page.locator("#enter")).to_be_visible()

            # In the browser that has the place the link leads on, and in another it asks.
            link = link_in(box, "late@example.com", site.url)
            # In a tab of its own: the one that waits loads itself again at any moment.
            mailed = await plain.context.new_page()
            await mailed.goto(link_in(box, "plain@example.com", site.url))
            await expect(mailed.locator("#enter")).to_be_visible()
            phone = await pages()
            await phone.goto(link)
            await expect(phone.locator("h1")).to_have_text("Bring your place here?")
            await check_page(phone)
            await phone.locator("#bring").click()
            await phone.wait_for_url(room)
            await expect(phone.locator("#number")).to_have_text("2")
            await expect(page.locator("#room")).to_have_attribute("data-view", "moved")
            await phone.locator("#enter").click()
            await phone.wait_for_url("**/checkout?room=*")

    assert await execute(service, "SELECT FROM mail WHERE address <> ''") == []
    assert len(box.taken) == 2
