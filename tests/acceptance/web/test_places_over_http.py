"""Moving a place, stepping aside, more time, revoking: over HTTP, under attack."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import (
    Shopper,
    authorization,
    eventually,
    execute,
    open_room,
    shift_clock,
    tick,
)

from inventory.kit.language.aloud import SIGNS
from waitroom.desk.places import GUESSES_PER_MINUTE
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Clients = Callable[[Service], Awaitable[Client]]
Services = Callable[..., Awaitable[Service]]
NO_VALKEY = "unix:///nowhere/at/all.sock"
WRONG = "AAAAA 33333"


async def waiting(service: Service, client: Client, count: int = 1, **rules: Any) -> list[Shopper]:
    """Open a room in which everybody waits, and let so many join."""
    await open_room(service, **{"skus": {"mug": 50}, "seats_max": 0, **rules})
    return await joined(service, client, count)


async def joined(service: Service, client: Client, count: int) -> list[Shopper]:
    await tick(service)
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        await shopper.join()
    await tick(service)
    return shoppers


async def call(service: Service, seats: int) -> None:
    """Let so many in at once, from the front."""
    await service.rooms.change("drop", f'{{"seats_max": {seats}}}', who="test")
    await tick(service, 2)


async def act(shopper: Shopper, what: str) -> ClientResponse:
    """Do something with a shopper's own place: aside, back or code."""
    path = f"/rooms/drop/tickets/me/{what}"
    return await shopper.client.post(path, headers=authorization(shopper.ticket))


async def code_of(shopper: Shopper) -> str:
    answer = await act(shopper, "code")
    body = await answer.json()
    assert answer.status == 201, body
    return str(body["code"])


async def bring(client: Client, code: str, **headers: str) -> tuple[int, dict[str, Any]]:
    answer = await client.post("/rooms/drop/move", json={"code": code}, headers=headers)
    return answer.status, await answer.json()


async def refused(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["code"]


async def me(shopper: Shopper) -> tuple[int, dict[str, Any]]:
    path = "/rooms/drop/tickets/me"
    answer = await shopper.client.get(path, headers=authorization(shopper.ticket))
    return answer.status, await answer.json()


async def page(client: Client, ticket: str) -> str:
    """Return what a browser without JavaScript is shown: the parts that are not hidden."""
    headers = {"Accept": "text/html", **authorization(ticket)}
    answer = await client.get("/rooms/drop", headers=headers)
    assert answer.status == 200
    return shown(await answer.text())


def shown(html: str) -> str:
    """Return the name of the view that a page shows, and its notice."""
    view = re.search(r'data-view="(\w+)"', html)
    notice = re.search(r'role="status">([^<]*)<', html)
    assert view is not None
    assert notice is not None
    return f"{view[1]} {notice[1]}".strip()


# Moving to another device.


async def test_a_code_moves_the_place_and_ends_the_old_ticket(
    service: Service, client: Client
) -> None:
    _, old = await waiting(service, client, 2)
    code = await code_of(old)
    assert re.fullmatch(rf"[{SIGNS}]{{10}}", code)

    status, moved = await bring(client, f" {code[:4].lower()}-{code[4:]} ")

    assert (status, moved["number"], moved["status"]) == (201, 2, "waiting")
    assert moved["receipt"] is None
    assert (await me(old))[1]["code"] == "ticket_moved"
    assert await refused(await old.claim()) == (410, "ticket_moved")
    assert await page(client, old.ticket) == "moved"
    new = Shopper(client, ticket=moved["ticket"])
    await call(service, 2)
    assert (await new.claim()).status == 201
    assert (await me(new))[1]["status"] == "claimed"


async def test_other_workers_hear_of_a_move_and_cannot_be_fooled_before(
    services: Services, clients: Clients
) -> None:
    here, there = await services(), await services()
    one, other = await clients(here), await clients(there)
    (old,) = await waiting(here, one)
    await there.board.refresh(rooms=True)
    await call(here, 1)
    _, moved = await bring(one, await code_of(old))
    late = Shopper(other, ticket=old.ticket)

    assert await refused(await late.claim()) == (403, "other_ticket")
    await there.board.refresh(rooms=True)

    assert (await me(late))[0] == 410
    assert (await Shopper(other, ticket=moved["ticket"]).claim()).status == 201


async def test_of_two_devices_with_one_code_one_gets_the_place(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)

    answers = await asyncio.gather(*(bring(client, code) for _ in range(6)))

    assert sorted(status for status, _ in answers) == [201, *[404] * 5]
    moves = await execute(service, "SELECT FROM log_entry WHERE body LIKE '%\"moved\"%'")
    assert len(moves) == 1


async def test_a_used_code_is_answered_as_a_wrong_one(service: Service, client: Client) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)
    await bring(client, code)

    used, wrong, short = (
        await bring(client, code),
        await bring(client, WRONG),
        await bring(client, "x"),
    )

    assert used == wrong == short
    assert (used[0], used[1]["code"]) == (404, "code_unknown")


