"""The control room over HTTP: series, alerts, the stream of figures, and rehearsals of a change."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from shop import shoppers_came_and_went
from signing_in import sign_in
from support import eventually, execute, open_room, tick

from waitroom.admin.live.streams import OF_OPERATOR_MAX
from waitroom.run.app import Service

Client = TestClient[Any, Any]
Header = dict[str, str]


async def past_rows(service: Service, count: int, **values: Any) -> None:
    """Write rows of the last minutes, five seconds apart, each with these values of SQL by `i`."""
    given = {
        **dict.fromkeys(("joined", "calls", "claims", "paid", "declined", "called", "held"), "0"),
        **dict.fromkeys(("inside", "sold", "paying", "paying_slow"), "0"),
        "waiting": "9",
        "seats_max": "5",
        "on_hand": "20",
        "available": "20",
        "status": "'open'",
        "bound": "'seats'",
        **values,
    }
    await execute(
        service,
        f"""INSERT INTO room_series (room_id, at, {", ".join(given)})
            SELECT room_id, clock_timestamp() - ({count} - i) * interval '5 seconds',
                {", ".join(given.values())} FROM room, generate_series(1, {count}) i""",
    )


async def read(client: Client, who: Header, path: str, room: str = "drop") -> Any:
    answer = await client.get(f"/admin/rooms/{room}/{path}", headers=who)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_the_series_has_columns_rates_and_marks_and_can_be_cut(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 20}, seats_max=5)
    who = await sign_in(service, client, "viewer")
    assert (await read(client, who, "series"))["at"] == []
    await past_rows(service, 24, joined="i * 2", calls="CASE WHEN i < 20 THEN i ELSE 0 END")
    await service.rooms.change("drop", '{"seats_max": 8}', who="ada")
    await service.rooms.set_status("drop", "paused", who="ada")
    await service.rooms.set_status("drop", "open", who="bob")

    whole = await read(client, who, "series")
    half = await read(client, who, f"series?from={whole['from']}&to={_iso(whole['at'][11] + 0.1)}")

    assert whole["step_s"] == 5
    assert len(whole["at"]) in {23, 24}
    assert {len(column) for column in whole["figures"].values()} == {len(whole["at"])}
    assert whole["rates"]["joins_per_min"][0] is None
    assert whole["rates"]["joins_per_min"][1] == pytest.approx(24, rel=0.6)
    # The counter fell: the room was reset, and nothing can be said of that step.
    assert whole["rates"]["calls_per_min"].count(None) == 2
    acts = [mark["act"] for mark in whole["marks"]]
    assert acts[-3:] == [
        "ada set the seats from 5 to 8",
        "ada paused the room",
        "bob opened the room again after a pause",
    ]
    assert half["at"] == whole["at"][:12]
    assert half["marks"] == []
    refused = await client.get("/admin/rooms/drop/series?from=2030-01-01T00:00Z", headers=who)
    assert refused.status == 400
    assert (await client.get("/admin/rooms/drop/series")).status == 401
    assert (await client.get("/admin/rooms/none/series", headers=who)).status == 404


async def test_the_figures_of_now_come_with_alerts_and_a_forecast(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 20}, seats_max=5)
    await service.controller.beat()
    who = await sign_in(service, client, "viewer")
    await past_rows(service, 24, sell_out_low_s="600", sell_out_high_s="1200")

    now = await read(client, who, "live")

    assert now["figures"]["on_hand"] == 20
    assert [alert["code"] for alert in now["alerts"]] == ["nobody_called"]
    assert now["alerts"][0]["act"]
    told = [datetime.fromisoformat(now["sell_out"][name]) for name in ("as_of", "from", "to")]
    assert [(moment - told[0]).total_seconds() for moment in told] == [0, 600, 1200]
    assert now["row"]["figures"]["waiting"] == 9


async def test_neither_alert_nor_forecast_outlives_the_state_that_it_was_made_in(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 5}, seats_max=0)
    await service.controller.beat()
    who = await sign_in(service, client, "admin")
    await past_rows(service, 24, seats_max="0", sell_out_low_s="6", sell_out_high_s="12")

    before = await read(client, who, "live")
    body = {"confirm": "drop", "reason": "over"}
    ended = await client.post("/admin/rooms/drop/close", json=body, headers=who)

    async def over() -> Any:
        now = await read(client, who, "live")
        return now["status"] == "ended" and now

    after = await eventually(over)

    assert [alert["code"] for alert in before["alerts"]] == ["nobody_let_in"]
    assert before["sell_out"] is not None
    assert ended.status == 200
    assert (after["alerts"], after["sell_out"]) == ([], None)


async def test_a_stream_sends_the_figures_and_their_number_is_bounded(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 20}, seats_max=0)
    await tick(service)
    who = await sign_in(service, client, "viewer")
    path = "/admin/rooms/drop/stream"
    streams = [await client.get(path, headers=who) for _ in range(OF_OPERATOR_MAX)]

    first = streams[0]
    events = [await first.content.readuntil(b"\n\n") for _ in range(3)]
    one_more = await client.get(path, headers=who)

    assert first.headers["Content-Type"].startswith("text/event-stream")
    assert events[0] == b"retry: 1000\n\n"
    assert events[1].startswith(b"event: room\ndata: {")
    told = msgspec.json.decode(events[1].partition(b"data: ")[2])
    assert told["room"] == "drop"
    assert [alert["title"] for alert in told["alerts"]] == ["Nobody is let in just now"]
    assert (one_more.status, one_more.headers["Retry-After"]) == (429, "30")
    # A stream that ends makes room for another, and all end with the process.
    first.close()
    await asyncio.sleep(1.1)
    again = await client.get(path, headers=who)
    assert again.status == 200
    service.draining = True
    rest = await asyncio.wait_for(again.content.read(), 10)
    assert rest.endswith(b"\n\n")
    for stream in streams:
        stream.close()


async def test_a_rehearsal_tells_what_a_change_would_do_or_that_it_cannot(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 60}, seats_max=60, limit=4)
    who = await sign_in(service, client)
    viewer = await sign_in(service, client, "viewer")
    path = "/admin/rooms/drop/rehearsal?seconds=0"
    early = await client.post(path, json={"seats_max": 5}, headers=who)
    await shoppers_came_and_went(service)

    answer = await client.post(path, json={"seats_max": 5}, headers=who)
    nothing = await client.post(path, json={}, headers=who)

    assert (early.status, (await early.json())["code"]) == (409, "nothing_to_rehearse")
    assert "too little to go on" in (await early.json())["detail"]
    assert answer.status == 200, await answer.text()
    told = await answer.json()
    assert told["sales"] >= 1
    # Fewer seats call fewer people at first.
    assert told["difference"]["called_soon"]["mean"] < 0
    assert told["assumed"]["gone"] == 40
    assert nothing.status == 400
    assert (await client.post(path, json={"seats_max": 5}, headers=viewer)).status == 403
    unchanged = await client.get("/admin/rooms/drop", headers=who)
    assert (await unchanged.json())["settings"]["seats_max"] == 60


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat().replace("+", "%2B")
