"""Orders and sales on the operators' screens, over HTTP and in a browser."""

import csv
import io
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientPayloadError
from aiohttp.test_utils import TestClient
from browsers import check_page
from paying import a_basket, all_is_well, refund
from playwright.async_api import Page, expect
from programs import Site
from shop import open_gate, sessions_in
from signing_in import sign_in, sign_in_on_screen
from support import PASSWORD, eventually, execute, sold_by_a_seller

from checkout.order import DETAILS
from inventory.kit.pages import static_folder
from inventory.money import UnreadableAmount, currencies, format_amount, parse_amount
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 740}
DESK = {"width": 1280, "height": 900}


async def sales(service: Service, *baskets: dict[str, int]) -> list[UUID]:
    """Return paid orders, oldest first."""
    sessions = await sessions_in(service, len(baskets))
    pairs = zip(sessions, baskets, strict=True)
    return [await a_basket(service, session, **basket) for session, basket in pairs]


async def a_customer(service: Service, order_id: UUID) -> None:
    sql = """WITH who AS (INSERT INTO customer (issuer, subject, email)
             VALUES ('https://id.example', 'ann', 'ann@example.com') RETURNING customer_id)
             UPDATE purchase SET customer_id = (SELECT customer_id FROM who) WHERE order_id = $1"""
    await execute(service, sql, order_id)


URL = "/admin/rooms/drop/orders"


async def test_operators_list_filter_and_page_orders(service: Service, client: Client) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    orders = [str(o) for o in await sales(service, {"mug": 1}, {"vase": 1}, {"mug": 2})]
    as_viewer = await sign_in(service, client, "viewer")

    async def listed(**query: str) -> tuple[list[str], str | None]:
        answer = await client.get(URL, params=query, headers=as_viewer)
        body = await answer.json()
        assert answer.status == 200, body
        return [order["order_id"] for order in body["orders"]], body["next"]

    assert await listed() == (orders[::-1], None)
    first, following = await listed(limit="2")
    assert first == [orders[2], orders[1]]
    assert await listed(limit="2", cursor=str(following)) == ([orders[0]], None)
    assert await listed(sku="vase") == ([orders[1]], None)
    assert await listed(status="declined") == ([], None)
    assert await listed(q=orders[0].upper()) == ([orders[0]], None)
    assert await listed(**{"from": "2030-01-01T00:00Z"}) == ([], None)
    assert await listed(to="2030-01-01T00:00:00+01:00", sku="mug") == (orders[2::-2], None)


async def test_the_screen_of_the_room_finds_what_it_reads_of_an_order(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9})
    await sales(service, {"mug": 2})
    as_viewer = await sign_in(service, client, "viewer")

    (order,) = (await (await client.get(URL, headers=as_viewer)).json())["orders"]

    assert order["number"] == order["reference"]
    assert (order["status"], order["total_minor"], order["currency"]) == ("paid", 2000, "EUR")
    assert [(i["quantity"], i["name"]) for i in order["items"]] == [(2, "Mug")]
    assert order["created_at"] < order["paid_at"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"status": "lost"}, 400),
        ({"from": "yesterday"}, 400),
        ({"cursor": "x"}, 400),
        ({"limit": "1000"}, 400),
        ({"q": "x" * 400}, 400),
        ({"sku": "ghost"}, 404),
        ({"q": "\0"}, 400),
    ],
)
async def test_a_filter_that_cannot_be_is_refused(
    service: Service, client: Client, query: dict[str, str], status: int
) -> None:
    await open_gate(service, skus={"mug": 9})
    as_viewer = await sign_in(service, client, "viewer")

    answers = [
        await client.get(url, params=query, headers=as_viewer)
        for url in (URL, f"{URL}.csv")
        if url == URL or not {"cursor", "limit"} & set(query)
    ]

    assert {answer.status for answer in answers} == {status}