async def test_of_two_codes_of_one_place_the_second_is_worth_nothing(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    first, second = await code_of(old), await code_of(old)

    statuses = [(await bring(client, code))[0] for code in (second, first)]

    assert statuses == [201, 404]


async def test_whoever_never_got_the_answer_asks_again_and_gets_the_same_ticket(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)
    mine, foreign = ({"Idempotency-Key": str(uuid4())} for _ in "ab")

    first = await bring(client, code, **mine)
    again = await bring(client, code, **mine)
    other = await bring(client, code, **foreign)

    assert (again[0], again[1]["ticket"]) == (201, first[1]["ticket"])
    assert other[0] == 404


async def test_a_crash_between_code_and_move_leaves_the_old_ticket_good(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)
    # The worker that took the code died before it could move anything.
    assert await service.memory.take_note(f"move:drop:{code}") is not None

    assert (await bring(client, code))[0] == 404
    assert (await me(old))[1]["status"] == "waiting"
    assert (await bring(client, await code_of(old)))[0] == 201


async def test_guessing_codes_is_bounded(service: Service, client: Client) -> None:
    await waiting(service, client)

    answers = [await bring(client, WRONG) for _ in range(GUESSES_PER_MINUTE + 2)]

    assert [status for status, _ in answers] == [404] * GUESSES_PER_MINUTE + [429] * 2


async def test_wrong_codes_from_many_strangers_keep_nobody_out(
    services: Services, clients: Clients
) -> None:
    service = await services(trusted_proxies=["127.0.0.1"])
    client = await clients(service)
    (old,) = await waiting(service, client)
    code = await code_of(old)

    # Each stranger stays within their own bound.
    guesses = [
        await bring(client, WRONG, **{"X-Forwarded-For": f"198.51.100.{n % 40 + 1}"})
        for n in range(640)
    ]

    assert {status for status, _ in guesses} == {404}
    assert (await bring(client, code, **{"X-Forwarded-For": "203.0.113.7"}))[0] == 201


async def test_without_valkey_codes_are_refused_and_places_are_safe(
    services: Services, clients: Clients
) -> None:
    service = await services(valkey_url=NO_VALKEY)
    client = await clients(service)
    (shopper,) = await waiting(service, client)

    made = await act(shopper, "code")

    assert "Retry-After" in made.headers
    assert await refused(made) == (503, "codes_unavailable")
    assert (await bring(client, WRONG))[1]["code"] == "codes_unavailable"
    assert (await me(shopper))[1]["status"] == "waiting"


async def test_a_place_that_a_device_had_of_its_own_is_given_up(
    service: Service, client: Client
) -> None:
    old, own = await waiting(service, client, 2)

    status, _ = await bring(client, await code_of(old), **authorization(own.ticket))

    assert status == 201
    (row,) = await execute(service, "SELECT number, state FROM admission")
    assert tuple(row) == (2, "left")


async def test_a_session_that_a_device_had_of_its_own_is_not_ended(
    service: Service, client: Client
) -> None:
    own, old = await waiting(service, client, 2)
    await call(service, 1)
    await own.claim()

    await bring(client, await code_of(old), **authorization(own.ticket))

    answer = await client.get("/checkout/session", headers=authorization(own.session))
    assert answer.status == 200


async def test_a_place_that_comes_back_to_its_own_browser_stays(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)

    _, moved = await bring(client, await code_of(old), **authorization(old.ticket))

    assert (await me(Shopper(client, ticket=moved["ticket"])))[1]["status"] == "waiting"


async def test_whoever_is_inside_stays_where_the_session_is(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)
    await call(service, 1)
    await old.claim()

    status, body = await bring(client, code)

    assert (status, body["code"]) == (409, "already_inside")
    assert await refused(await act(old, "code")) == (409, "already_inside")
    assert (await me(old))[1]["status"] == "claimed"


async def test_a_place_moves_while_it_is_called_and_the_code_still_holds(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)
    await call(service, 1)

    _, moved = await bring(client, code)

    assert moved["status"] == "called"
    assert moved["seconds_left"] > 0
    assert await refused(await old.claim()) == (410, "ticket_moved")
    assert (await Shopper(client, ticket=moved["ticket"]).claim()).status == 201


async def test_a_claim_and_a_move_at_once_leave_one_of_the_two(
    service: Service, client: Client
) -> None:
    shoppers = await waiting(service, client, 12)
    codes = [await code_of(shopper) for shopper in shoppers]
    await call(service, 12)

    moves, claims = await asyncio.gather(
        asyncio.gather(*(bring(client, code) for code in codes)),
        asyncio.gather(*(shopper.claim() for shopper in shoppers)),
    )

    for (moved, _), claim in zip(moves, claims, strict=True):
        assert (moved, claim.status) in {(201, 410), (201, 403), (409, 201)}
    sessions = await execute(service, "SELECT FROM admission WHERE state = 'claimed'")
    assert len(sessions) == sum(claim.status == 201 for claim in claims)


async def test_what_was_given_up_makes_no_code_and_a_code_of_it_moves_nothing(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    code = await code_of(old)
    await old.leave()

    assert await refused(await act(old, "code")) == (410, "ticket_over")
    assert (await bring(client, code))[0] == 410


async def test_after_a_move_the_old_browser_may_take_a_number_like_anybody(
    service: Service, client: Client
) -> None:
    (old,) = await waiting(service, client)
    await bring(client, await code_of(old))
    headers = {"Cookie": f"waitroom_ticket_drop={old.ticket}"}

    answer = await client.post("/rooms/drop/join", headers=headers, allow_redirects=False)

    assert answer.status == 303
    fresh = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    assert (await me(Shopper(client, ticket=fresh)))[1]["number"] == 2


# Before the draw.


async def entered(service: Service, client: Client, count: int) -> list[Shopper]:
    await open_room(service, skus={"mug": 50}, status="scheduled", order_by="draw", seats_max=0)
    return await joined(service, client, count)


async def draw(service: Service) -> None:
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await service.board.refresh(rooms=True)


async def test_an_entry_moves_and_its_number_is_the_new_devices(
    service: Service, client: Client
) -> None:
    old, *_ = await entered(service, client, 5)

    _, moved = await bring(client, await code_of(old))
    assert (moved["status"], moved["entry"]) == ("entered", 1)
    assert (await me(old))[0] == 410
    await draw(service)

    new = Shopper(client, ticket=moved["ticket"])
    assert (await me(old))[0] == 410
    assert (await me(new))[1]["status"] == "waiting"
    await call(service, 5)
    assert (await new.claim()).status == 201


async def test_a_code_made_before_the_draw_moves_the_number_after_it(
    services: Services, clients: Clients
) -> None:
    leading, other = await services(), await services()
    here, there = await clients(leading), await clients(other)
    old, *_ = await entered(leading, here, 5)
    await other.board.refresh(rooms=True)
    code = await code_of(old)
    await draw(leading)

    # This worker has not heard of the draw.
    status, moved = await bring(there, code)

    assert status == 201
    assert moved["number"] == (await me(Shopper(here, ticket=moved["ticket"])))[1]["number"]
    await leading.board.refresh(rooms=True)
    assert (await me(old))[0] == 410


async def test_a_place_may_move_before_the_draw_and_after_it(
    service: Service, client: Client
) -> None:
    first, *_ = await entered(service, client, 3)
    _, moved = await bring(client, await code_of(first))
    second = Shopper(client, ticket=moved["ticket"])
    await draw(service)

    _, moved = await bring(client, await code_of(second))

    assert [(await me(shopper))[0] for shopper in (first, second)] == [410, 410]
    assert (await me(Shopper(client, ticket=moved["ticket"])))[1]["status"] == "waiting"


async def test_an_entry_that_left_says_so_and_may_enter_again(
    service: Service, client: Client
) -> None:
    shopper, *_ = await entered(service, client, 2)
    await shopper.leave()
    await service.board.refresh(rooms=True)

    assert (await me(shopper))[1]["status"] == "left"
    answer = await client.post("/rooms/drop/tickets", headers=authorization(shopper.ticket))

    assert (await answer.json())["entry"] == 3


async def test_leaving_at_a_worker_that_has_not_heard_of_the_draw_gives_the_number_up(
    services: Services, clients: Clients
) -> None:
    leading, other = await services(), await services()
    here, there = await clients(leading), await clients(other)
    shopper, *_ = await entered(leading, here, 4)
    await other.board.refresh(rooms=True)
    await draw(leading)

    answer = await Shopper(there, ticket=shopper.ticket).leave()

    assert answer.status == 204
    number = (await me(shopper))[1]["number"]
    (row,) = await execute(leading, "SELECT number, state FROM admission")
    assert tuple(row) == (number, "left")


# Stepping aside.


async def test_whoever_steps_aside_is_told_so_by_every_worker(
    services: Services, clients: Clients
) -> None:
    here, there = await services(), await services()
    one, other = await clients(here), await clients(there)
    _, shopper = await waiting(here, one, 2)
    await there.board.refresh(rooms=True)

    answer = await act(shopper, "aside")

    told = await answer.json()
    assert (answer.status, told["status"], told["passed"]) == (200, "aside", False)
    assert (await me(shopper))[1]["status"] == "aside"
    await there.board.refresh(rooms=True)
    assert (await me(Shopper(other, ticket=shopper.ticket)))[1]["status"] == "aside"
    assert await page(one, shopper.ticket) == "aside"


async def test_coming_back_before_the_turn_changes_nothing(
    service: Service, client: Client
) -> None:
    first, second = await waiting(service, client, 2)
    await act(first, "aside")

    answers = [await act(first, "back") for _ in range(2)]

    assert [(await answer.json())["status"] for answer in answers] == ["waiting", "waiting"]
    await call(service, 1)
    assert (await me(first))[1]["status"] == "called"
    assert (await me(second))[1]["place"] == 1


async def test_coming_back_after_the_turn_is_called_before_anyone_new(
    service: Service, client: Client
) -> None:
    first, second, third = await waiting(service, client, 3)
    await act(first, "aside")
    await call(service, 1)
    assert (await me(second))[1]["status"] == "called"
    passed = (await me(first))[1]
    assert (passed["status"], passed["passed"]) == ("aside", True)
    assert passed["grace_until"]

    assert (await (await act(first, "back")).json())["status"] == "waiting"
    await call(service, 2)

    assert (await me(first))[1]["status"] == "called"
    assert (await me(third))[1]["status"] == "waiting"


async def test_nobody_claims_who_has_not_said_that_they_are_back(
    service: Service, client: Client
) -> None:
    (shopper,) = await waiting(service, client)
    await act(shopper, "aside")

    assert await refused(await shopper.claim()) == (409, "stepped_aside")


async def test_whoever_is_aside_for_long_and_joins_again_has_the_same_place(
    service: Service, client: Client
) -> None:
    (shopper,) = await waiting(service, client, grace_s=60)
    await act(shopper, "aside")
    await shift_clock(service, 3600)

    again = await client.post("/rooms/drop/tickets", headers=authorization(shopper.ticket))

    assert (again.status, (await again.json())["number"]) == (200, shopper.number)


async def test_after_the_grace_coming_back_is_over(service: Service, client: Client) -> None:
    shopper, *_ = await waiting(service, client, 2, grace_s=60)
    await act(shopper, "aside")
    await call(service, 1)
    await shift_clock(service, 61)

    assert (await me(shopper))[1]["status"] == "over"
    assert await refused(await act(shopper, "back")) == (410, "ticket_over")


async def test_before_the_draw_there_is_no_turn_to_step_aside_from(
    service: Service, client: Client
) -> None:
    shopper, *_ = await entered(service, client, 2)

    assert await refused(await act(shopper, "aside")) == (409, "not_drawn_yet")
    assert (await (await act(shopper, "back")).json())["status"] == "entered"


async def test_a_place_cannot_fill_the_log_by_going_to_and_fro(
    service: Service, client: Client
) -> None:
    (shopper,) = await waiting(service, client)

    answers = [await act(shopper, what) for _ in range(9) for what in ("aside", "back")]

    asked = [(await take_time(shopper, "no-such-profile")).status for _ in range(7)]

    assert {answer.status for answer in answers} == {200, 429}
    assert asked == [404] * 6 + [429]
    entries = await execute(service, "SELECT FROM log_entry WHERE body LIKE '%stepped_aside%'")
    assert len(entries) == 6


# More time.


async def take_time(shopper: Shopper, profile: str = "extra-time") -> ClientResponse:
    path = "/rooms/drop/tickets/me/profile"
    headers = authorization(shopper.ticket)
    return await shopper.client.put(path, json={"profile": profile}, headers=headers)


async def test_a_room_says_what_more_time_comes_to(service: Service, client: Client) -> None:
    await open_room(service, claim_window_s=90, session_s=400)

    answer = await client.get("/rooms/drop/profiles")

    (offered,) = (await answer.json())["profiles"]
    assert offered == {
        "profile": "extra-time",
        "name": "More time",
        "time_factor": 2.0,
        "left": None,
        "claim_window_s": 180,
        "session_s": 800,
    }


async def test_more_time_lengthens_the_call_and_the_session(
    service: Service, client: Client
) -> None:
    early, called, _ = await waiting(service, client, 3, claim_window_s=100, session_s=500)
    assert (await (await take_time(early)).json())["profile"] == "extra-time"
    assert (await me(early))[1]["profile"] == "extra-time"
    await call(service, 2)

    before = (await me(called))[1]["seconds_left"]
    told = await (await take_time(called)).json()

    assert told["seconds_left"] > before + 95
    assert (await me(early))[1]["seconds_left"] > before + 95
    claim = await (await early.claim()).json()
    assert 990 < claim["seconds_left"] <= 1000


async def test_more_time_taken_before_the_draw_is_told_before_and_after(
    service: Service, client: Client
) -> None:
    shopper, *_ = await entered(service, client, 3)

    assert (await (await take_time(shopper)).json())["profile"] == "extra-time"
    await draw(service)

    assert (await me(shopper))[1]["profile"] == "extra-time"


async def test_what_is_not_offered_or_all_taken_is_refused(
    service: Service, client: Client
) -> None:
    first, second = await waiting(service, client, 2)
    await execute(service, "UPDATE profile SET places_max = 1")

    assert (await take_time(first, "no-such")).status == 404
    assert (await take_time(first)).status == 200
    assert await refused(await take_time(second)) == (409, "none_left")


# Taking a place away.


async def revoke(client: Client, number: int, headers: dict[str, str], **body: Any) -> Any:
    wish = {"reason": "Bought in bulk.", "confirm": number, **body}
    path = f"/admin/rooms/drop/places/main-1/{number}"
    return await client.delete(path, json=wish, headers=headers)


async def test_a_revoked_place_is_told_so_in_words_and_called_no_more(
    service: Service, client: Client
) -> None:
    first, second = await waiting(service, client, 2)
    as_operator = await sign_in(service, client)

    answer = await revoke(client, 1, as_operator)

    assert answer.status == 200
    assert (await me(first))[1]["status"] == "revoked"
    assert await page(client, first.ticket) == "revoked"
    await call(service, 1)
    assert (await me(second))[1]["status"] == "called"
    assert (await me(first))[1]["status"] == "revoked"
    assert (await first.claim()).status == 410
    log = await (await client.get("/rooms/drop/log")).json()
    entries = [entry["body"] for entry in log["entries"]]
    assert any('"revoked"' in body and "reason_hash" in body for body in entries)
    assert not any("bulk" in body for body in entries)


async def test_a_revoked_session_is_over_and_its_units_are_free(
    service: Service, client: Client
) -> None:
    (shopper,) = await waiting(service, client)
    await call(service, 1)
    await shopper.claim()
    await shopper.hold(mug=2)

    assert (await revoke(client, 1, await sign_in(service, client))).status == 200

    assert await refused(await shopper.hold(mug=1)) == (401, "session_over")
    (stock,) = await execute(service, "SELECT held, promised FROM room_stock")
    assert tuple(stock) == (0, 0)
    assert (await me(shopper))[1]["status"] == "revoked"
    assert await service.ledger.breaches() == []


async def test_a_payment_that_runs_is_not_revoked_under_way(
    service: Service, client: Client
) -> None:
    (shopper,) = await waiting(service, client)
    await call(service, 1)
    await shopper.claim()
    hold = await (await shopper.hold(mug=1)).json()
    running = await shopper.pay(hold["hold_id"], token="tok_slow")
    assert running.status == 202
    # Without a script the order's page looks again by itself, until its reader stops that.
    order = f"/checkout/orders/{(await running.json())['order_id']}"
    as_page = {**authorization(shopper.session), "Accept": "text/html"}
    moving, still = [
        await (await client.get(order + query, headers=as_page)).text()
        for query in ("", "?still=1")
    ]
    assert 'http-equiv="refresh"' in moving
    assert f'href="{order}?still=1"' in moving
    assert 'http-equiv="refresh"' not in still

    answer = await revoke(client, 1, await sign_in(service, client))

    assert await refused(answer) == (409, "payment_running")
    assert (await me(shopper))[1]["status"] == "claimed"
    assert await service.ledger.breaches() == []


async def test_a_place_that_bought_is_over_and_not_revoked(
    service: Service, client: Client
) -> None:
    (shopper,) = await waiting(service, client)
    await call(service, 1)
    await shopper.claim()
    hold = await (await shopper.hold(mug=1)).json()
    await shopper.pay(hold["hold_id"])

    async def ended() -> bool:
        return bool((await me(shopper))[1]["status"] == "over")

    await eventually(ended)

    answer = await revoke(client, 1, await sign_in(service, client))

    assert await refused(answer) == (409, "place_over")


async def test_revoking_needs_the_role_the_number_twice_and_a_reason(
    service: Service, client: Client
) -> None:
    await waiting(service, client)
    viewer = await sign_in(service, client, "viewer")
    operator = await sign_in(service, client)

    answers = [
        await revoke(client, 1, {}),
        await revoke(client, 1, viewer),
        await revoke(client, 1, operator, confirm=2),
        await revoke(client, 1, operator, reason="  "),
        await revoke(client, 7, operator),
        await client.delete(
            "/admin/rooms/drop/places/main-1/x",
            json={"reason": "x", "confirm": 1},
            headers=operator,
        ),
    ]

    assert [answer.status for answer in answers] == [401, 403, 400, 400, 404, 404]
    assert await execute(service, "SELECT FROM admission") == []


# Forms, for pages without JavaScript.


async def send(client: Client, ticket: str, form: str, **fields: str) -> ClientResponse:
    headers = {"Accept": "text/html", "Cookie": f"waitroom_ticket_drop={ticket}"}
    return await client.post(
        f"/rooms/drop/{form}", data=fields, headers=headers, allow_redirects=False
    )


async def test_all_of_it_works_by_forms(service: Service, client: Client) -> None:
    first, second = await waiting(service, client, 2)

    assert (await send(client, first.ticket, "more-time", profile="extra-time")).status == 303
    assert (await me(first))[1]["profile"] == "extra-time"
    assert (await send(client, first.ticket, "aside")).status == 303
    assert (await me(first))[1]["status"] == "aside"
    assert (await send(client, first.ticket, "back")).status == 303
    assert (await me(first))[1]["status"] == "waiting"
    made = await send(client, first.ticket, "code")
    code = re.search(r'id="code"[^>]*>([^<]+)<', await made.text())
    assert code is not None
    brought = await send(client, second.ticket, "bring", code=code[1])
    moved = brought.headers["Set-Cookie"].partition("=")[2].partition(";")[0]

    assert (made.status, brought.status) == (200, 303)
    assert (await me(Shopper(client, ticket=moved)))[1]["number"] == 1
    assert await page(client, first.ticket) == "moved"


async def test_a_refused_form_says_why_on_the_same_page(service: Service, client: Client) -> None:
    (shopper,) = await waiting(service, client)

    answer = await send(client, shopper.ticket, "bring", code=WRONG)

    assert answer.status == 404
    assert shown(await answer.text()).startswith("waiting This code is not known.")


async def test_a_page_that_is_held_still_does_not_refresh(service: Service, client: Client) -> None:
    (shopper,) = await waiting(service, client)
    headers = {"Accept": "text/html", **authorization(shopper.ticket)}

    moving = await (await client.get("/rooms/drop", headers=headers)).text()
    still = await (await client.get("/rooms/drop?still=1", headers=headers)).text()

    assert 'http-equiv="refresh"' in moving
    assert 'http-equiv="refresh"' not in still
