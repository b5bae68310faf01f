"""A room from its doors to its end: hours, a draw, the line that forms and drains, pause, reset."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from playwright.async_api import Page, expect
from programs import Command, Site, all_know
from signing_in import sign_in, sign_in_on_screen
from support import (
    PASSWORD,
    Shopper,
    admitted,
    authorization,
    eventually,
    execute,
    open_room,
    tick,
)

from inventory.kit.problem import BadRequest
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Pages = Callable[..., Awaitable[Page]]
Header = dict[str, str]


async def steer(client: Client, path: str, who: Header, **body: Any) -> ClientResponse:
    return await client.post(f"/admin/rooms/drop/{path}", json=body, headers=who)


async def change(client: Client, who: Header, **rules: Any) -> ClientResponse:
    return await client.patch("/admin/rooms/drop", json=rules, headers=who)


async def state(client: Client) -> dict[str, Any]:
    body: dict[str, Any] = await (await client.get("/rooms/drop/state")).json()
    return body


async def log(client: Client) -> list[dict[str, Any]]:
    page = await (await client.get("/rooms/drop/log?limit=500")).json()
    return [msgspec.json.decode(entry["body"]) for entry in page["entries"]]


async def come_to(service: Service, **moments: int) -> None:
    """Let a room's hours be so many seconds from now, whatever an operator may set."""
    for name, seconds in moments.items():
        await execute(
            service,
            f"UPDATE room SET {name} = clock_timestamp() + make_interval(secs => $1)",
            seconds,
        )
    await service.board.refresh(rooms=True)


# Hours.


async def test_a_room_opens_and_ends_by_its_own_hours(service: Service, client: Client) -> None:
    await open_room(service, status="scheduled")
    who = await sign_in(service, client)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    set_ = await change(
        client, who, opens_at=tomorrow.isoformat(),
        closes_at=(tomorrow + timedelta(hours=2)).isoformat(),
    )  # fmt: skip
    await tick(service)
    early = await client.post("/rooms/drop/tickets")
    seen = [(await state(client))["status"]]

    await come_to(service, opens_at=-1)
    await tick(service, 2)
    shopper = await admitted(client)
    seen.append((await state(client))["status"])
    await come_to(service, closes_at=-1, opens_at=-2)
    await tick(service, 2)
    late = await client.post("/rooms/drop/tickets")
    seen.append((await state(client))["status"])

    assert set_.status == 200
    assert (await set_.json())["status"] == "scheduled"
    assert (early.status, (await early.json())["code"]) == (409, "not_open")
    assert seen == ["scheduled", "open", "ended"]
    assert (late.status, (await late.json())["code"]) == (409, "room_ended")
    assert (await shopper.hold(mug=1)).status == 201


async def test_doors_open_before_the_sale_and_places_are_kept_in_the_order_of_coming(
    service: Service, client: Client
) -> None:
    await open_room(service, status="scheduled", skus={"mug": 1})
    who = await sign_in(service, client)
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    await change(
        client, who, doors_at=datetime.now(UTC).isoformat(), opens_at=in_an_hour.isoformat()
    )
    await tick(service)

    shoppers = [Shopper(client) for _ in range(3)]
    joined = [await shopper.join() for shopper in shoppers]
    before = await state(client)
    claim = await shoppers[0].claim()
    await steer(client, "open", who)
    await tick(service, 2)

    assert before["status"] == "before_opening"
    assert [(j["number"], j["status"]) for j in joined] == [(n, "waiting") for n in (1, 2, 3)]
    assert (claim.status, (await claim.json())["code"]) == (409, "not_yet_called")
    assert [(await s.me())["status"] for s in shoppers] == ["called", "waiting", "waiting"]


NOW = "2030-06-01T12:00:00Z"
LATER = "2030-06-01T14:00:00Z"
LAST_YEAR = "2020-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"opens_at": LATER, "closes_at": NOW}, "close after it opens"),
        ({"opens_at": NOW, "closes_at": NOW}, "close after it opens"),
        ({"opens_at": NOW, "doors_at": LATER}, "with the sale or before"),
        ({"closes_at": LAST_YEAR}, "has passed"),
        ({"opens_at": "2030-06-01T12:00:00"}, "offset from UTC"),
        ({"policy": "loudest"}, "policy"),
        ({"disappointed_max": 0.9}, "disappointed_max"),
        ({"join_by": "shouting"}, "join_by"),
        ({"order_by": "weight"}, "order_by"),
        ({"log_public": "never"}, "log_public"),
        ({"stock_elsewhere": True}, "SKUs of its own"),
        ({}, "at least one rule"),
    ],
)
async def test_rules_that_cannot_be_are_refused_in_words(
    service: Service, client: Client, rules: dict[str, Any], said: str
) -> None:
    await open_room(service, status="scheduled")
    who = await sign_in(service, client)

    refused = await change(client, who, **rules)

    assert refused.status in {400, 422}, await refused.text()
    assert said in (await refused.json())["detail"]


