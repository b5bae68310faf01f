"""The check that proxies ask for, and the way back to the site, over HTTP."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import Shopper, admitted, authorization, open_room, set_gate, tick

from waitroom.gate.trigger import Trigger
from waitroom.run.app import Service

Client = TestClient[Any, Any]
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
SHOP = "https://shop.example"


async def ask(client: Client, path: str, method: str = "GET", **headers: str) -> ClientResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request(method, path, headers=named, allow_redirects=False)


async def test_each_proxy_gets_the_answer_that_it_can_use(service: Service, client: Client) -> None:
    await open_room(service)
    await tick(service)
    let_in = authorization((await admitted(client)).session)

    passed = {
        path: await ask(client, path, method, **let_in, **headers)
        for path, method, headers in [
            ("/check/drop", "GET", {}),
            ("/check?room=drop", "GET", {}),
            ("/check/drop?mode=redirect", "GET", {"X_Forwarded_Uri": "/pay?a=1"}),
            # Envoy asks with the method and the path of the request, and the query is the client's.
            ("/check/drop/", "POST", {}),
            ("/check/drop/pay/%2e%2e//x?room=other&mode=refuse", "DELETE", {}),
            # A browser that posts from another site is no business of the check.
            ("/check/drop/paid", "POST", {"Origin": "https://bank.example"}),
        ]
    }
    bare = await ask(client, "/check/drop", X_Forwarded_Method="POST")
    browser = await ask(client, "/check/drop/pay", **BROWSER)
    program = await ask(client, "/check/drop/pay")
    told = await ask(client, "/check/drop?mode=refuse", **let_in, **BROWSER)
    foreign = await ask(client, "/check/none", **let_in)

    for path, answer in passed.items():
        assert answer.status == 204, path
        assert answer.headers["X-Waitroom-Room"] == "drop"
        assert answer.headers["X-Waitroom-Session"].isdigit()
        assert 0 < int(answer.headers["X-Waitroom-Seconds-Left"]) <= 600
        assert answer.headers["Cache-Control"] == "no-store"
    assert (bare.status, (await bare.json())["code"]) == (401, "session_over")
    assert bare.headers["Location"].endswith("/rooms/drop")
    assert browser.status == 302
    assert browser.headers["Cache-Control"] == "no-store"
    waits = await program.json()
    assert (program.status, waits["code"]) == (429, "queue")
    assert waits["url"] == program.headers["Location"]
    assert program.headers["Retry-After"] == "5"
    assert told.status == 302
    assert foreign.status == 404


async def test_a_shop_frees_the_seat_of_a_session_that_the_check_named(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await open_room(service, "fair", skus={})
    await tick(service)
    shopper = authorization((await admitted(client)).session)
    named = (await ask(client, "/check/drop", **shopper)).headers["X-Waitroom-Session"]
    operator = await sign_in(service, client, "operator")

    async def free(session: str, room: str = "drop", **headers: str) -> int:
        path = f"/admin/rooms/{room}/sessions/{session}"
        return (await client.delete(path, headers=headers or operator)).status

    foreign = [await free(named, "fair"), await free("0"), await free("x"), await free("9" * 30)]
    stranger = await free(named, **shopper)
    still = (await ask(client, "/check/drop", **shopper)).status
    freed = [await free(named), await free(named)]

    assert foreign == [404] * 4
    assert (stranger, still) == (401, 204)
    assert freed == [204, 204]
    assert (await ask(client, "/check/drop", **shopper)).status == 401


async def test_a_form_that_is_held_back_is_never_lost_without_a_word(
    service: Service, client: Client
) -> None:
    await open_room(service)

    for path, method, headers in [
        ("/check/drop/pay", "POST", {}),
        ("/check/drop?mode=redirect", "GET", {"X_Forwarded_Method": "POST"}),
        ("/check/drop?mode=refuse", "GET", {"X_Original_Method": "PUT"}),
    ]:
        page = await ask(client, path, method, **headers, **BROWSER)
        text = await page.text()
        assert (page.status, "Location" in page.headers) == (409, False), path
        assert "Nothing that you filled in has reached the shop" in text
        assert "/rooms/drop" in text
        # Nothing of ours can be asked for at the address of the shop.
        assert "/static/" not in text
        assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
    program = await ask(client, "/check/drop/pay", "POST")
    assert program.status == 429


async def test_triggers_decide_and_no_header_of_a_client_gets_around_them(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await set_gate(
        service,
        triggers=[Trigger(path="/checkout"), Trigger(path="/checkout/help", lets_pass=True)],
    )

    async def status(path: str = "/check/drop", **headers: str) -> int:
        return (await ask(client, path, **headers)).status

    assert await status(X_Forwarded_Uri="/about") == 204
    assert await status(X_Forwarded_Uri="/checkout?a=/about") == 401
    assert await status(X_Forwarded_Uri="/checkout/help") == 204
    assert await status(X_Original_URL="https://shop.example/checkout") == 401
    assert await status("/check/drop/about") == 204
    assert await status("/check/drop//CHECKOUT/%2e/x") == 429
    # The proxy's own header and a client's: any of them that is protected counts.
    assert await status(X_Forwarded_Uri="/about", X_Original_URI="/checkout") == 401
    assert await status("/check/drop/checkout", X_Forwarded_Uri="/checkout/help") == 429
    assert await status(X_Forwarded_Uri="/checkout/help/../pay") == 401
    # An error would count as a service that is away.
    assert await status(X_Forwarded_Uri="/checkout", X_Original_URI="https://[") == 401
    assert await status(X_Forwarded_Uri="/about", X_Original_URI="https://[") == 204
    assert await status(X_Forwarded_Uri="/checkout/help#/../pay") == 401


async def test_while_the_database_is_away_the_rooms_own_choice_decides(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await open_room(service, "fair", skus={})
    await tick(service)
    await set_gate(service, "fair", when_away="open")
    shopper = authorization((await admitted(client)).session)
    fair = authorization((await admitted(client, "fair")).session)
    service.pool.terminate()

    closed = await ask(client, "/check/drop/pay", **shopper)
    opened = await ask(client, "/check/fair/pay", **fair)
    stranger = await ask(client, "/check/fair/pay")

    assert (closed.status, closed.headers["Retry-After"]) == (503, "2")
    assert (opened.status, opened.headers["X-Waitroom-Away"]) == (204, "open")
    # A request without a session needs no database.
    assert stranger.status == 429


async def test_a_shopper_is_led_back_to_where_the_gate_stopped_them(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 9})
    await tick(service)
    await set_gate(service, return_addresses=[SHOP, "http://127.0.0.1"])
    wanted = f"{SHOP}/pay?basket=7&x=%20"
    forwarded = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "shop.example"}

    stopped = await ask(
        client,
        "/check/drop?mode=redirect",
        X_Forwarded_Uri="/pay?basket=7&x=%20",
        **forwarded,
        **BROWSER,
    )
    place = urlsplit(stopped.headers["Location"])
    came = await ask(client, f"{place.path}?{place.query}&sku=mug", **BROWSER)
    cookie, _, flags = came.headers["Set-Cookie"].partition("; ")
    shopper = Shopper(client)
    await shopper.join()
    carried = {**authorization(shopper.ticket), "Cookie": cookie}
    claim = await client.post("/rooms/drop/claims", headers=carried)
    page = await ask(client, "/rooms/drop/enter", "POST", **carried, **BROWSER)
    plain = await client.post(
        "/rooms/drop/claims",
        params={"to": f"{SHOP}/other"},
        headers=authorization(shopper.ticket),
    )

    assert came.status == 303
    assert came.headers["Location"] == "/rooms/drop?sku=mug"
    # The cookie goes to this room alone.
    assert {"HttpOnly", "Path=/rooms/drop", "SameSite=Lax"} <= set(flags.split("; "))
    assert without_pass((await claim.json())["checkout_url"]) == wanted
    assert (page.status, without_pass(page.headers["Location"])) == (303, wanted)
    assert without_pass((await plain.json())["checkout_url"]) == f"{SHOP}/other"
    # The list changes while they wait: then the first of it is where they go.
    await set_gate(service, return_addresses=["https://new.example/buy"])
    later = await client.post("/rooms/drop/claims", headers=carried)
    assert without_pass((await later.json())["checkout_url"]) == "https://new.example/buy"
    # Posted forms are not come back to: a GET would show them an empty page.
    posted = await ask(
        client,
        "/check/drop?mode=redirect",
        X_Forwarded_Uri="/pay",
        X_Forwarded_Method="POST",
        **forwarded,
    )
    assert urlsplit(posted.headers["Location"]).query == ""


def without_pass(address: str) -> str:
    """Return an address on another host without the pass that it hands over."""
    page, mark, _ = address.replace("&waitroom_pass=", "?waitroom_pass=").rpartition(
        "?waitroom_pass="
    )
    assert mark, address
    return page


async def test_an_address_that_is_not_allowed_changes_nothing(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await open_room(service, "fair", skus={})
    await tick(service)
    await set_gate(service, return_addresses=[SHOP])
    await set_gate(service, "fair", return_addresses=[SHOP])
    shopper = Shopper(client)
    await shopper.join()
    stopped = await ask(
        client,
        "/check/drop/x",
        Host="shop.example",
        X_Forwarded_Proto="https",
        **BROWSER,
    )
    token = parse_qs(urlsplit(stopped.headers["Location"]).query)["t"][0]

    for query in (
        {"to": "https://evil.example/"},
        {"to": "https://shop.example@evil.example/"},
        {"to": "javascript:alert(1)"},
        {"to": ""},
        {"t": "drop.aHR0cHM6Ly9ldmlsLmV4YW1wbGU=~" + "a" * 43},
        {"t": token[:-1]},
    ):
        claim = await client.post(
            "/rooms/drop/claims", params=query, headers=authorization(shopper.ticket)
        )
        page = await client.get("/rooms/drop", params=query, headers=BROWSER)
        refused = await claim.json()
        assert (claim.status, refused["code"]) == (422, "return_address_refused"), query
        assert page.status == 422
        assert "Set-Cookie" not in page.headers
        assert "/rooms/drop" in await page.text()
    # A token is of one room.
    foreign = await client.get("/rooms/fair", params={"t": token}, headers=BROWSER)
    assert foreign.status == 422
    assert (await shopper.me())["status"] == "called"
    # A stranger's Host header gets no token, and so leads no shopper anywhere.
    evil = await ask(client, "/check/drop/x", X_Forwarded_Host="evil.example", **BROWSER)
    assert urlsplit(evil.headers["Location"]).query == ""
