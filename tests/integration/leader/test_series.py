"""The series of a room: rows by the leader alone, kept over its changes, thinned out with age."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from shop import hold, sessions_in
from support import execute, open_room, tick

from inventory.kit.problem import NotFound
from waitroom.line.control.moment import LeaderFigures, Moment
from waitroom.run.app import Service
from waitroom.store.series.series_store import GRAINS

FIGURES = LeaderFigures(status="open", bound="seats")
HOUR = timedelta(hours=1)


async def rows_of(service: Service, room: str = "drop") -> list[Moment]:
    span = await service.series.span(room)
    if span.first is None or span.last is None:
        return []
    return await service.series.read(span.room_id, span.first, span.last, step_s=1)


async def older(service: Service, by: timedelta) -> None:
    await execute(service, "UPDATE room_series SET at = at - $1::interval", by)


async def test_the_leader_writes_what_happens_and_the_next_one_goes_on(
    service: Service, services: Callable[..., Awaitable[Service]]
) -> None:
    await open_room(service, skus={"mug": 20}, seats_max=3)
    sessions = await sessions_in(service, 3)
    await hold(service, sessions[0], mug=2)
    await older(service, HOUR)
    line_id = service.board.room("drop").line_id
    await service.lines.join(line_id, 4, b"1" * 32)
    # A row is due again only after some seconds, so another leader writes this one.
    await service.controller.run(_stopped())
    other = await services()
    await tick(other)

    first, second = await rows_of(service)

    assert (first.status, first.joined, first.waiting, first.inside) == ("open", 0, 0, 0)
    assert (first.on_hand, first.available, first.seats_max) == (20, 20, 3)
    assert (second.joined, second.calls, second.claims, second.waiting) == (7, 3, 3, 4)
    assert (second.inside, second.called, second.held, second.sold) == (3, 0, 2, 0)
    assert second.bound == "seats"


async def test_a_row_is_written_from_the_doors_on_and_by_the_present_leader_alone(
    service: Service,
) -> None:
    await open_room(service, "later", status="scheduled", skus={})
    await open_room(service, skus={"mug": 5})
    await service.controller.beat()
    term = service.controller.term
    rooms = {row["room"]: row["room_id"] for row in await execute(service, "SELECT * FROM room")}

    assert await service.series.note(rooms["later"], FIGURES, term=term) is None
    assert await service.series.note(rooms["drop"], FIGURES, term=term - 1) is None
    written = await service.series.note(rooms["drop"], FIGURES, term=term)

    assert written is not None
    assert [written] == await rows_of(service)
    assert await rows_of(service, "later") == []
    with pytest.raises(NotFound):
        await service.series.span("nowhere")


async def test_old_rows_are_thinned_out_and_the_latest_of_each_span_stays(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    # A row every five seconds for an hour, a day ago; the counter says which is which.
    await execute(
        service,
        """INSERT INTO room_series (
               room_id, at, status, bound, joined, calls, claims, paid, declined, waiting, called,
               inside, seats_max, on_hand, available, held, sold, paying, paying_slow)
           SELECT room_id, date_trunc('hour', now()) - interval '1 day' + i * interval '5 seconds',
               'open', '', i, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
           FROM room, generate_series(0, 719) i""",
    )

    async def thin() -> list[int]:
        while await service.series.thin(50) == 50:
            pass
        await service.series.thin(50)
        return [row.joined for row in await rows_of(service)]

    assert await thin() == [12 * minute + 11 for minute in range(60)]
    assert await thin() == [12 * minute + 11 for minute in range(60)]
    await older(service, GRAINS[1][2])
    assert await thin() == [120 * span + 119 for span in range(6)]
    await older(service, GRAINS[2][2])
    assert await thin() == [719]
    assert await service.series.thin(50) == 0


def _stopped() -> asyncio.Event:
    stopping = asyncio.Event()
    stopping.set()
    return stopping
