"""Every route of shoppers, sites and machines has a rule of who may call it, and keeps to it.

Those of operators and their keys stand in tests/acceptance/admin/test_roles.py and test_keys.py.
"""

import re
from secrets import token_hex
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import Shopper, admitted, authorization, execute, open_room, tick

from checkout.sessions import session_cookie
from inventory.kit.doors.described import Caller, description_of
from waitroom.run.app import Service

Client = TestClient[Any, Any]

# The credential that a route asks for. A new route fails the test until it stands here.
ANYONE = """
GET / | GET /{name} | GET /shop/{room} | GET /products/{product} | GET /rooms | GET /rooms/{room}
GET /rooms/{room}/state | POST /rooms/{room}/tickets | POST /rooms/{room}/join
POST /rooms/{room}/move | POST /rooms/{room}/bring | GET /rooms/{room}/profiles
GET /rooms/{room}/log | GET /rooms/{room}/log/head | GET /rooms/{room}/fairness
GET /rooms/{room}/revocations | GET /rooms/{room}/opening.ics | GET /rooms/{room}/leave
GET /rooms/{room}/onward | GET /rooms/{room}/look/{hash}.css | GET /arrive/{room}
GET /inventory/skus | GET /inventory/skus/{sku} | GET /inventory/products
GET /inventory/products/{product} | GET /pictures/{name} | GET /checkout | GET /checkout/leave
GET /healthz | GET /readyz | POST /language | GET /openapi.json | GET /api
GET /.well-known/jwks.json | GET /static/css/{name} | GET /static/js/{name} | GET /static/pictures
GET /static/js/admin/{name} | GET /static/vendor/{name} | * /check | * /check/{room}
* /check/{room}/{path} | GET /known-user/ | GET /error/{problem}/ | GET /known-user/error/{problem}/
GET /cancel/multiple/{customer} | GET /cancel/{customer}/{event}
GET /cancel/{customer}/{event}/{queue_id} | GET /known-user/cancel/multiple/{customer}
GET /known-user/cancel/{customer}/{event} | GET /known-user/cancel/{customer}/{event}/{queue_id}
"""
TICKET = """
POST /rooms/{room}/claims | GET /rooms/{room}/tickets/me | DELETE /rooms/{room}/tickets/me
POST /rooms/{room}/tickets/me/aside | POST /rooms/{room}/tickets/me/back
POST /rooms/{room}/tickets/me/code | PUT /rooms/{room}/tickets/me/profile
PUT /rooms/{room}/tickets/me/choice | GET /rooms/{room}/returns | PUT /rooms/{room}/returns
DELETE /rooms/{room}/returns | GET /rooms/{room}/mail | PUT /rooms/{room}/mail
DELETE /rooms/{room}/mail
"""
# Forms of the waiting page, which takes the ticket from the browser's cookie.
TICKET_FORM = """
POST /rooms/{room}/enter | POST /rooms/{room}/aside | POST /rooms/{room}/back
POST /rooms/{room}/more-time | POST /rooms/{room}/choose | POST /rooms/{room}/mail
POST /rooms/{room}/no-mail | POST /rooms/{room}/code | POST /rooms/{room}/leave
POST /rooms/{room}/returns | POST /rooms/{room}/no-returns
"""
SESSION = """
POST /checkout/session/pass | DELETE /checkout/session/pass | GET /checkout/session
DELETE /checkout/session | DELETE /checkout/wishes | POST /checkout/holds
GET /checkout/holds/{hold_id} | PATCH /checkout/holds/{hold_id} | DELETE /checkout/holds/{hold_id}
POST /checkout/orders | PUT /checkout/customer | GET /checkout/orders
GET /checkout/orders/{order_id} | GET /checkout/orders/{order_id}/receipt
"""
SESSION_FORM = """
POST /checkout/find | POST /checkout/hold | POST /checkout/change | POST /checkout/release
POST /checkout/extend | POST /checkout/pay | POST /checkout/unwish | POST /checkout/leave
POST /checkout/customer
"""
CUSTOMER = """
GET /checkout/customer/orders | GET /checkout/customer/orders/{order_id}
GET /checkout/customer/data | DELETE /checkout/customer/data
"""
# The key in a mail; the machine itself; a site's own key.
MAILED = """
GET /rooms/{room}/mailed | GET /rooms/{room}/mailed/stop | POST /rooms/{room}/mailed/bring
POST /rooms/{room}/mailed/stop
"""
MACHINE = "GET /metrics"
SITE = """
GET /status/integrationconfig/secure/{customer}
GET /known-user/status/integrationconfig/secure/{customer}
"""
RULES = {
    route.strip(): rule
    for rule, routes in {
        "anyone": ANYONE, "ticket": TICKET, "ticket form": TICKET_FORM, "session": SESSION,
        "session form": SESSION_FORM, "customer": CUSTOMER, "mailed": MAILED, "machine": MACHINE,
        "site": SITE,
    }.items()
    for route in re.split(r"[|\n]", routes.strip())
}  # fmt: skip
CALLERS = {"ticket": Caller.TICKET, "session": Caller.SESSION, "customer": Caller.CUSTOMER}
CALLERS |= {"machine": Caller.OPERATOR}
GUARDED = {route: rule for route, rule in RULES.items() if rule != "anyone"}


