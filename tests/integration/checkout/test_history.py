"""Orders looked back on: by their shoppers, and by operators and sellers who search them."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp.test_utils import TestClient
from paying import a_basket, all_is_well, gateway_decides, refund, start
from provider import AUDIENCE, Provider
from shop import hold, open_gate, sessions_in
from support import (
    Shopper,
    admitted,
    authorization,
    execute,
    open_room,
    owner_url,
    size,
    tick,
)

from checkout.gateway.deterministic_gateway import APPROVE, DECLINE, REFUND_FAILS, REFUND_SLOW
from checkout.history.cursor import Cursor
from checkout.history.history_store import values_of
from checkout.history.search import OrderFilter, read_words
from checkout.history.sheet import header, rows_of
from checkout.history.status import read_status
from checkout.history.timeline import timeline
from checkout.order import Order, operator_status
from checkout.refusals import SkuNotHere, UnknownOrder, UnknownRoom
from inventory.hold import Item
from waitroom.reports.analytics.analytics_store import SQL as COUNTS
from waitroom.run.app import Service

Client = TestClient[Any, Any]
OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[Client]]
EVERYTHING = OrderFilter()
MANY, BATCH = size("ORDERS", 25_000), 5_000
# The orders lie evenly within this time, whatever their number.
SPAN_S = 100_000
THEIR_LINES = """
    INSERT INTO purchase_line (order_id, sku_id, name, quantity, price_minor)
    SELECT p.order_id, k.sku_id, k.name, 1, 1000 FROM purchase p, sku k
    WHERE p.session_id BETWEEN $1::int AND $2::int
        AND (k.sku = 'mug' OR p.session_id % 1000 = 0)"""
MORE_ORDERS = f"""
    WITH new AS (
        INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, state,
                          placed_at, expires_at, ended_at)
        SELECT gen_random_uuid(), n, r.room_id, gen_random_uuid(), '', 'confirmed', t.at, t.at, t.at
        FROM room r, generate_series($1::int, $2::int) n,
             LATERAL (SELECT clock_timestamp() - n * interval '{SPAN_S / MANY} seconds' AS at) t
        RETURNING hold_id, session_id, room_id, placed_at),
    made AS (
        INSERT INTO purchase (order_id, reference, session_id, customer_id, room_id, hold_id,
                              idempotency_key, body_hash, state, total_minor, currency, pay_by,
                              created_at, sold_at, paid_at)
        SELECT hold_id, 'R' || session_id, session_id,
               CASE WHEN session_id % 10 = 0 THEN session_id / 10 END, room_id, hold_id, hold_id,
               '', CASE WHEN session_id % 100 = 0 THEN 'declined' ELSE 'paid' END, 1000, 'EUR',
               placed_at, placed_at, placed_at, placed_at FROM new
        RETURNING order_id, total_minor, currency)
    INSERT INTO payment_attempt (order_id, gateway, payment_token, amount_minor, currency)
    SELECT order_id, 'test', '', total_minor, currency FROM made"""


async def sales(service: Service, *baskets: dict[str, int], room: str = "drop") -> list[UUID]:
    """Return paid orders, oldest first, each of a shopper of its own."""
    sessions = await sessions_in(service, len(baskets), room)
    return [
        await a_basket(service, session, **basket)
        for session, basket in zip(sessions, baskets, strict=True)
    ]


async def give_back(service: Service, order_id: UUID, **wish: Any) -> UUID:
    """Refund and wait for the gateway."""
    refund_id = await refund(service, order_id, **wish)
    await service.refunds.drive(refund_id)
    return refund_id


async def room_orders(service: Service, wanted: OrderFilter, **values: Any) -> list[Order]:
    return [listed.order for listed in await service.history.page("drop", wanted, **values)]


async def found(service: Service, wanted: OrderFilter, **options: Any) -> list[UUID]:
    values = {"limit": 100, **options}
    return [order.order_id for order in await room_orders(service, wanted, **values)]


async def reference_of(service: Service, order_id: UUID) -> str:
    return (await service.orders.read(order_id)).number


async def a_seller(service: Service, *products: str, name: str = "sal") -> int:
    """Return the id of a seller of these products."""
    sql = "INSERT INTO operator (name, role, password_hash) VALUES ($1, 'seller', '') RETURNING *"
    seller: int = (await execute(service, sql, name))[0]["operator_id"]
    await execute(
        service,
        "UPDATE product SET seller_id = $1 WHERE product = ANY ($2)",
        *(seller, list(products)),
    )
    await service.rooms.admit("drop", name, admitted=True, who="test")
    return seller


async def id_of(service: Service, sku: str) -> int:
    sql = "SELECT sku_id FROM sku WHERE sku = $1"
    return int((await execute(service, sql, sku))[0]["sku_id"])


def after(order: Order) -> Cursor:
    return Cursor(at=order.created_at, order_id=order.order_id)


# Finding.


async def test_orders_are_listed_from_the_newest_with_their_lines(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    first, second = await sales(service, {"mug": 2, "vase": 1}, {"vase": 1})

    newest, oldest = await room_orders(service, EVERYTHING, limit=10)

    assert (newest.order_id, oldest.order_id) == (second, first)
    assert (operator_status(oldest), oldest.total_minor, oldest.currency) == ("paid", 3000, "EUR")
    lines = [(line.sku, line.name, line.quantity, line.price_minor) for line in oldest.items]
    assert lines == [("mug", "Mug", 2, 1000), ("vase", "Vase", 1, 1000)]


async def test_pages_neither_repeat_nor_skip_while_orders_arrive(service: Service) -> None:
    await open_gate(service, skus={"mug": 50})
    old = await sales(service, *[{"mug": 1}] * 7)
    seen: list[Order] = []
    cursor: Cursor | None = None

    while len(page := await room_orders(service, EVERYTHING, after=cursor, limit=2)) == 2:
        seen += page
        cursor = after(page[-1])
        await sales(service, {"mug": 1})
    seen += page

    assert [order.order_id for order in seen] == old[::-1]


async def test_orders_of_the_same_moment_are_paged_one_after_the_other(service: Service) -> None:
    await open_gate(service, skus={"mug": 50})
    orders = await sales(service, *[{"mug": 1}] * 5)
    await execute(service, "UPDATE purchase SET created_at = '2026-11-22T10:00:00Z'")
    seen: list[UUID] = []
    cursor: Cursor | None = None

    while page := await room_orders(service, EVERYTHING, after=cursor, limit=2):
        seen += [order.order_id for order in page]
        cursor = after(page[-1])

    assert seen == sorted(orders)


async def test_each_status_finds_its_orders(service: Service) -> None:
    await open_gate(service, skus={"mug": 50})
    paid, partly, refunded, declined = await sessions_in(service, 4)
    of_status = {
        "paid": await a_basket(service, paid, mug=1),
        "partly_refunded": await a_basket(service, partly, mug=2),
        "refunded": await a_basket(service, refunded, mug=1),
    }
    await give_back(service, of_status["partly_refunded"], amount_minor=300)
    await give_back(service, of_status["refunded"], full=True, restock=True)
    held = await hold(service, declined, mug=1)
    of_status["declined"], _ = await start(service, declined, held, token=DECLINE)
    await service.payments.drive(of_status["declined"])
    of_status["authorizing"], _ = await start(service, declined, held, token=APPROVE)

    for status, order_id in of_status.items():
        wanted = OrderFilter(status=read_status(status))
        assert await found(service, wanted) == [order_id], status
        (order,) = await room_orders(service, wanted, limit=9)
        assert operator_status(order) == status
    assert await found(service, OrderFilter(status=read_status("voiding"))) == []


async def test_a_sku_finds_the_orders_that_contain_it(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9, "lamp": 1})
    mugs, both, _ = await sales(service, {"mug": 1}, {"mug": 1, "vase": 2}, {"vase": 1})

    assert await found(service, OrderFilter(sku="mug")) == [both, mugs]
    assert await found(service, OrderFilter(sku="lamp")) == []
    with pytest.raises(SkuNotHere):
        await found(service, OrderFilter(sku="ghost"))


async def test_a_time_finds_orders_from_its_beginning_and_before_its_end(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    orders = await sales(service, *[{"mug": 1}] * 3)
    noon = datetime.fromisoformat("2026-11-22T12:00:00Z")
    for hour, order_id in enumerate(orders):
        at = noon + timedelta(hours=hour)
        sql = "UPDATE purchase SET created_at = $2 WHERE order_id = $1"
        await execute(service, sql, order_id, at)

    hour = timedelta(hours=1)
    assert await found(service, OrderFilter(since=noon + hour)) == [orders[2], orders[1]]
    assert await found(service, OrderFilter(until=noon + hour)) == [orders[0]]
    assert await found(service, OrderFilter(since=noon + hour, until=noon + 2 * hour)) == [
        orders[1]
    ]


async def test_words_find_numbers_parts_of_numbers_ids_and_addresses(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    ours, other = await sales(service, {"mug": 1}, {"mug": 1})
    for order_id, reference in ((ours, "ABCD2345"), (other, "WXYZ6789")):
        sql = "UPDATE purchase SET reference = $2 WHERE order_id = $1"
        await execute(service, sql, order_id, reference)
    sql = """WITH who AS (INSERT INTO customer (issuer, subject, email)
             VALUES ('https://id.example', 'ann', 'Ann_Lee@example.com') RETURNING customer_id)
             UPDATE purchase SET customer_id = (SELECT customer_id FROM who) WHERE order_id = $1"""
    await execute(service, sql, ours)

    async def look(text: str) -> list[UUID]:
        return await found(service, OrderFilter(words=read_words(text)))

    assert await look("ABCD2345") == await look("abcd 2345") == await look("ABCD-2345") == [ours]
    assert await look("D23") == await look("d2 3") == [ours]
    assert await look(str(other)) == [other]
    assert await look("ann_lee@example.com") == await look("ANN_LEE@ex") == [ours]
    # An underscore is a letter of an address and stands for no other.
    assert await look("annxlee@example.com") == await look("lee@example.com") == []
    assert await look("nothing%") == []
    wanted = OrderFilter(words=read_words("D23"))
    (listed,) = await service.history.page("drop", wanted, limit=9)
    assert listed.customer_email == "Ann_Lee@example.com"


async def test_filters_narrow_one_another_and_rooms_are_apart(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    await open_room(service, "other", skus={"print": 9}, policy="rate")
    mug, vase = await sales(service, {"mug": 1}, {"vase": 1})
    (elsewhere,) = await sales(service, {"print": 1}, room="other")
    await give_back(service, mug, amount_minor=1)

    partly = OrderFilter(status=read_status("partly_refunded"))
    assert await found(service, EVERYTHING) == [vase, mug]
    assert await found(service, OrderFilter(status=partly.status, sku="mug")) == [mug]
    assert await found(service, OrderFilter(status=partly.status, sku="vase")) == []
    assert await found(service, OrderFilter(words=read_words(str(elsewhere)))) == []
    with pytest.raises(SkuNotHere):
        await found(service, OrderFilter(sku="print"))
    with pytest.raises(UnknownRoom):
        await service.history.page("ghost", EVERYTHING, limit=1)


async def plan(
    service: Service, wanted: OrderFilter, *, seller: int | None = None, sku_id: int | None = None
) -> str:
    """Return how PostgreSQL looks for the first twenty of the orders wanted."""
    (room,) = await execute(service, "SELECT room_id FROM room")
    values = values_of(wanted, room_id=room["room_id"], sku_id=sku_id, seller=seller)
    sql = "SELECT orders_statement($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    ((statement,),) = await execute(service, sql, *values, 20)
    return "\n".join(row[0] for row in await execute(service, f"EXPLAIN {statement}"))


async def plan_of_an_hour(service: Service, query: str, *values: Any) -> str:
    """Return how PostgreSQL counts the last hour of a hundred thousand seconds."""
    (row,) = await execute(service, "SELECT room_id, clock_timestamp() AS now FROM room")
    between = (row["room_id"], row["now"] - timedelta(hours=1), row["now"])
    rows = await execute(service, f"EXPLAIN {COUNTS[query]}", *between, *values)
    return "\n".join(row[0] for row in rows)


async def many_orders(service: Service) -> None:
    """Write orders straight into the books: a mug in each, a vase in each thousandth."""
    sql = """INSERT INTO customer (issuer, subject, email)
             SELECT 'https://id.example', n, n || '@example.com'
             FROM generate_series(1, $1::int) n"""
    await execute(service, sql, MANY // 10)
    for first in range(1, MANY, BATCH):
        for sql in (MORE_ORDERS, THEIR_LINES):
            await execute(service, sql, first, first + BATCH - 1)
    for table in ("purchase", "purchase_line", "hold", "customer"):
        await execute(service, f"ANALYZE {table}")
    # Elsewhere the autovacuum does this.
    await execute(service, "SELECT brin_summarize_new_values('hold_placed')")


async def test_many_orders_are_listed_and_counted_by_indexes(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 0, "vase": 0})
    await many_orders(service)
    noon = datetime.fromisoformat("2026-11-22T12:00:00Z")
    expected = {
        EVERYTHING: "purchase_by_room",
        OrderFilter(since=noon, until=noon + timedelta(days=1)): "purchase_by_room",
        OrderFilter(status=read_status("paid")): "purchase_by_room",
        OrderFilter(status=read_status("declined")): "purchase_unbought",
        OrderFilter(status=read_status("partly_refunded")): "purchase_given_back",
        OrderFilter(status=read_status("returning")): "purchase_unsettled",
        OrderFilter(words=read_words("R1234567")): "purchase_reference_key",
        OrderFilter(words=read_words(str(uuid4()))): "purchase_pkey",
        OrderFilter(words=read_words("77@example.com")): "customer_by_email",
        OrderFilter(words=read_words("R12")): "purchase_by_room",
    }

    plans = {wanted: await plan(service, wanted) for wanted in expected}
    skus = {sku: await id_of(service, sku) for sku in ("mug", "vase")}
    sellers = {sku: await a_seller(service, sku, name=sku) for sku in skus}
    for sku, seller in sellers.items():
        owned = "UPDATE purchase_line SET seller_id = $1 WHERE sku_id = $2"
        await execute(service, owned, seller, skus[sku])
    alone = await asyncpg.connect(owner_url(service.settings.postgres_url))
    await alone.execute("VACUUM ANALYZE purchase_line")
    await alone.close()
    parts = [await plan(service, EVERYTHING, sku_id=sku_id) for sku_id in skus.values()]
    parts += [await plan(service, EVERYTHING, seller=seller) for seller in sellers.values()]

    for wanted, index in expected.items():
        assert index in plans[wanted], (wanted, plans[wanted])
        assert "Seq Scan on purchase" not in plans[wanted], (wanted, plans[wanted])
    for part in parts:
        assert "Seq Scan on purchase" not in part, part
    assert "purchase_paid" in await plan_of_an_hour(service, "read_sales", 60, None)
    assert "purchase_paid" in await plan_of_an_hour(service, "read_pay_times", None)
    assert "hold_placed" in await plan_of_an_hour(service, "read_outcomes", None)
    by_seller = {"limit": 20, "seller": sellers["vase"]}
    assert len(await room_orders(service, EVERYTHING, **by_seller)) == 20


# Sellers.


async def test_a_seller_sees_orders_with_their_products_and_their_own_part(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    seller = await a_seller(service, "mug")
    both, _ = await sales(service, {"mug": 2, "vase": 3}, {"vase": 1})
    await give_back(
        service, both, items=[{"sku": "vase", "quantity": 1}], restock=True, amount_minor=700
    )
    await give_back(service, both, items=[{"sku": "mug", "quantity": 1}], restock=True)

    (order,) = await room_orders(service, EVERYTHING, limit=9, seller=seller)
    file = await service.history.file(both, seller=seller)

    assert [(line.sku, line.quantity) for line in order.items] == [("mug", 2)]
    assert (order.total_minor, order.refunded_minor) == (2000, 1000)
    assert (order.order_id, file.customer_email) == (both, None)
    assert file.order == order
    assert [(r.amount_minor, r.items) for r in file.refunds] == [
        (1000, [Item(sku="mug", quantity=1)])
    ]
    assert [(event.sku, event.units) for event in timeline(file) if event.what == "returned"] == [
        ("mug", 1)
    ]


async def test_orders_stay_with_the_seller_of_their_time_when_a_product_changes_hands(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    first = await a_seller(service, "mug")
    both, _ = await sales(service, {"mug": 2, "vase": 3}, {"vase": 1})
    await give_back(service, both, items=[{"sku": "mug", "quantity": 1}], restock=True)
    second = await a_seller(service, "mug", "vase", name="bo")

    (order,) = await room_orders(service, OrderFilter(sku="mug"), limit=9, seller=first)
    file = await service.history.file(both, seller=first)

    assert [(line.sku, line.quantity) for line in order.items] == [("mug", 2)]
    assert [refund.amount_minor for refund in file.refunds] == [1000]
    assert [room["room"] for room in await service.history.rooms(seller=first)] == ["drop"]
    assert await room_orders(service, EVERYTHING, limit=9, seller=second) == []
    with pytest.raises(UnknownOrder):
        await service.history.file(both, seller=second)


async def test_a_seller_does_not_find_what_is_not_theirs(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    seller, stranger = (
        await a_seller(service, "mug"),
        await a_seller(service, "lamp", name="uma"),
    )
    (foreign,) = await sales(service, {"vase": 1})
    whole = await reference_of(service, foreign)

    for text in (str(foreign), whole, whole[:3]):
        wanted = OrderFilter(words=read_words(text))
        assert await found(service, wanted, seller=seller) == []
    with pytest.raises(SkuNotHere):
        await found(service, OrderFilter(sku="vase"), seller=seller)
    with pytest.raises(UnknownOrder):
        await service.history.file(foreign, seller=seller)
    assert [room["room"] for room in await service.history.rooms(seller=seller)] == ["drop"]
    # A room that admits a seller is theirs to see before they have products there.
    assert [room["room"] for room in await service.history.rooms(seller=stranger)] == ["drop"]
    await service.rooms.admit("drop", "uma", admitted=False, who="night")
    assert await service.history.rooms(seller=stranger) == []


async def test_the_parts_of_sellers_add_up_to_the_order(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9, "bowl": 9})
    await execute(service, "UPDATE sku SET price_minor = 333 WHERE sku = 'vase'")
    await execute(service, "UPDATE sku SET price_minor = 0 WHERE sku = 'bowl'")
    sellers = [await a_seller(service, sku, name=sku) for sku in ("mug", "vase", "bowl")]
    (order_id,) = await sales(service, {"mug": 1, "vase": 2, "bowl": 1})
    for wish in (
        {"amount_minor": 100},
        {"items": [{"sku": "vase", "quantity": 1}], "restock": False, "amount_minor": 200},
        {"items": [{"sku": "bowl", "quantity": 1}], "restock": True},
        {"amount_minor": 1},
        {"full": True, "restock": True},
    ):
        await give_back(service, order_id, **wish)

        whole = (await service.history.file(order_id)).order
        parts = [(await service.history.file(order_id, seller=s)).order for s in sellers]
        order = await service.orders.read(order_id)
        assert sum(part.total_minor for part in parts) == whole.total_minor == order.total_minor
        assert sum(part.refunded_minor for part in parts) == order.refunded_minor
        assert whole.refunded_minor == order.refunded_minor
    assert (order.state, order.refunded_minor) == ("refunded", 1666)
    await all_is_well(service)


async def test_a_refund_on_its_way_is_told_apart_and_a_failed_one_is_none(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 9})
    slow, failing = await sessions_in(service, 2)
    orders = []
    for session, token in ((slow, REFUND_SLOW), (failing, REFUND_FAILS)):
        order_id, _ = await start(
            service, session, await hold(service, session, mug=1), token=token
        )
        await service.payments.drive(order_id)
        await give_back(service, order_id, amount_minor=400)
        orders.append((await service.history.file(order_id)).order)

    sums = [(operator_status(o), o.refunded_minor, o.refunding_minor) for o in orders]
    assert sums == [("paid", 0, 400), ("paid", 0, 0)]


# One order.


async def test_a_file_tells_what_happened_and_when(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    (order_id,) = await sales(service, {"mug": 3})
    await give_back(service, order_id, items=[{"sku": "mug", "quantity": 1}], restock=True)
    await service.refund_store.call_off(order_id, restock=False, who="ada", reason="fraud")
    await service.refunds.drive_all(order_id)

    file = await service.history.file(order_id)

    story = [(e.what, e.who, e.why, e.amount_minor, e.units) for e in timeline(file)]
    assert story == [
        ("held", "", "", None, None),
        ("payment_started", "", "", None, None),
        ("sold", "", "", None, None),
        ("paid", "", "", None, None),
        ("refund_asked", "night", "broken", 1000, None),
        ("refund_done", "", "", 1000, None),
        ("returned", "night", "broken", None, 1),
        ("refund_asked", "ada", "fraud", 2000, None),
        ("called_off", "ada", "fraud", None, None),
        ("refund_done", "", "", 2000, None),
    ]
    assert (file.order.room, file.number, file.gateway) == ("drop", 1, "test")
    assert file.gateway_ref is not None
    assert file.gateway_ref.startswith("test_")
    assert operator_status(file.order) == "refunded"
    said = [(answer.said, answer.amount_minor) for answer in file.answers]
    assert said == [("authorized", 0), ("captured", 3000), ("done", 1000), ("done", 2000)]


async def test_a_declined_payment_ends_its_timeline(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    (session,) = await sessions_in(service, 1)
    order_id, _ = await start(service, session, await hold(service, session, mug=1), token=DECLINE)
    await service.payments.drive(order_id)

    events = timeline(await service.history.file(order_id))

    assert [event.what for event in events] == ["held", "payment_started", "declined"]
    assert "not been charged" in events[-1].why


# As a file.


async def test_an_export_reads_back_as_it_is_in_the_books(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 9})
    await execute(service, "UPDATE sku SET name = '=1+1, \"now\"\n5 €' WHERE sku = 'mug'")
    (order_id,) = await sales(service, {"mug": 2, "vase": 1})
    await give_back(service, order_id, items=[{"sku": "mug", "quantity": 1}], restock=True)

    text = header()
    async for orders in service.history.pages("drop", EVERYTHING):
        text += rows_of(orders)
    mug, vase = csv.DictReader(io.StringIO(text, newline=""))

    order = await service.orders.read(order_id)
    assert mug["name"] == "'" + '=1+1, "now"\n5 €'
    assert (mug["order_id"], mug["number"]) == (str(order_id), order.number)
    assert (mug["status"], mug["currency"]) == ("partly_refunded", "EUR")
    assert datetime.fromisoformat(mug["created_at"]) == order.created_at
    assert (mug["quantity"], mug["price_minor"], mug["line_total_minor"]) == ("2", "1000", "2000")
    assert (mug["units_refunded"], mug["units_returned"]) == ("1", "1")
    assert (mug["line_refunded_minor"], vase["line_refunded_minor"]) == ("1000", "0")
    assert {row["order_total_minor"] for row in (mug, vase)} == {"3000"}
    assert {row["order_refunded_minor"] for row in (mug, vase)} == {"1000"}


async def test_a_long_export_goes_page_by_page_and_leaves_newcomers_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkout.history.history_store.EXPORT_PAGE", 2)
    await open_gate(service, skus={"mug": 50})
    old = await sales(service, *[{"mug": 1}] * 5)
    lists: list[list[UUID]] = []

    async for orders in service.history.pages("drop", EVERYTHING):
        lists.append([listed.order.order_id for listed in orders])
        await sales(service, {"mug": 1})

    assert [len(found) for found in lists] == [2, 2, 1]
    assert [order_id for found in lists for order_id in found] == old[::-1]


# The shopper's own.


async def orders_of(shopper: Shopper, **query: Any) -> dict[str, Any]:
    answer = await shopper.client.get(
        "/checkout/orders", params=query, headers=authorization(shopper.session)
    )
    body: dict[str, Any] = await answer.json()
    assert answer.status == 200, body
    return body


async def bought(shopper: Shopper, token: str = APPROVE, **quantities: int) -> str:
    held = (await (await shopper.hold(**quantities)).json())["hold_id"]
    paid = await shopper.pay(held, token=token)
    assert paid.status == 201
    return str((await paid.json())["order_id"])


async def test_a_shoppers_history_is_paged_from_the_newest(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper, other = await admitted(client), await admitted(client)
    await bought(other, mug=1)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    for _ in range(3):
        assert (await shopper.pay(held, token=DECLINE)).status == 402
    paid = (await (await shopper.pay(held)).json())["order_id"]

    first = await orders_of(shopper, limit=2)
    second = await orders_of(shopper, limit=2, cursor=first["next"])
    third = await orders_of(shopper, limit=2, cursor=second["next"])

    assert [o["status"] for o in first["orders"]] == ["paid", "declined"]
    assert first["orders"][0]["order_id"] == paid
    assert [o["status"] for o in second["orders"]] == ["declined", "declined"]
    assert (third["orders"], third["next"]) == ([], None)
    ids = [o["order_id"] for o in first["orders"] + second["orders"]]
    assert len(set(ids)) == 4


async def test_a_shopper_sees_refunds_and_not_who_gave_them(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper = await admitted(client)
    order_id = await bought(shopper, REFUND_SLOW, mug=2)
    asked = {"amount_minor": 500, "reason": "a secret reason"}
    await give_back(service, UUID(order_id), **asked)
    url, own = f"/checkout/orders/{order_id}", authorization(shopper.session)

    on_its_way = await (await client.get(url, headers=own)).json()
    await gateway_decides(service)
    await service.refunds.drive_all(UUID(order_id))
    done = await client.get(url, headers=own)
    body = await done.json()
    await give_back(service, UUID(order_id), full=True, restock=True)
    all_on_its_way = await (await client.get(url, headers=own)).json()
    await gateway_decides(service)
    await service.refunds.drive_all(UUID(order_id))
    refunded = await (await client.get(url, headers=own)).json()

    assert (on_its_way["status"], on_its_way["refunding_minor"]) == ("paid", 500)
    assert [r["status"] for r in on_its_way["refunds"]] == ["on_its_way"]
    assert (body["status"], body["refunded_minor"]) == ("partly_refunded", 500)
    assert [(r["status"], r["amount_minor"]) for r in body["refunds"]] == [("done", 500)]
    assert "secret" not in json.dumps(body)
    assert "night" not in json.dumps(body)
    assert all_on_its_way["status"] == "returning"
    assert (refunded["status"], refunded["refunded_minor"]) == ("refunded", 2000)
    (listed,) = (await orders_of(shopper))["orders"]
    assert (listed["status"], listed["refunded_minor"]) == ("refunded", 2000)


WORDS = {
    "authorizing": "Payment in progress",
    "paid": "Paid",
    "partly_refunded": "Partly refunded",
    "returning": "Your money is on its way back",
    "refunded": "Refunded",
    "declined": "Payment declined",
    "cancelled": "Cancelled",
}


@pytest.mark.parametrize("status", WORDS)
async def test_the_page_of_an_order_is_honest_about_every_state(
    service: Service, client: Client, status: str
) -> None:
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper = await admitted(client)
    order_id = await bought(shopper, mug=1)
    state = "paid" if status == "partly_refunded" else status
    paid_at = "paid_at" if status in {"paid", "partly_refunded", "refunded"} else "NULL"
    await execute(service, "DROP TRIGGER orders_keep_to_their_life ON purchase")
    sql = f"UPDATE purchase SET state = $1, refunded_minor = $2, paid_at = {paid_at}"
    await execute(service, sql, state, 300 if status == "partly_refunded" else 0)

    page = await client.get(
        f"/checkout/orders/{order_id}",
        headers={**authorization(shopper.session), "Accept": "text/html"},
    )
    text = await page.text()

    assert page.status == 200
    assert f'role="status">{WORDS[status]}</p>' in text
    assert ("/receipt" in text) == (paid_at != "NULL")
    told_nothing_was_charged = "nothing was charged" in text
    assert told_nothing_was_charged == (status in {"declined", "cancelled"})


async def test_a_cursor_that_is_none_is_refused(service: Service, client: Client) -> None:
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper = await admitted(client)

    late = "9999-12-31T23:59:59-14:00"
    for cursor in ("x", "2026-11-22~x", f"2026-11-22T10:00:00~{uuid4()}", f"{late}~{uuid4()}"):
        answer = await client.get(
            "/checkout/orders", params={"cursor": cursor}, headers=authorization(shopper.session)
        )
        assert (answer.status, (await answer.json())["code"]) == (400, "bad_request")


# Receipts.


async def test_a_receipt_is_one_page_that_needs_nothing_else(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9})
    await execute(service, "UPDATE sku SET name = '<script>alert(1)</script> & co'")
    await tick(service)
    shopper = await admitted(client)
    order_id = await bought(shopper, mug=2)
    await give_back(service, UUID(order_id), items=[{"sku": "mug", "quantity": 1}], restock=True)
    url, own = f"/checkout/orders/{order_id}/receipt", authorization(shopper.session)

    page = await client.get(url, headers={**own, "Accept": "text/html"})
    text = await page.text()
    plain = await client.get(url, params={"format": "text"}, headers=own)
    words = await plain.text()

    reference = await reference_of(service, UUID(order_id))
    for said in (
        reference,
        "€20.00",
        "\N{MINUS SIGN}€10.00",
        "Paid in the end",
        "All prices include tax.",
    ):
        assert said in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
    for never in ("<script", "<link", "<img", "<style", "http://", "https://", "url(", "src="):
        assert never not in text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy
    assert "script-src" not in policy
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.headers["X-Content-Type-Options"] == "nosniff"
    for said in (reference, "€20.00", "-€10.00", "Paid in the end", "All prices include tax."):
        assert said in words


async def test_other_pages_keep_their_stricter_policy(service: Service, client: Client) -> None:
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper = await admitted(client)
    order_id = await bought(shopper, mug=1)
    own = {**authorization(shopper.session), "Accept": "text/html"}

    await client.get(f"/checkout/orders/{order_id}/receipt", headers=own)
    page = await client.get(f"/checkout/orders/{order_id}", headers=own)

    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]


async def test_there_is_no_receipt_for_what_was_not_bought_or_is_anothers(
    service: Service, client: Client
) -> None:
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper, other = await admitted(client), await admitted(client)
    held = (await (await shopper.hold(mug=1)).json())["hold_id"]
    declined = (await (await shopper.pay(held, token=DECLINE)).json())["order_id"]
    paid = (await (await shopper.pay(held)).json())["order_id"]

    async def ask(order_id: str, token: str, **query: str) -> tuple[int, str]:
        answer = await client.get(
            f"/checkout/orders/{order_id}/receipt", params=query, headers=authorization(token)
        )
        return answer.status, (await answer.json())["code"]

    assert await ask(declined, shopper.session) == (409, "no_receipt")
    assert await ask(paid, other.session) == (404, "not_found")
    assert await ask("nonsense", shopper.session) == (404, "not_found")
    assert await ask(paid, "no token") == (401, "session_over")
    assert await ask(paid, shopper.session, format="pdf") == (400, "bad_request")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as made:
        made.add_key("k1")
        yield made


async def test_a_customer_gets_the_receipt_of_a_session_that_is_gone(
    services: OpenService, clients: Serve, provider: Provider
) -> None:
    service = await services(customer_issuer=provider.issuer, customer_audience=AUDIENCE)
    client = await clients(service)
    await open_gate(service, skus={"mug": 9})
    await tick(service)
    shopper = await admitted(client)
    token, stranger = provider.token("ann"), provider.token("bob")
    await client.put(
        "/checkout/customer", json={"token": token}, headers=authorization(shopper.session)
    )
    order_id = await bought(shopper, mug=1)
    url = f"/checkout/orders/{order_id}/receipt"

    answers = [
        await client.get(url, headers=authorization(who)) for who in (token, stranger, "rubbish")
    ]

    assert [answer.status for answer in answers] == [200, 404, 401]
    assert await reference_of(service, UUID(order_id)) in await answers[0].text()
