"""Pictures over HTTP: uploaded by those who sell, served to everybody for good."""

import io
import re
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from PIL import Image
from signing_in import sign_in
from support import PASSWORD, execute, open_room

from inventory.pictures.picture import read_picture
from waitroom.run.app import Service

Client = TestClient[Any, Any]
AS_WEBP = {"Content-Type": "image/webp"}
URL = "/admin/rooms/drop/pictures"


def drawn(colour: str, form: str = "WEBP") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(file, form)
    return file.getvalue()


async def test_a_picture_is_uploaded_named_by_a_product_and_served_for_good(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    headers = await sign_in(service, client, "operator") | AS_WEBP

    answer = await client.post(URL, data=drawn("red"), headers=headers)
    again = await client.post(URL, data=drawn("red"), headers=headers)
    address = (await answer.json())["picture"]
    named = await client.patch(
        "/admin/products/mug", json={"picture": address}, headers={"Cookie": headers["Cookie"]}
    )
    # Its kind is that of its content, whatever the upload says.
    png = await client.post(URL, data=drawn("red", "PNG"), headers=headers)
    served = await client.get(address)
    known = await client.get(address, headers={"If-None-Match": served.headers["ETag"]})

    assert (answer.status, again.status, named.status) == (201, 201, 200)
    assert address == (await again.json())["picture"]
    assert re.fullmatch(r"/pictures/[0-9a-f]{32}\.png", (await png.json())["picture"])
    assert await served.read() == read_picture(drawn("red")).body
    assert served.headers["Content-Type"] == "image/webp"
    assert "immutable" in served.headers["Cache-Control"]
    assert served.headers["Content-Security-Policy"].endswith("; sandbox")
    assert (known.status, await known.read()) == (304, b"")
    page = await client.get("/products/mug", headers={"Accept": "text/html"})
    assert f'src="{address}"' in await page.text()


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", (422, "not_a_picture")),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png", (422, "not_a_picture")),
        (drawn("red"), "text/html", (422, "not_a_picture")),
        (drawn("red")[:30], "image/webp", (422, "not_a_picture")),
        (drawn("red") + bytes(1024 * 1024), "image/webp", (413, "picture_too_large")),
    ],
)
async def test_what_is_no_picture_of_a_good_size_is_refused(
    service: Service, client: Client, body: bytes, kind: str, expected: tuple[int, str]
) -> None:
    await open_room(service, skus={})
    headers = await sign_in(service, client, "seller") | {"Content-Type": kind}

    answer = await client.post(URL, data=io.BytesIO(body), headers=headers)

    assert (answer.status, (await answer.json())["code"]) == expected
    for path in ("/pictures/" + "0" * 32 + ".png", "/pictures/x.svg", "/pictures/"):
        assert (await client.get(path)).status == 404


async def test_pictures_that_nothing_shows_make_room_and_no_seller_takes_anothers(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1})
    pictures = {c: read_picture(drawn(c)) for c in ("red", "blue", "green", "white")}
    room_for_two = sum(len(pictures[c].body) for c in ("red", "blue"))

    async def keep(colour: str, seller: int | None = None) -> str:
        values = {"room": "drop", "seller": seller, "who": "night", "bytes_max": room_for_two}
        try:
            await service.pictures.keep(pictures[colour], **values)
        except Exception as refusal:  # noqa: BLE001 - its code is what is asked for
            return str(getattr(refusal, "code", refusal))
        return "kept"

    await service.operators.add("ann", role="seller", password=PASSWORD)
    ann = await service.products.seller_id("ann")
    shown = f"/pictures/{pictures['red'].name}"
    await execute(service, "UPDATE sku SET picture = $1", shown)

    assert [await keep(c) for c in ("red", "blue", "green")] == [
        "kept",
        "kept",
        "too_many_pictures",
    ]
    assert await keep("white", ann) == "kept"
    await execute(service, "UPDATE picture SET at = at - interval '2 days'")
    assert await keep("green") == "kept"

    left = {
        c for c, p in pictures.items() if (await client.get(f"/pictures/{p.name}")).status == 200
    }
    assert left == {"red", "green", "white"}


async def test_an_operator_takes_a_sku_off_sale_and_puts_it_back(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 3})
    cookie = await sign_in(service, client, "operator")
    later, long_ago = "2100-01-01T00:00:00Z", "2001-01-01T00:00:00Z"

    async def change(**fields: Any) -> dict[str, Any]:
        answer = await client.patch("/admin/skus/mug", json=fields, headers=cookie)
        body: dict[str, Any] = await answer.json()
        assert answer.status == 200, body
        return {name: body[name] for name in ("on_sale", "on_sale_from", "on_sale_until")}

    off = await change(on_sale=False)
    assert off["on_sale"] is False
    assert await change(on_sale=False) == off
    assert await change(on_sale=True) == {
        "on_sale": True, "on_sale_from": None, "on_sale_until": None
    }  # fmt: skip
    # A sale to come does not begin, and one that has begun keeps its end when it is put on.
    await change(on_sale_from=later)
    assert (await change(on_sale=False))["on_sale_from"] is None
    await change(on_sale_from=long_ago, on_sale_until=later)
    assert await change(on_sale=True) == {
        "on_sale": True, "on_sale_from": long_ago, "on_sale_until": later
    }  # fmt: skip
    both = {"on_sale": True, "on_sale_until": later}
    refused = await client.patch("/admin/skus/mug", json=both, headers=cookie)
    assert refused.status == 422
