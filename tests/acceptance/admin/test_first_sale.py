"""From an empty database to a shopper who buys, on the screen alone."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from browsers import check_page
from PIL import Image
from playwright.async_api import Page, expect
from programs import Site, settings
from signing_in import sign_in
from support import PASSWORD

from waitroom.cli.up import announcement, first_steps
from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 844}


def photo(tmp_path: Path) -> Path:
    path = tmp_path / "print.jpg"
    Image.new("RGB", (64, 64), "#1f5f4c").save(path)
    return path


async def code_of(postgres_url: str, valkey_url: str) -> str:
    """Return the code that `waitroom up` prints on its terminal."""
    made = msgspec.structs.replace(settings(postgres_url, valkey_url), demo=False)
    said = announcement(made, await first_steps(made))
    assert "Nothing is set up yet" in said
    return said.partition("/admin/first?code=")[2].split()[0]


async def test_a_first_sale_leads_from_an_empty_database_to_a_shopper_who_buys(
    site: Site,
    pages: Pages,
    postgres_url: str,
    valkey_url: str,
    tmp_path: Path,
) -> None:
    code = await code_of(postgres_url, valkey_url)
    page = await pages(viewport=PHONE)
    await page.goto(site.url)
    await page.get_by_role("link", name="Set up this shop").click()
    await check_page(page)

    await make_account(page, code)
    await check_page(page)
    await page.get_by_label("What is the sale called?").fill("First prints")
    await page.get_by_role("button", name="Make the room").click()
    await add_product(page, photo(tmp_path))
    await check_page(page)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator(".product img")).to_be_visible()
    await expect(page.locator(".price")).to_have_text("€45.50")
    await expect(page.get_by_text("nobody is charged")).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Open the sale").click()
    await expect(page.get_by_role("heading", name="First prints is open")).to_be_visible()
    await check_page(page)
    link = await page.get_by_label("Address").input_value()
    assert link.endswith("/rooms/first-prints")
    await expect(page.locator(".qr img")).to_have_js_property("complete", value=True)
    assert await page.locator(".qr img").evaluate("image => image.naturalWidth") > 100
    png = await page.request.get(f"{site.url}/admin/rooms/first-prints/qr.png")
    assert (await png.body()).startswith(b"\x89PNG")

    await buy(await pages(), f"{site.url}/rooms/first-prints")
    await page.get_by_role("link", name="Watch the sale").click()
    await expect(page.locator("#figure-sold")).to_have_text("1")
    await page.goto(f"{site.url}/admin/first")
    await expect(page.get_by_role("heading", name="A sale of your own")).to_be_visible()


async def make_account(page: Page, code: str) -> None:
    """Make the account: with a wrong code first, and with the right one then."""
    for wrong, text in ((True, "wrong-code"), (False, code)):
        await page.get_by_label("Code").fill(text)
        await page.get_by_label("Your name, to sign in with").fill("ann")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_label("The password once more").fill(PASSWORD)
        await page.get_by_role("button", name="Make the account").click()
        if wrong:
            await expect(page.locator("#code-problem")).to_contain_text("not valid")
    await expect(page.get_by_role("heading", name="A sale of your own")).to_be_visible()


async def add_product(page: Page, picture: Path) -> None:
    """Add a product: with a price that is none first; the picture is kept over it."""
    await page.get_by_label("Its name").fill("Harbour, linocut")
    await page.get_by_label("Picture").set_input_files(picture)
    await page.get_by_label("Price in EUR").fill("dear")
    await page.get_by_label("How many are there?").fill("25")
    await page.get_by_role("button", name="Put it on the shelf").click()
    await expect(page.locator("#price-problem")).to_have_text(
        "Type an amount in EUR such as 12.50."
    )
    await expect(page.locator("img.kept")).to_be_visible()
    await page.get_by_label("Price in EUR").fill("45.50")
    await page.get_by_role("button", name="Put it on the shelf").click()
    await expect(page.get_by_role("heading", name="When does it open?")).to_be_visible()


async def buy(shopper: Page, address: str) -> None:
    await shopper.goto(address)
    await shopper.locator("#enter").click()
    await shopper.locator('[name="quantity-harbour-linocut"]').fill("1")
    await shopper.locator("#hold-button").click()
    await shopper.locator("#pay-button").click()
    await expect(shopper.locator("#order-status")).to_contain_text("aid")


async def test_only_the_newest_code_makes_one_account_and_strangers_get_none(
    service: Service, client: Any
) -> None:
    async def ask(code: str | None, name: str = "eve") -> int:
        form = {"code": code or "", "name": name, "password": PASSWORD, "again": PASSWORD}
        answer = await client.post("/admin/first", data=form, allow_redirects=False)
        return int(answer.status)

    older, newest = [await service.operators.offer_first() for _ in range(2)]
    assert older
    assert newest
    led = await client.get("/admin", headers={"Accept": "text/html"}, allow_redirects=True)
    assert "fresh installation" in await led.text()
    assert [await ask(code) for code in ("", older, newest[:-1])] == [400, 400, 400]
    assert not await service.operators.any()
    # A code is used up by one of two who have it.
    both = await asyncio.gather(ask(newest.upper(), "ann"), ask(newest, "bo"))
    assert sorted(both) == [303, 400]
    assert await ask(newest, "eve") == 400
    assert len(await service.operators.accounts()) == 1
    assert await service.operators.offer_first() is None
    left = await client.get("/admin/first", allow_redirects=False)
    assert (left.status, left.headers["Location"]) == (303, "/admin/first/room")


async def test_a_packed_form_is_refused_before_it_is_unpacked(
    service: Service, client: Any
) -> None:
    headers = await sign_in(service, client, "admin")
    room = {"name": "Autumn drop", "currency": "JPY", "seats": "7"}
    made = await client.post("/admin/first/room", data=room, headers=headers, allow_redirects=False)
    assert made.status == 303

    packed = {"Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post(
        "/admin/first/rooms/autumn-drop/product",
        data=gzip.compress(b"\r\n" * 2**16 + b"--b--\r\n"),
        headers=headers | packed,
        skip_auto_headers=["Content-Encoding"],
        compress=False,
    )

    assert answer.status == 415
    assert "without Content-Encoding" in await answer.text()


async def test_a_sale_is_set_up_without_a_script_and_opens_by_itself_after_a_draw(
    service: Service, client: Any
) -> None:
    headers = await sign_in(service, client, "admin") | {"Accept": "text/html"}
    there = "/admin/first/rooms/autumn-drop"

    async def send(path: str, form: dict[str, str] | aiohttp.FormData) -> tuple[int, str, str]:
        answer = await client.post(path, data=form, headers=headers, allow_redirects=False)
        return answer.status, answer.headers.get("Location", ""), await answer.text()

    room = {"name": "Autumn drop", "currency": "JPY", "seats": "7"}
    assert (await send("/admin/first/room", room))[:2] == (303, f"{there}/product")
    taken = await send("/admin/first/room", room)
    assert (taken[0], "There is a room" in taken[2]) == (400, True)
    for name in ("Vase", "Vase"):
        goods = aiohttp.FormData({"name": name, "price": "6400", "units": "3", "limit": "1"})
        goods.add_field("picture", b"", filename="", content_type="application/octet-stream")
        assert (await send(f"{there}/product", goods))[:2] == (303, f"{there}/opening")
    no_picture = aiohttp.FormData({"name": "Bowl", "price": "1", "units": "1"})
    no_picture.add_field("picture", b"<svg/>", filename="a.svg", content_type="image/svg+xml")
    refused = await send(f"{there}/product", no_picture)
    assert (refused[0], 'id="picture-problem"' in refused[2]) == (400, True)
    over = await send(f"{there}/opening", {"when": "later", "opens_at": "2020-01-01T10:00"})
    assert (over[0], "This moment is over." in over[2]) == (400, True)
    later = {"when": "later", "opens_at": "2099-05-01T10:00", "draw": "yes"}
    assert (await send(f"{there}/opening", later))[:2] == (303, f"{there}/preview")

    preview = await (await client.get(f"{there}/preview", headers=headers)).text()
    rules = await service.rooms.read("autumn-drop")
    assert rules.opens_at == datetime(2099, 5, 1, 10, tzinfo=UTC)
    assert (rules.order_by, rules.seats_max, rules.status) == ("draw", 7, "scheduled")
    assert "drawn then" in preview
    assert "¥6,400" in preview
    codes = [product.product for product in await service.products.page(room="autumn-drop")]
    assert codes == ["vase", "vase-2"]
    assert (await send(f"{there}/open", {}))[:2] == (303, f"{there}/share")
    assert (await service.rooms.read("autumn-drop")).status == "open"
