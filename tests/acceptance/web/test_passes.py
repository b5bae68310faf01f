"""Passes over HTTP: a site verifies them by the published keys, and hears of those that ended."""

from typing import Any

import msgspec
from aiohttp.test_utils import TestClient
from support import admitted, authorization, execute, open_room, set_gate, shift_clock, tick

from waitroom.gate.passes import PassKeys
from waitroom.run.app import Service

Client = TestClient[Any, Any]
PASS = "/checkout/session/pass"


async def renewed(client: Client, token: str, query: str = "") -> tuple[int, dict[str, Any]]:
    answer = await client.post(PASS + query, headers=authorization(token))
    return answer.status, await answer.json()


async def revoked(client: Client, since: int | None = None) -> dict[str, Any]:
    query = "" if since is None else f"?since={since}"
    answer = await client.get(f"/rooms/drop/revocations{query}")
    assert answer.status == 200, await answer.text()
    body: dict[str, Any] = await answer.json()
    return body


async def settled(service: Service, client: Client, since: int | None = None) -> dict[str, Any]:
    """Return the list as it stands in the database, and not as a worker read it before."""
    service.revocations.read_again()
    return await revoked(client, since)


async def test_a_pass_is_given_renewed_and_worth_nothing_once_the_session_ends(
    service: Service, client: Client
) -> None:
    await open_room(service, session_s=600)
    await set_gate(service, pass_s=120)
    await tick(service)
    stays, leaves, gives_back = [await admitted(client) for _ in range(3)]

    claimed = await client.post("/rooms/drop/claims", headers=authorization(stays.ticket))
    of_claim = (await claimed.json())["pass"]
    first = await renewed(client, stays.session)
    again = await renewed(client, first[1]["pass"])
    other = await renewed(client, stays.session, "?room=next")
    wrong = await renewed(client, first[1]["pass"], "?room=next")

    keys: PassKeys = service.passes.keys
    assert (first[0], again[0]) == (200, 200)
    assert (other[0], wrong[0]) == (401, 401)
    said = keys.read(of_claim)
    assert 0 < said.expires_at - said.issued_at <= 120
    assert said.issuer == service.settings.base_url
    assert "waitroom_pass_drop=" in str(claimed.headers.getall("Set-Cookie"))
    jwks = await client.get("/.well-known/jwks.json")
    assert await jwks.json() == msgspec.to_builtins(keys.public)
    assert "max-age=300" in jwks.headers["Cache-Control"]
    tag = {"If-None-Match": jwks.headers["ETag"]}
    assert (await client.get("/.well-known/jwks.json", headers=tag)).status == 304

    listed = await revoked(client)
    assert (listed["revoked"], listed["reset"], listed["pass_s"]) == ([], True, 300)
    passes = [(await renewed(client, one.session))[1]["pass"] for one in (leaves, gives_back)]
    left = await client.delete("/checkout/session", headers=authorization(leaves.session))
    given = await client.delete(PASS, headers=authorization(passes[1]))
    assert (left.status, given.status) == (204, 204)
    news = await settled(service, client, listed["version"])
    ids = [keys.public_id(keys.read(one).session_id, keys.read(one).turn) for one in passes]
    assert (sorted(news["revoked"]), news["reset"]) == (sorted(ids), False)
    assert (await settled(service, client, news["version"]))["revoked"] == []
    assert (await renewed(client, passes[0]))[0] == 401
    assert (await client.delete(PASS, headers=authorization(passes[1]))).status == 401

    # A pass never outlives its session, and a session whose time is up gives none.
    await shift_clock(service, 540)
    short = (await renewed(client, stays.session))[1]
    assert short["seconds_left"] <= 60
    await shift_clock(service, 61)
    over = await renewed(client, stays.session)
    assert (over[0], over[1]["code"]) == (401, "session_over")
    # Whose time ran out is in no list: the passes ran out before.
    await service.office.end_due(100)
    assert (await settled(service, client, news["version"]))["revoked"] == []


async def test_the_list_holds_what_any_pass_ever_given_may_need_and_forgets_the_rest(
    service: Service, client: Client
) -> None:
    await open_room(service, session_s=600)
    await set_gate(service, pass_s=300)
    await tick(service)
    shopper = await admitted(client)
    # A pass of before still holds for up to 300 seconds.
    await set_gate(service, pass_s=30)
    await client.delete("/checkout/session", headers=authorization(shopper.session))

    listed = await settled(service, client)

    assert (len(listed["revoked"]), listed["pass_s"]) == (1, 300)
    left_s = "SELECT extract(epoch FROM until - clock_timestamp())::float8 AS s FROM revocation"
    assert 290 < (await execute(service, left_s))[0]["s"] <= 300
    assert await service.pass_store.forget(10) == 0
    await execute(service, "UPDATE revocation SET until = clock_timestamp() - interval '1 s'")
    assert await service.pass_store.forget(10) == 1


