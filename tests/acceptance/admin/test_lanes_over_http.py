"""Lanes over HTTP: a line of their own, a share of the calls; and the profiles of a room."""

from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from support import PASSWORD, Shopper, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
Header = dict[str, str]

ROOM = "/admin/rooms/drop"


@pytest.fixture
async def as_operator(service: Service, client: Client) -> Header:
    await service.operators.add("op", role="operator", password=PASSWORD)
    form = {"name": "op", "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def put(client: Client, header: Header, path: str, body: dict[str, Any]) -> Any:
    answer = await client.put(f"{ROOM}/{path}", json=body, headers=header)
    return answer.status, await answer.json()


async def lanes(client: Client, header: Header) -> dict[str, dict[str, Any]]:
    body = await (await client.get(f"{ROOM}/lanes", headers=header)).json()
    return {lane["lane"]: lane for lane in body["lanes"]}


async def tokens(client: Client, header: Header, lane: str, count: int) -> list[str]:
    wish = {"count": count, "lane": lane}
    answer = await client.post(f"{ROOM}/invitations", json=wish, headers=header)
    links = (await answer.json())["links"]
    return [link.partition("?invitation=")[2] for link in links]


async def invited(client: Client, header: Header, lane: str, count: int) -> list[Shopper]:
    """Let so many join a lane by invitation."""
    shoppers = []
    for token in await tokens(client, header, lane, count):
        answer = await client.post("/rooms/drop/tickets", json={"invitation": token})
        body = await answer.json()
        assert (answer.status, body["line"]) == (201, f"{lane}-1"), body
        shoppers.append(Shopper(client, ticket=body["ticket"], number=body["number"]))
    return shoppers


async def main_line(client: Client, count: int) -> list[Shopper]:
    shoppers = [Shopper(client) for _ in range(count)]
    for shopper in shoppers:
        assert (await shopper.join())["line"] == "main-1"
    return shoppers


async def log_of(client: Client, kind: str) -> list[dict[str, Any]]:
    served = await (await client.get("/rooms/drop/log?limit=1000")).json()
    entries = [msgspec.json.decode(entry["body"]) for entry in served["entries"]]
    return [entry for entry in entries if entry["kind"] == kind]


async def test_the_calls_are_shared_while_both_lines_wait(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, skus={"mug": 100}, seats_max=0)
    await put(client, as_operator, "lanes/main", {"share": 0.7})
    await put(client, as_operator, "lanes/vip", {"share": 0.3})
    await main_line(client, 30)
    await invited(client, as_operator, "vip", 10)
    await tick(service)

    await service.rooms.change("drop", '{"seats_max": 10}', who="test")
    await tick(service)

    found = await lanes(client, as_operator)
    assert (found["main"]["head"], found["main"]["tail"]) == (7, 30)
    assert (found["vip"]["head"], found["vip"]["tail"]) == (3, 10)
    assert [found[lane]["part"] for lane in ("main", "vip")] == [0.7, 0.3]


async def test_what_one_line_cannot_use_goes_to_the_other(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, skus={"mug": 100}, seats_max=0)
    await put(client, as_operator, "lanes/vip", {"share": 1})
    await main_line(client, 12)
    await invited(client, as_operator, "vip", 2)
    await tick(service)

    await service.rooms.change("drop", '{"seats_max": 10}', who="test")
    await tick(service)

    found = await lanes(client, as_operator)
    assert (found["main"]["head"], found["vip"]["head"]) == (8, 2)


async def test_a_ticket_of_a_lane_stands_in_its_own_line_from_place_to_session(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, skus={"mug": 100}, seats_max=0)
    await put(client, as_operator, "lanes/vip", {"share": 1})
    await main_line(client, 8)
    first, second, third = await invited(client, as_operator, "vip", 3)
    await tick(service)
    before = await third.me()
    early = await first.claim()

    await service.rooms.change("drop", '{"seats_max": 4}', who="test")
    await tick(service)

    document = await (await client.get("/rooms/drop/state")).json()
    assert [(line["line"], line["lane"], line["head"]) for line in document["lines"]] == [
        ("main-1", "main", 2),
        ("vip-1", "vip", 2),
    ]
    assert (before["line"], before["place"], before["status"]) == ("vip-1", 3, "waiting")
    assert early.status == 409
    assert (await second.me())["status"] == "called"
    after = await third.me()
    assert (after["place"], after["status"]) == (1, "waiting")
    assert (await second.claim()).status == 201
    held = await second.hold(mug=1)
    paid = await second.pay((await held.json())["hold_id"])
    assert paid.status == 201
    assert (await third.claim()).status == 409


async def test_a_ticket_of_one_line_is_nothing_in_another(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, skus={"mug": 100}, seats_max=0)
    await put(client, as_operator, "lanes/vip", {"share": 1})
    (guest,), (vip,) = await main_line(client, 1), await invited(client, as_operator, "vip", 1)
    await service.rooms.change("drop", '{"seats_max": 1}', who="test")
    # The main line is called first of equals.
    await tick(service)

    claims = [await vip.claim(), await guest.claim()]

    assert (vip.number, guest.number) == (1, 1)
    assert [claim.status for claim in claims] == [409, 201]


async def test_shares_and_invitations_stand_in_the_log_and_nobody_with_them(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service)
    for share in (0.3, 0.3, 0.4):
        await put(client, as_operator, "lanes/vip", {"share": share})
    await tokens(client, as_operator, "vip", 3)

    added, invited_ = await log_of(client, "lane_added"), await log_of(client, "invited")

    # To say the same again changes nothing.
    assert [(e["line"], e["share"]) for e in added] == [("vip-1", 0.3), ("vip-1", 0.4)]
    assert [(e["line"], e["count"]) for e in invited_] == [("vip-1", 3)]
    assert set(invited_[0]) == {"seq", "kind", "at", "line", "count", "batch"}
    actions = await (await client.get(f"{ROOM}/actions", headers=as_operator)).json()
    assert [a["action"] for a in actions["actions"][:3]] == ["invite", "lane", "lane"]


async def test_a_lane_added_at_another_worker_is_told_to_wait_for(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, seats_max=0)
    await execute(service, "SELECT set_lane('drop', 'vip', 1, 'test')")
    (token,) = await tokens(client, as_operator, "vip", 1)

    early = await client.post("/rooms/drop/tickets", json={"invitation": token})
    await service.board.refresh(rooms=True)
    later = await client.post("/rooms/drop/tickets", json={"invitation": token})

    assert (early.status, early.headers["Retry-After"]) == (503, "1")
    assert (later.status, (await later.json())["line"]) == (201, "vip-1")


async def test_a_lane_is_drawn_by_itself(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, skus={"mug": 50}, status="scheduled", order_by="draw", seats_max=0)
    await put(client, as_operator, "lanes/vip", {"share": 1})
    await tick(service)
    await main_line(client, 4)
    vips = await invited(client, as_operator, "vip", 3)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await service.board.refresh(rooms=True)

    standings = [await vip.me() for vip in vips]

    assert sorted(s["number"] for s in standings) == [1, 2, 3]
    assert {s["line"] for s in standings} == {"vip-1"}
    assert len(await log_of(client, "drawn")) == 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("lanes/vip", {"share": 0}, 422),
        ("lanes/vip", {"share": -1}, 422),
        ("lanes/vip", {"share": 1001}, 422),
        ("lanes/vip", {"share": "much"}, 422),
        ("lanes/vip", {}, 422),
        ("lanes/V.I.P", {"share": 1}, 400),
        ("lanes/a-lane", {"share": 1}, 400),
        (f"lanes/{'a' * 32}", {"share": 1}, 400),
        ("profiles/More", {"name": "More", "time_factor": 2}, 400),
        ("profiles/more", {"name": "More", "time_factor": 0.5}, 422),
        ("profiles/more", {"name": "More", "time_factor": 5.1}, 422),
        ("profiles/more", {"name": "", "time_factor": 2}, 422),
        ("profiles/more", {"name": "More", "time_factor": 2, "places_max": -1}, 422),
    ],
)
async def test_what_cannot_be_a_lane_or_a_profile_is_refused(
    service: Service,
    client: Client,
    as_operator: Header,
    path: str,
    body: dict[str, Any],
    status: int,
) -> None:
    await open_room(service)

    answered, told = await put(client, as_operator, path, body)

    assert answered == status, told
    assert list(await lanes(client, as_operator)) == ["main"]