async def test_every_rule_that_can_be_set_is_shown_as_it_is(
    service: Service, client: Client
) -> None:
    await open_room(service, status="scheduled", skus={})
    who = await sign_in(service, client)
    hours = {"doors_at": NOW, "opens_at": NOW, "closes_at": LATER, "policy": "expected"}
    rules = {
        "order_by": "draw", "public_value_source": "the lottery of the day", "join_by": "customer",
        "log_public": "after", "fairness_public": True, "stock_elsewhere": True,
        "disappointed_max": 0.025, "public": False,
    }  # fmt: skip

    shown = await (await change(client, who, **hours, **rules)).json()

    assert {name: shown["settings"][name] for name in rules} == rules
    assert {name: shown[name] for name in hours} == hours
    assert (await (await client.get("/admin/rooms/drop", headers=who)).json())["settings"] == shown[
        "settings"
    ]


async def test_a_room_is_made_with_its_rules_or_not_at_all(
    service: Service, client: Client
) -> None:
    who = await sign_in(service, client, "admin")

    async def make(room: str, **rules: Any) -> ClientResponse:
        body = {"room": room, "name": "New", "rules": rules}
        return await client.post("/admin/rooms", json=body, headers=who)

    made = await make("good", seats_max=7, opens_at=NOW)
    refused = await make("bad", opens_at=LATER, closes_at=NOW)
    again = await make("bad", opens_at=NOW, closes_at=LATER)

    assert (made.status, (await made.json())["settings"]["seats_max"]) == (201, 7)
    assert refused.status == 400
    assert again.status == 201


async def test_a_room_sells_in_the_currency_that_it_was_made_with(
    service: Service, client: Client
) -> None:
    who = await sign_in(service, client, "admin")

    async def make(room: str, **more: str) -> ClientResponse:
        body = {"room": room, "name": "New", **more}
        return await client.post("/admin/rooms", json=body, headers=who)

    made = await make("yen", currency="JPY")
    usual = await make("usual")
    unknown = await make("marks", currency="DEM")
    await service.stock.add("fan", room="yen", name="Fan", price_minor=1500)

    assert (made.status, (await made.json())["currency"]) == (201, "JPY")
    assert (await usual.json())["currency"] == "EUR"
    assert (unknown.status, "DEM" in (await unknown.json())["detail"]) == (400, True)
    fan = await (await client.get("/inventory/skus/fan")).json()
    assert (fan["price_minor"], fan["currency"]) == (1500, "JPY")
    with pytest.raises(BadRequest):
        await service.stock.add("cup", room="yen", name="Cup", price_minor=1500, currency="EUR")


# The threshold: no line on a quiet day.


async def test_a_line_forms_only_above_the_seats_and_drains_again(
    service: Service, client: Client
) -> None:
    """The gate stands ahead of the tail by the free seats, so a quiet day has no line."""
    await open_room(service, skus={}, policy="rate", seats_max=3)
    await tick(service)

    shoppers = [Shopper(client) for _ in range(5)]
    joined = [await shopper.join() for shopper in shoppers]
    await tick(service)
    line = (await state(client))["lines"][0]
    places = [(await shopper.me())["place"] for shopper in shoppers[3:]]
    for shopper in shoppers[:3]:
        assert (await shopper.claim()).status == 201
    await shoppers[0].leave()
    await tick(service)
    one_left = [(await shopper.me())["status"] for shopper in shoppers[3:]]
    for shopper in shoppers[1:3]:
        await shopper.leave()
    await tick(service)
    for shopper in shoppers[3:]:
        assert (await shopper.claim()).status == 201
    await tick(service)
    quiet_again = await Shopper(client).join()

    assert [j["status"] for j in joined] == ["called"] * 3 + ["waiting"] * 2
    assert (line["head"], line["tail"], places) == (3, 5, [1, 2])
    assert one_left == ["called", "waiting"]
    assert (quiet_again["status"], quiet_again["place"]) == ("called", 0)


