"""Shoppers who wish it are called, whatever their browser does with a tab that is not in front."""

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect
from programs import Site, all_know
from support import eventually, execute, open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]

TURN = "notification: It is your turn. Press Enter the checkout."
# Record what a browser would do to call its shopper; timers stand still as in a hidden tab.
RECORD = """
window.did = [];
window.Notification = class {
  static permission = "granted";
  static async requestPermission() { return "granted"; }
  constructor(title, { body }) { window.did.push("notification: " + body); }
};
navigator.vibrate = () => { window.did.push("vibration"); return true; };
const tone = window.OscillatorNode;
window.OscillatorNode = function (...all) { window.did.push("sound"); return new tone(...all); };
"""


async def test_a_shopper_is_called_in_a_frozen_and_in_a_hidden_tab(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await all_know(site.url)
    page = await pages()
    await page.add_init_script(RECORD)
    await page.goto(f"{site.url}/rooms/drop")
    await page.locator("#alert summary").click()
    for way in ("sound", "vibration", "notification"):
        await page.locator(f"#alert-{way}").check()
    await page.locator("#alert-test").click()
    did = await page.evaluate("window.did")
    assert {"sound", "vibration", "notification: This is how you are called."} <= set(did)
    # The wish outlives a reload, and sound needs one more touch.
    await page.reload()
    await expect(page.locator("#alert-sound")).to_be_checked()
    await page.locator("h1").click()
    icon = page.locator("link[rel=icon]")
    await expect(icon).to_have_attribute("href", re.compile("^data:image/png"))
    assert (await page.title()).startswith("1 ")

    # Frozen by the browser, and awake again after the call.
    raw = await page.context.new_cdp_session(page)
    await raw.send("Page.setWebLifecycleState", {"state": "frozen"})
    await service.rooms.change("drop", '{"seats_max": 1}', who="test")

    async def called() -> bool:
        (line,) = await execute(service, "SELECT gate FROM line")
        return bool(line["gate"])

    await eventually(called)
    await raw.send("Page.setWebLifecycleState", {"state": "active"})
    await expect(page.locator("#enter")).to_be_visible()
    did = await page.evaluate("window.did")
    assert {
        "sound",
        "vibration",
        "notification: It is your turn. Press Enter the checkout.",
    } <= set(did)
    assert "Your turn" in await page.title()

    # Hidden: its own timers stand still, and a worker wakes it.
    other = await pages()
    await other.add_init_script(RECORD)
    await other.add_init_script("localStorage['waitroom-alert'] = 'vibration'")
    await other.goto(f"{site.url}/rooms/drop")
    await expect(other.locator("#number")).to_have_text("2")
    await expect(other.locator("#alert-vibration")).to_be_checked()
    await other.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => true });
            window.setTimeout = () => 0;
            for (let id = setInterval(() => {}, 9999); id > 0; id -= 1) { clearInterval(id); clearTimeout(id); }
        }"""  # noqa: E501 - a script
    )
    await service.rooms.change("drop", '{"seats_max": 9}', who="test")
    await expect(other.locator("#enter")).to_be_visible()
    assert "vibration" in await other.evaluate("window.did")
