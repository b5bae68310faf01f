"""Customers: whose a session is, what they may have over all of them, and what follows them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from provider import AUDIENCE, Provider
from shop import ask, hold, open_gate, sessions_in, wish
from support import Shopper, admitted, authorization, execute, shift_clock, tick

from checkout.customers.customer import Customer
from checkout.order import OrderState
from checkout.refusals import CustomerBusy, OtherCustomer
from inventory.hold_store import Placed
from inventory.kit.problem import NotFound
from inventory.refusals import LimitReached, SessionOver
from waitroom.run.app import Service

Client = TestClient[Any, Any]
OpenService = Callable[..., Awaitable[Service]]
Serve = Callable[[Service], Awaitable[Client]]

ANN = Customer(issuer="https://id.example", subject="ann", email="ann@example.com")
BOB = Customer(issuer="https://id.example", subject="bob")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as made:
        made.add_key("k1")
        yield made


@pytest.fixture
async def known(services: OpenService, provider: Provider) -> Service:
    """Return a service whose customers the test's provider knows."""
    return await services(customer_issuer=provider.issuer, customer_audience=AUDIENCE)


@pytest.fixture
async def shop(known: Service, clients: Serve) -> Client:
    return await clients(known)


async def limit_to(service: Service, units: int, *, sku: str = "mug") -> None:
    sql = "UPDATE sku SET limit_per_customer = $1 WHERE sku = $2"
    await execute(service, sql, units, sku)


async def customers_of(service: Service, table: str) -> list[int | None]:
    rows = await execute(service, f"SELECT customer_id FROM {table} ORDER BY 1")
    return [row["customer_id"] for row in rows]


async def mugs_of(service: Service, customer: Customer) -> int:
    sql = """SELECT COALESCE(sum(l.quantity), 0) FROM customer c JOIN hold h USING (customer_id)
             JOIN hold_line l USING (hold_id) JOIN sku k USING (sku_id)
             WHERE c.subject = $1 AND k.sku = 'mug' AND h.state IN ('held', 'confirmed')"""
    return int((await execute(service, sql, customer.subject))[0][0])


async def bind(client: Client, shopper: Shopper, token: str) -> ClientResponse:
    return await client.put(
        "/checkout/customer", json={"token": token}, headers=authorization(shopper.session)
    )


async def buy(shopper: Shopper, **quantities: int) -> str:
    held = await (await shopper.hold(**quantities)).json()
    paid = await shopper.pay(held["hold_id"])
    body = await paid.json()
    assert paid.status == 201, body
    return str(body["order_id"])


