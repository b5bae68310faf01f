"""Every refusal of the HTTP table, with its problem+json."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from support import Shopper, admitted, authorization, execute, open_room, shift_clock, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]


async def refused(answer: ClientResponse, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document with this status and code, and return it."""
    body: dict[str, Any] = await answer.json(content_type="application/problem+json")
    assert (answer.status, body["code"]) == (status, code)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"] == f"urn:waitroom:problem:{code}"
    return body


async def test_an_unknown_room_is_not_found(client: Client) -> None:
    for path in ("", "/state", "/tickets/me", "/log"):
        await refused(await client.get(f"/rooms/nowhere{path}"), 404, "not_found")
    for path in ("/tickets", "/claims"):
        await refused(await client.post(f"/rooms/nowhere{path}"), 404, "not_found")
    await refused(await client.get("/check?room=nowhere"), 404, "not_found")
    await refused(await client.get("/nothing/here"), 404, "not_found")
    for code in ("none", "%00", "x" * 64):
        for path in ("/products", "/inventory/products", "/inventory/skus"):
            await refused(await client.get(f"{path}/{code}"), 404, "not_found")
    await refused(await client.get("/inventory/skus?q=%00"), 400, "bad_request")
    await refused(await client.get("/inventory/skus?limit=0"), 400, "bad_request")


async def test_a_wrong_method_names_the_right_ones(client: Client) -> None:
    answer = await client.put("/checkout/holds")

    await refused(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("status", "code"), [("scheduled", "not_open"), ("ended", "room_ended"), ("open", "sold_out")]
)
async def test_a_room_that_lets_nobody_in_says_why(
    service: Service, client: Client, status: str, code: str
) -> None:
    await open_room(service, skus={"mug": 1}, status=status)
    if code == "sold_out":
        await tick(service)
        shopper = await admitted(client)
        await shopper.pay((await (await shopper.hold(mug=1)).json())["hold_id"])
        await tick(service)

    await refused(await client.post("/rooms/drop/tickets"), 409, code)


async def test_a_ticket_of_another_room_is_no_ticket_here(service: Service, client: Client) -> None:
    await open_room(service, "drop")
    await open_room(service, "other", skus={"cup": 1})
    shopper = Shopper(client, "other")
    await shopper.join()
    shopper.room = "drop"

    await refused(await shopper.claim(), 401, "no_ticket")
    await refused(await shopper.leave(), 401, "no_ticket")
    assert (await shopper.me())["code"] == "no_ticket"
    for token in ("", "x", shopper.ticket[:-2] + "AA"):
        answer = await client.post("/rooms/drop/claims", headers=authorization(token))
        await refused(answer, 401, "no_ticket")


async def test_claims_are_refused_by_where_the_number_stands(
    service: Service, client: Client
) -> None:
    await open_room(service, seats_max=1, claim_window_s=60, grace_s=100)
    await tick(service)
    first, second, third = (Shopper(client) for _ in range(3))
    for shopper in (first, second, third):
        await shopper.join()

    await refused(await second.claim(), 409, "not_yet_called")
    await third.leave()
    await refused(await third.claim(), 410, "ticket_left")
    await shift_clock(service, 100)
    await service.office.end_due(10)
    await refused(await first.claim(), 409, "missed")
    await tick(service)
    assert (await first.claim()).status == 201
    await client.delete("/checkout/session", headers=authorization(first.session))
    await refused(await first.claim(), 410, "ticket_over")


async def test_a_call_missed_beyond_the_grace_is_over(service: Service, client: Client) -> None:
    await open_room(service, claim_window_s=60, grace_s=10)
    await tick(service)
    shopper = Shopper(client)
    await shopper.join()
    await shift_clock(service, 100)
    await service.office.end_due(10)
    await shift_clock(service, 100)

    await refused(await shopper.claim(), 410, "ticket_over")
    again = await client.post("/rooms/drop/tickets", headers=authorization(shopper.ticket))
    assert (again.status, (await again.json())["number"]) == (201, 2)


Step = Callable[[Client, dict[str, str]], Awaitable[ClientResponse]]

_WITH_SESSION: list[Step] = [
    lambda c, h: c.get("/checkout/session", headers=h),
    lambda c, h: c.delete("/checkout/session", headers=h),
    lambda c, h: c.post("/checkout/holds", headers=h, json={}),
    lambda c, h: c.get(f"/checkout/holds/{uuid4()}", headers=h),
    lambda c, h: c.patch(f"/checkout/holds/{uuid4()}", headers=h, json={}),
    lambda c, h: c.delete(f"/checkout/holds/{uuid4()}", headers=h),
    lambda c, h: c.post("/checkout/orders", headers=h, json={}),
    lambda c, h: c.get("/checkout/orders", headers=h),
    lambda c, h: c.get(f"/checkout/orders/{uuid4()}", headers=h),
]


