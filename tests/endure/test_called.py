"""Shoppers who wish it are called once, whatever a browser does with a tab that is not in front.

Playwright keeps its tabs in front for ever, and no such tab is frozen. So these tabs are steered by
the browser's own protocol.
"""

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import async_playwright, expect
from programs import Site, all_know
from support import eventually, execute, open_room

from waitroom.run.app import Service

TURN = "notification: It is your turn. Press Enter the checkout."
NOISE = ["tone", "tone", "tone", "vibration"]
# A tab that is hidden looks once a second; a second call would come by then.
TWICE_S = 3.0
# Against a hang.
ANSWER_S = 20.0
# Note what the browser would do to call its shopper. A phone shows no notification of a page.
RECORD = """
window.did = [];
window.life = [];
for (const type of ["freeze", "resume"]) document.addEventListener(type, () => life.push(type));
window.Notification = function () { throw new TypeError("Illegal constructor"); };
Notification.permission = "granted";
Notification.requestPermission = async () => "granted";
ServiceWorkerRegistration.prototype.showNotification = async function (title, options) {
  if (!this.active) throw new TypeError("No active worker");
  did.push("notification: " + options.body);
};
navigator.vibrate = () => { did.push("vibration"); return true; };
const tone = window.OscillatorNode;
window.OscillatorNode = function (...all) { did.push("tone"); return new tone(...all); };
"""
WISH = """
document.querySelector("#alert summary").click();
"""
CHECK = """["sound", "vibration", "notification"].forEach((way) => document.getElementById(`alert-${way}`).click())"""  # noqa: E501 - a script
ICON = "document.querySelector('link[rel=icon]').href"


