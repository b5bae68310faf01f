"""The catalogue over HTTP: read by anyone, changed by operators and by sellers their own."""

import csv
import io
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from programs import Command, Site, all_know
from signing_in import sign_in
from support import admitted, authorization, eventually, execute, open_room, tick

from inventory.catalogue import SkuChange
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]

CSV = {"Content-Type": "text/csv"}


async def body(answer: ClientResponse, status: int = 200) -> Any:
    assert answer.status == status, await answer.text()
    return await answer.json() if answer.status != 204 else None


async def code(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["code"]


# Anyone.


async def test_the_catalogue_is_read_page_by_page(service: Service, client: Client) -> None:
    await open_room(service, skus={f"mug-{n}": 1 for n in range(5)})
    await open_room(service, "secret", skus={"hidden": 1}, public=False)

    for path, kind, one in (
        ("/inventory/skus", "skus", "sku"), ("/inventory/products", "products", "product")
    ):  # fmt: skip
        read, cursor = [], ""
        while cursor is not None:
            page = await body(await client.get(f"{path}?limit=2&cursor={cursor}"))
            read += [item[one] for item in page[kind]]
            cursor = page["next"]

        assert read == [f"mug-{n}" for n in range(5)]
        assert await code(await client.get(f"{path}/hidden")) == (404, "not_found")
        assert (await body(await client.get(f"{path}?room=secret")))[kind] == []


async def test_a_sku_tells_all_that_a_shopper_needs(service: Service, client: Client) -> None:
    await open_room(service, skus={})
    until = datetime.now(UTC) + timedelta(days=1)
    await service.products.add("mug", room="drop", name="Mug", description="Tea.")
    await service.stock.add(
        "blue",
        room="drop",
        product="mug",
        variant="Blue",
        price_minor=900,
        limit_per_order=2,
        limit_per_customer=6,
        on_sale_until=until,
    )
    await service.ledger.move("blue", kind="received", quantity=3, who="test")

    sku = await body(await client.get("/inventory/skus/blue"))
    product = await body(await client.get("/inventory/products/mug"))

    assert datetime.fromisoformat(sku.pop("on_sale_until")) == until
    assert sku == {
        "sku": "blue", "product": "mug", "product_name": "Mug", "room": "drop",
        "name": "Mug, Blue", "variant": "Blue", "description": "Tea.", "picture": "",
        "price_minor": 900, "currency": "EUR", "limit_per_order": 2, "limit_per_session": 4,
        "limit_per_customer": 6, "on_sale_from": None, "on_sale": True,
        "held": 0, "sold": 0, "available": 3,
    }  # fmt: skip
    assert (product["name"], [one["sku"] for one in product["variants"]]) == ("Mug", ["blue"])
    assert "on_hand" not in sku


async def test_the_catalogue_is_filtered_and_searched(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1, "bowl": 1})
    await service.stock.add("late", room="drop", name="Late mug", price_minor=1,
                            on_sale_from=datetime.now(UTC) + timedelta(days=1))  # fmt: skip

    async def skus(query: str) -> list[str]:
        page = await body(await client.get(f"/inventory/skus?{query}"))
        return [sku["sku"] for sku in page["skus"]]

    assert await skus("q=mug") == ["late", "mug"]
    assert await skus("q=mug&on_sale=1") == ["mug"]
    assert await skus("on_sale=0&room=drop") == ["late"]
    assert await skus("product=bowl") == ["bowl"]
    assert await skus("room=none") == await skus("product=none") == await skus("q=%2B%2B") == []
    for query in ("on_sale=maybe", "limit=0", "limit=201", "q=" + "x" * 101, "cursor=" + "x" * 64):
        assert (await client.get(f"/inventory/skus?{query}")).status == 400
    products = await body(await client.get("/inventory/products?q=late"))
    assert [product["product"] for product in products["products"]] == ["late"]


