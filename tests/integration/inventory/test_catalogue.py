"""Products and SKUs on PostgreSQL: changed on record, found by words, imported all or nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from support import (
    as_owner,
    execute,
    open_room,
    size,
)

from inventory.catalogue import ProductChange, SkuChange
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import InUse, Taken
from waitroom.run.app import Service

MANY = size("SKUS", 12_000)
MIDDLE, LATE = f"s-{MANY // 2:06d}", f"s-{MANY * 9 // 10:06d}"
# A bound for a busy machine, not an expectation.
PATIENCE_S = 300
HEADER = "sku,product,product_name,name,price_minor,receive\n"


async def found(service: Service, **filters: Any) -> list[str]:
    return [sku.sku for sku in await service.stock.page(**filters)]


async def seller(service: Service, name: str) -> int:
    await service.operators.add(name, role="seller", password="a long enough one")
    return await service.products.seller_id(name)


# Products, SKUs and their record.


async def test_a_sku_without_a_product_makes_the_one_of_its_code(service: Service) -> None:
    await open_room(service, skus={})

    await service.stock.add("mug", room="drop", name="Mug", price_minor=900, description="Blue.")
    await service.stock.add("mug-xl", room="drop", product="mug", variant="XL", price_minor=1200)

    product = await service.products.read("mug")
    assert (product.name, product.description) == ("Mug", "Blue.")
    assert [(sku.sku, sku.name) for sku in product.variants] == [("mug", "Mug"),
                                                                 ("mug-xl", "Mug, XL")]  # fmt: skip


async def test_a_sku_shows_its_products_texts_where_it_has_none(service: Service) -> None:
    await open_room(service, skus={})
    await service.products.add(
        "mug", room="drop", name="Mug", description="Holds tea.", picture="/static/pictures/mug.svg"
    )
    await service.stock.add("a", room="drop", product="mug", variant="A", price_minor=1)
    await service.stock.add(
        "b", room="drop", product="mug", variant="B", price_minor=1, description="Cracked."
    )

    a, b = await service.stock.read("a"), await service.stock.read("b")

    assert (a.public_body()["description"], b.public_body()["description"]) == (
        "Holds tea.",
        "Cracked.",
    )
    assert (a.private_body()["description"], b.public_body()["picture"]) == (
        "",
        "/static/pictures/mug.svg",
    )


async def test_codes_rooms_products_and_currencies_are_checked(service: Service) -> None:
    await open_room(service, skus={"mug": 0})
    await open_room(service, "other", skus={"cup": 0})
    add = service.stock.add

    with pytest.raises(Taken):
        await add("mug", room="other", name="Mug", price_minor=1)
    with pytest.raises(Taken):
        await service.products.add("cup", room="drop", name="Cup")
    with pytest.raises(NotFound, match="room"):
        await add("can", room="none", name="Can", price_minor=1)
    with pytest.raises(NotFound, match="product"):
        await add("can", room="drop", product="cup", name="Can", price_minor=1)
    with pytest.raises(BadRequest, match="currency"):
        await add("can", room="drop", name="Can", price_minor=1, currency="USD")
    with pytest.raises(BadRequest, match="ends after it begins"):
        await add("can", room="drop", name="Can", price_minor=1,
                  on_sale_from=datetime(2026, 2, 1, tzinfo=UTC),
                  on_sale_until=datetime(2026, 1, 1, tzinfo=UTC))  # fmt: skip
    assert await found(service) == ["cup", "mug"]


async def test_a_change_is_on_record_with_what_it_was(service: Service) -> None:
    await open_room(service, skus={"mug": 0})
    until = datetime(2027, 1, 1, tzinfo=UTC)

    change = SkuChange(
        price_minor=1200, limit_per_order=2, on_sale_until=until, low_at=0, reason="dearer"
    )
    await service.stock.change("mug", change, who="night")
    await service.stock.change("mug", SkuChange(price_minor=1200), who="night")

    changed, added = await service.stock.changes("mug")
    assert (changed.what, added.what, added.changes) == ("changed", "added", {})
    diff = changed.changes
    assert diff["price_minor"] == [1000, 1200]
    assert diff["limit_per_order"] == [None, 2]
    assert set(diff) == {"price_minor", "limit_per_order", "on_sale_until"}
    sku = await service.stock.read("mug")
    assert (sku.price_minor, sku.limit_per_order, sku.on_sale_until) == (1200, 2, until)
    (action,) = await execute(
        service, "SELECT who, reason, detail::text FROM operator_action WHERE action = 'change_sku'"
    )
    assert (action["who"], action["reason"]) == ("night", "dearer")
    assert msgspec.json.decode(action["detail"]) == {"sku": "mug", "changed": diff}


async def test_a_refused_change_is_not_on_record(service: Service) -> None:
    await open_room(service, skus={"mug": 0})
    window = SkuChange(
        on_sale_from=datetime(2027, 1, 2, tzinfo=UTC),
        on_sale_until=datetime(2027, 1, 1, tzinfo=UTC),
    )

    with pytest.raises(BadRequest, match="ends after it begins"):
        await service.stock.change("mug", window, who="test")

    assert await execute(service, "SELECT FROM operator_action WHERE action = 'change_sku'") == []
    assert len(await service.stock.changes("mug")) == 1


async def test_the_record_of_changes_is_only_added_to(service: Service) -> None:
    await open_room(service, skus={"mug": 0})

    for change in ("DELETE FROM sku_change", "UPDATE sku_change SET who = 'nobody'"):
        with pytest.raises(Exception, match="only ever added"):
            await execute(service, change)


async def test_a_name_that_is_taken_back_is_the_products_and_the_variants(service: Service) -> None:
    await open_room(service, skus={})
    await service.products.add("mug", room="drop", name="Mug")
    await service.stock.add(
        "a", room="drop", product="mug", variant="blue", name="Azure", price_minor=1
    )

    await service.stock.change("a", SkuChange(name=""), who="test")

    assert (await service.stock.read("a")).name == "Mug, blue"


async def test_what_never_moved_can_be_deleted_and_the_rest_stays(service: Service) -> None:
    await open_room(service, skus={"mug": 1, "cup": 0})
    await service.stock.add("cup-xl", room="drop", product="cup", name="XL", price_minor=1)
    await service.stock.add("mug-xl", room="drop", product="mug", name="XL", price_minor=1)

    await service.stock.delete("mug-xl", who="test")
    await service.products.delete("cup", who="test")
    for delete, code in ((service.stock.delete, "mug"), (service.products.delete, "mug")):
        with pytest.raises(InUse):
            await delete(code, who="test")
    for delete, code in ((service.stock.delete, "cup"), (service.products.delete, "cup")):
        with pytest.raises(NotFound):
            await delete(code, who="test")

    assert await found(service) == ["mug"]
    assert (await service.stock.changes("cup-xl"))[0].what == "deleted"
    assert await service.ledger.breaches() == []


async def test_units_that_were_all_taken_away_again_keep_a_sku_all_the_same(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 1})
    await service.ledger.move("mug", kind="adjusted", quantity=-1, who="test", reason="mistake")

    with pytest.raises(InUse):
        await service.stock.delete("mug", who="test")


async def test_deleting_and_receiving_at_once_agree(service: Service) -> None:
    await open_room(service, skus={f"mug-{n}": 0 for n in range(20)})

    async def receive(sku: str) -> bool:
        try:
            await service.ledger.move(sku, kind="received", quantity=1, who="test")
        except (NotFound, asyncpg.ForeignKeyViolationError):
            return False
        return True

    async def delete(sku: str) -> bool:
        try:
            await service.stock.delete(sku, who="test")
        except InUse:
            return False
        return True

    skus = [f"mug-{n}" for n in range(20)]
    received, deleted = await asyncio.gather(
        asyncio.gather(*map(receive, skus)), asyncio.gather(*map(delete, skus))
    )

    assert all(a != b for a, b in zip(received, deleted, strict=True))
    left = {sku for sku, got in zip(skus, received, strict=True) if got}
    assert set(await found(service)) == left
    assert await service.ledger.breaches() == []


async def test_one_seller_knows_nothing_of_anothers(service: Service) -> None:
    await open_room(service, skus={})
    ada, bob = await seller(service, "ada"), await seller(service, "bob")
    await service.stock.add("mug", room="drop", name="Mug", price_minor=1, seller=ada)

    for call in (
        service.stock.read("mug", seller=bob),
        service.stock.change("mug", SkuChange(price_minor=2), who="bob", seller=bob),
        service.stock.delete("mug", who="bob", seller=bob),
        service.products.read("mug", seller=bob),
        service.products.change("mug", ProductChange(name="Mine"), who="bob", seller=bob),
        service.products.delete("mug", who="bob", seller=bob),
        service.stock.add("m2", room="drop", product="mug", name="M", price_minor=1, seller=bob),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(Taken):
        await service.stock.add("mug", room="drop", name="Mug", price_minor=1, seller=bob)

    assert await found(service, seller=bob, private=True) == []
    assert await service.stock.changes("mug", seller=bob) == []
    assert (await service.stock.read("mug", seller=ada)).price_minor == 1


# Reading and searching.


async def test_pages_go_on_where_the_last_one_ended(service: Service) -> None:
    await open_room(service, skus={f"mug-{n}": 0 for n in range(7)})
    await open_room(service, "other", skus={"cup": 0})
    pages, after = [], ""

    while page := await found(service, room="drop", after=after, limit=3):
        pages.append(page)
        after = page[-1]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert list(chain(*pages)) == [f"mug-{n}" for n in range(7)]
    assert await found(service, limit=1) == ["cup"]


async def test_hidden_rooms_are_read_only_by_those_who_may(service: Service) -> None:
    await open_room(service, "secret", skus={"mug": 0}, public=False)

    for filters in ({}, {"room": "secret"}, {"product": "mug"}, {"search": "mug"}):
        assert await found(service, **filters) == []
        assert await found(service, **filters, private=True) == ["mug"]
    with pytest.raises(NotFound):
        await service.stock.read("mug", private=False)
    with pytest.raises(NotFound):
        await service.products.read("mug", private=False)
    assert await service.products.page() == []


async def test_a_product_is_public_with_its_first_sku(service: Service) -> None:
    await open_room(service, skus={})
    await service.products.add("mug", room="drop", name="Mug")

    before = await service.products.page(), await service.products.page(private=True)
    await service.stock.add("mug-a", room="drop", product="mug", price_minor=1)
    after = await service.products.page()

    assert (before[0], [p.product for p in before[1]]) == ([], ["mug"])
    assert [sku.sku for sku in after[0].variants] == ["mug-a"]


async def test_a_sale_has_a_beginning_and_an_end_by_the_databases_clock(service: Service) -> None:
    await open_room(service, skus={})
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for sku, since, until in (
        ("always", None, None), ("now", now - hour, now + hour), ("soon", now + hour, None),
        ("over", None, now - hour),
    ):  # fmt: skip
        await service.stock.add(sku, room="drop", name=sku, price_minor=1,
                                on_sale_from=since, on_sale_until=until)  # fmt: skip

    assert await found(service, on_sale=True) == ["always", "now"]
    assert await found(service, on_sale=False) == ["over", "soon"]
    assert not (await service.stock.read("soon")).on_sale


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("mug", ["MUG-01", "mug-02"]), ("MU", ["MUG-01", "mug-02"]), ("blue mu", ["MUG-01"]),
        ("mug blue", ["MUG-01"]), ("stoneware", ["MUG-01", "mug-02"]), ("MUG-01", ["MUG-01"]),
        ("mug-0", ["MUG-01", "mug-02"]), ("mug_01", ["MUG-01"]), ("mug - blue", ["MUG-01"]),
        ("mug -blue", ["mug-02"]), ("scarf or green", ["mug-02", "tuch"]),
        ('"green mug"', []), ('"mug green"', ["mug-02"]), ("größe", ["tuch"]), ("GRÖSS", []),
        ("GRÖß", ["tuch"]), ("10x20", ["tuch"]), ("levi\u2019s", ["tuch"]), ("levi's", ["tuch"]),
        ("mugs", []), ("ug", []), ("green mug:*", ["mug-02"]),
    ],
)  # fmt: skip
async def test_a_search_finds_words_by_their_beginnings(
    service: Service, words: str, wanted: list[str]
) -> None:
    await open_room(service, skus={})
    add = service.stock.add
    await service.products.add("p", room="drop", name="Stoneware/cups")
    await add("MUG-01", room="drop", product="p", name="Mug", variant="blue", price_minor=1)
    await add("mug-02", room="drop", product="p", name="Mug", variant="green", price_minor=1)
    await add("tuch", room="drop", name="Levi\u2019s scarf, Größe 10x20", price_minor=1)

    assert await found(service, search=words) == wanted


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("山田錦", ["sake"]),
        ("純米", ["sake"]),
        ("大吟醸", ["sake"]),
        ("米", ["sake"]),
        ("酒", ["sake"]),
        ("吟", ["sake"]),
        ("日本", ["sake"]),
        ("本日", []),
        ("米純", []),
        ("日本 吟醸", ["sake"]),
        ("日本 ผ้า", []),
        ("日本 or ผ้า", ["sake", "shirt"]),
        ("ผ้าฝ้าย", ["shirt"]),
        ("ทอมือ", ["shirt"]),
        ("เสื้อ", ["shirt"]),
        ("유리잔", ["glass"]),
        ("맥주잔", ["glass"]),
        ("수제맥주", ["glass"]),
        ("주잔", ["glass"]),
        ("\u110b\u1172\u1105\u1175", ["glass"]),
        ('"日本 酒"', ["sake"]),
        ('"酒 日本"', []),
        ("-日本", ["glass", "shirt", "tee"]),
        ("Tシャツ", ["tee"]),
        ("シャツ 赤", ["tee"]),
        ("Tシャツ -赤", []),
        ("glass", ["glass"]),
        ("tシャ", ["tee"]),
        ("シャツXL", ["tee"]),
        ("シャツX", ["tee"]),
    ],
)  # fmt: skip
async def test_a_search_finds_words_in_scripts_without_spaces(
    service: Service, words: str, wanted: list[str]
) -> None:
    await open_room(service, skus={})
    for code, name in (
        ("sake", "日本酒 山田錦純米大吟醸"),
        ("shirt", "เสื้อผ้าฝ้ายทอมือ"),
        ("glass", "수제맥주유리잔 맥주잔"),
        ("tee", "赤Tシャツ XL"),
    ):
        await service.stock.add(code, room="drop", name=name, price_minor=1)

    assert await found(service, search=words) == wanted


@given(words=st.text(max_size=30).filter(lambda text: "\0" not in text))
@tried(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def searched(words: str, loop: asyncio.AbstractEventLoop, service: Service) -> None:
    call = found(service, search=words)
    assert asyncio.run_coroutine_threadsafe(call, loop).result() in ([], ["mug"])


async def test_no_search_is_an_error(service: Service) -> None:
    await open_room(service, skus={"mug": 0})
    loop = asyncio.get_running_loop()

    for signs in ('"', "'", "-", "!", "&", "|", "(", ")", ":*", "\\", "%", "<->", "- -", '-""'):
        assert await found(service, search=signs) == []
        assert await found(service, search=f"mug {signs}") == ["mug"]
    await asyncio.to_thread(searched, loop=loop, service=service)


async def test_a_renamed_product_is_found_by_its_new_name(service: Service) -> None:
    await open_room(service, skus={})
    await service.products.add("p", room="drop", name="Cups")
    await service.stock.add("a", room="drop", product="p", name="Large", price_minor=1)

    await service.products.change("p", ProductChange(name="Beakers"), who="test")

    assert await found(service, search="beaker") == ["a"]
    assert await found(service, search="cups") == []


async def test_many_skus_are_read_by_their_indexes(service: Service) -> None:
    await open_room(service, skus={})
    await open_room(service, "small", skus={"zz-1": 0, "zz-2": 0})
    await fill(service, "drop", MANY)

    seen = {}
    for call, rows_max in (
        # A page reads its own rows, wherever it begins.
        ("list_skus(NULL, NULL, NULL, NULL, false, false, NULL, '', 50)", 100),
        (f"list_skus(NULL, NULL, NULL, NULL, false, false, NULL, '{LATE}', 50)", 100),
        (f"list_skus('drop', NULL, NULL, NULL, false, false, NULL, '{MIDDLE}', 200)", 250),
        (f"list_skus('drop', NULL, NULL, true, false, false, NULL, '{MIDDLE}', 200)", 250),
        ("list_skus(NULL, NULL, NULL, false, false, false, NULL, '', 50)", 20),
        # A small room at the end of all SKUs is not looked for among the others.
        ("list_skus('small', NULL, NULL, NULL, false, false, NULL, '', 50)", 20),
        ("list_skus(NULL, 'p-500', NULL, NULL, false, false, NULL, '', 50)", 20),
        # A search reads what it finds, while that is little, ...
        ("list_skus(NULL, NULL, 'rare', NULL, false, false, NULL, '', 50)", 600),
        (f"list_skus('drop', NULL, 'rar', NULL, false, false, NULL, '{MIDDLE}', 50)", 600),
        ("list_skus(NULL, NULL, 'no such thing', NULL, false, false, NULL, '', 50)", 20),
        # ... and of a word that is everywhere a page that is read on.
        (f"list_skus(NULL, NULL, 'thing', NULL, false, false, NULL, '{MIDDLE}', 50)", 1200),
        ("list_skus('small', NULL, 'thing', NULL, false, false, NULL, '', 50)", 1200),
        ("list_products('drop', NULL, false, false, NULL, 'p-500', 50)", 600),
        ("list_products('drop', NULL, true, true, NULL, 'p-500', 24)", 600),
        ("list_products('drop', 'rare', false, false, NULL, '', 50)", 600),
        ("list_products(NULL, 'thing', false, false, NULL, '', 50)", 1200),
    ):
        scans, rows = await touched(service, f"SELECT * FROM {call}")
        seen[call] = (scans, rows, rows <= rows_max)

    assert [call for call, (scans, _, few) in seen.items() if scans or not few] == [], seen


async def touched(service: Service, sql: str) -> tuple[int, int]:
    """Return how often a query scanned the whole of `sku`, and how many rows of it it read."""
    counted = (
        "SELECT seq_scan, seq_tup_read + idx_tup_fetch AS rows "
        "FROM pg_stat_xact_user_tables WHERE relname = 'sku'"
    )
    async with service.pool.acquire() as connection, connection.transaction():
        before = await connection.fetchrow(counted)
        await connection.fetch(sql)
        after = await connection.fetchrow(counted)
    return after["seq_scan"] - before["seq_scan"], after["rows"] - before["rows"]


async def fill(service: Service, room: str, skus: int) -> None:
    """Put SKUs into a room, ten to a product, a thousandth of them rare."""
    async with as_owner(service.pool) as connection:
        for sql in (
            f"""INSERT INTO product (product, room_id, name)
            SELECT 'p-' || i, m.room_id, 'Thing ' || i
            FROM room m, generate_series(0, {skus // 10 - 1}) i WHERE m.room = '{room}'""",
            f"""INSERT INTO sku (sku, product_id, room_id, name, price_minor, currency)
            SELECT 's-' || lpad(i::text, 6, '0'), p.product_id, p.room_id,
                   'Thing ' || i || CASE WHEN i % 1000 = 0 THEN ' rare' ELSE '' END, i, 'EUR'
            FROM generate_series(0, {skus - 1}) i JOIN product p ON p.product = 'p-' || (i / 10)""",
            """INSERT INTO stock (sku_id)
            SELECT sku_id FROM sku WHERE sku_id NOT IN (SELECT sku_id FROM stock)""",
            "ANALYZE product, sku, stock, room, room_stock",
        ):
            await connection.execute(sql, timeout=PATIENCE_S)


async def test_a_thousand_readers_cost_one_query(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    queries: list[str] = []
    async with service.pool.acquire() as a, service.pool.acquire() as b:
        for connection in (a, b):
            connection.add_query_logger(lambda said: queries.append(said.query))

    readers = [service.catalogue.skus(room="drop") for _ in range(1000)]
    readers += [service.catalogue.sku("mug") for _ in range(1000)]
    shown = await asyncio.gather(*readers)

    assert len({id(one.body) for one in shown}) == 2
    assert len([query for query in queries if "sku" in query]) == 2


async def test_the_catalogue_keeps_only_so_much(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_room(service, skus={"mug": 1})
    monkeypatch.setattr("inventory.api.BYTES_KEPT_MAX", 2000)
    monkeypatch.setattr("inventory.api.ANSWERS_KEPT_MAX", 10)

    for limit in range(1, 30):
        await service.catalogue.skus(limit=limit)
    few = len(service.catalogue)
    for n in range(30):
        await service.catalogue.skus(search=f"none-{n}")

    assert few <= 2000 // len((await service.catalogue.skus()).body) + 1
    assert len(service.catalogue) <= 10