def registered(client: Client) -> dict[str, web.AbstractRoute]:
    return {
        f"{route.method} {resource.canonical}": route
        for resource in client.app.router.resources()
        if not resource.canonical.startswith("/admin")
        for route in resource
        if route.method != "HEAD"
    }


async def test_every_route_beyond_the_operators_has_a_rule(client: Client) -> None:
    routes = registered(client)

    assert RULES.keys() == routes.keys(), "say in RULES which credential the route asks for"
    for name, route in routes.items():
        noted = description_of(route.handler)
        if noted is not None:
            assert noted.caller == CALLERS.get(RULES[name], Caller.ANYONE), name


WATCHED = (
    "admission", "choice", "hold", "hold_line", "purchase", "place", "call_mail", "returns_wait",
    "wish", "customer", "gate_pass", "revocation", "stock", "line",
)  # fmt: skip


async def state_of(service: Service) -> dict[str, list[str]]:
    """Return the rows of all that a shopper's request could change."""
    return {
        name: sorted(str(dict(row)) for row in await execute(service, f"SELECT * FROM {name}"))
        for name in WATCHED
    }


def wrong_tokens(own: Shopper, elsewhere: Shopper, app: Shopper, rule: str) -> dict[str, str]:
    """Return tokens that a route must refuse: each is right in every way but one."""
    is_ticket = rule.startswith("ticket")
    right, other = (own.ticket, own.session) if is_ticket else (own.session, own.ticket)
    foreign = elsewhere.ticket if is_ticket else elsewhere.session
    text, _, signature = right.rpartition("~")
    wrong = {
        "of the other kind": other,
        "signed for another": f"{text}~{foreign.rpartition('~')[2]}",
        "cut short": right[:-1],
        "longer": f"{right}A",
        "unsigned": text,
        "of nothing but a signature": f"~{signature}",
        "an operator's key": "wrk_" + "x" * 43,
    }
    # It was given to an app, and works with its key alone.
    wrong["a copy"] = app.ticket if is_ticket else app.session
    return wrong | ({"of another room": elsewhere.ticket} if is_ticket else {})


def requests_of(
    rule: str, own: Shopper, elsewhere: Shopper, app: Shopper, operator: dict[str, str]
) -> dict[str, dict[str, str]]:
    """Return the headers of each kind of caller that a route with this rule must refuse."""
    tokens = wrong_tokens(own, elsewhere, app, rule)
    found = {"nobody": {}, "an operator": operator}
    name = (
        "waitroom_ticket_drop"
        if rule.startswith("ticket")
        else session_cookie("drop", secure=False)
    )
    for what, token in tokens.items():
        found[what] = {"Cookie": f"{name}={token}"} if "form" in rule else authorization(token)
    return found


BODIES = {
    "POST /checkout/holds": {"items": [{"sku": "mug", "quantity": 1}]},
    "PATCH /checkout/holds/{hold_id}": {"extend": True},
    "PUT /checkout/customer": {"token": "a.b.c"},
    "PUT /rooms/{room}/tickets/me/choice": {"sku": "mug"},
    "PUT /rooms/{room}/tickets/me/profile": {"profile": "calm"},
    "PUT /rooms/{room}/mail": {"address": "ann@example.org"},
    "PUT /rooms/{room}/returns": {"sku": "mug", "quantity": 1},
}