async def test_what_has_not_changed_is_not_sent_again(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1})
    paths = [f"/inventory/{path}" for path in ("skus", "skus/mug", "products", "products/mug")]
    first = [await client.get(path) for path in paths]
    tags = [answer.headers["ETag"] for answer in first]

    again = [
        await client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        for path, tag in zip(paths, tags, strict=True)
    ]
    await service.stock.change("mug", SkuChange(price_minor=1100), who="test")

    assert {answer.headers["Cache-Control"] for answer in first} == {"public, max-age=1"}
    assert [(answer.status, await answer.read()) for answer in again] == [(304, b"")] * 4
    for path, tag in zip(paths, tags, strict=True):

        async def sent_anew(path: str = path, tag: str = tag) -> bool:
            answer = await client.get(path, headers={"If-None-Match": tag})
            return answer.status == 200 and b"1100" in await answer.read()

        assert await eventually(sent_anew, within_s=10)


# Operators and sellers.


async def test_operators_make_a_product_with_variants_and_change_it(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={})
    night = await sign_in(service, client, "operator")
    product = {"product": "mug", "name": "Mug", "picture": "/static/pictures/mug.svg"}
    sku = {"sku": "mug-blue", "product": "mug", "variant": "Blue", "price_minor": 900}

    made = await body(
        await client.post("/admin/rooms/drop/products", json=product, headers=night), 201
    )
    added = await body(await client.post("/admin/rooms/drop/skus", json=sku, headers=night), 201)
    change = {"price_minor": 1000, "limit_per_order": 2, "low_at": 5, "reason": "clay is dear"}
    changed = await body(await client.patch("/admin/skus/mug-blue", json=change, headers=night))
    await body(await client.patch("/admin/products/mug", json={"name": "Cup"}, headers=night))
    read = await body(await client.get("/admin/products/mug", headers=night))
    listed = await body(await client.get("/admin/rooms/drop/products?q=blue", headers=night))
    history = await body(await client.get("/admin/skus/mug-blue/changes", headers=night))

    assert (made["variants"], added["name"]) == ([], "Mug, Blue")
    assert (changed["price_minor"], changed["low_at"], changed["on_hand"]) == (1000, 5, 0)
    assert (read["name"], read["variants"][0]["product_name"]) == ("Cup", "Cup")
    assert [item["product"] for item in listed["products"]] == ["mug"]
    # A SKU that is called after its product follows the product's new name, on record.
    assert read["variants"][0]["name"] == "Cup, Blue"
    assert history["changes"][0]["changes"] == {"name": ["Mug, Blue", "Cup, Blue"]}
    assert [(c["what"], c["who"], c["reason"]) for c in history["changes"]] == [
        ("changed", "operator", ""),
        ("changed", "operator", "clay is dear"),
        ("added", "operator", ""),
    ]
    actions = await execute(service, "SELECT action FROM operator_action WHERE who = 'operator'")
    assert [row["action"] for row in actions] == [
        "add_product", "add_sku", "change_sku", "change_product",
    ]  # fmt: skip


