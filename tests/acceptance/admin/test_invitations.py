"""Rooms for those who were invited: links in bulk, one place for each, and nothing else."""

import asyncio
import csv
import io
import stat
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from programs import Command
from signing_in import sign_in
from support import KEY, Shopper, eventually, execute, open_room, tick

from waitroom.line.invitation import Invitation, InvitationSeal
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Services = Callable[..., Awaitable[Service]]
Clients = Callable[[Service], Awaitable[Client]]
Header = dict[str, str]

SEAL = InvitationSeal([bytes.fromhex(KEY)])
URL = "/admin/rooms/drop/invitations"
AS_PAGE = {"Accept": "text/html"}


@pytest.fixture
async def as_operator(service: Service, client: Client) -> Header:
    return await sign_in(service, client, name="op")


async def invited_room(service: Service, room: str = "drop", **rules: Any) -> None:
    """Open a room for those with an invitation; who comes waits."""
    skus = {f"mug-{room}": 5}
    await open_room(
        service, room, **{"skus": skus, "seats_max": 0, "join_by": "invitation", **rules}
    )


async def invite(client: Client, header: Header, count: int = 1, **wish: Any) -> dict[str, Any]:
    """Make a batch and return what the operators are answered, with the links' tokens."""
    answer = await client.post(URL, json={"count": count, **wish}, headers=header)
    body: dict[str, Any] = await answer.json()
    assert answer.status == 201, body
    return {**body, "tokens": [link.partition("?invitation=")[2] for link in body["links"]]}


async def join(client: Client, token: str = "", room: str = "drop", **headers: str) -> Any:
    """Return status and body of a join with this invitation, of a browser without cookies."""
    body = {"invitation": token} if token else None
    answer = await client.post(f"/rooms/{room}/tickets", json=body, headers=headers)
    return answer.status, await answer.json()


def cookie_of(answer: ClientResponse, name: str) -> str | None:
    set_ = [c for c in answer.headers.getall("Set-Cookie", []) if c.startswith(f"{name}=")]
    return set_[0] if set_ else None


async def tail(service: Service) -> int:
    (row,) = await execute(service, "SELECT sum(tail) AS tail FROM line")
    return int(row["tail"])


# Joining.