async def code(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["code"]


# Binding


async def test_a_session_is_bound_with_its_holds_and_orders(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    (session_id,) = await sessions_in(service, 1)
    ended, living = await hold(service, session_id, mug=1), await hold(service, session_id, mug=2)
    await service.holds.release(session_id, ended)
    await service.orders.start(
        session_id, hold_id=living, key=uuid4(), body_hash=b"b", gateway="test", token="tok_slow"
    )

    await service.customers.bind(session_id, ANN)

    (row,) = await execute(service, "SELECT * FROM customer")
    assert (row["issuer"], row["subject"], row["email"]) == (ANN.issuer, "ann", "ann@example.com")
    for table, rows in (("admission", 1), ("hold", 2), ("purchase", 1)):
        assert await customers_of(service, table) == [row["customer_id"]] * rows, table


async def test_binding_again_changes_nothing_and_another_customer_is_refused(
    service: Service,
) -> None:
    await open_gate(service)
    (session_id,) = await sessions_in(service, 1)
    await service.customers.bind(session_id, ANN)

    await service.customers.bind(session_id, ANN)
    with pytest.raises(OtherCustomer):
        await service.customers.bind(session_id, BOB)
    with pytest.raises(OtherCustomer):
        await service.customers.bind(session_id, Customer(issuer="other", subject="ann"))

    (row,) = await execute(service, "SELECT * FROM customer")
    assert row["subject"] == "ann"
    assert await customers_of(service, "admission") == [row["customer_id"]]


async def test_a_session_that_is_over_or_never_was_is_not_bound(service: Service) -> None:
    await open_gate(service, session_s=60)
    left, late = await sessions_in(service, 2)
    await service.orders.leave(left)
    await shift_clock(service, 61)

    for session_id in (left, late, 999_999):
        with pytest.raises(SessionOver):
            await service.customers.bind(session_id, ANN)

    assert await execute(service, "SELECT * FROM customer") == []


async def test_a_provider_that_says_nothing_of_the_address_does_not_take_it_back(
    service: Service,
) -> None:
    await open_gate(service)
    first, second, third = await sessions_in(service, 3)
    nameless = Customer(issuer=ANN.issuer, subject="ann")
    moved = Customer(issuer=ANN.issuer, subject="ann", email="new@example.com")

    emails = []
    for session_id, customer in ((first, ANN), (second, nameless), (third, moved)):
        await service.customers.bind(session_id, customer)
        (row,) = await execute(service, "SELECT email FROM customer")
        emails.append(row["email"])

    assert emails == ["ann@example.com", "ann@example.com", "new@example.com"]


async def test_of_two_customers_at_one_session_one_gets_it(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one)
    session_ids = await sessions_in(one, 10)

    for session_id in session_ids:
        outcomes = await asyncio.gather(
            *(
                service.customers.bind(session_id, customer)
                for customer in (ANN, BOB)
                for service in (one, other)
            ),
            return_exceptions=True,
        )
        refused = [o for o in outcomes if o is not None]
        assert len(refused) == 2
        assert all(isinstance(o, OtherCustomer) for o in refused)


async def test_one_customer_at_many_sessions_at_once_is_known_once(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one)
    session_ids = await sessions_in(one, 20)

    await asyncio.gather(
        *((one, other)[i % 2].customers.bind(s, ANN) for i, s in enumerate(session_ids))
    )

    (row,) = await execute(one, "SELECT customer_id FROM customer")
    assert await customers_of(one, "admission") == [row["customer_id"]] * 20


# Limits per customer


async def test_what_a_session_holds_counts_when_it_is_bound(service: Service) -> None:
    await open_gate(service, skus={"mug": 20, "tote": 20})
    await limit_to(service, 3)
    first, second, third = await sessions_in(service, 3)
    await hold(service, first, mug=2)
    await service.customers.bind(first, ANN)
    too_much = await hold(service, second, mug=2, tote=4)
    await hold(service, third, mug=1)

    with pytest.raises(LimitReached) as raised:
        await service.customers.bind(second, ANN)
    await service.customers.bind(third, ANN)

    assert raised.value.fields == {"sku": "mug", "limit": 3, "scope": "customer"}
    assert await mugs_of(service, ANN) == 3
    (row,) = await execute(
        service, "SELECT customer_id FROM admission WHERE admission_id = $1", second
    )
    assert row["customer_id"] is None
    await service.holds.release(second, too_much)
    await service.customers.bind(second, ANN)


async def test_a_refused_stranger_leaves_nothing_behind(service: Service) -> None:
    await open_gate(service, skus={"mug": 20})
    (session_id,) = await sessions_in(service, 1)
    await hold(service, session_id, mug=4)
    await limit_to(service, 3)

    with pytest.raises(LimitReached):
        await service.customers.bind(session_id, ANN)

    assert await execute(service, "SELECT * FROM customer") == []


async def test_whoever_holds_nothing_limited_may_always_sign_in(service: Service) -> None:
    await open_gate(service, skus={"mug": 20, "tote": 20})
    first, second = await sessions_in(service, 2)
    await hold(service, first, mug=4)
    await service.customers.bind(first, ANN)
    await limit_to(service, 1)
    await hold(service, second, tote=4)

    await service.customers.bind(second, ANN)

    assert set(await customers_of(service, "hold")) != {None}


async def test_units_that_came_back_count_no_more(service: Service) -> None:
    await open_gate(service, skus={"mug": 20})
    await limit_to(service, 2)
    first, second = await sessions_in(service, 2)
    bought = await hold(service, first, mug=2)
    await service.customers.bind(first, ANN)
    order_id, _ = await service.orders.start(
        first, hold_id=bought, key=uuid4(), body_hash=b"b", gateway="test", token="tok_approve"
    )
    assert (await service.payments.drive(order_id)).state is OrderState.PAID
    await hold(service, second, mug=2)
    with pytest.raises(LimitReached):
        await service.customers.bind(second, ANN)

    await execute(service, "UPDATE purchase_line SET returned = 2 WHERE order_id = $1", order_id)

    await service.customers.bind(second, ANN)


@pytest.mark.parametrize("units", [1, 2, 3])
async def test_binding_and_holding_at_once_never_give_more_than_the_limit(
    services: OpenService, units: int
) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 100, "tote": 100})
    await limit_to(one, 3)
    session_ids = await sessions_in(one, 8)
    for session_id in session_ids[:2]:
        await one.customers.bind(session_id, ANN)
    for session_id in session_ids[4:]:
        await hold(one, session_id, mug=1, tote=1)

    outcomes = await asyncio.gather(
        *((one, other)[i % 2].customers.bind(s, ANN) for i, s in enumerate(session_ids[2:])),
        *((other, one)[i % 2].holds.place([wish(s, mug=units)]) for i, s in enumerate(session_ids)),
        return_exceptions=True,
    )

    broken = [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, LimitReached)]
    assert broken == []
    assert 0 < await mugs_of(one, ANN) <= 3
    assert await one.ledger.breaches() == []