async def test_an_arrival_never_goes_ahead_of_the_line_when_a_seat_comes_free(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={}, policy="rate", seats_max=1)
    await tick(service)
    inside = await admitted(client)
    waiting = Shopper(client)
    await waiting.join()

    await inside.leave()
    newcomer = await Shopper(client).join()
    await tick(service)

    assert newcomer["status"] == "waiting"
    assert (await waiting.me())["status"] == "called"


async def test_rooms_stand_beside_each_other(service: Service, client: Client) -> None:
    for room, seats in (("a", 1), ("b", 2), ("c", 0)):
        await open_room(service, room, skus={}, policy="rate", seats_max=seats)
    await tick(service)
    who = await sign_in(service, client)

    called = {
        room: [(await Shopper(client, room).join())["status"] for _ in range(3)]
        for room in ("a", "b", "c")
    }
    await client.post("/admin/rooms/b/pause", headers=who)
    paused = await (await client.get("/rooms/b/state")).json()
    await tick(service)
    paused = await (await client.get("/rooms/b/state")).json()
    running = await (await client.get("/rooms/a/state")).json()

    assert {room: statuses.count("called") for room, statuses in called.items()} == {
        "a": 1, "b": 2, "c": 0,
    }  # fmt: skip
    assert (paused["status"], running["status"]) == ("paused", "open")


async def test_a_room_without_stock_protects_any_site(service: Service, client: Client) -> None:
    await open_room(service, "site", skus={}, policy="rate", seats_max=1)
    await open_room(service, "other", skus={}, policy="rate", seats_max=1)
    await tick(service)
    stranger = await client.get("/check?room=site")
    inside = await admitted(client, "site")
    waiting = Shopper(client, "site")
    await waiting.join()

    async def check(room: str, token: str, **headers: str) -> ClientResponse:
        return await client.get(
            f"/check?room={room}&mode=redirect",
            headers={**authorization(token), **headers},
            allow_redirects=False,
        )

    lets_in = await check("site", inside.session)
    elsewhere = await check("other", inside.session)
    with_a_ticket = await check("site", waiting.ticket, Accept="text/html")
    await client.delete("/checkout/session", headers=authorization(inside.session))
    after_leaving = await check("site", inside.session)
    await tick(service)
    await waiting.claim()

    assert (stranger.status, lets_in.status, elsewhere.status) == (401, 204, 429)
    assert (with_a_ticket.status, with_a_ticket.headers["Location"][-11:]) == (302, "/rooms/site")
    assert after_leaving.status == 429
    assert (await check("site", waiting.session)).status == 204


# The draw.


async def test_a_draw_goes_from_its_announcement_to_numbers_and_operators_see_each_step(
    service: Service, client: Client
) -> None:
    await open_room(service, status="scheduled", skus={"mug": 2})
    who = await sign_in(service, client)
    await change(client, who, order_by="draw", public_value_source="the beacon of the day")

    async def draw() -> list[dict[str, Any]]:
        shown = await (await client.get("/admin/rooms/drop", headers=who)).json()
        found: list[dict[str, Any]] = shown["draw"]
        return found

    unannounced = await draw()
    too_early = await steer(client, "public-value", who, value="early")
    await tick(service)
    shoppers = [Shopper(client) for _ in range(4)]
    joined = [await shopper.join() for shopper in shoppers]
    (announced,) = await draw()
    await steer(client, "open", who)
    (closing,) = await draw()
    await tick(service)
    (waits,) = await draw()
    given = await steer(client, "public-value", who, value=" 3f9a ")
    again = await steer(client, "public-value", who, value="3f9a")
    another = await steer(client, "public-value", who, value="0000")
    await tick(service, 2)
    await service.board.refresh(rooms=True)
    (drawn,) = await draw()

    assert unannounced == []
    assert (too_early.status, (await too_early.json())["code"]) == (409, "no_draw_waits")
    assert [j["status"] for j in joined] == ["entered"] * 4
    assert (announced["status"], announced["entries"]) == ("announced", 4)
    assert (closing["status"], waits["status"]) == ("closing", "waits_for_value")
    assert (given.status, again.status, another.status) == (200, 200, 409)
    assert (drawn["status"], drawn["value"]) == ("drawn", "3f9a")
    assert drawn["commitment"] == announced["commitment"]
    assert sorted([(await s.me())["number"] for s in shoppers]) == [1, 2, 3, 4]
    kinds = [entry["kind"] for entry in await log(client)]
    wanted = ["draw_announced", "entries_closed", "closing_signed", "public_value", "drawn"]
    assert [kind for kind in kinds if kind in wanted] == wanted


