"""A recorded course gives the same decisions and documents in production and in a rehearsal."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shop import hold
from support import execute, open_room, shift_clock, tick

from waitroom.leader.controller import Controller
from waitroom.line.forecast.learning.journey import Reading
from waitroom.line.policy import POLICIES, Call, CallResult, Decision
from waitroom.line.snapshot import RoomSnapshot
from waitroom.line.state import RoomState, decode_state
from waitroom.line.ticket import Ticket
from waitroom.rehearse.play.leader import Leader
from waitroom.run.app import Service
from waitroom.store.office_store import OfficeStore


@dataclass(slots=True)
class Tick:
    """What production's leader read and did in one tick."""

    room: RoomSnapshot
    calls: list[Call] = field(default_factory=list)
    results: dict[int, CallResult] = field(default_factory=dict)
    told: RoomState | None = None
    reading: Reading | None = None


class RecordingStore(OfficeStore):
    """The real store, which also writes down what passes through it."""

    def __init__(self, pool: Any) -> None:
        super().__init__(pool)
        self.course: list[Tick] = []

    async def snapshot(self, room_id: int) -> RoomSnapshot | None:
        room = await super().snapshot(room_id)
        assert room is not None
        self.course.append(Tick(room=room))
        return room

    async def call(self, call: Call, *, term: int) -> CallResult:
        result = await super().call(call, term=term)
        self.course[-1].calls.append(call)
        self.course[-1].results[call.line_id] = result
        return result

    async def publish(self, room: RoomSnapshot, *, term: int, version: int, body: bytes) -> Any:
        self.course[-1].told = decode_state(body)
        return await super().publish(room, term=term, version=version, body=body)

    async def changed_journeys(self, room_id: int) -> Reading | None:
        self.course[-1].reading = await super().changed_journeys(room_id)
        return self.course[-1].reading

    async def all_journeys(self, room_id: int) -> Reading | None:
        reading = await super().all_journeys(room_id)
        self.course[-1].reading = reading
        return reading


async def claim(service: Service, numbers: Sequence[int], line_id: int) -> list[int]:
    tickets = [
        Ticket(line_id=line_id, number=number, ticket_id=os.urandom(16)) for number in numbers
    ]
    claimed = await service.lines.claim(tickets)
    return [one.session_id for one in claimed if one.verdict == "claimed"]


async def record(service: Service) -> list[Tick]:
    """Run a sale with two lanes: joins, claims, holds, missed calls, a raised limit, a pause."""
    await open_room(
        service,
        policy="expected",
        skus={"mug": 30},
        limit=1,
        seats_max=40,
        claim_window_s=60,
    )
    await execute(service, "SELECT set_lane('drop', 'members', 2, 'test')")
    lines = await execute(service, "SELECT line_id FROM line ORDER BY lane <> 'main'")
    main, members = (line["line_id"] for line in lines)
    store = RecordingStore(service.pool)
    controller = Controller(
        store=store, series=service.series, memory=service.memory, drawing=service.drawing
    )
    for joins in range(14):
        await service.lines.join(main, 20, os.urandom(32))
        await service.lines.join(members, 10, os.urandom(32))
        await controller.tick()
        for line_id in (main, members):
            first = 1 + 3 * joins
            for session in await claim(service, range(first, first + 2), line_id):
                if joins % 3:
                    await hold(service, session, mug=1)
        if joins == 6:
            await shift_clock(service, 200)
            await service.office.end_due(1000)
            # They missed their call and come back.
            await claim(service, range(3, 60, 3), main)
            await claim(service, range(3, 60, 3), members)
        if joins == 9:
            await service.rooms.change("drop", '{"seats_max": 60, "session_s": 300}', who="test")
    return store.course


def without_moment(call: Call) -> tuple[int, int, Decision]:
    return call.line_id, call.gate_read, call.decision


async def test_a_rehearsal_decides_as_production_did(service: Service) -> None:
    course = await record(service)
    leader = Leader(POLICIES["expected"])

    decided, documents = [], []
    for each in course:
        decided.append(leader.decide(each.room, checkout_p95_s=None))
        for result in each.results.values():
            leader.caller.note(result)
        documents.append(leader.publish(each.room, each.results))
        if each.reading is not None:
            leader.learn(each.reading)

    again = [call for each in course for call in each.calls if call.decision.again]
    called_in = {call.line_id for each in course for call in each.calls}
    assert len(course) == 14
    assert len(called_in) == 2
    assert again, "somebody who missed a call was called again"
    assert [[without_moment(call) for call in calls] for calls in decided] == [
        [without_moment(call) for call in each.calls] for each in course
    ]
    assert documents == [each.told for each in course]


async def test_only_what_changed_is_read_again(service: Service) -> None:
    course = await record(service)

    readings = [each.reading for each in course if each.reading is not None]
    changed = [len(reading.changed) + len(reading.closed) for reading in readings]
    inside = [each.room.seats_taken for each in course]

    assert len(readings) == len(course)
    # Shoppers who do nothing are not read again, however many are inside.
    assert min(changed) < max(inside) / 2
    await tick(service)
    left = await execute(service, "SELECT count(*) AS changes FROM journey_change")
    assert left[0]["changes"] == 0
