"""A sale at the level of the stores: sessions without a browser, holds without HTTP."""

import os
from typing import Any
from uuid import UUID, uuid4

from support import execute, open_room, tick

from inventory.hold import HoldRequest, body_hash
from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service


async def open_gate(service: Service, **options: Any) -> None:
    """Open a room that calls whoever comes, whatever is in stock."""
    await open_room(service, policy="rate", **options)


async def sessions_in(
    service: Service,
    count: int,
    room: str = "drop",
    *,
    lane: str = "main",
    network: bytes | None = None,
) -> list[int]:
    """Let this many shoppers of one network join and claim; every one of them has to be called."""
    await tick(service)
    line = service.board.room(room).lane(lane)
    assert line is not None
    line_id = line.rules.line_id
    joined = await service.lines.join(line_id, count, os.urandom(32))
    tickets = [
        Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
        for i in range(count)
    ]
    claimed = await service.lines.claim(tickets, [network] * count)
    assert {c.verdict for c in claimed} == {"claimed"}
    return [c.session_id for c in claimed]


def wish(
    session_id: int, *, key: UUID | None = None, partial: bool = False, **quantities: int
) -> HoldRequest:
    return HoldRequest(
        session_id=session_id,
        key=key or uuid4(),
        body_hash=body_hash(quantities, partial=partial),
        quantities=quantities,
        hold_id=uuid4(),
        partial=partial,
    )


async def ask(service: Service, request: HoldRequest) -> Placed | Refusal:
    return (await service.holds.place([request]))[0]


async def hold(service: Service, session_id: int, **quantities: int) -> UUID:
    placed = await ask(service, wish(session_id, **quantities))
    assert isinstance(placed, Placed), placed
    return placed.hold_id


async def shoppers_came_and_went(service: Service, *, waiting: int = 80) -> None:
    """Let forty shoppers in, of whom twelve hold a mug, end their sessions, and let others wait.

    The controller learns of them and calls once more, so that a rehearsal has enough to go on.
    """
    sessions = await sessions_in(service, 40)
    for session in sessions[:12]:
        await hold(service, session, mug=1)
    await tick(service)
    await execute(
        service,
        "UPDATE office SET stopped = stopped - interval '2000 seconds'",
    )
    await service.holds.expire(100)
    await service.office.end_due(100)
    await tick(service)
    line_id = service.board.room("drop").line_id
    await service.lines.join(line_id, waiting, b"2" * 32)
    await tick(service, 2)
