"""The fairness report over HTTP: who may see it, and that it says nothing of single people."""

from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from support import PASSWORD, Shopper, admitted, execute, open_room, tick

from waitroom.run.app import Service

Client = TestClient[Any, Any]
PAGE = {"Accept": "text/html"}


async def a_sale(service: Service, client: Client, **rules: Any) -> list[Shopper]:
    """Let two of five come in, of whom one holds the only mug and the other asks in vain."""
    await open_room(service, skus={"mug": 1}, policy="rate", seats_max=2, **rules)
    await tick(service)
    inside = [await admitted(client) for _ in range(2)]
    waiting = [Shopper(client) for _ in range(3)]
    for shopper in waiting:
        await shopper.join()
    assert (await inside[0].hold(mug=1)).status == 201
    assert (await inside[1].hold(mug=1)).status == 409
    await tick(service)
    return [*inside, *waiting]


async def as_operator(service: Service, client: Client, role: str) -> dict[str, str]:
    await service.operators.add("night", role=role, password=PASSWORD)
    form = {"name": "night", "password": PASSWORD}
    answer = await client.post("/admin/login", data=form, allow_redirects=False)
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


async def test_a_report_is_for_operators_until_they_make_it_public(
    service: Service, client: Client
) -> None:
    await a_sale(service, client)
    cookie = await as_operator(service, client, "viewer")

    hidden = await client.get("/rooms/drop/fairness")
    shown = await client.get("/admin/rooms/drop/fairness", headers=cookie)
    await service.rooms.change("drop", '{"fairness_public": true}', who="test")
    await service.board.refresh(rooms=True)
    public = await client.get("/rooms/drop/fairness")

    assert (hidden.status, (await hidden.json())["code"]) == (403, "fairness_not_public")
    assert shown.status == 200
    assert public.status == 200
    assert (await public.json())["verdict"] == (await shown.json())["verdict"]


async def test_a_report_has_the_figures_of_the_sale(service: Service, client: Client) -> None:
    await a_sale(service, client, fairness_public=True)

    found = await (await client.get("/rooms/drop/fairness")).json()

    head = await (await client.get("/rooms/drop/log/head")).json()
    assert found["log"] == {"seq": head["seq"], "hash": head["hash"]}
    assert found["people"] == {"joined": 5, "called": 2, "waiting": 3}
    assert (found["over"], found["room"]) == (False, "drop")
    assert found["overtaken"]["people"] == 0
    assert {each["cause"] for each in found["overtaken"]["causes"]} == {
        "lane",
        "operator",
        "called_at_once",
        "came_back",
        "stepped_aside",
        "not_free",
        "unexplained",
    }
    assert (found["outcomes"]["claimed"], found["outcomes"]["found_nothing"]) == (2, 1)
    assert found["outcomes"]["found_nothing_share"] == 0.5
    assert [part["people"] for part in found["waits"]] == [1, 1, 1, 1, 1]
    assert found["verdict"] == (
        "So far, no one was overtaken: all 2 people were called in the order of the line. "
        "1 person of the 2 called (50%) came and found nothing left."
    )


async def test_a_report_has_nothing_of_single_people(service: Service, client: Client) -> None:
    shoppers = await a_sale(service, client, fairness_public=True)

    json = await (await client.get("/rooms/drop/fairness")).text()
    page = await (await client.get("/rooms/drop/fairness", headers=PAGE)).text()

    ids = await execute(service, "SELECT encode(ticket_id, 'hex') AS id FROM admission")
    for text in (json, page):
        assert not any(shopper.ticket.partition("~")[0] in text for shopper in shoppers)
        assert not any(row["id"] in text for row in ids if row["id"])
        assert '"number"' not in text


@pytest.mark.parametrize("path", ["/rooms/drop/fairness", "/admin/rooms/drop/fairness"])
async def test_a_browser_gets_the_report_as_a_page(
    service: Service, client: Client, path: str
) -> None:
    await a_sale(service, client, fairness_public=True, name="Mugs & <cups>")
    cookie = await as_operator(service, client, "viewer")

    answer = await client.get(path, headers={**PAGE, **cookie})

    page = await answer.text()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "So far, no one was overtaken" in page
    assert "Mugs &amp; &lt;cups&gt;" in page
    assert ("Sign out" in page) is path.startswith("/admin")


async def test_a_seller_sees_no_report_of_a_room(service: Service, client: Client) -> None:
    await a_sale(service, client)
    cookie = await as_operator(service, client, "seller")

    answer = await client.get("/admin/rooms/drop/fairness", headers=cookie)

    assert answer.status == 403


async def test_the_page_tells_who_was_overtaken_and_how_the_draw_stands(
    service: Service, client: Client
) -> None:
    await a_sale(service, client, fairness_public=True)
    rows = [[1, 60, 120, 0.9]]
    digest = "00" * 32
    draw = {"commitment": digest, "key": digest}
    call = {"again": [], "again_since": [], "gate": 1, "term": 1, "reason": "seats", "figures": {}}
    for kind, facts in (
        ("joined", {"line": "members-1", "first": 1, "last": 2, "called": 0, "root": digest}),
        ("forecast", {"line": "members-1", "head": 0, "tail": 2, "rows": rows}),
        ("called", {"line": "members-1", "from": 1, "to": 1, "called": 1, **call}),
        ("draw_announced", {"line": "press-1", **draw, "public_value_source": "dice"}),
        ("entries_closed", {"line": "press-1", "count": 7}),
        ("drawn", {"line": "press-1", "count": 7, "seed": digest, "head": digest, "value": None}),
        ("draw_announced", {"line": "late-1", **draw, "public_value_source": None}),
    ):
        sql = "SELECT append_log(room_id, $1, $2::text::jsonb) FROM room"
        await execute(service, sql, kind, msgspec.json.encode(facts).decode())

    page = await (await client.get("/rooms/drop/fairness", headers=PAGE)).text()

    assert "The draw of press-1 was not made as announced." in page
    assert "the revealed seed is not the one committed to" in page
    assert "The seed has not been revealed yet." in page
    assert "by a lane that the operators had opened</th><td>3</td><td>3</td><td>1</td>" in page
    assert "Sooner: 1. Later: 0." in page
    assert "80% to 100%</th><td>1</td><td>90%</td><td>100%</td>" in page