async def test_what_was_moved_is_kept_and_what_was_not_can_go(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1, "bowl": 0})
    night = await sign_in(service, client, "operator")

    for path in ("skus/mug", "products/mug"):
        refused = await client.delete(f"/admin/{path}", headers=night)
        assert await code(refused) == (409, "in_use")
    assert (await client.delete("/admin/skus/bowl", headers=night)).status == 204
    assert (await client.delete("/admin/products/bowl", headers=night)).status == 204
    assert await code(await client.delete("/admin/skus/bowl", headers=night)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "wish", "expected"),
    [
        ("POST", "rooms/drop/products", {"product": "mug", "name": "M"}, (409, "taken")),
        ("POST", "rooms/none/products", {"product": "new", "name": "M"}, (404, "not_found")),
        ("POST", "rooms/drop/products", {"product": "a b", "name": "M"}, (422, "unprocessable")),
        ("POST", "rooms/drop/products", {"product": "new", "name": "M", "seller": "nobody"},
         (400, "bad_request")),
        ("POST", "rooms/drop/products", {"product": "new", "name": "M",
         "picture": "//elsewhere.example/x"}, (422, "unprocessable")),
        ("POST", "rooms/drop/skus", {"sku": "new", "price_minor": 1}, (400, "bad_request")),
        ("POST", "rooms/drop/skus", {"sku": "new", "name": "N", "price_minor": -1},
         (422, "unprocessable")),
        ("POST", "rooms/drop/skus", {"sku": "new", "name": "N", "price_minor": 1,
         "currency": "USD"}, (400, "bad_request")),
        ("POST", "rooms/drop/skus", {"sku": "new", "price_minor": 1, "product": "none"},
         (404, "not_found")),
        ("PATCH", "skus/mug", {}, (400, "bad_request")),
        ("PATCH", "skus/mug", {"reason": "none"}, (400, "bad_request")),
        ("PATCH", "skus/mug", {"currency": "USD"}, (422, "unprocessable")),
        ("PATCH", "skus/mug", {"limit_per_session": None}, (422, "unprocessable")),
        ("PATCH", "skus/mug", {"name": "n\0l"}, (422, "unprocessable")),
        ("PATCH", "skus/mug", {"on_sale_from": "2026-01-01T00:00:00"}, (422, "unprocessable")),
        ("PATCH", "skus/mug", {"on_sale_from": "2026-01-02T00:00:00Z",
                               "on_sale_until": "2026-01-01T00:00:00Z"}, (400, "bad_request")),
        ("PATCH", "skus/mug", {"on_sale_until": "9999-12-31T23:59:59-12:00"},
         (422, "unprocessable")),
        ("PATCH", "skus/mug", {"on_sale_from": "0001-01-01T00:00:00+14:00"},
         (422, "unprocessable")),
        ("PATCH", "products/none", {"name": "N"}, (404, "not_found")),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused(
    service: Service,
    client: Client,
    method: str,
    path: str,
    wish: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    await open_room(service)
    night = await sign_in(service, client, "operator")

    refused = await client.request(method, f"/admin/{path}", json=wish, headers=night)

    assert await code(refused) == expected
    assert (await service.stock.read("mug")).name == "Mug"


async def test_a_price_change_never_changes_an_open_hold(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 3})
    await tick(service)
    night = await sign_in(service, client, "operator")
    shopper = await admitted(client)
    held = await body(await shopper.hold(mug=1), 201)

    await body(await client.patch("/admin/skus/mug", json={"price_minor": 9000}, headers=night))
    hold = await body(
        await client.get(
            f"/checkout/holds/{held['hold_id']}", headers=authorization(shopper.session)
        )
    )
    order = await body(await shopper.pay(held["hold_id"]), 201)
    dearer = await body(await (await admitted(client)).hold(mug=1), 201)

    assert (held["total_minor"], hold["total_minor"], order["total_minor"]) == (1000, 1000, 1000)
    assert dearer["total_minor"] == 9000


async def test_sellers_see_and_change_their_own_alone(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1})
    ada = await sign_in(service, client, "seller", name="ada")
    bob = await sign_in(service, client, "seller", name="bob")
    night = await sign_in(service, client, "operator")

    await body(
        await client.post(
            "/admin/rooms/drop/products", json={"product": "cup", "name": "Cup"}, headers=ada
        ),
        201,
    )
    sku = {"sku": "cup-a", "product": "cup", "price_minor": 700}
    await body(await client.post("/admin/rooms/drop/skus", json=sku, headers=ada), 201)

    for who, mine in ((ada, ["cup-a"]), (bob, []), (night, ["cup-a", "mug"])):
        page = await body(await client.get("/admin/rooms/drop/skus", headers=who))
        assert [item["sku"] for item in page["skus"]] == mine
        exported = await (await client.get("/admin/rooms/drop/catalogue.csv", headers=who)).text()
        assert [row["sku"] for row in csv.DictReader(io.StringIO(exported))] == mine
    for method, path, wish in (
        ("GET", "products/cup", None), ("GET", "skus/cup-a", None),
        ("PATCH", "products/cup", {"name": "Mine"}), ("PATCH", "skus/cup-a", {"price_minor": 1}),
        ("DELETE", "products/cup", None), ("DELETE", "skus/cup-a", None),
        ("POST", "rooms/drop/skus", {"sku": "x", "product": "cup", "price_minor": 1}),
    ):  # fmt: skip
        foreign = await client.request(method, f"/admin/{path}", json=wish, headers=bob)
        unknown = await client.request(
            method, f"/admin/{path.replace('cup', 'no')}",
            json=wish and {k: "no" if v == "cup" else v for k, v in wish.items()}, headers=bob,
        )  # fmt: skip
        assert await code(foreign) == await code(unknown) == (404, "not_found")
    stolen = await client.patch("/admin/products/cup", json={"seller": "bob"}, headers=ada)
    assert await code(stolen) == (403, "forbidden")
    given = await client.patch("/admin/products/cup", json={"seller": "bob"}, headers=night)
    assert (await body(given))["seller"] == "bob"
    assert (await client.get("/admin/skus/cup-a", headers=bob)).status == 200
    assert (await client.get("/admin/skus/cup-a", headers=ada)).status == 404