async def test_a_customer_is_limited_over_all_sessions(service: Service) -> None:
    await open_gate(service, skus={"mug": 20})
    await limit_to(service, 3)
    first, second, strangers = await sessions_in(service, 3)
    for session_id in (first, second):
        await service.customers.bind(session_id, ANN)

    placed = [
        await ask(service, wish(session_id, mug=2)) for session_id in (first, second, strangers)
    ]

    assert [isinstance(p, Placed) for p in placed] == [True, False, True]
    assert await mugs_of(service, ANN) == 2


# Over HTTP


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR "])
async def test_a_token_is_taken_whatever_the_case_of_its_scheme(
    known: Service, shop: Client, provider: Provider, scheme: str
) -> None:
    await open_gate(known)
    await tick(known)
    shopper = await admitted(shop)
    kinds = {
        "/rooms/drop/tickets/me": shopper.ticket,
        "/checkout/session": shopper.session,
        "/checkout/customer/orders": provider.token(),
    }

    for path, token in kinds.items():
        answer = await shop.get(path, headers={"Authorization": f"{scheme} {token}"})
        other = await shop.get(path, headers={"Authorization": f"Basic {token}"})
        assert (answer.status, other.status) == (200, 401), path
    claimed = {"Authorization": f"{scheme} {shopper.ticket}"}
    assert (await shop.post("/rooms/drop/claims", headers=claimed)).status == 200


async def test_a_room_for_customers_alone_sells_to_whoever_has_signed_in(
    known: Service, shop: Client, provider: Provider
) -> None:
    await open_gate(known, customers_only=True)
    await tick(known)
    shopper = await admitted(shop)

    before = await shopper.hold(mug=1)
    looked = await (
        await shop.get("/checkout/session", headers=authorization(shopper.session))
    ).json()
    bound = await bind(shop, shopper, provider.token())
    after = await shopper.hold(mug=1)
    looked_again = await (
        await shop.get("/checkout/session", headers=authorization(shopper.session))
    ).json()

    assert await code(before) == (403, "customer_needed")
    assert looked["customer"] == {"bound": False, "needed": True}
    assert (bound.status, await bound.json()) == (200, {"bound": True})
    assert after.status == 201
    assert looked_again["customer"] == {"bound": True, "needed": True}


async def test_only_a_good_token_binds_a_session(
    known: Service, shop: Client, provider: Provider
) -> None:
    await open_gate(known)
    await tick(known)
    shopper = await admitted(shop)
    good = provider.token()

    expired = await bind(shop, shopper, provider.token(exp=1))
    forged = await bind(shop, shopper, good[:-6] + "AAAAAA")
    odd = await bind(shop, shopper, "x")
    no_text = await shop.put(
        "/checkout/customer", json={"token": 7}, headers=authorization(shopper.session)
    )
    no_session = await shop.put("/checkout/customer", json={"token": good})

    for refused, reason in ((expired, "expired"), (forged, "not_accepted"), (odd, "not_accepted")):
        body = await refused.json()
        assert (refused.status, body["code"]) == (401, "customer_token_invalid")
        assert body["reason"] == reason
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert no_text.status == 422
    assert await code(no_session) == (401, "session_over")
    assert await customers_of(known, "admission") == [None]