async def test_each_link_is_worth_one_place_on_whatever_device(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    made = await invite(client, as_operator, 3)

    first = [await join(client, token) for token in made["tokens"]]
    again = [await join(client, token) for token in made["tokens"]]

    assert [status for status, _ in first] == [201] * 3
    assert [status for status, _ in again] == [200] * 3
    assert [b["ticket"] for _, b in first] == [b["ticket"] for _, b in again]
    assert [b["number"] for _, b in first] == [1, 2, 3]
    assert await tail(service) == 3


async def test_without_an_invitation_nobody_gets_in(service: Service, client: Client) -> None:
    await invited_room(service)

    status, body = await join(client)
    page = await client.post("/rooms/drop/join", headers=AS_PAGE, allow_redirects=False)
    room = await (await client.get("/rooms/drop")).json()

    assert (status, body["code"]) == (403, "invitation_needed")
    assert page.status == 403
    assert "open the link in your invitation" in await page.text()
    assert room["join_by"] == "invitation"
    assert await tail(service) == 0


async def test_what_is_no_invitation_to_this_room_is_refused_in_the_same_words(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    await invited_room(service, "other")
    made = await invite(client, as_operator, 2)
    known = made["tokens"][0]
    tokens = {
        "made up": "1.1~" + "A" * 43,
        "cut": known[:-1],
        "for another room": known,
        "of no batch": SEAL.sign(Invitation(batch=made["batch"] + 1, index=1)),
        "beyond its batch": SEAL.sign(Invitation(batch=made["batch"], index=3)),
    }

    told = {
        how: await join(client, token, room="other" if how == "for another room" else "drop")
        for how, token in tokens.items()
    }

    assert {status for status, _ in told.values()} == {403}
    assert {body["code"] for _, body in told.values()} == {"invitation_invalid"}
    assert len({body["detail"] for _, body in told.values()}) == 1
    assert await tail(service) == 0


async def test_fifty_at_once_with_one_link_at_two_workers_get_one_place(
    services: Services, clients: Clients
) -> None:
    first, second = await services(), await services()
    one, other = await clients(first), await clients(second)
    await invited_room(first)
    await second.board.refresh(rooms=True)
    made = await invite(one, await sign_in(first, one, name="op"))

    answers = await asyncio.gather(
        *(join(client, made["tokens"][0]) for client in (one, other) * 25)
    )

    assert len({body["ticket"] for _, body in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert await tail(first) == 1


async def test_keys_and_browsers_of_others_do_not_lend_a_place(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    made = await invite(client, as_operator, 2)
    same = {"Idempotency-Key": "a-key", "Cookie": f"waitroom_visitor={'ab' * 16}"}

    (_, one), (_, other) = [await join(client, token, **same) for token in made["tokens"]]

    assert one["ticket"] != other["ticket"]
    assert {one["number"], other["number"]} == {1, 2}


async def test_an_invitation_is_spent_with_its_place(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    made = await invite(client, as_operator)
    shopper = Shopper(client)
    shopper.ticket = (await join(client, made["tokens"][0]))[1]["ticket"]
    assert (await shopper.leave()).status == 204

    status, body = await join(client, made["tokens"][0])

    assert (status, body["code"]) == (410, "invitation_used")
    assert await tail(service) == 1


async def test_an_invitation_holds_through_the_draw(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service, status="scheduled", order_by="draw")
    await tick(service)
    made = await invite(client, as_operator, 5)
    entered = [(await join(client, token))[1] for token in made["tokens"]]
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 4)
    await service.board.refresh(rooms=True)

    drawn = [(await join(client, token))[1] for token in made["tokens"]]

    assert {body["status"] for body in entered} == {"entered"}
    assert sorted(body["number"] for body in drawn) == [1, 2, 3, 4, 5]
    assert await tail(service) == 5


# The page.


async def test_a_link_leads_to_the_clean_address_and_the_page_joins(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    await tick(service)
    made = await invite(client, as_operator)
    token = made["tokens"][0]

    opened = await client.get(
        f"/rooms/drop?invitation={token}", headers=AS_PAGE, allow_redirects=False
    )
    cookie = cookie_of(opened, "waitroom_invitation_drop")
    assert cookie is not None
    before = await tail(service)
    kept = {**AS_PAGE, "Cookie": cookie.partition(";")[0]}
    joined = await client.post("/rooms/drop/join", headers=kept, allow_redirects=False)

    assert (opened.status, opened.headers["Location"]) == (303, "/rooms/drop")
    assert opened.headers["Cache-Control"] == "no-store"
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    # Whoever only looks, such as a mail program, uses nothing up.
    assert before == 0
    assert joined.status == 303
    assert cookie_of(joined, "waitroom_ticket_drop") is not None
    assert (await join(client, Cookie=kept["Cookie"]))[0] == 200
    assert await tail(service) == 1


async def test_a_bad_link_is_told_of_on_the_page_and_keeps_no_cookie(
    service: Service, client: Client
) -> None:
    await invited_room(service)
    await tick(service)

    answer = await client.get(
        "/rooms/drop?invitation=1.1~x", headers=AS_PAGE, allow_redirects=False
    )

    assert answer.status == 403
    told = await answer.text()
    assert "not for this room" in told
    assert 'href="/rooms/drop">Back to the waiting room' in told
    assert "Set-Cookie" not in answer.headers


async def test_on_a_site_with_https_the_cookie_is_for_this_host_alone(
    services: Services, clients: Clients
) -> None:
    service = await services(public_url="https://shop.example")
    client = await clients(service)
    await invited_room(service)
    made = await invite(client, await secure_sign_in(service, client))

    answer = await client.get(
        f"/rooms/drop?invitation={made['tokens'][0]}", headers=AS_PAGE, allow_redirects=False
    )

    assert made["links"][0].startswith("https://shop.example/rooms/drop?invitation=")
    cookie = cookie_of(answer, "__Host-waitroom_invitation_drop")
    assert cookie is not None
    assert "Secure" in cookie


async def secure_sign_in(service: Service, client: Client) -> Header:
    header = await sign_in(service, client, name="op")
    assert header["Cookie"].startswith("__Host-")
    return header


# An open room.


async def test_in_an_open_room_a_cookie_that_is_good_no_more_leads_to_the_main_line(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service, join_by="open")
    await client.put("/admin/rooms/drop/lanes/vip", json={"share": 0.5}, headers=as_operator)
    made = await invite(client, as_operator, 2, lane="vip")
    spent, revoked = made["tokens"]
    shopper = Shopper(client)
    shopper.ticket = (await join(client, spent))[1]["ticket"]
    await shopper.leave()
    await client.delete(f"{URL}/{made['batch']}", headers=as_operator)

    def kept(token: str) -> str:
        return f"waitroom_invitation_drop={token}"

    by_cookie = [await join(client, Cookie=kept(token)) for token in (spent, revoked, "1.1~x")]
    named = [await join(client, token) for token in (spent, revoked, "1.1~x")]

    assert [(status, body["line"]) for status, body in by_cookie] == [(201, "main-1")] * 3
    assert [(status, body["code"]) for status, body in named] == [
        (410, "invitation_used"),
        (403, "invitation_invalid"),
        (403, "invitation_invalid"),
    ]


# What operators do.


async def test_revoked_links_are_refused_and_places_stay(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    made = await invite(client, as_operator, 3, note="the club")
    _, had = await join(client, made["tokens"][0])

    answer = await client.delete(f"{URL}/{made['batch']}", headers=as_operator)
    again, unused = [await join(client, token) for token in made["tokens"][:2]]

    assert (answer.status, await answer.json()) == (200, {"batch": made["batch"], "revoked": 2})
    assert (again[0], again[1]["ticket"]) == (200, had["ticket"])
    assert (unused[0], unused[1]["code"]) == (403, "invitation_invalid")
    assert "taken back" in unused[1]["detail"]
    (listed,) = (await (await client.get(URL, headers=as_operator)).json())["invitations"]
    assert (listed["count"], listed["used"], listed["note"]) == (3, 1, "the club")
    assert listed["revoked_at"] is not None
    for batch in (str(made["batch"] + 1), "0", "x", "9" * 30):
        missing = await client.delete(f"{URL}/{batch}", headers=as_operator)
        assert missing.status == 404, batch


async def test_links_run_out(service: Service, client: Client, as_operator: Header) -> None:
    await invited_room(service)
    (now,) = await execute(service, "SELECT clock_timestamp() AS at")
    until = (now["at"] + timedelta(seconds=1.5)).isoformat()
    made = await invite(client, as_operator, 2, until=until)
    _, had = await join(client, made["tokens"][0])

    batch = service.entrance.invitations.batch

    async def is_over() -> bool:
        found = await batch(made["batch"])
        return found is not None and found.has_run_out()

    await eventually(is_over)
    status, body = await join(client, made["tokens"][1])

    assert (status, body["code"]) == (403, "invitation_invalid")
    assert "run out" in body["detail"]
    assert (await join(client, made["tokens"][0]))[1]["ticket"] == had["ticket"]


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"count": 0}, 422),
        ({"count": 100_001}, 422),
        ({"count": 1, "lane": "none"}, 404),
        ({"count": 1, "until": "2020-01-01T00:00:00Z"}, 400),
        ({"count": 1, "until": "2120-01-01T00:00:00"}, 422),
        ({"count": 1, "for": "me"}, 422),
        ({}, 422),
    ],
)
async def test_a_wish_that_makes_no_sense_makes_no_batch(
    service: Service, client: Client, as_operator: Header, wish: dict[str, Any], status: int
) -> None:
    await invited_room(service)

    answer = await client.post(URL, json=wish, headers=as_operator)

    assert answer.status == status, await answer.text()
    assert await execute(service, "SELECT FROM invitation_batch") == []


async def test_links_come_as_csv_to_whoever_asks_for_it(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)

    answer = await client.post(
        URL, json={"count": 2}, headers={**as_operator, "Accept": "text/csv"}
    )

    assert answer.content_type == "text/csv"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["number"] for row in rows] == ["1", "2"]
    tokens = [row["link"].partition("?invitation=")[2] for row in rows]
    assert [(await join(client, token))[0] for token in tokens] == [201, 201]


async def test_a_list_of_people_comes_back_with_links_and_is_kept_nowhere(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    people = "name,mail\nAnn Example,ann@secret.example\n=Bob(),bob@secret.example\n"

    answer = await client.post(
        f"{URL}?note=club&until=2120-01-01T00:00:00Z",
        data=people.encode(),
        headers={**as_operator, "Content-Type": "text/csv"},
    )

    assert answer.status == 201
    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["name"] for row in rows] == ["Ann Example", "'=Bob()"]
    tokens = [row["link"].partition("?invitation=")[2] for row in rows]
    assert [(await join(client, token))[0] for token in tokens] == [201, 201]
    for table in (
        "log_entry",
        "operator_action",
        "invitation_batch",
        "person_place",
        "outbox_event",
    ):
        stored = str(await execute(service, f"SELECT t::text FROM {table} t"))
        assert "secret" not in stored
        assert "Ann" not in stored
    log = await (await client.get("/rooms/drop/log?limit=100")).text()
    assert '\\"invited\\"' in log.replace(" ", "")


async def test_a_list_that_cannot_be_read_makes_no_batch(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)

    for data, query in ((b"name\n", ""), (b"\xff\n", ""), (b"name\nAnn\n", "?until=soon")):
        answer = await client.post(
            URL + query, data=data, headers={**as_operator, "Content-Type": "text/csv"}
        )
        assert answer.status in {400, 422}, await answer.text()

    assert await execute(service, "SELECT FROM invitation_batch") == []


async def test_batches_are_listed_page_by_page(
    service: Service, client: Client, as_operator: Header
) -> None:
    await invited_room(service)
    made = [(await invite(client, as_operator, n))["batch"] for n in (1, 2, 3)]

    first = await (await client.get(f"{URL}?limit=2", headers=as_operator)).json()
    rest = await client.get(f"{URL}?limit=2&cursor={first['next']}", headers=as_operator)

    assert [row["batch"] for row in first["invitations"]] == made[:0:-1]
    assert [row["batch"] for row in (await rest.json())["invitations"]] == made[:1]
    assert "invitation=" not in str(first)


# The program.


async def test_the_program_makes_links(
    service: Service, waitroom: Command, postgres_url: str, tmp_path: Path
) -> None:
    await invited_room(service)
    people, out = tmp_path / "people.csv", tmp_path / "links.csv"
    people.write_text("name\nAnn\nBob\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return waitroom(
            *("room", "invite", "drop", *arguments),
            WAITROOM_POSTGRES_URL=postgres_url,
            WAITROOM_SIGNING_KEYS=KEY,
            WAITROOM_PUBLIC_URL="https://shop.example",
        )

    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    counted = run("--count", "2", "--until", until, "--note", "friends")
    listed = run("--csv", str(people), "--out", str(out))
    again = run("--csv", str(people), "--out", str(out))
    nowhere = run("--count", "1", "--lane", "none", "--out", str(tmp_path / "other.csv"))
    both = run("--count", "1", "--csv", str(people))

    assert (counted.returncode, listed.returncode) == (0, 0), counted.stderr + listed.stderr
    links = [row["link"] for row in csv.DictReader(io.StringIO(counted.stdout))]
    assert all(link.startswith("https://shop.example/rooms/drop?invitation=") for link in links)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["name"] for row in rows] == ["Ann", "Bob"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    for link in [*links, *(row["link"] for row in rows)]:
        assert SEAL.open(link.partition("?invitation=")[2])
    # A file of links is never written over, and none is left without a batch.
    assert (again.returncode, nowhere.returncode, both.returncode) == (2, 2, 2)
    assert "links.csv" in again.stderr
    assert not (tmp_path / "other.csv").exists()
    assert len(await execute(service, "SELECT FROM invitation_batch")) == 2
