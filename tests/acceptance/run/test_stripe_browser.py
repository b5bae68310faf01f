"""Paying by card in a real browser, in a shop whose Stripe is a stand-in.

Stripe's own script cannot be had here. One of the tests' own stands at its address and offers the
calls that ours makes, as https://docs.stripe.com/js documents them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp.test_utils import TestServer
from browsers import OneChromium
from playwright.async_api import Page, Route, expect
from programs import all_know
from stripe_peer import APPROVED, ASKS_FIRST, BANK, DECLINED, Wire
from support import execute, open_room

from waitroom.run.app import ROLES, Service, make_app
from waitroom.run.processes import claim_port

pytest_plugins = ("stripe_shop",)

Pages = Callable[..., Awaitable[Page]]
SCRIPT = """
window.Stripe = (key, { locale }) => ({
  elements: (asked) => {
    const input = Object.assign(document.createElement("input"), { id: "card-number" });
    window.shown = { ...asked, locale };
    return {
      create: (kind) => {
        const heard = [];
        input.addEventListener("input", () => heard.forEach((listener) => listener({})));
        window.shown.kind = kind;
        return { on: (event, listener) => event === "change" && heard.push(listener),
          mount: (where) => document.querySelector(where).append(input) };
      },
      update: (changed) => Object.assign(window.shown, changed),
      submit: async () => input.value ? {}
        : { error: { message: "Your card number is incomplete." } },
      input,
    };
  },
  createPaymentMethod: async ({ elements }) => {
    window.made = [...(window.made ?? []), [key, window.shown.amount]];
    return { paymentMethod: { id: elements.input.value } };
  },
});
"""


@pytest.fixture
async def on_stripe(stripe_shops: Callable[..., Awaitable[Service]]) -> AsyncIterator[str]:
    """Return the address of a shop on Stripe, with all its loops running.

    It runs in this process: the program itself asks nobody but Stripe.
    """
    port = claim_port("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}"
    shop = await stripe_shops(roles=frozenset(ROLES), port=port, public_url=url)
    async with TestServer(make_app(shop), host="127.0.0.1", port=port):
        yield url


async def at_checkout(service: Service, url: str, page: Page, *, script: str = SCRIPT) -> None:
    """Let a shopper in who has reserved a mug and sees the card field."""

    async def answer(route: Route) -> None:
        if script:
            await route.fulfill(content_type="text/javascript", body=script)
        else:
            await route.abort()

    await page.context.route("https://js.stripe.com/**", answer)
    await open_room(service, skus={"mug": 3}, policy="rate")

    await all_know(url)
    await page.goto(f"{url}/rooms/drop")
    await page.locator("#enter").click()
    await page.wait_for_url("**/checkout?room=*")
    await page.locator('[name="quantity-mug"]').fill("1")
    await page.locator("#hold-button").click()
    await expect(page.locator("#pay-button")).to_be_visible()


async def test_a_card_is_paid_with_after_another_was_declined(
    service: Service, on_stripe: str, pages: Pages, wire: Wire
) -> None:
    page = await pages()
    await at_checkout(service, on_stripe, page)

    await page.locator("#pay-button").click()
    await expect(page.locator("#card-problem")).to_contain_text("incomplete")
    await page.locator("#card-number").fill(DECLINED)
    await page.locator("#pay-button").click()
    await expect(page.locator("#pay-problem")).to_contain_text("declined")
    await page.locator("#card-number").fill(APPROVED)
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")

    await expect(page.locator("#order-status")).to_contain_text("aid")
    assert [charge["captured"] for charge in await wire.charges()] == [True]
    states = await execute(service, "SELECT state FROM purchase ORDER BY created_at")
    assert [row["state"] for row in states] == ["declined", "paid"]


async def test_the_same_card_makes_a_new_token_for_another_attempt(
    service: Service, on_stripe: str, pages: Pages
) -> None:
    page = await pages()
    await at_checkout(service, on_stripe, page)
    await page.locator("#card-number").fill(DECLINED)

    for _ in range(2):
        await page.locator("#pay-button").click()
        await expect(page.locator("#pay-problem")).to_contain_text("declined")

    shown = await page.evaluate("window.shown")
    assert await page.evaluate("window.made") == [["pk_test_of_the_tests", shown["amount"]]] * 2
    assert shown["amount"] == await page.evaluate(
        "Number(document.getElementById('pay-button').dataset.minor)"
    )
    assert (shown["kind"], shown["mode"], shown["currency"]) == ("payment", "payment", "eur")
    assert (shown["captureMethod"], shown["paymentMethodCreation"]) == ("manual", "manual")
    assert (shown["paymentMethodTypes"], shown["locale"]) == (["card"], "en")


async def test_a_shopper_is_sent_to_the_bank_and_back(
    service: Service, on_stripe: str, pages: Pages, wire: Wire
) -> None:
    page = await pages()
    await at_checkout(service, on_stripe, page)

    async def bank(route: Route) -> None:
        intent_id = urlsplit(route.request.url).path.rpartition("/")[2]
        await wire.authenticate(intent_id, success=True)
        back = next(f["return_url"] for _, _, f, _ in wire.sent if "return_url" in f)
        await route.fulfill(status=303, headers={"Location": f"{back}?redirect_status=succeeded"})

    await page.context.route(f"{BANK}**", bank)
    await page.locator("#card-number").fill(await wire.card(ASKS_FIRST))
    await page.locator("#pay-button").click()
    await page.wait_for_url("**/checkout/orders/**")

    await expect(page.locator("#order-status")).to_contain_text("aid")
    assert parse_qs(urlsplit(page.url).query) == {}


async def test_a_shop_whose_card_field_does_not_load_says_so(
    service: Service, on_stripe: str, pages: Pages
) -> None:
    page = await pages()
    await at_checkout(service, on_stripe, page, script="")

    await expect(page.locator("#card-problem")).to_contain_text("could not be loaded")
    await page.locator("#pay-button").click()
    await expect(page.locator("#card-problem")).to_contain_text("Nothing was charged")

    assert await execute(service, "SELECT FROM purchase") == []


async def test_the_page_lets_nothing_else_in(
    service: Service, on_stripe: str, browser: OneChromium
) -> None:
    # The console is to complain here.
    page = await (await browser.open()).new_page()
    await at_checkout(service, on_stripe, page)
    reached: list[str] = []

    async def note(route: Route) -> None:
        reached.append(urlsplit(route.request.url).netloc)
        await route.fulfill(body="", headers={"Access-Control-Allow-Origin": "*"})

    for host in ("api.stripe.com", "js.stripe.com.example.com", "example.com"):
        await page.context.route(f"https://{host}/**", note)
    tried: Any = await page.evaluate(
        """async () => Promise.all(
          ["https://api.stripe.com/v1", "https://js.stripe.com.example.com/", "https://example.com/"]
            .map((url) => fetch(url).then(() => "reached", () => "refused")))"""
    )

    assert tried == ["reached", "refused", "refused"]
    assert reached == ["api.stripe.com"]