async def test_an_order_is_read_with_all_that_is_kept_about_it(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9})
    (order_id,) = await sales(service, {"mug": 2})
    await a_customer(service, order_id)
    await service.refunds.drive(await refund(service, order_id, amount_minor=300))
    as_viewer = await sign_in(service, client, "viewer")

    answer = await client.get(f"/admin/orders/{order_id}", headers=as_viewer)
    body = await answer.json()
    unknown = await client.get(f"/admin/orders/{UUID(int=1)}", headers=as_viewer)

    assert (answer.status, unknown.status) == (200, 404)
    assert (body["status"], body["refunded_minor"]) == ("partly_refunded", 300)
    assert body["customer"]["email"] == "ann@example.com"
    assert body["payment"]["payment_key"] == str(order_id)
    assert body["payment"]["gateway_ref"].startswith("test_")
    assert body["line_number"] == 1
    assert [(r["amount_minor"], r["who"]) for r in body["refunds"]] == [(300, "night")]
    whats = [event["what"] for event in body["timeline"]]
    assert whats == ["held", "payment_started", "sold", "paid", "refund_asked", "refund_done"]


async def test_a_seller_is_shown_their_part_and_nobody_elses_name(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    both, foreign = await sales(service, {"mug": 1, "vase": 2}, {"vase": 1})
    await a_customer(service, both)
    items = [{"sku": "mug", "quantity": 1}]
    await service.refunds.drive(await refund(service, both, items=items, restock=True))
    as_seller = await sign_in(service, client, "seller")
    await sold_by_a_seller(service, "mug")

    async def ask(url: str, **query: str) -> tuple[int, str]:
        answer = await client.get(url, params=query, headers=as_seller)
        return answer.status, await answer.text()

    listed = await client.get(URL, headers=as_seller)
    (order,) = (await listed.json())["orders"]
    _, file = await ask(f"/admin/orders/{both}")
    _, sheet = await ask(f"{URL}.csv")

    assert (order["order_id"], order["total_minor"]) == (str(both), 1000)
    for text in (await listed.text(), file, sheet):
        for secret in ("ann", "vase", "Vase", "test_", "night", "broken", "3000"):
            assert secret not in text, secret
    (row,) = csv.DictReader(io.StringIO(sheet, newline=""))
    assert (row["sku"], row["order_total_minor"], row["order_refunded_minor"]) == (
        *("mug", "1000", "1000"),
    )
    assert (await ask(f"/admin/orders/{foreign}"))[0] == 404
    assert (await ask(URL, sku="vase"))[0] == 404
    assert (await ask(URL, q="ann@example.com"))[0] == 403
    assert (await ask("/admin/screens/drop/orders"))[0] == 200
    refused = await client.post(f"/admin/orders/{both}/refunds", headers=as_seller)
    assert refused.status == 403


async def test_an_export_is_a_csv_file_of_the_orders_wanted(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkout.history.history_store.EXPORT_PAGE", 2)
    await open_gate(service, skus={"mug": 9, "vase": 9})
    await execute(service, "UPDATE sku SET name = '@SUM(A1);=1' WHERE sku = 'mug'")
    orders = await sales(service, {"mug": 1, "vase": 1}, {"mug": 2}, {"vase": 1}, {"mug": 1})
    as_viewer = await sign_in(service, client, "viewer")

    answer = await client.get(f"{URL}.csv", params={"sku": "mug"}, headers=as_viewer)
    rows = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == 'attachment; filename="drop-orders.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    found = [(row["order_id"], row["sku"], row["name"]) for row in rows]
    assert found == [
        (str(orders[3]), "mug", "'@SUM(A1);'=1"),
        (str(orders[1]), "mug", "'@SUM(A1);'=1"),
        (str(orders[0]), "mug", "'@SUM(A1);'=1"),
        (str(orders[0]), "vase", "Vase"),
    ]


async def test_half_an_export_is_not_taken_for_a_whole_one(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkout.history.history_store.EXPORT_PAGE", 2)
    await open_gate(service, skus={"mug": 9})
    oldest, *_ = await sales(service, *[{"mug": 1}] * 5)
    # What cannot be read: an order without lines.
    await execute(service, "DELETE FROM purchase_line WHERE order_id = $1", oldest)
    as_viewer = await sign_in(service, client, "viewer")

    answer = await client.get(f"{URL}.csv", headers=as_viewer)

    assert answer.status == 200
    with pytest.raises(ClientPayloadError):
        await answer.read()
    assert (await client.get(f"{URL}?limit=2", headers=as_viewer)).status == 200


# In a browser.


@pytest.fixture
async def sold(service: Service) -> list[UUID]:
    """Sell to two shoppers, before the program that is asked for after it takes the lead."""
    await open_gate(service, skus={"mug": 9, "vase": 9})
    return await sales(service, {"mug": 2, "vase": 1}, {"vase": 1})


async def enter(page: Page, site: Site, service: Service, path: str, role: str) -> None:
    """Sign in and open one of the screens."""
    await service.operators.add(role, role=role, password=PASSWORD)
    await sign_in_on_screen(page, site.url, role)
    await page.goto(f"{site.url}{path}")


async def does_not_scroll_sideways(page: Page) -> bool:
    return bool(
        await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    )


async def test_an_operator_finds_an_order_and_gives_money_back(
    service: Service, sold: list[UUID], site: Site, pages: Pages
) -> None:
    order_id = sold[0]
    reference = (await service.orders.read(order_id)).number
    page = await pages(viewport=PHONE)
    await enter(page, site, service, "/admin/screens/drop/orders", "operator")

    await expect(page.locator("#order-rows tr")).to_have_count(2)
    await page.locator("#q").fill(reference[2:6].lower())
    await page.locator("#q").press("Enter")
    await expect(page.locator("#order-rows tr")).to_have_count(1)
    assert f"q={reference[2:6].lower()}" in str(await page.locator("#csv").get_attribute("href"))
    await page.locator("#order-rows a").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#order-title")).to_have_text(f"Order {reference}")
    await expect(page.locator("#order-title")).to_be_focused()
    await page.locator("#refund-box summary").click()
    await page.locator('[name="what"][value="units"]').check()
    await page.locator('#refund-lines [data-sku="mug"]').fill("1")
    await page.locator('[name="restock"][value="yes"]').check()
    await page.locator("#refund-reason").fill("a crack")
    await expect(page.locator("#refund-go")).to_have_text("Give back €10.00")
    await page.locator("#refund-go").click()
    await expect(page.locator("#refund-told")).to_have_text("€10.00 goes back to the shopper.")
    await expect(page.locator("#order-body")).to_contain_text("Refund done")
    await page.locator("#refund-box summary").click()
    await page.locator('[name="what"][value="amount"]').check()
    await page.locator("#refund-amount").fill("1000")
    await page.locator("#refund-reason").fill("sorry")
    await page.locator("#refund-go").click()
    await expect(page.locator("#refund-amount-problem")).to_contain_text("up to €20.00")
    await page.locator("#refund-amount").fill("2,50")
    await page.locator("#refund-go").click()
    await expect(page.locator("#order-body")).to_contain_text("goodwill")
    await check_page(page)
    await page.keyboard.press("Escape")
    await expect(page.locator("#order-dialog")).to_be_hidden()
    # On a phone the whole row stands in the window.
    assert await page.locator("#order-rows tr").evaluate("e => e.offsetWidth <= innerWidth")

    await expect(page.locator("#order-rows")).to_contain_text("Partly refunded")
    await expect(page.locator("#order-rows")).to_contain_text("€12.50")
    order = await service.orders.read(order_id)
    assert (order.refunded_minor, order.state) == (1250, "paid")
    assert (await service.stock.read("mug")).sold == 1
    await page.locator("#order-rows a").click()
    await page.locator("#refund-box summary").click()
    await page.locator('[name="what"][value="full"]').check()
    await page.locator('[name="restock"][value="no"]').check()
    await page.locator("#refund-reason").fill("all of it")
    await page.locator("#refund-go").click()
    # What the shopper is told is said in the operator's own words.
    await expect(page.locator("#order-body .why")).to_have_text(
        "All the money of this order has been given back."
    )
    await all_is_well(service)


def test_no_sentence_of_an_order_speaks_to_operators_as_to_the_shopper() -> None:
    said = (static_folder() / "js" / "admin" / "orders-words.js").read_text()
    to_shoppers = [text for text in DETAILS if re.search(r"(?i)\byour?\b", text)]

    assert len(to_shoppers) > 3
    assert [text for text in to_shoppers if f'"{text}":' not in said] == []


async def test_scripts_write_and_read_amounts_as_the_server_does(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await pages(viewport=DESK)
    await enter(page, site, service, "/admin", "viewer")
    codes = sorted(currencies())
    typed = ["12", "12.5", "12,50", "12.345", "1,234.56", "", "-5", " 7 ", "1e3", "12.", "\uff11"]

    def read(text: str, currency: str) -> int | None:
        try:
            return parse_amount(text, currency)
        except UnreadableAmount:
            return None

    written, minors = await page.evaluate(
        """async ([codes, typed]) => {
            const { money, minorOf } = await import("/static/js/money.js");
            return [
                codes.map((code) => money(1234567, code)),
                codes.map((code) => typed.map((text) => minorOf(text, code))),
            ];
        }""",
        [codes, typed],
    )

    # A browser may know another sign for a currency than Babel does, but puts no point elsewhere.
    figures = [re.sub("^[^0-9]+", "", text) for text in written]
    assert figures == [re.sub("^[^0-9]+", "", format_amount(1234567, code)) for code in codes]
    assert minors == [[read(text, code) for text in typed] for code in codes]
    spoken = dict(zip(codes, written, strict=True))
    for code in ("EUR", "USD", "GBP", "JPY", "IDR", "XOF", "RSD", "KWD", "HUF"):
        assert spoken[code] == format_amount(1234567, code)


async def test_an_operator_cancels_an_order(
    service: Service, sold: list[UUID], site: Site, pages: Pages
) -> None:
    order_id = sold[0]
    page = await pages(viewport=DESK)
    await enter(page, site, service, f"/admin/screens/drop/orders#{order_id}", "operator")

    await page.locator("#cancel-box summary").click()
    await page.locator('[name="cancel-restock"][value="yes"]').check()
    await page.locator("#cancel-reason").fill("fraud")
    await page.locator("#cancel-go").click()

    await expect(page.locator("#cancel-told")).to_contain_text("cancelled")
    await expect(page.locator("#order-body")).to_contain_text("Called off")

    async def refunded() -> bool:
        return (await service.orders.read(order_id)).state == "refunded"

    assert await eventually(refunded)
    assert (await service.stock.read("mug")).sold == 0
    await expect(page.locator("#refund-box")).to_be_hidden()
    await all_is_well(service)


@pytest.mark.usefixtures("sold")
async def test_a_viewer_sees_orders_and_no_buttons_on_a_phone(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await pages(viewport=PHONE)
    await enter(page, site, service, "/admin/screens/drop/orders", "viewer")

    await page.locator("#order-rows a").first.click()
    await expect(page.locator("#order-body")).to_contain_text("Payment authorized")

    assert await page.locator("#refund-box").count() == 0
    assert await does_not_scroll_sideways(page)
    await page.locator("[data-close]").click()
    await expect(page.locator("#order-dialog")).to_be_hidden()
    assert await does_not_scroll_sideways(page)


async def test_the_analysis_is_drawn_and_stands_in_tables(
    service: Service, sold: list[UUID], site: Site, pages: Pages
) -> None:
    await service.refunds.drive(await refund(service, sold[0], amount_minor=500))
    page = await pages(viewport=PHONE)
    await enter(page, site, service, "/admin/screens/drop/analytics", "viewer")

    await expect(page.locator("#figure-net")).to_have_text("€35.00")
    await expect(page.locator("#walk-rows tr").nth(4)).to_contain_text("Paid")
    await expect(page.locator("#plot-sales canvas")).to_be_visible()
    spoken = str(await page.locator("#plot-sales").get_attribute("aria-label"))
    assert re.search(r"Paid: at the end €[\d.]+, highest €40\.00\. Given back: .*€5\.00", spoken)
    await page.locator("#report details summary").first.click()
    await expect(page.locator("#rows-sales tr")).to_have_count(24)
    await expect(page.locator("#rows-sales")).to_contain_text("€35.00")
    await expect(page.locator("#sku-rows tr").first).to_contain_text("Mug (mug)")
    await expect(page.locator("#hold-rows tr").first).to_contain_text("Bought")
    assert await does_not_scroll_sideways(page)


@pytest.mark.usefixtures("sold")
async def test_a_seller_looks_at_their_own_sales(
    service: Service, site: Site, pages: Pages
) -> None:
    page = await pages(viewport=DESK)
    await enter(page, site, service, "/admin", "seller")
    await expect(page.locator(".lead")).to_contain_text("in which you sell")

    await sold_by_a_seller(service, "vase")
    await page.goto(f"{site.url}/admin/screens/drop/analytics")

    await expect(page.locator("#figure-net")).to_have_text("€20.00")
    await expect(page.locator("#sku-rows tr")).to_have_count(1)
    assert await page.locator("#walk-rows").count() == 0
    await page.get_by_role("link", name="Orders").click()
    await expect(page.locator("#order-rows")).to_contain_text("1 \N{MULTIPLICATION SIGN} Vase")
    await page.locator("#order-rows a").first.click()
    await expect(page.locator("#order-body")).to_contain_text("Paid")