async def test_viewers_look_and_do_not_touch(service: Service, client: Client) -> None:
    await open_room(service)
    viewer = await sign_in(service, client, "viewer")

    assert (await client.get("/admin/skus/mug", headers=viewer)).status == 200
    assert (await client.get("/admin/rooms/drop/catalogue.csv", headers=viewer)).status == 200
    for method, path in (
        ("POST", "rooms/drop/products"), ("POST", "rooms/drop/skus"), ("PATCH", "skus/mug"),
        ("DELETE", "skus/mug"), ("POST", "rooms/drop/catalogue"),
    ):  # fmt: skip
        answer = await client.request(method, f"/admin/{path}", json={}, headers=viewer)
        assert answer.status == 403


async def test_a_change_made_of_what_a_colleague_has_changed_since_is_refused_and_says_what(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1})
    night = await sign_in(service, client, "operator")

    async def change(path: str, **fields: Any) -> tuple[int, Any]:
        answer = await client.patch(f"/admin/{path}", json=fields, headers=night)
        return answer.status, await answer.json()

    seen = {"price_minor": 1000, "limit_per_order": None, "on_sale_from": None}
    await change("skus/mug", price_minor=1200, on_sale_from="2020-01-01T00:00:00Z")
    status, refused = await change("skus/mug", price_minor=1100, was=seen)
    assert (status, refused["code"]) == (409, "changed_meanwhile")
    told = "A colleague changed the beginning of its sale and the price meanwhile, so nothing was"
    assert refused["detail"].startswith(told)
    assert refused["changed"]["price_minor"] == [1000, 1200]
    # Fields that nobody else has touched are saved beside the colleague's.
    status, saved = await change("skus/mug", low_at=3, was={"low_at": 0})
    assert (status, saved["price_minor"], saved["low_at"]) == (200, 1200, 3)
    again = {"price_minor": 1200, "on_sale_from": saved["on_sale_from"]}
    assert (await change("skus/mug", price_minor=1100, was=again))[0] == 200
    assert (await change("skus/mug", was=again))[0] == 400

    await change("products/mug", name="Cup")
    status, refused = await change("products/mug", name="Tea mug", was={"name": "Mug"})
    assert (status, refused["changed"]) == (409, {"name": ["Mug", "Cup"]})
    assert (await change("products/mug", name="Tea mug", was={"name": "Cup"}))[0] == 200


# Files.