async def test_a_draw_is_settled_before_anybody_comes(service: Service, client: Client) -> None:
    await open_room(service, status="scheduled", doors_at="2020-01-01T00:00:00Z")
    who = await sign_in(service, client)
    await Shopper(client).join()
    after_a_number = await change(client, who, order_by="draw")
    await open_room(service, "drawn", skus={"cup": 1}, status="scheduled", order_by="draw")
    await tick(service)

    async def change_drawn(**rules: Any) -> ClientResponse:
        return await client.patch("/admin/rooms/drawn", json=rules, headers=who)

    without = await change_drawn(order_by="first_come")
    other_value = await change_drawn(public_value_source="another")
    await steer(client, "open", who)
    after_opening = await change(client, who, order_by="draw")

    for answer, said in (
        (after_a_number, "given in this line already"),
        (without, "announced"),
        (other_value, "announced"),
        (after_opening, "has opened"),
    ):
        assert answer.status == 400
        assert said in (await answer.json())["detail"]


async def test_public_values_are_for_rooms_that_are_there_and_say_something(
    service: Service, client: Client
) -> None:
    await open_room(service)
    who = await sign_in(service, client)

    nowhere = await client.post(
        "/admin/rooms/nowhere/public-value", json={"value": "x"}, headers=who
    )
    nothing = await steer(client, "public-value", who, value="")
    blank = await steer(client, "public-value", who, value="   ")

    assert (nowhere.status, nothing.status) == (404, 422)
    assert blank.status == 422


# Pause, end, and beginning anew.


async def test_pausing_calls_nobody_and_throws_nobody_out(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=1)
    await tick(service)
    inside = await admitted(client)
    waiting = Shopper(client)
    await waiting.join()
    who = await sign_in(service, client)

    await steer(client, "pause", who, reason="a look at the log")
    await inside.leave()
    await tick(service, 3)
    paused = await waiting.me()
    await steer(client, "resume", who)
    await tick(service)

    assert paused["status"] == "waiting"
    assert (await waiting.me())["status"] == "called"


async def test_beginning_anew_is_asked_for_by_name_with_a_reason_and_by_admins_alone(
    service: Service, client: Client
) -> None:
    await open_room(service)
    operator = await sign_in(service, client)
    admin = await sign_in(service, client, "admin")

    refused = [
        (await steer(client, "reset", operator, confirm="drop", reason="x")).status,
        (await client.post("/admin/rooms/drop/reset", headers=admin)).status,
        (await steer(client, "reset", admin, confirm="another", reason="x")).status,
        (await steer(client, "reset", admin, confirm="drop", reason="  ")).status,
        (
            await client.post(
                "/admin/rooms/none/reset", json={"confirm": "none", "reason": "x"}, headers=admin
            )
        ).status,
    ]
    before = await execute(service, "SELECT count(*) AS n FROM line")
    done = await steer(client, "reset", admin, confirm="drop", reason="a rehearsal")

    assert refused == [403, 400, 400, 400, 404]
    assert before[0]["n"] == 1
    assert (done.status, (await done.json())["status"]) == (200, "scheduled")
    actions = await (await client.get("/admin/rooms/drop/actions", headers=admin)).json()
    assert (actions["actions"][0]["action"], actions["actions"][0]["reason"]) == (
        "reset", "a rehearsal",
    )  # fmt: skip


