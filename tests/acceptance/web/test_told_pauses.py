"""What a page makes of the times that an answer names, however wild: it goes on asking."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, Route, expect
from programs import Site, all_know
from support import open_room

from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
STATE = "**/rooms/drop/state*"
# The longest that a page is silent: a shopper who waits, and one whose turn it is.
WAITS_S, TURN_S = 31, 7
FAR = "Fri, 31 Dec 2199 23:59:59 GMT"
HEADERS = ("3000000", "soon", FAR)
# As they stand in JSON; the first is infinite in a browser.
SECONDS = ("1e999", '"soon"')
# The checkout's own timers, by themselves: the first look fails, and a deadline is no number.
LOOK_TWICE = """async () => {
    const digits = Object.assign(document.createElement("meta"), { name: "minor-digits" });
    digits.content = "{}";
    document.head.append(digits);
    const { keepLooking } = await import("/static/js/checkout-wait.js");
    const { left, wind } = await import("/static/js/checkout-clock.js");
    window.looks = 0;
    const fail = async () => { window.looks += 1; throw new TypeError("unreadable"); };
    keepLooking(fail, () => true)();
    ["soon", -5, 1e300].forEach((sent, at) => wind(`hold ${at}`, sent));
    document.body.dataset.counted = [0, 1, 2].map((at) => Math.ceil(left(`hold ${at}`))).join(" ");
}"""
TURN_OF_THE_LOOP = """new Promise((done) => {
    const way = new MessageChannel();
    way.port1.onmessage = done;
    way.port2.postMessage(0);
})"""


class Proxy:
    """Answers the next look in place of the program, and notes every look."""

    def __init__(self) -> None:
        self.next: dict[str, Any] | None = None
        self.looked = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        told, self.next = self.next, None
        self.looked.set()
        if told is None:
            await route.continue_()
        elif "wild" in told:
            answer = await route.fetch()
            text = json.dumps(await answer.json())
            for name, seconds in told["wild"].items():
                text = _replaced(text, name, seconds)
            await route.fulfill(response=answer, body=text, headers={**answer.headers, "age": "x"})
        else:
            await route.fulfill(**told)


def _replaced(text: str, name: str, value: str) -> str:
    """Return JSON with another value in each place of a number."""
    head, *rest = text.split(f'"{name}": ')
    return head + "".join(
        f'"{name}": {value}{part[min(part.find(end) for end in ",}" if end in part) :]}'
        for part in rest
    )


async def _looks_again(page: Page, proxy: Proxy, longest_s: int) -> None:
    """Move the page's clock on by little more than its longest silence, and expect a look."""
    # The page may still read the last answer when its clock first moves: then no look follows.
    for patience_s in (0.3, 3, 3):
        await page.evaluate(TURN_OF_THE_LOOP)
        await page.clock.fast_forward(longest_s * 1000)
        try:
            await asyncio.wait_for(proxy.looked.wait(), patience_s)
        except TimeoutError:
            continue
        return
    raise AssertionError("The page has stopped asking.")


async def _hears(page: Page, proxy: Proxy, told: dict[str, Any], longest_s: int) -> None:
    """Give the page one answer, and expect that it asks again soon."""
    proxy.looked.clear()
    proxy.next = told
    async with page.expect_event("requestfinished", lambda one: "/state" in one.url):
        await _looks_again(page, proxy, longest_s)
    proxy.looked.clear()
    await _looks_again(page, proxy, longest_s)


async def test_no_answer_silences_a_waiting_page(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, seats_max=0)
    await all_know(site)
    page, proxy = await pages(), Proxy()
    await page.clock.install()
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#number")).to_have_text("1")
    await page.route(STATE, proxy)

    for header in HEADERS:
        told = {"status": 503, "headers": {"Retry-After": header}, "json": {}}
        await _hears(page, proxy, told, WAITS_S)
    for seconds in SECONDS:
        await _hears(page, proxy, {"wild": {"poll_s": seconds, "entries": seconds}}, WAITS_S)
    await _hears(page, proxy, {"wild": {"version": "1e300"}}, WAITS_S)
    for body in ("<html>Please sign in to this network.</html>", "{}"):
        await _hears(page, proxy, {"status": 200, "body": body}, WAITS_S)

    await service.rooms.change("drop", '{"message": "Still here."}', who="test")
    await service.board.refresh(rooms=True)
    await _looks_again(page, proxy, WAITS_S)
    await expect(page.locator("#message")).to_have_text("Still here.")
    await expect(page.locator("#updated")).not_to_contain_text("NaN")
    await expect(page.locator("#number")).to_have_text("1")


async def test_a_pause_is_shorter_when_it_is_the_shoppers_turn(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service)
    await all_know(site)
    page, proxy = await pages(), Proxy()
    await page.clock.install()
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#enter")).to_be_visible()
    await page.route(STATE, proxy)

    for header in ("3600", FAR):
        told = {"status": 503, "headers": {"Retry-After": header}, "json": {}}
        await _hears(page, proxy, told, TURN_S)


async def test_clocks_survive_nonsense(site: Site, pages: Pages) -> None:
    page = await pages()
    await page.goto(f"{site.url}/admin/login")

    counted = await page.evaluate(
        """async () => {
            const clock = await import("/static/js/clock.js");
            const { countdown, usualPause, pauseAfter, ageOf } = clock;
            const nonsense = [NaN, "soon", null, undefined, {}, -5, 1e300, Infinity, -Infinity];
            const head = (age) => new Headers({ Age: age, Date: "nonsense" });
            return [
                ...nonsense.map((sent) => countdown(sent)()),
                ...nonsense.map(usualPause),
                ...nonsense.map((sent) => pauseAfter(1e6, sent, false).next / 1.2),
                ...["x", "-5", "1e999"].map((age) => Math.min(ageOf(head(age), "never"), 30)),
            ];
        }"""
    )

    assert all(isinstance(seconds, int | float) and 0 <= seconds <= 604_800 for seconds in counted)
    assert max(counted[9:]) <= 30


async def test_the_timers_of_the_checkout_survive_nonsense(site: Site, pages: Pages) -> None:
    page = await pages()
    await page.clock.install()
    await page.goto(f"{site.url}/")

    await page.evaluate(LOOK_TWICE)
    for _ in range(3):
        await page.evaluate(TURN_OF_THE_LOOP)
        await page.clock.fast_forward(80_000)

    await page.wait_for_function("window.looks >= 2")
    await expect(page.locator("body")).to_have_attribute("data-counted", "30 0 604800")