class Tab:
    """One tab, steered by the browser's protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0

    async def send(self, method: str, **values: Any) -> dict[str, Any]:
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": values})
        async with asyncio.timeout(ANSWER_S):
            while True:
                told: dict[str, Any] = json.loads((await self._socket.receive()).data)
                if told.get("id") == self._sent:
                    assert "error" not in told, told
                    return dict(told["result"])

    async def run(self, script: str) -> Any:
        """Return a script's value; it counts as the shopper's own touch."""
        found = await self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str) -> None:
        async def holds() -> Any:
            return await self.run(script)

        await eventually(holds)

    async def life(self, state: str) -> None:
        await self.send("Page.setWebLifecycleState", state=state)


@asynccontextmanager
async def tabs(chromium: str, folder: Path, count: int) -> AsyncIterator[list[Tab]]:
    """Start a browser of its own with so many empty tabs."""
    process = await asyncio.create_subprocess_exec(
        chromium,
        *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
        *(f"--user-data-dir={folder}", "about:blank"),
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        async with aiohttp.ClientSession() as session:
            host = None
            while host is None:
                host = re.search(rb"ws://([^/]+)/", await process.stderr.readline())
            made = []
            for _ in range(count):
                async with session.put(f"http://{host[1].decode()}/json/new") as answer:
                    url = (await answer.json())["webSocketDebuggerUrl"]
                made.append(Tab(await session.ws_connect(url)))
            yield made
    finally:
        # With all its children, which hold its pipe open.
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def wait_in_line(tab: Tab, url: str, number: int) -> None:
    """Take a place, and wish to be called in every way."""
    await tab.send("Page.enable")
    await tab.send("Page.addScriptToEvaluateOnNewDocument", source=RECORD)
    await tab.send("Page.navigate", url=url)
    await tab.until(f"document.getElementById('number')?.textContent === '{number}'")
    await tab.run(WISH)
    await tab.until("!!document.getElementById('alert-sound')")
    await tab.run(CHECK)
    await tab.until(f"document.title.startsWith('{number} ') && {ICON}.startsWith('data:')")
    # The worker that shows notifications runs.
    await tab.run("document.getElementById('alert-test').click()")
    await tab.until(f"did.length === {len(NOISE) + 1}")
    await tab.run("did.length = 0")


async def test_a_shopper_is_called_once_in_a_frozen_and_in_a_hidden_tab(
    service: Service, site: Site, chromium: str, tmp_path: Path
) -> None:
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await all_know(site)
    room = f"{site.url}/rooms/drop"

    async def called(number: int) -> bool:
        (line,) = await execute(service, "SELECT gate FROM line")
        return int(line["gate"]) >= number

    async with tabs(chromium, tmp_path, 2) as (frozen, hidden):
        # One profile has one ticket for all tabs.
        await wait_in_line(frozen, room, 1)
        await hidden.send("Page.enable")
        await hidden.send("Page.addScriptToEvaluateOnNewDocument", source=RECORD)
        await hidden.send("Page.navigate", url=room)
        await hidden.until("!!document.getElementById('alert-test')")
        await hidden.until("document.title.startsWith('1 ')")
        await hidden.run("dispatchEvent(new Event('pointerdown'))")
        # A tab that was frozen and goes on is hidden, as one behind others is.
        await hidden.life("frozen")
        await hidden.life("active")
        await hidden.until(
            "document.visibilityState === 'hidden' && life.join() === 'freeze,resume'"
        )
        await frozen.life("frozen")
        await frozen.until("life.join() === 'freeze'")
        await hidden.run("did.length = 0")
        waits = await frozen.run(ICON)

        await service.rooms.change("drop", '{"seats_max": 1}', who="test")
        await eventually(lambda: called(1))

        # The hidden tab calls, by a worker whose timers run on; the frozen one does when it wakes.
        await hidden.until("document.title.includes('Your turn')")
        await asyncio.sleep(TWICE_S)
        assert sorted(await hidden.run("did")) == [TURN, *NOISE]
        assert await hidden.run(ICON) != waits
        assert await frozen.run("did") == []
        assert await frozen.run("document.title.startsWith('1 ')")
        await frozen.life("active")
        await frozen.until("document.title.includes('Your turn')")
        await asyncio.sleep(TWICE_S)
        assert sorted(await frozen.run("did")) == [TURN, *NOISE]
        assert await frozen.run(ICON) != waits


async def test_a_press_on_a_notification_leads_to_the_tab_that_waits(
    service: Service, site: Site
) -> None:
    # Headless shells show no notification.
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if path is None:
        pytest.skip("there is no whole Chromium")
    await open_room(service, skus={"mug": 9}, seats_max=0)
    await all_know(site)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--headless=new"]
        )
        page = await browser.new_page()
        await page.context.grant_permissions(["notifications"])
        await page.goto(f"{site.url}/rooms/drop")
        await page.locator("#alert summary").click()
        await page.locator("#alert-notification").check()
        await page.locator("#alert-test").click()

        async def runs() -> bool:
            return bool(page.context.service_workers)

        await eventually(runs)
        (notes,) = page.context.service_workers
        shown = "registration.getNotifications().then((all) => all.map((note) => note.body))"

        async def tried() -> bool:
            return await notes.evaluate(shown) == ["This is how you are called."]

        await eventually(tried)
        # No page is under its scope, so it handles no request of any.
        assert await page.evaluate("navigator.serviceWorker.controller") is None
        await service.rooms.change("drop", '{"seats_max": 9}', who="test")
        await expect(page.locator("#enter")).to_be_visible()

        async def told() -> bool:
            return await notes.evaluate(shown) == ["It is your turn. Press Enter the checkout."]

        await eventually(told)
        led = await notes.evaluate(
            """async () => {
                let led = "";
                WindowClient.prototype.focus = async function () { led = this.url; };
                const [notification] = await registration.getNotifications();
                const done = new Promise((over) => {
                    ExtendableEvent.prototype.waitUntil = (work) => work.then(over);
                });
                dispatchEvent(new NotificationEvent("notificationclick", { notification }));
                await done;
                return led;
            }"""
        )
        assert led == f"{site.url}/rooms/drop"
        assert await notes.evaluate(shown) == []
        await browser.close()