async def test_after_it_old_tickets_are_told_so_and_join_again(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    called, inside, waiting = Shopper(client), Shopper(client), Shopper(client)
    await called.join()
    await inside.join()
    key = {"Idempotency-Key": str(uuid4())}
    await waiting.join(**key)
    await inside.claim()
    held = await inside.hold(mug=1)
    who = await sign_in(service, client, "admin")

    done = await steer(client, "reset", who, confirm="drop", reason="the wrong hour")
    told = [
        await client.get("/rooms/drop/tickets/me", headers=authorization(waiting.ticket)),
        await client.post("/rooms/drop/claims", headers=authorization(called.ticket)),
        await client.delete("/rooms/drop/tickets/me", headers=authorization(called.ticket)),
    ]
    await steer(client, "open", who)
    await tick(service)
    old = await client.post(
        "/rooms/drop/tickets",
        headers={**authorization(waiting.ticket), **key},
    )
    paid = await inside.pay((await held.json())["hold_id"])

    assert (await done.json())["calls_taken_back"] == 1
    for answer in told:
        body = await answer.json()
        assert (answer.status, body["code"]) == (410, "line_over")
        assert "join again" in body["detail"]
    assert (old.status, (await old.json())["number"]) == (201, 1)
    assert (await old.json())["line"] == "main-2"
    assert paid.status == 201
    assert await service.ledger.breaches() == []
    resets = [entry for entry in await log(client) if entry["kind"] == "reset"]
    assert [(e["from_line"], e["to_line"]) for e in resets] == [("main-1", "main-2")]
    assert "the wrong hour" not in str(resets)


async def test_figures_begin_anew_with_the_room(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    await admitted(client)
    for _ in range(4):
        await Shopper(client).join()
    who = await sign_in(service, client, "admin")
    await client.get("/admin/rooms/drop", headers=who)

    await steer(client, "reset", who, confirm="drop", reason="once more")

    async def anew() -> Any:
        shown = await (await client.get("/admin/rooms/drop", headers=who)).json()
        return shown["figures"]["tail"] == 0 and shown["figures"]

    figures = await eventually(anew)
    names = ("waiting", "called", "missed", "left", "claimed", "seats_taken")
    assert [figures[name] for name in names] == [0, 0, 0, 0, 1, 1]
    assert figures["joins_per_min"] == 0


# The command line and the screen.


def test_rooms_are_made_and_steered_on_the_command_line(
    waitroom: Command, postgres_url: str
) -> None:
    at = ("--postgres-url", postgres_url)

    def run(*arguments: str) -> tuple[int, str]:
        done = waitroom("room", *arguments, *at)
        return done.returncode, done.stdout + done.stderr

    made = run(
        "create", "drop", "--name", "Drop", "--opens-at", NOW, "--doors-at", "2030-06-01T11:00:00Z",
        "--draw", "seats_max=7", "calls_per_minute=none", "fairness_public=true",
    )  # fmt: skip
    bad = [
        run("create", "bad", "--name", "Bad", "--opens-at", LATER, "--closes-at", NOW),
        run("set", "drop", "seats_mx=9"),
        run("set", "drop", "seats_max=many"),
        run("set", "drop", "seats_max"),
        run("reset", "drop", "--confirm", "other", "--reason", "x"),
        run("public-value", "drop", "3f9a"),
        run("admit", "drop", "sal"),
    ]
    seller = ("sal", "--role", "seller", "--password", PASSWORD)
    waitroom("operator", "add", *seller, *at)
    admitted = [
        run("admit", "drop", "sal"),
        run("sellers", "drop"),
        run("admit", "drop", "sal", "--withdraw"),
    ]
    run("set", "drop", "seats_max=9", "closes_at=2030-06-02T12:00:00Z", "policy=rate")
    shown = run("show", "drop")[1]
    opened = run("status", "drop", "open")
    begun = run("reset", "drop", "--confirm", "drop", "--reason", "a rehearsal")

    assert made[0] == 0, made
    assert [code for code, _ in bad] == [2] * 7
    for (_, said), word in zip(
        bad,
        ("after it opens", "seats_max?", "int", "such as", "name", "waiting", "no seller"),
        strict=True,
    ):
        assert word in said
    for line in (
        "# scheduled", "seats_max=9", "order_by=draw", "calls_per_minute=none", "policy=rate",
        "doors_at=2030-06-01T11:00:00+00:00", "fairness_public=true", "disappointed_max=0.01",
    ):  # fmt: skip
        assert line in shown.splitlines(), shown
    assert opened == (0, "drop: scheduled → open\n")
    assert admitted == [
        (0, "drop: sal is admitted\n"),
        (0, "sal: admitted, 0 units available\n"),
        (0, "drop: sal is withdrawn\n"),
    ]
    assert begun[0] == 0
    assert re.search("started over, 0 call", begun[1])


async def enter_as(page: Page, site: Site, service: Service, role: str, screen: str) -> None:
    await service.operators.add("night", role=role, password=PASSWORD)

    await all_know(site, status=None)
    await sign_in_on_screen(page, site.url, "night")
    await page.goto(f"{site.url}/admin/screens/drop/{screen}")


async def test_operators_steer_a_draw_and_begin_anew_on_their_screen(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, status="scheduled", skus={"mug": 3})
    page = await pages(viewport={"width": 1280, "height": 900})
    await enter_as(page, site, service, "admin", "rules")

    await page.locator("#order_by").select_option("draw")
    await page.locator("#public_value_source").fill("the beacon of the day")
    await page.locator("#session_s").fill("300")
    await page.locator("#rules-save").click()
    await expect(page.locator("#rules-told")).to_have_text("The rules were applied.")
    await page.get_by_role("link", name="Live", exact=True).click()
    await expect(page.locator("#draw-word")).to_contain_text("Announced")
    await expect(page.locator("#state-word")).to_have_text("Before opening")
    await page.locator("#open").click()
    await expect(page.locator("#draw-word")).to_contain_text("waits for the public value")
    await page.locator("#value").fill("3f9a")
    await page.locator("#value-form button").click()
    await expect(page.locator("#draw-word")).to_contain_text("drawn")
    await expect(page.locator("#draw-facts")).to_contain_text("3f9a")

    await page.locator("#reset").click()
    await page.locator("#reset-confirm").fill("another")
    await page.locator("#reset-reason").fill("once more")
    await page.locator("#reset-yes").click()
    assert "neither" in str(
        await page.locator("#reset-confirm").evaluate("(field) => field.validationMessage")
    )
    await page.locator("#reset-confirm").fill("drop")
    await page.locator("#reset-reason").fill("")
    await page.locator("#reset-yes").click()
    await expect(page.locator("#reset-reason")).to_be_focused()
    await page.locator("#reset-reason").fill("once more")
    await page.locator("#reset-yes").click()
    await expect(page.locator("#phase-told")).to_contain_text("was reset")
    await expect(page.locator("#pause")).to_be_hidden()

    (row,) = await execute(
        service, "SELECT order_by, session_s, status, public_value_source FROM room"
    )
    assert tuple(row) == ("draw", 300, "scheduled", "the beacon of the day")
    lines = await execute(service, "SELECT line FROM line WHERE joinable")
    assert [line["line"] for line in lines] == ["main-2"]


async def test_operators_admit_and_withdraw_sellers_on_their_screen(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3})
    for seller in ("sal", "uma"):
        await service.operators.add(seller, role="seller", password=PASSWORD)
    sal = await service.products.seller_id("sal")
    await service.stock.add("cup", room="drop", name="Cup", price_minor=1, seller=sal)
    await service.ledger.move("cup", kind="received", quantity=4, who="sal")
    page = await pages(viewport={"width": 1280, "height": 900})
    await enter_as(page, site, service, "operator", "goods")
    rows = page.locator("#seller-rows tr")

    await expect(rows).to_have_text(["salNot admitted4Admit"])
    await rows.get_by_role("button").click()
    await expect(rows).to_have_text(["salSells here4Withdraw"])
    await page.locator("#seller-name").fill("nobody")
    await page.locator("#seller-form button").click()
    await expect(page.locator("#sellers-told")).to_contain_text("There is no seller")
    await page.locator("#seller-name").fill("uma")
    await page.locator("#seller-form button").click()
    await expect(rows).to_have_count(2)
    await page.get_by_role("button", name="Withdraw sal").click()
    await page.locator("#sure-yes").click()
    await expect(rows.first).to_contain_text("Not admitted")

    found = await service.rooms.sellers("drop")
    assert [(seller.seller, seller.admitted) for seller in found] == [
        ("sal", False), ("uma", True),
    ]  # fmt: skip
    assert found[1].admitted_by == "night"


async def test_a_waiting_page_tells_that_the_line_was_restarted_and_joins_again(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await all_know(site)
    page = await pages()
    await page.goto(f"{site.url}/rooms/drop")
    await expect(page.locator("#number")).to_have_text("1")

    await service.rooms.reset("drop", who="night", reason="once more")
    await expect(page.locator("#status")).to_contain_text("restarted")
    await service.rooms.set_status("drop", "open", who="night")

    async def joined() -> Any:
        return await execute(service, "SELECT FROM line WHERE line = 'main-2' AND tail = 1")

    await eventually(joined)
    await expect(page.locator("#place")).to_be_visible()
    await expect(page.locator("#number")).to_have_text("1")


async def test_the_screen_says_when_the_shop_with_the_stock_is_silent(
    service: Service, site: Site, pages: Pages
) -> None:
    await open_room(service, skus={}, stock_elsewhere=True)
    page = await pages(viewport={"width": 390, "height": 844})
    await enter_as(page, site, service, "operator", "goods")

    await expect(page.locator("#elsewhere")).to_contain_text("has sent no figures yet")
    await execute(
        service, "UPDATE room SET stock_heard_at = clock_timestamp() - interval '10 minutes'"
    )
    await expect(page.locator("#elsewhere")).to_contain_text("sent nothing for 10 minutes")
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