async def test_a_file_is_tried_then_imported_and_exported_again(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1})
    night = await sign_in(service, client, "operator")
    text = 'sku;name;price_minor;receive\nmug;Mug;1500;\ncup;"=Cup;@x";700;4\n'
    post = "/admin/rooms/drop/catalogue?reason=autumn"

    tried = await body(await client.post(f"{post}&dry_run=1", data=text, headers={**night, **CSV}))
    untouched = (await service.stock.read("mug")).price_minor
    done = await body(await client.post(post, data=text, headers={**night, **CSV}))
    saved = ("\ufeff" + text.replace("1500", "1600")).encode("utf-16-le")
    again = await body(await client.post(post, data=saved, headers={**night, **CSV}))
    second = await body(
        await client.post(f"{post}&delivery=second&dry_run=1", data=text, headers={**night, **CSV})
    )
    exported = await client.get("/admin/rooms/drop/catalogue.csv", headers=night)
    head = await client.head("/admin/rooms/drop/catalogue.csv", headers=night)
    round_trip = await body(
        await client.post(post, data=await exported.read(), headers={**night, **CSV})
    )

    many = "sku;name;price_minor\n" + "".join(f"new-{n};New {n};1\n" for n in range(9))
    short = await client.post(f"{post}&dry_run=1&rows=2", data=many, headers={**night, **CSV})
    file = await client.post(f"{post}&dry_run=1&report=csv", data=text, headers={**night, **CSV})

    found = await body(short)
    assert (found["added"], [fate["line"] for fate in found["fates"]]) == (9, [2, 3])
    assert (await file.text()).splitlines()[:2] == [
        "line,sku,fate,changes,receive,reasons",
        "2,mug,changed,price_minor: 1600 to 1500,,",
    ]
    assert (tried["dry_run"], tried["imported"], untouched) == (True, False, 1000)
    assert [(fate["line"], fate["fate"]) for fate in tried["fates"]] == [
        (2, "changed"), (3, "added"),
    ]  # fmt: skip
    assert tried["fates"][0]["changes"] == {"price_minor": [1000, 1500]}
    assert (done["added"], done["changed"], done["received"]) == (1, 1, 4)
    assert (again["changed"], again["received"], again["received_before"]) == (1, 0, 4)
    assert again["fates"][1]["received_before"]
    assert again["fates"][1]["received_by"] == "operator"
    assert again["fates"][1]["received_at"] <= datetime.now(UTC).isoformat()
    assert (second["received"], second["received_before"]) == (4, 0)
    assert round_trip["unchanged"] == 2
    assert exported.headers["Content-Disposition"] == 'attachment; filename="drop.csv"'
    assert ",'=Cup;'@x," in await exported.text()
    assert (head.status, await head.read()) == (200, b"")
    cup = await service.stock.read("cup")
    assert (cup.name, cup.on_hand) == ("=Cup;@x", 4)
    (action,) = await execute(
        service, "SELECT who, reason FROM operator_action WHERE action = 'import' LIMIT 1"
    )
    assert (action["who"], action["reason"]) == ("operator", "autumn")


async def test_a_bad_row_refuses_the_file_with_all_reasons(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 1})
    night = {**await sign_in(service, client, "operator"), **CSV}
    text = "sku,name,price_minor\nmug,Mug,1500\n/,Bad,1\ncup,Cup,x\n"

    refused = await client.post("/admin/rooms/drop/catalogue", data=text, headers=night)

    said = await body(refused, 422)
    assert refused.content_type == "application/problem+json"
    assert (said["code"], said["refused"], said["imported"]) == ("import_refused", 2, False)
    assert [fate["line"] for fate in said["fates"]] == [3, 4]
    assert (await service.stock.read("mug")).price_minor == 1000


