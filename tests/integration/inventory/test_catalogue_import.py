"""Catalogues imported all or nothing, and exported as they are imported."""

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from support import (
    as_owner,
    execute,
    open_room,
)

from inventory.catalogue import SkuChange
from inventory.catalogue_import_store import CatalogueImportStore, Report, Source
from inventory.hold import HoldRequest, body_hash, idempotency_uuid
from inventory.hold_store import Placed
from inventory.kit.doors.texts import UnfitText, read_name, read_text
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import CatalogueMoved, Taken, UnreadableFile
from waitroom.run.app import Service

HEADER = "sku,product,product_name,name,price_minor,receive\n"


async def load(service: Service, text: str | bytes, room: str = "drop", **how: Any) -> Report:
    report, _ = await load_and_tell(service, text, room, **how)
    return report


async def load_and_tell(
    service: Service, text: str | bytes, room: str = "drop", *, dry_run: bool = False, **how: Any
) -> tuple[Report, list[dict[str, Any]]]:
    """Import a file and return the report and each row's fate."""
    data = text.encode() if isinstance(text, str) else text
    source = Source(file=io.BytesIO(data), **{"who": "test", **how})
    fates = io.BytesIO()
    report = await CatalogueImportStore(service.pool).load(room, source, fates, dry_run=dry_run)
    return report, [msgspec.json.decode(line) for line in fates.getvalue().splitlines()]


async def dump(service: Service, room: str = "drop", **how: Any) -> str:
    return "".join([piece async for piece in CatalogueImportStore(service.pool).dump(room, **how)])


async def found(service: Service, **filters: Any) -> list[str]:
    return [sku.sku for sku in await service.stock.page(**filters)]


async def seller(service: Service, name: str) -> int:
    await service.operators.add(name, role="seller", password="a long enough one")
    return await service.products.seller_id(name)


async def test_a_dry_run_tells_every_rows_fate_and_writes_nothing(service: Service) -> None:
    await open_room(service, skus={"mug": 1, "cup": 0})
    text = (
        "sku,name,price_minor,limit_per_order,receive\n"
        "mug,Mug,1500,,\ncup,Cup,1000,,0\ncan,Can,700,2,5\nbad,,x,,\n"
    )
    before = await dump(service)

    report, fates = await load_and_tell(service, text, dry_run=True)

    assert not report.imported
    assert (report.rows, report.added, report.changed, report.unchanged, report.refused) == (
        4, 1, 1, 1, 1,
    )  # fmt: skip
    assert fates == [
        {"line": 2, "sku": "mug", "fate": "changed", "changes": {"price_minor": [1000, 1500]}},
        {"line": 3, "sku": "cup", "fate": "unchanged"},
        {"line": 4, "sku": "can", "fate": "added", "receive": 5},
        {"line": 5, "sku": "bad", "fate": "refused",
         "reasons": ["price_minor is a whole number from 0 to 1000000000000, not 'x'.",
                     "A new SKU needs a name, or its product a product_name."]},
    ]  # fmt: skip
    assert await dump(service) == before


