"""Analytics: every figure against a small sale that was counted by hand."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient
from paying import a_basket, refund, start
from shop import hold, open_gate, sessions_in
from support import PASSWORD, execute, open_room, shift_clock, sold_by_a_seller, tick

from checkout.gateway.deterministic_gateway import DECLINE
from checkout.refusals import UnknownRoom
from waitroom.line.ticket import Ticket
from waitroom.reports.analytics import analytics_store
from waitroom.reports.analytics.analysis import Analysis, Sales, Walk, make_span
from waitroom.reports.analytics.analytics_store import AnalyticsStore
from waitroom.run.app import Service

Client = TestClient[Any, Any]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


async def report(
    service: Service, *, since: datetime = NOON, until: datetime = NOON + 3 * HOUR, **options: Any
) -> Analysis:
    span = make_span(since, until, 3600)
    values = {"top": 10, **options}
    return await AnalyticsStore(service.pool).analyse("drop", span, **values)


async def now(service: Service) -> datetime:
    moment: datetime = (await execute(service, "SELECT clock_timestamp() AS t"))[0]["t"]
    return moment


async def paid(service: Service, session: int, at: datetime, **basket: int) -> UUID:
    """Return an order that was paid at a moment, a minute after its hold was placed."""
    order_id = await a_basket(service, session, **basket)
    sql = "UPDATE purchase SET paid_at = $2, created_at = $2 WHERE order_id = $1"
    await execute(service, sql, order_id, at)
    sql = """UPDATE hold h SET placed_at = $2, ended_at = $2::timestamptz + interval '1 minute'
             FROM purchase p WHERE p.order_id = $1 AND h.hold_id = p.hold_id"""
    await execute(service, sql, order_id, at - timedelta(minutes=1))
    return order_id


async def give_back(service: Service, order_id: UUID, at: datetime, **wish: Any) -> None:
    refund_id = await refund(service, order_id, **wish)
    await service.refunds.drive(refund_id)
    sql = "UPDATE refund SET ended_at = $2 WHERE refund_id = $1"
    await execute(service, sql, refund_id, at)


async def seller_of(service: Service, product: str) -> int:
    sql = (
        "INSERT INTO operator (name, role, password_hash) VALUES ('sal', 'seller', '') RETURNING *"
    )
    seller: int = (await execute(service, sql))[0]["operator_id"]
    await sold_by_a_seller(service, product)
    return seller


async def a_small_sale(service: Service) -> None:
    """Sell mugs at 10 and vases at 5, from noon on.

    12:10 two mugs; 12:59:59 a mug and a vase, of which the vase goes back at 13:10; 13:00 four
    vases; 15:00 a mug, after the end. At 13:20 goodwill of 3 goes back on the order of 12:59:59, of
    which a mug is two thirds. A declined order buys nothing.
    """
    await open_gate(service, skus={"mug": 99, "vase": 99}, limit=9)
    await execute(service, "UPDATE sku SET price_minor = 500 WHERE sku = 'vase'")
    one, two, three, four, five = await sessions_in(service, 5)
    await paid(service, one, NOON + timedelta(minutes=10), mug=2)
    both = await paid(service, two, NOON + HOUR - SECOND, mug=1, vase=1)
    await paid(service, three, NOON + HOUR, vase=4)
    await paid(service, four, NOON + 3 * HOUR, mug=1)
    vase = [{"sku": "vase", "quantity": 1}]
    await give_back(service, both, NOON + HOUR + 10 * 60 * SECOND, items=vase, restock=True)
    await give_back(service, both, NOON + HOUR + 20 * 60 * SECOND, amount_minor=300)
    declined, _ = await start(service, five, await hold(service, five, mug=1), token=DECLINE)
    await service.payments.drive(declined)


async def test_sales_are_counted_by_step_and_refunds_where_the_money_went_back(
    service: Service,
) -> None:
    await a_small_sale(service)

    found = await report(service)

    assert found.steps == [
        Sales(orders=2, units=4, sold_minor=3500),
        Sales(orders=1, units=4, sold_minor=2000, units_refunded=1, refunded_minor=800),
        Sales(),
    ]
    assert [step.net_minor for step in found.steps] == [3500, 1200, 0]
    assert found.total == Sales(
        orders=3, units=8, sold_minor=5500, units_refunded=1, refunded_minor=800
    )
    assert found.currency == "EUR"


async def test_skus_are_told_of_by_what_they_brought_and_the_rest_together(
    service: Service,
) -> None:
    await a_small_sale(service)

    two, one = await report(service), await report(service, top=1)

    mug = Sales(orders=2, units=3, sold_minor=3000, refunded_minor=200)
    vase = Sales(orders=2, units=5, sold_minor=2500, units_refunded=1, refunded_minor=600)
    assert [(found.sku, found.sales) for found in two.skus] == [("mug", mug), ("vase", vase)]
    assert two.rest.skus == 0
    assert [(found.sku, found.sales) for found in one.skus] == [("mug", mug)]
    assert (one.rest.skus, one.rest.sales) == (1, vase)


async def test_a_seller_is_told_of_their_own_skus_alone(service: Service) -> None:
    await a_small_sale(service)
    seller = await seller_of(service, "vase")

    found = await report(service, seller=seller)

    assert found.steps == [
        Sales(orders=1, units=1, sold_minor=500),
        Sales(orders=1, units=4, sold_minor=2000, units_refunded=1, refunded_minor=600),
        Sales(),
    ]
    assert [sku.sku for sku in found.skus] == ["vase"]
    assert (found.walk, found.waits) == (None, None)
    assert found.pay_times.orders == 2
    assert {o.outcome: o.count for o in found.outcomes}["confirmed"] == 2


async def test_money_that_bought_nothing_is_no_sale_and_its_return_no_refund(
    service: Service,
) -> None:
    await a_small_sale(service)
    before = await report(service)
    sql = """INSERT INTO refund (refund_id, order_id, idempotency_key, body_hash, state,
                 amount_minor, restock, by_hand, who, reason, ended_at, done_at)
             SELECT gen_random_uuid(), order_id, gen_random_uuid(), '', 'done', 1000, false, false,
                    'waitroom', '', $1, $1 FROM purchase WHERE state = 'declined'"""
    await execute(service, sql, NOON + HOUR)

    assert await report(service) == before


async def test_an_empty_room_has_empty_figures(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})

    found = await report(service)

    assert found.total == Sales()
    assert (found.skus, found.rest.skus) == ([], 0)
    assert found.walk == Walk(joined=0, called=0, claimed=0, held=0, paid=0)
    assert found.walk.steps()[1].of_previous is None
    assert [(o.count, o.share, o.p50_s) for o in found.outcomes] == [(0, None, None)] * 4
    assert (found.pay_times.orders, found.pay_times.p50_s) == (0, None)
    with pytest.raises(UnknownRoom):
        await AnalyticsStore(service.pool).analyse(
            "ghost", make_span(NOON, NOON + HOUR, 3600), top=1
        )


async def test_holds_are_counted_by_what_became_of_them_and_how_soon(service: Service) -> None:
    await open_gate(service, skus={"mug": 99}, limit=99, hold_s=300)
    (session,) = await sessions_in(service, 1)
    for quantity, took_s in enumerate((10, 20, 60), start=1):
        order_id = await a_basket(service, session, mug=quantity)
        sql = """UPDATE hold h SET placed_at = $2,
                     ended_at = $2::timestamptz + make_interval(secs => $3)
                 FROM purchase p WHERE p.order_id = $1 AND h.hold_id = p.hold_id"""
        await execute(service, sql, order_id, NOON + quantity * SECOND, took_s)
        sql = "UPDATE purchase SET paid_at = $2 WHERE order_id = $1"
        paid_at = NOON + (quantity + took_s + 5) * SECOND
        await execute(service, sql, order_id, paid_at)
        # The session has ended with its order; it is claimed anew for the next one.
        sql = "UPDATE admission SET state = 'claimed', end_reason = NULL WHERE admission_id = $1"
        await execute(service, sql, session)
    released = await hold(service, session, mug=4)
    await service.holds.release(session, released)
    await hold(service, session, mug=5)
    await shift_clock(service, 301)
    assert await service.holds.expire(10) == 1
    sql = """UPDATE hold SET placed_at = $1, ended_at = $1::timestamptz + interval '30 s'
             WHERE state <> 'confirmed'"""
    await execute(service, sql, NOON)
    await hold(service, session, mug=6)
    await execute(service, "UPDATE hold SET placed_at = $1 WHERE state = 'held'", NOON)

    found = await report(service)
    later = await report(service, since=NOON + 2 * SECOND, until=NOON + HOUR)

    outcomes = [(o.outcome, o.count, o.p50_s, o.p90_s) for o in found.outcomes]
    assert outcomes == [
        ("confirmed", 3, 20, 52),
        ("released", 1, 30, 30),
        ("expired", 1, 30, 30),
        ("held", 1, None, None),
    ]
    assert [o.share for o in found.outcomes] == [3 / 6, 1 / 6, 1 / 6, 1 / 6]
    assert {o.outcome: o.count for o in later.outcomes}["confirmed"] == 2
    times = found.pay_times
    assert (times.orders, times.p50_s, times.p90_s) == (3, 25, 57)
    assert times.p99_s == pytest.approx(64.2)


async def test_a_hold_written_for_late_money_is_nobodys_hold(service: Service) -> None:
    await a_small_sale(service)
    before = await report(service)
    sql = """UPDATE hold SET idempotency_key = hold_id WHERE hold_id = (
                 SELECT hold_id FROM purchase WHERE paid_at = $1)"""
    await execute(service, sql, NOON + HOUR)

    found = await report(service)

    assert before.outcomes[0].count - found.outcomes[0].count == 1
    assert before.pay_times.orders - found.pay_times.orders == 1
    assert found.total == before.total


async def test_the_walk_counts_each_of_those_who_joined_in_the_span(service: Service) -> None:
    await open_gate(service, skus={"mug": 99}, seats_max=6)
    await sessions_in(service, 2)
    since = await now(service)
    line_id = service.board.room("drop").line_id
    joined = await service.lines.join(line_id, 5, os.urandom(32))
    tickets = [
        Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16)) for i in range(3)
    ]
    sessions = [claim.session_id for claim in await service.lines.claim(tickets)]
    await hold(service, sessions[0], mug=1)
    await a_basket(service, sessions[1], mug=1)
    until = await now(service)
    await service.lines.join(line_id, 4, os.urandom(32))

    found = await report(service, since=since, until=until)
    whole = await report(service, since=since - HOUR, until=until + HOUR)

    assert found.walk == Walk(joined=5, called=4, claimed=3, held=2, paid=1)
    rows = [(step.step, step.of_previous, step.of_joined) for step in found.walk.steps()]
    assert rows == [
        ("joined", 1.0, 1.0),
        ("called", 4 / 5, 4 / 5),
        ("claimed", 3 / 4, 3 / 5),
        ("held", 2 / 3, 2 / 5),
        ("paid", 1 / 2, 1 / 5),
    ]
    assert whole.walk is not None
    assert (whole.walk.joined, whole.walk.claimed) == (11, 5)


async def test_waits_run_from_joining_to_the_first_call(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_gate(service, skus={"mug": 99}, seats_max=2)
    await tick(service)
    since = await now(service)
    line_id = service.board.room("drop").line_id
    await service.lines.join(line_id, 5, os.urandom(32))
    await service.rooms.change("drop", '{"seats_max": 4}', who="test")
    await tick(service)
    until = await now(service)

    found = await report(service, since=since, until=until)
    monkeypatch.setattr(analytics_store, "ENTRIES_AT_ONCE", 1)
    assert (await report(service, since=since, until=until)).waits == found.waits

    rows = await execute(
        service,
        """SELECT body::jsonb ->> 'kind' AS kind, (body::jsonb ->> 'at')::timestamptz AS at
           FROM log_entry WHERE (body::jsonb ->> 'called')::int > 0 ORDER BY seq""",
    )
    at = {row["kind"]: row["at"] for row in rows}
    wait_s = (at["called"] - at["joined"]).total_seconds()
    assert found.waits is not None
    (wait,) = found.waits
    assert (wait.joined, wait.called) == (5, 4)
    assert (wait.p50_s, wait.p90_s) == (0.0, pytest.approx(wait_s, abs=0.06))


async def test_a_log_that_cannot_be_read_in_time_gives_no_waits(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics_store, "WAITS_MAX_S", -1)
    await open_gate(service, skus={"mug": 99})
    since = await now(service)
    await sessions_in(service, 1)
    await sessions_in(service, 1)

    found = await report(service, since=since, until=since + HOUR)

    assert found.waits is None
    assert found.walk is not None
    assert found.walk.joined == 2


async def test_the_place_of_a_moment_in_the_log_is_found_by_halving(service: Service) -> None:
    await open_gate(service, skus={"mug": 99})
    for _ in range(6):
        await sessions_in(service, 1)
    rows = await execute(
        service,
        "SELECT seq, (body::jsonb ->> 'at')::timestamptz AS at FROM log_entry ORDER BY seq",
    )
    last = rows[-1]

    async def place(moment: datetime) -> int:
        sql = "SELECT log_seq_at((SELECT room_id FROM room), $1) AS seq"
        return int((await execute(service, sql, moment))[0]["seq"])

    micro = timedelta(microseconds=1)
    for row in rows:
        assert await place(row["at"]) == row["seq"]
        assert await place(row["at"] + micro) == row["seq"] + 1
    assert await place(last["at"] + HOUR) == last["seq"] + 1
    assert await place(rows[0]["at"] - HOUR) == 1


# Over HTTP.


async def as_role(service: Service, client: Client, role: str) -> dict[str, str]:
    await service.operators.add(role, role=role, password=PASSWORD)
    form = {"name": role, "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def test_operators_and_sellers_read_the_analysis(service: Service, client: Client) -> None:
    await a_small_sale(service)
    as_viewer = await as_role(service, client, "viewer")
    as_seller = await as_role(service, client, "seller")
    await sold_by_a_seller(service, "vase")
    query = {"from": "2026-11-22T12:00:00Z", "to": "2026-11-22T15:00:00Z", "step": "3600"}
    url = "/admin/rooms/drop/analytics"

    answer = await client.get(url, params=query, headers=as_viewer)
    body = await answer.json()
    part = await (await client.get(url, params=query, headers=as_seller)).json()

    assert answer.status == 200
    assert [(row["at"], row["orders"], row["net_minor"]) for row in body["sales"]] == [
        ("2026-11-22T12:00:00Z", 2, 3500),
        ("2026-11-22T13:00:00Z", 1, 1200),
        ("2026-11-22T14:00:00Z", 0, 0),
    ]
    assert body["total"]["net_minor"] == 4700
    assert [row["step"] for row in body["walk"]] == [
        *("joined", "called", "claimed", "held", "paid")
    ]
    assert len(body["waits"]) == 3
    assert part["total"]["net_minor"] == 1900
    assert (part["walk"], part["waits"]) == (None, None)
    assert "mug" not in str(part)


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"from": "2026-11-22T12:00:00Z", "to": "2026-11-22T12:00:00Z"},
        {"from": "2026-11-22T12:00:00Z", "to": "2026-11-23T12:00:00Z", "step": "60"},
        {"from": "1026-11-22T12:00:00Z", "to": "2026-11-23T12:00:00Z"},
        {"step": "1"},
        {"top": "1000"},
    ],
)
async def test_a_span_that_cannot_be_counted_is_refused(
    service: Service, client: Client, query: dict[str, str]
) -> None:
    await open_room(service)
    as_viewer = await as_role(service, client, "viewer")

    answer = await client.get("/admin/rooms/drop/analytics", params=query, headers=as_viewer)

    assert (answer.status, (await answer.json())["code"]) == (400, "bad_request")


async def test_the_last_day_is_counted_when_nothing_is_said(
    service: Service, client: Client
) -> None:
    await open_room(service)
    as_viewer = await as_role(service, client, "viewer")

    body = await (await client.get("/admin/rooms/drop/analytics", headers=as_viewer)).json()

    since, until = (datetime.fromisoformat(body[name]) for name in ("from", "to"))
    assert until - since == timedelta(days=1)
    assert (body["step_s"], len(body["sales"])) == (3600, 24)
