"""A web worker's copy of the rooms: what it keeps, and what it leaves out."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs
from support import execute, open_room

from waitroom.refusals import RoomUnreadable
from waitroom.run.app import Service

Clients = Callable[[Service], Awaitable[TestClient[Any, Any]]]

# PostgreSQL stores these and Python cannot: one lies beyond its calendar, one has no offset.
UNREADABLE_MOMENTS = ["20000-01-01T00:00:00Z", "infinity"]


async def set_message_at(service: Service, room: str, moment: str) -> None:
    sql = f"UPDATE room SET message_at = '{moment}' WHERE room = '{room}'"
    await execute(service, sql)


@pytest.mark.parametrize("moment", UNREADABLE_MOMENTS)
async def test_a_room_that_cannot_be_read_leaves_the_others(service: Service, moment: str) -> None:
    await open_room(service, "broken", skus={})
    await open_room(service, "sound", skus={})
    await set_message_at(service, "broken", moment)
    await service.rooms.change("sound", '{"message": "Still here"}', who="test")

    with capture_logs() as logged:
        await service.board.refresh(rooms=True)
        await service.board.refresh(rooms=True)

    assert service.board.rooms.keys() == {"sound"}
    assert service.board.room("sound").rules.message == "Still here"
    told = [entry for entry in logged if entry["event"] == "rooms_set_aside"]
    assert [list(entry["unreadable"]) for entry in told] == [["broken"]]


async def test_a_room_is_served_again_once_it_can_be_read(service: Service) -> None:
    await open_room(service, "broken", skus={})
    await set_message_at(service, "broken", UNREADABLE_MOMENTS[0])
    await service.board.refresh(rooms=True)

    await set_message_at(service, "broken", "2026-01-01T00:00:00Z")
    await service.board.refresh(rooms=True)

    assert service.board.rooms.keys() == {"broken"}


@pytest.mark.parametrize("moment", UNREADABLE_MOMENTS)
async def test_an_operator_is_told_why_a_room_cannot_be_read(service: Service, moment: str) -> None:
    await open_room(service, "broken", skus={})
    await set_message_at(service, "broken", moment)

    with pytest.raises(RoomUnreadable, match="broken"):
        await service.rooms.read("broken")