async def test_one_bad_row_refuses_the_whole_with_every_reason(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    await open_room(service, "other", skus={"cup": 0})
    text = (
        "sku,product,product_name,name,price_minor,currency,on_sale_from,on_sale_until\n"
        "mug,mug,,Mug,5,,,\n"
        "mug,mug,,Mug,6,,,\n"
        "cup,,,Cup,1,,,\n"
        "a,cup,,A,1,,,\n"
        "b,p,One,B,1,USD,,\n"
        "c,p,Two,C,1,,2027-01-02T00:00:00Z,2027-01-01T00:00:00Z\n"
        "d,,,,1,,,\n"
    )

    report, fates = await load_and_tell(service, text)

    assert (report.imported, report.refused, report.rows) == (False, 6, 7)
    reasons = {fate["line"]: " ".join(fate["reasons"]) for fate in fates}
    assert set(reasons) == {3, 4, 5, 6, 7, 8}
    for line, words in {
        3: "Line 2 has this SKU", 4: "SKU cup is taken", 5: "product cup is taken",
        6: "sells in EUR", 7: "another name", 8: "needs a name",
    }.items():  # fmt: skip
        assert words in reasons[line]
    assert "later than" in reasons[7]
    assert (await service.stock.read("mug")).price_minor == 1000
    assert await execute(service, "SELECT FROM operator_action WHERE action = 'import'") == []


async def test_a_column_that_is_missing_changes_nothing(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    await service.stock.change("mug", SkuChange(limit_per_order=2, description="Blue."), who="test")

    few = await load(service, "sku,price_minor\nmug,1500\n")
    new = await load(service, "sku,name\ncup,Cup\n")
    all_of_it = await load(service, "sku,description,limit_per_order\nmug,,\n")

    assert (few.changed, new.refused, all_of_it.changed) == (1, 1, 1)
    sku = await service.stock.read("mug")
    assert (sku.price_minor, sku.name) == (1500, "Mug")
    assert (sku.description, sku.limit_per_order) == ("", None)


async def test_an_import_makes_products_and_moves_skus_between_them(service: Service) -> None:
    await open_room(service, skus={"mug-a": 1, "mug-b": 0})

    report, fates = await load_and_tell(
        service,
        "sku,product,product_name,variant,name,price_minor\n"
        "mug-a,mug,Morning mug,blue,,1000\nmug-b,mug,,green,Green one,1000\n",
    )
    again = await load(
        service, "sku,product_name,product_description\nmug-a,Mug,Tea.\nmug-b,,Tea.\n"
    )

    assert (report.changed, again.changed) == (2, 2)
    assert fates[0]["changes"]["product"] == ["mug-a", "mug"]
    product = await service.products.read("mug")
    assert (product.name, product.description) == ("Mug", "Tea.")
    assert [sku.name for sku in product.variants] == ["Morning mug, blue", "Green one"]
    assert await found(service, search="mug green") == ["mug-b"]


# A file as it was written first, and as spreadsheets and people give it back.
FIRST = "sku,name,price_minor,receive\nmug,Mug,1000,5\ncup,Cup,700,3\n"
AGAIN = {
    "as it was": FIRST.encode(),
    "by Excel": ("\ufeff" + FIRST.replace("\n", "\r\n")).encode(),
    "with semicolons and empty columns": FIRST.replace(",", ";").replace("\n", ";;\r\n").encode(),
    "with the separator named": b"sep=;\r\n" + FIRST.replace(",", ";").encode(),
    "as Unicode text": ("\ufeff" + FIRST.replace(",", "\t")).encode("utf-16-le"),
    "on an old Mac": FIRST.replace("\n", "\r").encode(),
    "with quotes and decimals": FIRST.replace("Mug", '"Mug"').replace(",5\n", ',"5,00"\n').encode(),
    "with one price mended": FIRST.replace("1000", "1100").encode(),
    "in another order": b"receive,sku,price_minor\n3,cup,700\n5,mug,1100\n",
    "with a row more": (FIRST + "can,Can,1,2\n").encode(),
    "with a row less": b"sku,receive\ncup,3\n",
}


async def test_a_file_that_is_saved_again_receives_no_unit_twice(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    await load(service, FIRST, who="night")

    received = {}
    for how, data in AGAIN.items():
        tried, fates = await load_and_tell(service, data, dry_run=True)
        report = await load(service, data)
        received[how] = (tried.received, report.received, report.received_before, report.refused)
        before = [fate for fate in fates if fate.get("receive", 0) > 2]
        assert all(fate["received_before"] and fate["received_by"] == "night" for fate in before)
        assert all(fate["received_at"].startswith("20") for fate in before)

    assert received == {
        **dict.fromkeys(AGAIN, (0, 0, 8, 0)),
        "with a row more": (2, 2, 8, 0),
        "with a row less": (0, 0, 3, 0),
    }
    assert (await service.stock.read("mug")).price_minor == 1000
    assert [(sku.sku, sku.on_hand) for sku in await service.stock.page()] == [
        ("can", 2), ("cup", 3), ("mug", 6),
    ]  # fmt: skip
    assert await service.ledger.breaches() == []


async def test_another_delivery_receives_again_and_another_number_is_refused(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 1})
    await load(service, "sku,receive\nmug,5\n")

    second = await load(service, "sku,receive\nmug,5\n", delivery="W49", reason="autumn")
    again = await load(service, "sku,receive\nmug,5\n", delivery="w49")
    other, fates = await load_and_tell(service, "sku,receive\nmug,6\n", delivery="W49")
    unnamed, unnamed_fates = await load_and_tell(service, "sku,receive\nmug,6\n")

    assert (second.received, again.received, again.received_before) == (5, 0, 5)
    assert (other.imported, unnamed.imported) == (False, False)
    assert "5 units of it were received of delivery W49 on 20" in fates[0]["reasons"][0]
    assert "by test." in fates[0]["reasons"][0]
    assert "the delivery without a name" in unnamed_fates[0]["reasons"][0]
    assert (await service.stock.read("mug")).on_hand == 11
    newest = (await service.ledger.movements("mug", limit=1))[0]
    assert (newest.quantity, newest.reason) == (5, "autumn, delivery W49")
    with pytest.raises(BadRequest, match="delivery"):
        await load(service, "sku,receive\nmug,5\n", delivery="week 49")


async def test_codes_that_differ_in_capitals_make_no_two_products(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    await open_room(service, "other", skus={"bowl": 1})
    ada = await seller(service, "ada")
    text = (
        "sku,product,name,price_minor\n"
        "case-Mug,,Mug,1\ncase-mug,,Mug,1\nMUG,,Mug,1\nBowl,,Bowl,1\n"
        "a,Tee,A,1\nb,tee,B,1\nc,Mug,C,1\n Case-mug\u00a0,,Mug,1\n"
    )

    report, fates = await load_and_tell(service, text)
    _, foreign = await load_and_tell(service, "sku,name,price_minor\nMUG,Mug,1\n", seller=ada)

    one = "Codes that differ only in capitals are one."
    assert report.refused == 6
    assert {fate["line"]: fate["reasons"] for fate in fates} == {
        3: [f"Line 2 has this SKU already, written case-Mug. {one}"],
        4: [f"The room has this SKU, written mug. {one}"],
        5: ["The SKU Bowl is taken."],
        7: [f"Line 6 writes this product Tee. {one}"],
        8: [f"Line 4 writes this product MUG. {one}",
            f"The room has this product, written mug. {one}"],
        9: [f"Line 2 has this SKU already, written case-Mug. {one}"],
    }  # fmt: skip
    assert foreign[0]["reasons"] == ["The SKU MUG is taken."]
    with pytest.raises(Taken):
        await service.stock.add("Mug", room="drop", name="Mug", price_minor=1)
    with pytest.raises(Taken):
        await service.stock.add("MUG", room="drop", product="mug", name="Mug", price_minor=1)
    with pytest.raises(Taken):
        await service.products.add("MUG", room="drop", name="Mug")


async def test_a_delivery_alone_does_not_write_the_skus_anew(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    rows = "SELECT xmin::text, ctid::text FROM sku"
    before = await execute(service, rows)

    report = await load(service, "sku,receive\nmug,5\n")

    assert (report.changed, report.received) == (1, 5)
    assert await execute(service, rows) == before


async def test_a_name_made_of_two_long_ones_is_imported_as_it_was_exported(
    service: Service,
) -> None:
    await open_room(service, skus={})
    await service.products.add("mug", room="drop", name="M" * 200)
    await service.stock.add("a", room="drop", product="mug", variant="v" * 200, price_minor=1)

    report = await load(service, await dump(service))

    assert (report.imported, report.unchanged) == (True, 1)


async def test_more_than_a_stock_can_be_is_refused(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    await execute(service, "UPDATE stock SET on_hand = 2147483640")

    with pytest.raises(BadRequest, match="any stock"):
        await load(service, HEADER + "mug,,,Mug,1000,100\n")


async def test_two_imports_at_once_are_one_after_the_other(service: Service) -> None:
    await open_room(service, skus={"mug": 0})
    text = HEADER + "".join(f"new-{n},,,New,1,2\n" for n in range(300))

    reports = await asyncio.gather(*(load(service, text) for _ in range(4)))

    assert sorted(report.added for report in reports) == [0, 0, 0, 300]
    assert sum(report.received for report in reports) == 600
    assert await service.ledger.breaches() == []


async def test_two_rooms_that_take_one_code_at_once_do_not_both_get_it(service: Service) -> None:
    await open_room(service, skus={})
    await open_room(service, "other", skus={})
    text = HEADER + "".join(f"new-{n},,,New,1,2\n" for n in range(500))

    outcomes = await asyncio.gather(
        load(service, text), load(service, text, "other"), return_exceptions=True
    )

    # Whoever planned before the other had written is told so; whoever did after sees what is taken.
    imported = [one for one in outcomes if isinstance(one, Report) and one.imported]
    refused = [one for one in outcomes if one not in imported]
    assert (len(imported), len(refused)) == (1, 1)
    assert isinstance(refused[0], CatalogueMoved) or refused[0].refused == 500
    assert len(await found(service, limit=1000)) == 500
    assert await service.ledger.breaches() == []


async def test_an_import_keeps_no_cart_waiting(service: Service) -> None:
    await open_room(service, skus={"mug": 3}, policy="rate")
    session = await claimed(service)

    async with as_owner(service.pool) as other:
        await other.execute("SELECT begin_import()")
        await other.execute(
            """INSERT INTO import_row (line, sku, product, product_name, product_description,
                product_picture, name, variant, description, picture, price_minor, currency,
                limit_per_session, low_at, receive, problems)
            VALUES (2, 'mug', '', '', '', '', 'Mug', '', '', '', 5000, '', 4, 0, 0, '{}')"""
        )
        room = await other.fetchval("SELECT plan_import('drop', '{sku,price_minor}', '', NULL)")
        await other.execute("SELECT apply_import($1, '', NULL, 'test', '')", room)
        held = await service.holds.place([wish(session, mug=1)])

    assert isinstance(held[0], Placed)
    assert held[0].lines[0].price_minor == 1000
    assert (await service.stock.read("mug")).price_minor == 5000
    (hold,) = await service.holds.held(session)
    assert hold.total_minor == 1000


async def claimed(service: Service) -> int:
    """Return a session of the open room."""
    (row,) = await execute(
        service,
        """INSERT INTO admission (room_id, line_id, number, state, ticket_id, called_at, expires_at)
        SELECT room_id, line_id, 1, 'claimed', '\\x01', t, t + interval '1 hour'
        FROM line, shopper_now() t
        RETURNING admission_id""",
    )
    return int(row["admission_id"])


def wish(session: int, **quantities: int) -> HoldRequest:
    return HoldRequest(
        session_id=session,
        key=idempotency_uuid(str(uuid4())),
        body_hash=body_hash(quantities),
        quantities=quantities,
        hold_id=uuid4(),
    )


async def test_a_seller_imports_only_what_is_theirs(service: Service) -> None:
    await open_room(service, skus={"mug": 1})
    ada, bob = await seller(service, "ada"), await seller(service, "bob")
    await load(service, HEADER + "cup,,,Cup,700,3\n", seller=ada, who="ada")

    foreign, fates = await load_and_tell(
        service, HEADER + "mug,,,Mug,1,\ncup,,,Cup,1,\nnew,cup,,New,1,\n", seller=bob
    )
    own = await load(service, HEADER + "cup,,,Cup,800,3\n", seller=ada)

    assert (foreign.refused, own.changed) == (3, 1)
    assert all("is taken" in fate["reasons"][0] for fate in fates)
    assert (await service.products.read("cup")).seller == "ada"
    assert (await dump(service, seller=ada)).count("\n") == 2
    assert (await dump(service, seller=bob)).count("\n") == 1


async def test_what_an_import_did_to_each_sku_is_on_record(service: Service) -> None:
    await open_room(service, skus={"mug": 1})

    await load(service, HEADER + "mug,,,Mug,1500,2\ncup,,,Cup,700,\n", who="night", reason="autumn")

    (action,) = await execute(
        service,
        "SELECT who, reason, detail::text FROM operator_action WHERE action = 'import'",
    )
    assert (action["who"], action["reason"]) == ("night", "autumn")
    assert msgspec.json.decode(action["detail"]) == {
        "rows": 2, "added": 1, "changed": 1, "received": 2,
    }  # fmt: skip
    newest = (await service.stock.changes("mug"))[0]
    assert newest.changes == {"price_minor": [1000, 1500], "receive": 2}
    assert (await service.stock.changes("cup"))[0].what == "added"
    (movement,) = await service.ledger.movements("mug", limit=1)
    assert (movement.kind, movement.quantity, movement.who) == ("received", 2, "night")


async def test_an_unknown_room_and_an_unreadable_file_are_refused(service: Service) -> None:
    await open_room(service, skus={"mug": 1})

    with pytest.raises(NotFound):
        await load(service, "sku\nmug\n", "none")
    with pytest.raises(UnreadableFile):
        await load(service, 'sku,name\nmug,"open')
    with pytest.raises(NotFound):
        await dump(service, "none")


def _fits(read: Callable[..., str], text: str) -> bool:
    """Say whether a door takes this text just as it is."""
    try:
        return read(text, length_max=20) == text
    except UnfitText:
        return False


letters = st.sampled_from([*"=+-@'\"\r\n\t,; é字🏺aB1"]) | st.characters(exclude_categories=["Cs"])
words = st.text(letters, min_size=1, max_size=12).filter(partial(_fits, read_text))
names = words.filter(partial(_fits, read_name))
catalogues = st.lists(
    st.fixed_dictionaries(
        {
            "sku": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True),
            "name": names,
            "variant": names | st.just(""),
            "description": words | st.just(""),
            "price_minor": st.integers(0, 10**12),
            "limit_per_order": st.none() | st.integers(1, 100),
            "limit_per_customer": st.none() | st.integers(1, 100),
            "on_sale_from": st.none() | st.datetimes(
                datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 - the zone is given beside
            ),
            "low_at": st.integers(0, 100),
        }
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row["sku"].lower(),
)  # fmt: skip


@given(rows=catalogues)
@tried(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def carried(rows: list[dict[str, Any]], loop: asyncio.AbstractEventLoop, service: Service) -> None:
    async def carry() -> None:
        room = f"room-{uuid4().hex[:12]}"
        await open_room(service, room, skus={})
        for row in rows:
            values = {k: v for k, v in row.items() if k != "sku"}
            await service.stock.add(f"{row['sku']}.{room[5:]}", room=room, **values)
        text = await dump(service, room)

        report = await load(service, text, room)

        assert (report.imported, report.unchanged) == (True, len(rows))
        assert await dump(service, room) == text

    asyncio.run_coroutine_threadsafe(carry(), loop).result()


async def test_what_was_exported_changes_nothing_when_imported(service: Service) -> None:
    await asyncio.to_thread(carried, loop=asyncio.get_running_loop(), service=service)


@pytest.mark.endure
def test_the_benchmark_says_what_it_measured() -> None:
    script = Path(__file__).parents[3] / "tools" / "bench" / "catalogue.py"

    done = subprocess.run(
        [sys.executable, str(script), "--skus", "1000", "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert {"import", "export", "a page of 50", "a search for nothing there"} <= figures.keys()
    assert all(figure["s"] > 0 for figure in figures.values())