async def test_a_number_that_comes_back_has_another_session_and_the_old_pass_does_nothing(
    service: Service, client: Client
) -> None:
    await open_room(service, session_s=600)
    await set_gate(service)
    await tick(service)
    shopper = await admitted(client)
    old = (await renewed(client, shopper.session))[1]["pass"]
    before = service.passes.keys.read(old)
    sql = (
        "UPDATE admission SET state = 'missed', promised = 0, "
        "came_back_at = shopper_now(), expires_at = NULL; "
        "UPDATE admission SET state = 'called', came_back_at = NULL, times_called = 2; "
        "UPDATE admission SET state = 'claimed', "
        "expires_at = shopper_now() + interval '600 s'"
    )
    for statement in sql.split(";"):
        await execute(service, statement)

    new = (await renewed(client, shopper.session))[1]["pass"]
    listed = await settled(service, client)

    keys = service.passes.keys
    assert listed["revoked"] == [keys.public_id(before.session_id, 1)]
    assert keys.read(new).turn == 2
    assert (await renewed(client, old))[0] == 401
    assert (await client.delete(PASS, headers=authorization(old))).status == 401
    assert (await renewed(client, shopper.session))[0] == 200


async def test_a_room_without_a_gate_gives_no_passes_and_says_so(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    shopper = await admitted(client)

    claimed = await client.post("/rooms/drop/claims", headers=authorization(shopper.ticket))
    asked = await renewed(client, shopper.session)
    listed = await client.get("/rooms/drop/revocations")

    assert (await claimed.json())["pass"] == ""
    assert (asked[0], asked[1]["code"]) == (409, "no_gate")
    assert (listed.status, (await listed.json())["code"]) == (409, "no_gate")
    assert (await client.get("/rooms/none/revocations")).status == 404
    assert (await client.get("/rooms/drop/revocations?since=x")).status == 400
    # Nothing is kept for it either.
    await client.delete("/checkout/session", headers=authorization(shopper.session))
    assert not await execute(service, "SELECT 1 FROM revocation")


async def test_a_site_on_another_host_gets_the_pass_in_the_address_and_one_on_this_host_a_cookie(
    service: Service, client: Client
) -> None:
    await open_room(service, session_s=600)
    await set_gate(service, return_addresses=["https://shop.example"])
    await tick(service)
    away, form = await admitted(client), await admitted(client)

    to = "?to=https://shop.example/checkout?a=1%23top"
    claim = f"/rooms/drop/claims{to}"
    claimed = await (await client.post(claim, headers=authorization(away.ticket))).json()
    headers = {**authorization(form.ticket), "Accept": "text/html"}
    led = await client.post(f"/rooms/drop/enter{to}", headers=headers, allow_redirects=False)
    await set_gate(service)
    here = await (
        await client.post("/rooms/drop/claims", headers=authorization(away.ticket))
    ).json()

    address, _, rest = claimed["checkout_url"].partition("&waitroom_pass=")
    assert (address, rest) == ("https://shop.example/checkout?a=1", f"{claimed['pass']}#top")
    assert led.status == 303
    assert led.headers["Location"].startswith("https://shop.example/checkout?a=1&waitroom_pass=ey")
    assert here["checkout_url"] == "/checkout?room=drop"


async def test_a_shopper_inside_who_lost_the_pass_is_led_on_with_a_new_one(
    service: Service, client: Client
) -> None:
    await open_room(service, session_s=600)
    await set_gate(service, return_addresses=["https://shop.example"])
    await tick(service)
    shopper = await admitted(client)
    cookies = {
        "Cookie": f"waitroom_ticket_drop={shopper.ticket}; waitroom_session_drop={shopper.session}",
        "Accept": "text/html",
    }

    room = await client.get("/rooms/drop", headers=cookies)
    led = await client.get("/rooms/drop/onward", headers=cookies, allow_redirects=False)
    stranger = await client.get("/rooms/drop/onward", allow_redirects=False)

    assert 'href="/rooms/drop/onward"' in await room.text()
    there, _, text = led.headers["Location"].partition("?waitroom_pass=")
    assert there.rstrip("/") == "https://shop.example"
    assert service.passes.keys.read(text).room == "drop"
    assert stranger.headers["Location"] == "/rooms/drop"