async def test_what_is_no_file_for_us_is_refused(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_room(service, skus={"mug": 1})
    night = await sign_in(service, client, "operator")
    monkeypatch.setattr("waitroom.admin.shop.catalogue_files.FILE_BYTES_MAX", 70_000)

    async def post(data: Any, room: str = "drop", query: str = "", **headers: str) -> Any:
        path = f"/admin/rooms/{room}/catalogue{query}"
        return await code(await client.post(path, data=data, headers={**night, **CSV, **headers}))

    async def drip() -> Any:
        # Its length is not said beforehand, so it is counted as it comes.
        for _ in range(3):
            yield b"x" * 30_000

    assert await post(b"sku\n" + b"x" * 70_000) == (413, "too_large")
    assert await post(drip()) == (413, "too_large")
    assert await post("{}", **{"Content-Type": "application/json"}) == (415, "not_csv")
    assert await post("sku\nmug\n", "none") == (404, "not_found")
    assert await post("sku\nmug\n", query="?dry_run=yes") == (400, "bad_request")
    assert await post("sku\nmug\n", query="?delivery=week+49") == (400, "bad_request")
    assert await post("colour\n") == (422, "unreadable_file")
    assert await post(b"sku,name\nmug,\xff\n") == (422, "unreadable_file")
    unknown = await client.get("/admin/rooms/none/catalogue.csv", headers=night)
    assert await code(unknown) == (404, "not_found")


async def test_a_file_larger_than_other_bodies_may_be_is_imported(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={})
    night = {**await sign_in(service, client, "operator"), **CSV}
    rows = "".join(f"mug-{n},Mug {n},{'long ' * 20},900\n" for n in range(3000))

    done = await body(
        await client.post(
            "/admin/rooms/drop/catalogue",
            data=f"sku,name,description,price_minor\n{rows}",
            headers=night,
        )
    )

    assert (done["added"], len(done["fates"])) == (3000, 3000)


# The program, and a browser.


async def test_the_program_imports_and_exports(
    service: Service, waitroom: Command, postgres_url: str, tmp_path: Path
) -> None:
    await open_room(service, skus={"mug": 1})
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text("sku,name,price_minor,receive\nmug,Mug,1500,2\ncup,Cup,x,\n")

    def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return waitroom("catalogue", *arguments, typed=text, WAITROOM_POSTGRES_URL=postgres_url)

    refused = run("import", "drop", str(file))
    tried = run("import", "drop", str(file), "--dry-run", "--json")
    done = run("import", "drop", "-", text=file.read_text().replace("x,", "700,"))
    exported = run("export", "drop", "--output", str(out))
    unchanged = run("import", "drop", str(out))
    twice = run("import", "drop", "-", text="sku,receive\nmug,2\n")

    assert (refused.returncode, tried.returncode) == (1, 1)
    assert "line 3: cup refused: price_minor is a whole number" in refused.stdout
    assert "nothing was imported" in refused.stderr
    assert '"fate":"changed","changes":{"receive":2,"price_minor":[1000,1500]}' in tried.stdout
    assert "price_minor 1000 → 1500; receive 2" in done.stdout
    assert "1 added, 1 changed, 0 unchanged, 0 refused; 2 units received" in done.stdout
    assert (exported.returncode, exported.stdout) == (0, "")
    assert "2 rows: 0 added, 0 changed, 2 unchanged" in unchanged.stdout
    assert "line 2: mug unchanged: receive 2; received before, at 20" in twice.stdout
    assert "0 units received" in twice.stdout
    assert "2 units came with an earlier import" in twice.stdout
    assert run("export", "drop").stdout == out.read_text()
    assert run("export", "none").returncode == 2
    assert names(tmp_path) == ["in.csv", "out.csv"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_shop_shows_products_and_a_products_page_its_variants(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"bowl": 1})
    await service.products.add("mug", room="drop", name="Mug", description="Holds tea.")
    soon = datetime.now(UTC) + timedelta(days=2)
    for sku, variant, price, since in (
        ("mug-s", "Small", 900, None), ("mug-l", "Large", 1400, soon),
    ):  # fmt: skip
        await service.stock.add(sku, room="drop", product="mug", variant=variant,
                                price_minor=price, on_sale_from=since)  # fmt: skip
    page = await pages(viewport={"width": 320, "height": 640})

    await all_know(site)
    await page.goto(f"{site.url}/")
    await expect(page.get_by_role("link", name="Bowl")).to_be_visible()
    await expect(page.locator(".product", has_text="Mug")).to_contain_text("from €9.00")
    assert await fits(page)
    await page.get_by_role("link", name="Mug").click()

    await expect(page.locator("#sku-mug-s")).to_contain_text("€9.00")
    day = f"{soon:%b} {soon.day}, {soon.year}"
    await expect(page.locator("#sku-mug-l")).to_contain_text(f"On sale from {day}")
    await expect(page.get_by_role("button", name="Join the line for Drop")).to_be_visible()
    assert await fits(page)
    await page.goto(f"{site.url}/shop/drop?q=sma")
    await expect(page.locator(".product")).to_have_count(1)
    await page.locator('[type="search"]').fill("nothing of the kind")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_text("Nothing here is called")).to_be_visible()
    assert await fits(page)


async def fits(page: Page) -> bool:
    """Say whether a page can be read without scrolling sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
