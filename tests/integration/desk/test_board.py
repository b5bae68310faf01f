"""A web worker's copy of the rooms: what it keeps, and what it leaves out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs
from support import (
    as_owner,
    execute,
    open_room,
    tick,
)

from waitroom.line.ticket import Ticket
from waitroom.refusals import RoomUnreadable
from waitroom.run.app import Service
from waitroom.store.room_rows import RoomsOnFile

Clients = Callable[[Service], Awaitable[TestClient[Any, Any]]]

# PostgreSQL stores these and Python cannot: one lies beyond its calendar, one has no offset.
UNREADABLE_MOMENTS = ["20000-01-01T00:00:00Z", "infinity"]


async def set_message_at(service: Service, room: str, moment: str) -> None:
    """Write a moment as if the table did not refuse it."""
    await execute(service, "ALTER TABLE room DROP CONSTRAINT IF EXISTS moments_are_of_our_time")
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


async def test_changed_places_are_read_once_also_when_one_commits_late(service: Service) -> None:
    await open_room(service, seats_max=0)
    line_id = service.board.room("drop").line_id
    add = "INSERT INTO place (line_id, entered, number, revoked) VALUES ($1, false, $2, true)"
    read = service.lines.changed_places
    seen: list[int] = []

    async def noted(*values: Any, **options: Any) -> Any:
        page = await read(*values, **options)
        seen.extend(changed.cursor.number for changed in page)
        return page

    service.lines.changed_places = noted  # type: ignore[method-assign]

    async with as_owner(service.pool) as late:
        await late.execute(add, line_id, 1)
        for number in (2, 3):
            await execute(service, add, line_id, number)
        await service.board.refresh_places()
        assert seen == [2, 3]
    await service.board.refresh_places()
    after_the_late_one = list(seen)
    seen.clear()
    await service.board.refresh_places()

    # While a change is under way, those after it are read again; then nothing is.
    assert set(after_the_late_one) == {1, 2, 3}
    assert seen == []
    ticket = Ticket(line_id=line_id, number=1, ticket_id=bytes(16))
    assert service.board.note_of(ticket).revoked
    # A line that nobody can join any more is followed no longer.
    await service.rooms.reset("drop", who="test", reason="another day")
    await service.board.refresh(rooms=True)
    assert not service.board.note_of(ticket).revoked


async def test_an_ended_room_is_read_again_only_when_it_changed(service: Service) -> None:
    await open_room(service, seats_max=0)
    await open_room(service, "other", skus={}, seats_max=0)
    await service.rooms.set_status("drop", "ended", who="test", reason="over")
    for _ in range(3):
        await tick(service)
        await service.board.refresh(rooms=True)
    read, states = service.lines.rooms, service.memory.states
    rows: list[list[str]] = []
    documents: list[list[str]] = []

    async def noted(ended: Mapping[str, int]) -> RoomsOnFile:
        found = await read(ended)
        rows.append(sorted(room.rules.room for room in found.rooms))
        return found

    async def asked(rooms: Sequence[str]) -> dict[str, bytes]:
        documents.append(sorted(rooms))
        return await states(rooms)

    service.lines.rooms = noted  # type: ignore[method-assign]
    service.memory.states = asked  # type: ignore[method-assign]

    await service.board.refresh(rooms=True)
    await service.rooms.change("drop", '{"fairness_public": true}', who="test")
    await service.board.refresh(rooms=True)
    await service.board.refresh(rooms=True)

    assert rows == [["other"], ["drop", "other"], ["other"]]
    assert documents == [["other"]] * 3
    assert service.board.room("drop").rules.fairness_public
    # A reset makes it a room that waits to be opened.
    await service.rooms.reset("drop", who="test", reason="another day")
    await service.board.refresh(rooms=True)
    assert service.board.room("drop").rules.status == "scheduled"


async def test_a_room_that_is_archived_while_its_document_is_read_leaves_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_room(service, "gone", skus={})
    await open_room(service, "sound", skus={})
    await tick(service)
    board, read = service.board, service.memory.states

    async def read_slowly(rooms: Sequence[str]) -> dict[str, bytes]:
        """Let another task of the worker hear meanwhile that a room is no longer followed."""
        found = await read(rooms)
        board.rooms.pop("gone", None)
        return dict(sorted(found.items()))

    for view in board.rooms.values():
        view.raw, view.state = b"", None
    monkeypatch.setattr(service.memory, "states", read_slowly)

    await board.refresh()

    assert board.room("sound").state is not None
