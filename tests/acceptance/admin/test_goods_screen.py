"""An operator runs the shop on the screen alone, with a phone: goods, stock, files, sellers."""

import asyncio
import io
from collections.abc import Awaitable, Callable

from browsers import check_page
from PIL import Image
from playwright.async_api import Locator, Page, expect
from programs import Site, all_know
from signing_in import sign_in_on_screen
from support import PASSWORD, execute, open_room

from inventory.catalogue import SkuChange
from waitroom.run.app import Service

Pages = Callable[..., Awaitable[Page]]
PHONE = {"width": 390, "height": 844}
GOODS = "/admin/screens/drop/goods"
# A large photograph, as a phone takes it: the screen makes it smaller before it sends it.
PHOTO_SIZE = (1800, 1400)


async def enter(page: Page, site: Site, service: Service, role: str) -> None:
    await service.operators.add(role, role=role, password=PASSWORD)
    await all_know(site, status=None)
    await sign_in_on_screen(page, site.url, role)
    await page.goto(site.url + GOODS)


def photo() -> dict[str, object]:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(PHOTO_SIZE).save(file, "JPEG", quality=90)
    return {"name": "IMG_1.JPG", "mimeType": "image/jpeg", "buffer": file.getvalue()}


def sheet(*lines: str) -> dict[str, object]:
    text = "\n".join(["sku;product_name;price_minor;receive", *lines])
    return {"name": "new.csv", "mimeType": "text/csv", "buffer": text.encode()}


def variant(page: Page, sku: str) -> Locator:
    return page.locator(f'.variant[data-sku="{sku}"]')


async def make_a_product(page: Page) -> None:
    await page.get_by_role("button", name="Add a product").click()
    form = page.locator("#new-form")
    await form.get_by_label("Name").fill("Mug of Blue Clay")
    await expect(form.get_by_label("Code", exact=True)).to_have_value("mug-of-blue-clay")
    await form.get_by_label("Code", exact=True).fill("mug")
    await form.get_by_label("Description").fill("Holds a third of a litre.")
    await form.get_by_label("Picture").set_input_files(photo())
    await expect(form.locator("[data-said]")).to_contain_text("The picture is here.")
    await form.get_by_label("Price in EUR, tax included").fill("a lot")
    await form.get_by_label("Units to begin with").fill("12")
    await form.locator("summary").click()
    await form.get_by_label("Units in one order").fill("2")
    await form.get_by_label("Units in one visit").fill("3")
    await form.get_by_label("Low at").fill("2")
    await check_page(page)
    await form.get_by_role("button", name="Add the product").click()
    await expect(form.locator("#new-price_minor-problem")).to_contain_text("such as 12.50")
    await form.get_by_label("Price in EUR, tax included").fill("18,50")
    await form.get_by_role("button", name="Add the product").click()
    await expect(page.locator("#all-told")).to_have_text(
        "Mug of Blue Clay was added with 12 units."
    )


async def write_off(page: Page) -> None:
    mug = variant(page, "mug")
    await mug.get_by_label("What happened").select_option("gone")
    await mug.get_by_label("Units", exact=True).fill("11")
    await mug.get_by_role("button", name="Book").click()
    await expect(mug.locator("#mug-why-problem")).to_have_text("Say why; it goes on record.")
    await mug.get_by_label("Reason, for the record").first.fill("broke on the way")
    await mug.get_by_role("button", name="Book").click()
    await expect(mug.locator("#mug-stock-told")).to_have_text(
        "You wrote off 11 units: broke on the way. 1 unit left to sell."
    )
    await expect(mug.locator("[data-sale]")).to_have_text("Low")
    await mug.locator("[data-moves] > summary").click()
    await expect(mug.locator("[data-moves] li")).to_have_count(2)
    await expect(mug.locator("[data-moves] li").first).to_contain_text(
        "operator wrote off 11 units: broke on the way"
    )