async def test_a_room_has_sixteen_lanes_at_most(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service)

    added = [(await put(client, as_operator, f"lanes/l{i}", {"share": 1}))[0] for i in range(16)]
    changed, _ = await put(client, as_operator, "lanes/l3", {"share": 2})

    assert added == [200] * 15 + [400]
    assert changed == 200


async def test_of_an_unknown_room_there_is_nothing(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service)
    profile = {"name": "More", "time_factor": 2}

    answers = [
        await client.get("/admin/rooms/none/lanes", headers=as_operator),
        await client.put("/admin/rooms/none/lanes/vip", json={"share": 1}, headers=as_operator),
        await client.get("/admin/rooms/none/profiles", headers=as_operator),
        await client.get("/admin/rooms/none/invitations", headers=as_operator),
        await client.put("/admin/rooms/none/profiles/more", json=profile, headers=as_operator),
        await client.post("/admin/rooms/none/invitations", json={"count": 1}, headers=as_operator),
    ]

    assert [answer.status for answer in answers] == [404] * 6


async def test_a_room_begins_with_more_time_and_an_operator_changes_it(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service)
    path, body = "profiles/extra-time", {"name": "Take your time", "time_factor": 1.2}

    before = await (await client.get(f"{ROOM}/profiles", headers=as_operator)).json()
    for _ in range(2):
        status, after = await put(client, as_operator, path, {**body, "places_max": 3})
    await put(client, as_operator, "profiles/slow", {"name": "Slow", "time_factor": 3})

    (first,) = before["profiles"]
    assert (first["profile"], first["time_factor"], first["places_max"]) == ("extra-time", 2, None)
    assert (status, after["profiles"]) == (
        200,
        [{"profile": "extra-time", **body, "places_max": 3, "taken": 0}],
    )
    changed = [
        entry["changed"] for entry in await log_of(client, "rules") if "profile" in str(entry)
    ]
    assert [list(change) for change in changed] == [["profile extra-time"], ["profile slow"]]
    assert [rule["time_factor"] for rule in changed[0]["profile extra-time"]] == [2, 1.2]
    assert changed[1]["profile slow"][0] is None


async def test_a_profile_is_not_bounded_below_what_was_given(
    service: Service, client: Client, as_operator: Header
) -> None:
    await open_room(service, seats_max=0)
    shoppers = await main_line(client, 2)
    tickets = [service.board.seal.open(shopper.ticket) for shopper in shoppers]
    for ticket in tickets:
        sql = "SELECT take_profile($1, false, $2, $3, 'extra-time')"
        await execute(service, sql, ticket.line_id, ticket.number, ticket.ticket_id)
    body = {"name": "More time", "time_factor": 2}

    fewer = await put(client, as_operator, "profiles/extra-time", {**body, "places_max": 1})
    as_many = await put(client, as_operator, "profiles/extra-time", {**body, "places_max": 2})

    assert (fewer[0], as_many[0]) == (400, 200)
    assert as_many[1]["profiles"][0]["taken"] == 2