@pytest.mark.parametrize("step", _WITH_SESSION)
async def test_checkout_needs_a_session_that_we_signed(
    service: Service, client: Client, step: Step
) -> None:
    await open_room(service)
    shopper = Shopper(client)
    await shopper.join()

    for token in ("forged", shopper.ticket, "1.drop~" + "A" * 43):
        headers = {**authorization(token), "Idempotency-Key": "k"}
        await refused(await step(client, headers), 401, "session_over")
    await refused(await step(client, {}), 401, "session_over")


async def test_holds_are_refused_with_what_a_client_needs(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 3, "bowl": 1}, limit=2, policy="rate")
    await open_room(service, "other", skus={"cup": 5})
    await tick(service)
    shopper, rival = await admitted(client), await admitted(client)
    await rival.hold(bowl=1)

    gone = await refused(await shopper.hold(mug=1, bowl=1), 409, "out_of_stock")
    much = await refused(await shopper.hold(mug=3), 409, "limit_reached")
    foreign = await refused(await shopper.hold(cup=1), 422, "unknown_sku")
    unknown = await refused(await shopper.hold(none=1), 422, "unknown_sku")

    assert (gone["sku"], gone["available"]) == ("bowl", 0)
    assert (much["sku"], much["limit"]) == ("mug", 2)
    assert (foreign["sku"], unknown["sku"]) == ("cup", "none")
    assert foreign["title"] == unknown["title"]
    assert await service.ledger.breaches() == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "bad_request"),
        ("{", 400, "bad_request"),
        (b"\xff\xfe", 400, "bad_request"),
        ("[]", 422, "unprocessable"),
        ("{}", 422, "unprocessable"),
        ('{"items": []}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": 0}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": -1}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": 1.5}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": "1"}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": 99999999999}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug"}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": 1, "price": 0}]}', 422, "unprocessable"),
        ('{"items": [{"sku": "mug", "quantity": 600}, {"sku": "mug", "quantity": 600}]}', 422,
         "unprocessable"),
        ('{"items": [{"sku": "m\\u0000g", "quantity": 1}]}', 422, "unprocessable"),
        ("x" * 100_000, 413, "too_large"),
    ],
)  # fmt: skip
async def test_a_hold_of_a_bad_shape_is_refused_and_changes_nothing(
    service: Service, client: Client, body: str | bytes, status: int, code: str
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    headers = {**authorization(shopper.session), "Idempotency-Key": "k"}

    answer = await client.post("/checkout/holds", data=body, headers=headers)

    await refused(answer, status, code)
    assert await execute(service, "SELECT FROM hold") == []
    assert (await shopper.hold(key="k", mug=1)).status == 201


async def test_idempotency_keys_are_required_and_bound_to_their_body(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)
    headers = authorization(shopper.session)
    items = {"items": [{"sku": "mug", "quantity": 1}]}

    missing = await client.post("/checkout/holds", json=items, headers=headers)
    too_long = await client.post(
        "/checkout/holds", json=items, headers={**headers, "Idempotency-Key": "k" * 129}
    )
    first = await (await shopper.hold(key="k", mug=1)).json()
    repeated = await (await shopper.hold(key="k", mug=1)).json()
    other = await shopper.hold(key="k", mug=2)

    await refused(missing, 400, "idempotency_key_missing")
    await refused(too_long, 400, "bad_request")
    await refused(other, 422, "idempotency_key_reused")
    assert repeated["hold_id"] == first["hold_id"]


async def test_changes_of_a_hold_are_refused_plainly(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 3}, limit=3, policy="rate", hold_extensions_max=1)
    await tick(service)
    shopper, rival = await admitted(client), await admitted(client)
    hold = await (await shopper.hold(mug=1)).json()
    await rival.hold(mug=1)
    url, headers = f"/checkout/holds/{hold['hold_id']}", authorization(shopper.session)

    async def change(body: Any) -> ClientResponse:
        return await client.patch(url, json=body, headers=headers)

    await refused(await change({}), 422, "unprocessable")
    await refused(await change({"items": [], "extend": False}), 422, "unprocessable")
    await refused(await change({"items": [{"sku": "mug", "quantity": 3}]}), 409, "out_of_stock")
    await refused(await change({"items": [{"sku": "mug", "quantity": 4}]}), 409, "limit_reached")
    await refused(await change({"items": [{"sku": "cup", "quantity": 1}]}), 422, "unknown_sku")
    assert (await change({"extend": True})).status == 200
    await refused(await change({"extend": True}), 409, "extension_refused")
    foreign = await client.get(url, headers=authorization(rival.session))
    await refused(foreign, 404, "not_found")
    await refused(await client.get("/checkout/holds/none", headers=headers), 404, "not_found")