async def change_the_price_and_the_sale(page: Page, service: Service) -> None:
    mug = variant(page, "mug")
    # Another price, and off sale and on again at once.
    await mug.get_by_label("Price in EUR, tax included").fill("17")
    await mug.get_by_role("button", name="Save").click()
    await expect(mug.locator("#mug-sku-told")).to_have_text(
        "Saved. Baskets in being keep their price."
    )
    await mug.locator("[data-changes] > summary").click()
    await expect(mug.locator("[data-changes] li").first).to_contain_text(
        "operator changed price from €18.50 to €17.00"
    )
    await mug.get_by_role("button", name="Take it off sale").click()
    await expect(mug.locator("[data-sale]")).to_have_text("Off sale")
    assert not (await service.stock.read("mug")).on_sale
    await mug.get_by_role("button", name="Put it on sale now").click()
    await expect(mug.locator("#mug-sku-told")).to_have_text("It is on sale.")
    sku = await service.stock.read("mug")
    assert (sku.price_minor, sku.on_sale, sku.on_sale_until) == (1700, True, None)
    # A colleague was faster: the same field is refused once, and others of theirs stand.
    theirs = SkuChange(price_minor=1800, limit_per_session=3)
    await service.stock.change("mug", theirs, who="colleague")
    await mug.get_by_label("Price in EUR, tax included").fill("17.50")
    await mug.get_by_role("button", name="Save").click()
    await expect(mug.locator("#mug-sku-told")).to_contain_text(
        "A colleague changed the price meanwhile, so nothing was saved."
    )
    await expect(mug.locator("[data-sum]")).to_contain_text("€18.00")
    await mug.get_by_role("button", name="Save").click()
    await expect(mug.locator("[data-sum]")).to_contain_text("€17.50")
    sku = await service.stock.read("mug")
    assert (sku.price_minor, sku.limit_per_session) == (1750, 3)


async def add_a_variant(page: Page, service: Service) -> None:
    # A second variant, and the product's own texts.
    await page.locator("#variant-box > summary").click()
    await page.get_by_label("What is different").last.fill("Green")
    form = page.locator("#variant-form")
    await expect(form.get_by_label("Code (SKU)")).to_have_value("mug-green")
    await form.get_by_label("Price in EUR, tax included").fill("19")
    await form.get_by_label("Units to begin with").fill("5")
    await form.get_by_role("button", name="Add the variant").click()
    await expect(page.locator("#add-told")).to_have_text("Green was added with 5 units.")
    await page.locator("#product-box > summary").click()
    await page.locator("#product-form").get_by_label("Name").fill("Mug")
    await page.get_by_role("button", name="Save the product").click()
    await expect(page.locator("#product-told")).to_have_text("The product was saved.")
    await expect(page.locator("#product-title")).to_have_text("Mug")
    await expect(variant(page, "mug-green").locator(".variant-name")).to_have_text("Green")
    assert (await service.stock.read("mug-green")).name == "Mug, Green"
    await page.get_by_role("button", name="Take all off sale").click()
    await expect(page.locator("#all-told")).to_have_text("2 variants are off sale.")
    await page.get_by_role("button", name="Put all on sale").click()
    await expect(page.locator("#all-told")).to_have_text("2 variants are on sale.")
    await variant(page, "mug-green").locator("summary").first.click()
    await check_page(page)
    # What has had stock stays on record.
    await variant(page, "mug-green").get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete it").click()
    await expect(page.locator("#mug-green-sku-told")).to_contain_text("cannot be deleted")


async def test_an_operator_makes_and_steers_goods_on_a_phone(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={})
    page = await pages(viewport=PHONE)
    await enter(page, site, service, "operator")
    await expect(page.locator("#found")).to_have_text("There are no products in this room yet.")
    await make_a_product(page)

    made = (await service.products.read("mug")).variants[0]
    picture = await service.pictures.read(made.product_picture.removeprefix("/pictures/"))
    assert (made.price_minor, made.limit_per_order, made.limit_per_session) == (1850, 2, 3)
    assert (made.low_at, made.on_hand, made.name) == (2, 12, "Mug of Blue Clay")
    assert max(Image.open(io.BytesIO(picture)).size) == 1200

    # The address names the product, so it can be reloaded and kept.
    await page.reload()
    await write_off(page)
    await change_the_price_and_the_sale(page, service)
    await add_a_variant(page, service)

    await page.get_by_role("link", name="All products").click()
    await expect(page.locator("#product-rows li")).to_contain_text(
        "2 variants, €17.50 to €19.00, 6 of 6 left"
    )
    shown = page.locator("#product-rows img")
    await expect(shown).to_have_js_property("naturalWidth", 1200)


