"""What anyone may read: rooms, the catalogue, the state, the log."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from signing_in import sign_in
from support import Shopper, execute, open_room, tick

from waitroom.log.audit import audit
from waitroom.log.chain import leaf_hash, root_from_path
from waitroom.log.verify.finding import all_holds
from waitroom.run.app import Service

Client = TestClient[Any, Any]


async def read(client: Client, path: str, **headers: str) -> Any:
    answer = await client.get(path, headers=headers)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_rooms_are_listed_page_by_page_and_hidden_ones_not(
    service: Service, client: Client
) -> None:
    for room in ("a", "b", "c"):
        await open_room(service, room, skus={f"{room}-mug": 1})
    await open_room(service, "secret", skus={"secret-mug": 1}, public=False)

    first = await read(client, "/rooms?limit=2")
    second = await read(client, f"/rooms?limit=2&cursor={first['next']}")

    assert [room["room"] for room in first["rooms"] + second["rooms"]] == ["a", "b", "c"]
    assert second["next"] is None
    assert first["rooms"][0] == {
        "room": "a", "name": "A", "status": "open", "opens_at": None,
        "join_by": "open", "skus": ["a-mug"],
    }  # fmt: skip


async def test_a_hidden_rooms_goods_are_shown_on_its_own_page_alone(
    service: Service, client: Client
) -> None:
    await open_room(service, "secret", skus={"secret-mug": 1}, public=False)

    room = await read(client, "/rooms/secret")
    catalogue = await read(client, "/inventory/skus")

    assert [sku["sku"] for sku in room["skus"]] == ["secret-mug"]
    assert catalogue["skus"] == []
    for path in ("/inventory/skus/secret-mug", "/products/secret-mug"):
        assert (await client.get(path)).status == 404


async def test_a_search_is_for_what_it_says(service: Service, client: Client) -> None:
    await open_room(service, skus={"mug": 1, "bowl": 1})

    found = await read(client, "/inventory/skus?q=MU")
    wild = await read(client, "/inventory/skus?q=%25")

    assert [sku["sku"] for sku in found["skus"]] == ["mug"]
    assert wild["skus"] == []


async def test_the_state_is_the_same_bytes_until_it_changes(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)

    first = await client.get("/rooms/drop/state")
    again = await client.get("/rooms/drop/state", headers={"If-None-Match": first.headers["ETag"]})
    weak = {"If-None-Match": f'"other", W/{first.headers["ETag"]}'}
    listed = await client.get("/rooms/drop/state", headers=weak)
    await tick(service)
    later = await client.get("/rooms/drop/state", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "public, max-age=1"
    assert (again.status, await again.read()) == (304, b"")
    assert (listed.status, later.status) == (304, 200)
    assert (await later.json())["version"] > (await first.json())["version"]


async def test_a_receipt_proves_the_place_by_the_public_log(
    service: Service, client: Client
) -> None:
    await open_room(service)
    await tick(service)
    answer = await client.post("/rooms/drop/tickets", json={"random": "c0ffee"})
    receipt = (await answer.json())["receipt"]
    for _ in range(3):
        await Shopper(client).join()

    page = await read(client, "/rooms/drop/log?limit=1000")

    assert all_holds(audit(page["entries"], room="drop"))
    path = bytes.fromhex(receipt["path"])
    root = root_from_path(
        leaf_hash(bytes.fromhex(receipt["id"]), bytes.fromhex("c0ffee")),
        index=receipt["number"] - receipt["first"],
        count=receipt["count"],
        path=[path[i : i + 32] for i in range(0, len(path), 32)],
    )
    assert root is not None
    assert root.hex() in page["entries"][receipt["seq"] - 1]["body"]
    names = await execute(service, "SELECT FROM log_entry WHERE body LIKE '%c0ffee%'")
    assert names == []


async def test_strangers_paths_do_not_fill_the_metrics(service: Service, client: Client) -> None:
    viewer = await sign_in(service, client, "viewer")
    for turn in range(5):
        await client.get(f"/no/such/path/{turn}")

    text = await (await client.get("/metrics", headers=viewer)).text()

    assert "/no/such/path" not in text
    assert 'waitroom_request_seconds_count{route="none",status="404"}' in text


@pytest.mark.parametrize("path", ["/rooms/drop", "/static/css/style.css", "/no-such-page"])
async def test_no_page_is_packed_for_a_client_that_cannot_unpack(
    service: Service, client: Client, path: str
) -> None:
    await open_room(service)
    await tick(service)

    async def coding(accepted: str) -> str | None:
        headers = {"Accept": "text/html", "Accept-Encoding": accepted}
        answer = await client.get(path, headers=headers)
        return answer.headers.get("Content-Encoding")

    assert [await coding(one) for one in ("gzip", "br, *")] == ["gzip", "gzip"]
    assert [await coding(one) for one in ("gzip;q=0", "identity", "")] == [None, None, None]


async def test_a_file_that_a_client_has_is_not_sent_again(client: Client) -> None:
    path = "/static/css/style.css"
    etag = (await client.get(path)).headers["ETag"]

    for header in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        assert (await client.get(path, headers={"If-None-Match": header})).status == 304