async def test_paying_is_refused_plainly(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 4}, policy="rate", hold_s=60)
    await tick(service)
    shopper, late = await admitted(client), await admitted(client)
    hold_id = (await (await shopper.hold(mug=1)).json())["hold_id"]
    late_id = (await (await late.hold(mug=1)).json())["hold_id"]

    declined = await shopper.pay(hold_id, token="tok_decline", key="p1")
    body = await refused(declined, 402, "payment_declined")
    await refused(await shopper.pay(hold_id, token="tok_decline", key="p1"), 402, body["code"])
    await refused(await shopper.pay(hold_id, key="p1"), 422, "idempotency_key_reused")
    await refused(await shopper.pay(str(uuid4())), 404, "not_found")
    await refused(await late.pay(hold_id), 404, "not_found")
    await shift_clock(service, 61)
    await refused(await late.pay(late_id), 410, "hold_expired")
    await service.holds.expire(10)
    await refused(await late.pay(late_id), 410, "hold_expired")


async def test_a_write_from_another_site_is_refused(service: Service, client: Client) -> None:
    await open_room(service)

    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Referer": "https://evil.example/form"},
        {"Origin": "chrome-extension://abcdef"},
    ):
        answer = await client.post("/rooms/drop/tickets", headers=headers)
        await refused(answer, 403, "cross_site")
    await refused(
        await client.post("/rooms/drop/tickets", headers={"Origin": "http://["}), 400, "bad_request"
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://shop.example", "Host": "shop.example:443"},
        {"Origin": "https://shop.example:443", "Host": "shop.example"},
        {"Origin": "https://shop.example", "Host": "Shop.Example"},
        {"Origin": "http://shop.example", "Host": "shop.example"},
        # A proxy in front asks with an address of its own.
        {"Origin": "https://queue.example", "Host": "10.0.0.7:8080"},
        {"Origin": "https://QUEUE.example:443", "Host": "backend"},
        {"Origin": "null", "Referer": "https://queue.example/rooms/drop", "Host": "backend"},
    ],
)
async def test_a_form_of_our_own_is_taken_without_fetch_metadata(
    services: Callable[..., Awaitable[Service]],
    clients: Callable[[Service], Awaitable[Client]],
    headers: dict[str, str],
) -> None:
    service = await services(public_url="https://queue.example")
    client = await clients(service)
    await open_room(service)

    cookie = {"Cookie": f"__Host-waitroom_visitor={'a' * 32}"}
    answer = await client.post("/rooms/drop/join", headers=cookie | headers, allow_redirects=False)

    assert answer.status == 303


async def test_the_proxys_check_answers_as_each_proxy_needs(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await open_room(service, "other", skus={"cup": 1})
    await tick(service)
    inside = authorization((await admitted(client)).session)
    html = {"Accept": "text/html"}

    async def check(query: str, headers: dict[str, str]) -> ClientResponse:
        return await client.get(f"/check?{query}", headers=headers, allow_redirects=False)

    assert (await check("room=drop", inside)).status == 204
    await refused(await check("room=other", inside), 401, "session_over")
    await refused(await check("room=drop", {}), 401, "session_over")
    to_room = await check("room=drop&mode=redirect", html)
    assert to_room.status == 302
    assert to_room.headers["Location"].endswith("/rooms/drop")
    program = await check("room=drop&mode=redirect", {})
    await refused(program, 429, "queue")
    assert program.headers["Location"].endswith("/rooms/drop")
    await client.delete("/checkout/session", headers=inside)
    await refused(await check("room=drop", inside), 401, "session_over")


async def test_a_state_not_yet_published_says_when_to_ask_again(
    service: Service, client: Client
) -> None:
    await open_room(service)

    answer = await client.get("/rooms/drop/state")

    await refused(answer, 503, "state_not_known")
    assert answer.headers["Retry-After"] == "1"


async def test_without_postgres_joins_are_refused_with_a_time_to_retry(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    service.pool.terminate()

    joining = await client.post("/rooms/drop/tickets")
    state = await client.get("/rooms/drop/state")
    ready = await client.get("/readyz")

    await refused(joining, 503, "engine_down")
    assert int(joining.headers["Retry-After"]) > 0
    assert state.status == 200
    await refused(ready, 503, "engine_down")