async def test_a_file_is_checked_line_by_line_before_it_is_imported(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={f"mug-{n:02}": 1 for n in range(24)})
    await service.operators.add("ann", role="seller", password=PASSWORD)
    page = await pages(viewport=PHONE)
    await enter(page, site, service, "operator")
    await expect(page.locator("#found")).to_have_text("20 products, and there are more")
    await page.get_by_role("button", name="Show more products").click()
    await expect(page.locator("#found")).to_have_text("24 products")
    await page.locator("#q").fill("mug-17")
    await page.locator("#q").press("Enter")
    await expect(page.locator("#product-rows li")).to_have_count(1)
    assert page.url.endswith("?q=mug-17")

    file, show = page.get_by_label("CSV file"), page.get_by_label("Lines to show")
    await file.set_input_files(sheet("mug-17;;1500;", "vase;Vase;25,00;4", "mug-18;;-3;"))
    await page.get_by_role("button", name="Check the file").click()
    await expect(page.locator("#import-sums")).to_contain_text(
        "3 lines: 0 new, 1 changed, 0 unchanged, 2 refused."
    )
    await expect(page.locator("#fates li").first).to_contain_text("Line 3, vase price_minor")
    await expect(page.get_by_role("button", name="Import 3 lines")).to_be_hidden()
    await show.select_option("changed")
    await expect(page.locator("#fates li")).to_have_text(
        "Line 2, mug-17 Changed: price from €10.00 to €15.00"
    )

    await file.set_input_files(sheet("mug-17;;1500;", "vase;Vase;2500;4"))
    await expect(page.locator("#import-result")).to_be_hidden()
    await page.get_by_role("button", name="Check the file").click()
    await expect(page.locator("#fates li")).to_have_text("Line 3, vase New: 4 units come in")
    assert (await service.stock.read("mug-17")).price_minor == 1000
    await page.get_by_role("button", name="Import 2 lines").click()
    await expect(page.locator("#import-told")).to_contain_text(
        "Imported. 2 lines: 1 new, 1 changed"
    )
    vase = await service.stock.read("vase")
    assert (vase.on_hand, vase.price_minor) == (4, 2500)
    assert (await service.stock.read("mug-17")).price_minor == 1500

    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download the catalogue as CSV").click()
    saved = await asyncio.to_thread((await (await downloading.value).path()).read_text)
    assert "\nvase,vase,Vase," in saved.replace("product,sku", "sku,product")

    await page.get_by_label("Admit a seller, by sign-in name").fill("bob")
    await page.get_by_role("button", name="Admit", exact=True).click()
    await expect(page.locator("#sellers-told")).to_contain_text("bob")
    await page.get_by_label("Admit a seller, by sign-in name").fill("ann")
    await page.get_by_role("button", name="Admit", exact=True).click()
    await expect(page.locator("#sellers-told")).to_have_text("ann sells in this room.")
    await check_page(page)
    await page.get_by_role("button", name="Withdraw ann").click()
    await page.locator("#sure-yes").click()
    await expect(page.locator("#sellers-told")).to_have_text("ann no longer sells in this room.")


async def test_a_seller_and_a_viewer_see_what_is_theirs(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3})
    page = await pages(viewport=PHONE)
    await service.operators.add("ann", role="seller", password=PASSWORD)
    await service.rooms.admit("drop", "ann", admitted=True, who="night", reason="")
    await enter(page, site, service, "viewer")
    await page.locator("#product-rows a").click()
    mug = variant(page, "mug")
    await expect(mug.locator("[data-figures]")).to_contain_text("3 units in all")
    await expect(mug.locator("[data-form=stock]")).to_have_count(0)
    await expect(mug.get_by_role("button", name="Save")).to_be_disabled()

    await sign_in_on_screen(page, site.url, "ann")
    await page.goto(site.url + GOODS)
    await expect(page.locator("#found")).to_have_text("There are no products in this room yet.")
    await expect(page.locator("#seller-form")).to_have_count(0)
    await page.get_by_role("button", name="Add a product").click()
    form = page.locator("#new-form")
    await form.get_by_label("Name").fill("Vase")
    await form.get_by_label("Price in EUR, tax included").fill("30")
    await form.get_by_label("Code", exact=True).fill("mug")
    await form.get_by_role("button", name="Add the product").click()
    await expect(form.locator("#new-product-problem")).to_contain_text("is taken")
    await form.get_by_label("Code", exact=True).fill("vase")
    await form.get_by_role("button", name="Add the product").click()
    await expect(page.locator("#all-told")).to_have_text("Vase was added. It has no units yet.")
    await check_page(page)
    (row,) = await execute(service, "SELECT seller_id FROM product WHERE product = 'vase'")
    assert row["seller_id"] == await service.products.seller_id("ann")
