"""After a room's end its places stay as they are; after its archive nothing is written."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from support import Shopper, authorization, execute, open_room, tick

from inventory.refusals import RoomArchived
from waitroom.run.app import Service

Client = TestClient[Any, Any]
ACTS = (
    ("POST", "/tickets/me/aside", None),
    ("POST", "/tickets/me/back", None),
    ("PUT", "/tickets/me/profile", {"profile": "extra-time"}),
    ("PUT", "/returns", {}),
    ("POST", "/claims", None),
    ("DELETE", "/tickets/me", None),
)
TABLES = ("admission", "place", "log_entry", "returns_wait", "line", "invitation_batch")


async def codes(shopper: Shopper) -> list[str]:
    """Try every act of a shopper, and return how each is refused."""
    found = []
    for method, path, body in ACTS:
        headers = authorization(shopper.ticket)
        answer = await shopper.client.request(
            method, f"/rooms/{shopper.room}{path}", json=body, headers=headers
        )
        found.append("" if answer.ok else (await answer.json())["code"])
    return found


async def end(service: Service) -> None:
    await service.rooms.set_status("drop", "ended", who="test")
    await service.board.refresh(rooms=True)


async def rows(service: Service) -> dict[str, int]:
    sql = "SELECT count(*) AS n FROM {}"
    return {one: (await execute(service, sql.format(one)))[0]["n"] for one in TABLES}


async def test_a_place_that_waits_stays_as_it_is_when_the_room_has_ended(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 2})
    await tick(service)
    inside, called, missed, waits = [Shopper(client) for _ in range(4)]
    for shopper in (inside, called, missed, waits):
        await shopper.join()
    assert (await inside.claim()).ok
    invited = await service.entrance.invitations.invite(
        "drop", lane="main", count=1, note="", until=None, who="test"
    )
    await execute(
        service,
        "INSERT INTO admission (room_id, line_id, number, state, called_at, ended_at)"
        " SELECT room_id, line_id, 3, 'missed', shopper_now(), shopper_now() FROM line",
    )
    await end(service)
    before = await rows(service)

    assert [await codes(shopper) for shopper in (missed, waits)] == [["room_ended"] * 6] * 2
    assert await rows(service) == before
    # What is open is still used, lengthened and given up.
    assert (await called.claim()).ok
    profile = {"json": {"profile": "extra-time"}, "headers": authorization(inside.ticket)}
    assert (await client.put("/rooms/drop/tickets/me/profile", **profile)).ok
    assert (await inside.leave()).ok
    assert (await called.leave()).ok

    await tick(service, 2)
    await service.archive.finish(await service.archive.seal("drop", who="test", reason=""))
    before = await rows(service)
    assert [await codes(shopper) for shopper in (missed, waits)] == [["room_ended"] * 6] * 2
    invitations = service.entrance.invitations
    for act in (
        service.rooms.set_lane("drop", "vip", share=0.5, who="test"),
        service.rooms.set_profile(
            "drop", "more", name="More", time_factor=2.0, places_max=None, who="test"
        ),
        invitations.invite("drop", lane="main", count=1, note="", until=None, who="test"),
        invitations.revoke("drop", invited, who="test"),
    ):
        with pytest.raises(RoomArchived):
            await act
    assert await service.places.revoke("drop", "main-1", 4, who="test", reason="x") == "archived"
    assert await rows(service) == before


async def test_an_entry_stays_as_it_is_when_the_room_has_ended(
    service: Service, client: Client
) -> None:
    await open_room(service, skus={"mug": 2}, status="scheduled", order_by="draw")
    await tick(service)
    shopper = Shopper(client)
    assert (await shopper.join())["status"] == "entered"
    answer = await client.put("/rooms/drop/returns", json={}, headers=authorization(shopper.ticket))
    # The number of an entry is another shopper's in the line for returns.
    assert (await answer.json())["code"] == "not_drawn_yet"
    await end(service)
    before = await rows(service)

    # It never stepped aside, so coming back is nothing new for it.
    assert await codes(shopper) == ["room_ended", "", *["room_ended"] * 4]
    assert await rows(service) == before