async def test_without_a_provider_nobody_can_sign_in(service: Service, client: Client) -> None:
    await open_gate(service)
    await tick(service)
    shopper = await admitted(client)

    answer = await bind(client, shopper, "e30.e30.c2ln")

    assert await code(answer) == (404, "customers_not_configured")


async def test_a_page_binds_by_a_form(known: Service, shop: Client, provider: Provider) -> None:
    await open_gate(known)
    await tick(known)
    shopper = await admitted(shop)
    cookie = {"Cookie": f"waitroom_session_drop={shopper.session}"}
    form = {"token": provider.token()}

    foreign = await shop.post(
        "/checkout/customer", data=form, headers={**cookie, "Sec-Fetch-Site": "cross-site"}
    )
    own = await shop.post("/checkout/customer", data=form, headers=cookie, allow_redirects=False)

    assert await code(foreign) == (403, "cross_site")
    assert (own.status, own.headers["Location"]) == (303, "/checkout?room=drop")
    assert await customers_of(known, "admission") != [None]


async def test_orders_follow_the_customer_from_session_to_session(
    known: Service, shop: Client, provider: Provider
) -> None:
    await open_gate(known, skus={"mug": 20})
    await tick(known)
    orders = []
    for turn in range(3):
        shopper = await admitted(shop)
        if turn != 1:
            assert (await bind(shop, shopper, provider.token())).status == 200
        held = await (await shopper.hold(mug=1)).json()
        if turn == 1:
            assert (await bind(shop, shopper, provider.token())).status == 200
        orders.append((await (await shopper.pay(held["hold_id"])).json())["order_id"])
    as_ann = authorization(provider.token())

    whole = await (await shop.get("/checkout/customer/orders", headers=as_ann)).json()
    first = await (await shop.get("/checkout/customer/orders?limit=2", headers=as_ann)).json()
    params = {"limit": "2", "cursor": first["next"]}
    rest = await (await shop.get("/checkout/customer/orders", params=params, headers=as_ann)).json()
    one = await (await shop.get(f"/checkout/customer/orders/{orders[0]}", headers=as_ann)).json()

    newest_first = list(reversed(orders))
    assert [order["order_id"] for order in whole["orders"]] == newest_first
    assert whole["next"] is None
    assert [order["order_id"] for order in first["orders"] + rest["orders"]] == newest_first
    assert rest["next"] is None
    assert one == whole["orders"][-1]
    assert (one["status"], one["items"][0]["quantity"]) == ("paid", 1)


async def test_nobody_reads_anothers_orders(
    known: Service, shop: Client, provider: Provider
) -> None:
    await open_gate(known)
    await tick(known)
    shopper = await admitted(shop)
    await bind(shop, shopper, provider.token())
    order_id = await buy(shopper, mug=1)
    as_bob = authorization(provider.token("bob"))

    foreign = await shop.get(f"/checkout/customer/orders/{order_id}", headers=as_bob)
    unknown = await shop.get(f"/checkout/customer/orders/{uuid4()}", headers=as_bob)
    none = await shop.get("/checkout/customer/orders/none", headers=as_bob)
    empty = await (await shop.get("/checkout/customer/orders", headers=as_bob)).json()
    by_session = await shop.get("/checkout/customer/orders", headers=authorization(shopper.session))
    by_nothing = await shop.get("/checkout/customer/orders")
    by_cookie = await shop.get(
        "/checkout/customer/orders", headers={"Cookie": f"waitroom_session_drop={shopper.session}"}
    )

    assert await foreign.json() == await unknown.json() == await none.json()
    assert foreign.status == 404
    assert empty == {"orders": [], "next": None}
    for refused in (by_session, by_nothing, by_cookie):
        assert await code(refused) == (401, "customer_token_invalid")


@pytest.mark.parametrize(
    "cursor", ["x", "2026-01-01T00:00:00+00:00", f"2026-01-01T00:00:00~{UUID(int=1)}", "~"]
)
async def test_a_foreign_cursor_is_refused(shop: Client, provider: Provider, cursor: str) -> None:
    answer = await shop.get(
        "/checkout/customer/orders",
        params={"cursor": cursor},
        headers=authorization(provider.token()),
    )

    assert answer.status == 400


# What is kept about a customer