async def test_each_kind_of_caller_that_may_not_is_refused_and_changes_nothing(
    services: Any, clients: Any
) -> None:
    service = await services()
    client = await clients(service)
    own, elsewhere, hold_id, order_id = await two_rooms(service, client)
    app = await with_key(client)
    operator = await sign_in(service, client, "admin")
    before, wrong, asked = await state_of(service), [], 0

    for name, rule in sorted(GUARDED.items()):
        method, path = name.split(" ")
        url = path.format(room="drop", hold_id=hold_id, order_id=order_id, customer="acme")
        form = {"hold_id": hold_id, "sku": "mug", "quantity": "1", "token": "tok_approve"}
        body = BODIES.get(name, {"hold_id": hold_id, "payment": {"token": "tok_approve"}})
        sent = {"data": form} if "form" in rule or rule == "mailed" else {"json": body}
        for who, headers in requests_of(rule, own, elsewhere, app, operator).items():
            if rule == "machine" and who == "an operator":
                continue
            # A proxy on the same machine names the client that it asks for.
            keyed = {**headers, "Idempotency-Key": str(uuid4()), "X-Forwarded-For": "203.0.113.9"}
            answer = await client.request(
                method, url, headers=keyed, allow_redirects=False,
                **({} if method == "GET" else sent),
            )  # fmt: skip
            text, asked = await answer.text(), asked + 1
            # Who has no place here has left it: the page says so, and nothing changes.
            left = path == "/rooms/{room}/leave" and answer.status == 200
            if not left and not refused(rule, answer.status, answer.headers.get("Location", "")):
                wrong.append(f"{name} as {who}: {answer.status} {text[:200]}")
            elif hold_id in text or (order_id in text and answer.status != 401):
                wrong.append(f"{name} as {who} tells of another's")

    assert wrong == []
    assert asked > 300
    assert await state_of(service) == before


def refused(rule: str, status: int, location: str) -> bool:
    """Say whether an answer is a refusal; a form of a page may lead to the page that says it."""
    if "form" in rule and status == 303:
        return location.startswith(("/rooms/drop", "/checkout"))
    return status in {400, 401, 403, 404, 410}


async def two_rooms(service: Service, client: Client) -> tuple[Shopper, Shopper, str, str]:
    """Return a shopper in each of two rooms, and a hold and a paid order of the first one."""
    await open_room(service, skus={"mug": 5}, policy="rate")
    await open_room(service, "other", skus={"tote": 5}, policy="rate")
    await tick(service)
    own, elsewhere = await admitted(client), await admitted(client, "other")
    first = await (await own.hold(mug=1)).json()
    paid = await own.pay(first["hold_id"])
    order = await paid.json()
    assert paid.status == 201, order
    own = await admitted(client)
    held = await (await own.hold(mug=1)).json()
    return own, elsewhere, held["hold_id"], order["order_id"]


async def with_key(client: Client) -> Shopper:
    """Return a shopper inside whose app sends a key with each request."""
    app, key = Shopper(client), {"Waitroom-Client-Key": token_hex(16)}
    await app.join(**key)
    headers = {**authorization(app.ticket), **key}
    claimed = await client.post("/rooms/drop/claims", headers=headers)
    assert claimed.status == 201, await claimed.text()
    app.session = (await claimed.json())["session"]
    return app


async def test_what_belongs_to_another_is_answered_like_what_never_was(
    service: Service, client: Client
) -> None:
    own, elsewhere, hold_id, order_id = await two_rooms(service, client)
    other = await admitted(client)
    before, asked = await state_of(service), 0

    async def told(name: str, session: str, one: str) -> tuple[int, str]:
        method, path = name.split(" ")
        url = re.sub(r"{\w+}", one, path)
        body = {"hold_id": one, "payment": {"token": "tok_approve"}, "extend": True}
        body = {"extend": True} if method == "PATCH" else body
        page = "receipt" not in path and path.count("/") == 2 and "orders" not in path
        cookie = f"{session_cookie('drop', secure=False)}={session}"
        answer = await client.request(
            method,
            url,
            headers={
                "Idempotency-Key": str(uuid4()),
                **({"Cookie": cookie} if page else authorization(session)),
            },
            allow_redirects=False,
            **({"data": {"hold_id": one, "token": "tok_approve", "sku": "mug", "quantity": "1"}}
               if page else {} if method in {"GET", "DELETE"} else {"json": body}),
        )  # fmt: skip
        text = await answer.text()
        # A page has fresh keys for its forms, and counts seconds.
        said = re.sub(r"[0-9a-f-]{8,}|\d+", "#", text.replace(one, "ID"))
        return answer.status, said + answer.headers.get("Location", "")

    for name in (
        "GET /checkout/holds/{hold_id}", "PATCH /checkout/holds/{hold_id}",
        "DELETE /checkout/holds/{hold_id}", "POST /checkout/orders",
        "GET /checkout/orders/{order_id}", "GET /checkout/orders/{order_id}/receipt",
        "POST /checkout/change", "POST /checkout/release", "POST /checkout/extend",
        "POST /checkout/pay",
    ):  # fmt: skip
        theirs = order_id if "order_id" in name else hold_id
        for session in (other.session, elsewhere.session):
            foreign, unknown = [await told(name, session, one) for one in (theirs, str(uuid4()))]
            assert foreign == unknown, name
            assert foreign[0] >= 300, name
            asked += 1

    assert asked == 20
    assert await state_of(service) == before
    assert (
        await (await client.get("/checkout/session", headers=authorization(own.session))).json()
    )["holds"]