async def test_a_customer_gets_everything_that_is_kept_about_them(
    known: Service, shop: Client, provider: Provider
) -> None:
    await open_gate(known, skus={"mug": 9})
    await tick(known)
    shopper = await admitted(shop)
    await bind(shop, shopper, provider.token())
    order_id = await buy(shopper, mug=2)
    stranger = await admitted(shop)
    await buy(stranger, mug=1)

    data = await (
        await shop.get("/checkout/customer/data", headers=authorization(provider.token()))
    ).json()
    nobody = await shop.get("/checkout/customer/data", headers=authorization(provider.token("bob")))

    assert (data["subject"], data["email"]) == ("ann", "ann@example.com")
    assert [s["number"] for s in data["sessions"]] == [shopper.number]
    assert data["holds"][0]["items"] == [{"sku": "mug", "quantity": 2, "price_minor": 1000}]
    assert [o["order_id"] for o in data["orders"]] == [order_id]
    assert await code(nobody) == (404, "not_found")


async def test_an_erased_customer_is_nobody_and_the_orders_stay(
    known: Service, shop: Client, provider: Provider
) -> None:
    await open_gate(known)
    await tick(known)
    shopper = await admitted(shop)
    await bind(shop, shopper, provider.token())
    as_ann = authorization(provider.token())
    inside = await shop.delete("/checkout/customer/data", headers=as_ann)
    order_id = await buy(shopper, mug=1)

    erased = await shop.delete("/checkout/customer/data", headers=as_ann)
    again = await shop.delete("/checkout/customer/data", headers=as_ann)

    assert await code(inside) == (409, "customer_busy")
    assert (erased.status, again.status) == (204, 204)
    (row,) = await execute(known, "SELECT * FROM customer")
    assert (row["issuer"], row["email"]) == ("erased", "")
    assert "ann" not in row["subject"]
    assert (await shop.get("/checkout/customer/data", headers=as_ann)).status == 404
    listed = await (await shop.get("/checkout/customer/orders", headers=as_ann)).json()
    assert listed["orders"] == []
    assert str((await known.orders.read(UUID(order_id))).order_id) == order_id
    assert await known.ledger.breaches() == []


async def test_nobody_gets_around_a_limit_by_being_erased(service: Service) -> None:
    await open_gate(service)
    await limit_to(service, 1)
    (session_id,) = await sessions_in(service, 1)
    await service.customers.bind(session_id, ANN)
    held = await hold(service, session_id, mug=1)
    order_id, _ = await service.orders.start(
        session_id, hold_id=held, key=uuid4(), body_hash=b"b", gateway="test", token="tok_approve"
    )
    await service.payments.drive(order_id)

    with pytest.raises(CustomerBusy) as raised:
        await service.customers.erase(ANN)
    await service.rooms.set_status("drop", "ended", who="test")
    await service.customers.erase(ANN)

    assert raised.value.fields == {"reason": "sale_running", "room": "drop"}
    with pytest.raises(NotFound):
        await service.customers.data(ANN)


async def test_while_a_payment_runs_it_is_known_whose_it_is(service: Service) -> None:
    await open_gate(service)
    (session_id,) = await sessions_in(service, 1)
    await service.customers.bind(session_id, ANN)
    held = await hold(service, session_id, mug=1)
    await service.orders.start(
        session_id, hold_id=held, key=uuid4(), body_hash=b"b", gateway="test", token="tok_slow"
    )
    await execute(service, "UPDATE admission SET state = 'ended', promised = 0")

    with pytest.raises(CustomerBusy) as raised:
        await service.customers.erase(ANN)

    assert raised.value.fields["reason"] == "payment_running"


async def test_erasing_and_binding_at_once_leave_one_or_the_other(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one)
    session_ids = await sessions_in(one, 12)
    await one.customers.bind(session_ids[0], ANN)
    await one.orders.leave(session_ids[0])

    for session_id in session_ids[1:]:
        erased, bound = await asyncio.gather(
            one.customers.erase(ANN), other.customers.bind(session_id, ANN), return_exceptions=True
        )
        assert bound is None
        assert erased is None or isinstance(erased, CustomerBusy)
        (row,) = await execute(
            one,
            "SELECT c.* FROM admission a JOIN customer c USING (customer_id) WHERE admission_id=$1",
            session_id,
        )
        assert row["subject"] == "ann"
        await one.orders.leave(session_id)
