"""Beginning a room anew: new lines from 1, and nothing lost of what people have inside."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import eventually, execute, open_room, shift_clock, tick

from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from waitroom.line.ticket import Ticket
from waitroom.refusals import DrawIsDue
from waitroom.run.app import Service

Services = Callable[..., Awaitable[Service]]
RESETS = 8


async def reset(service: Service, room: str = "drop") -> int:
    taken_back = await service.rooms.reset(room, who="night", reason="the wrong room")
    await service.board.refresh(rooms=True)
    return taken_back


async def join(service: Service, count: int) -> list[Ticket]:
    line_id = service.board.room("drop").line_id
    joined = await service.lines.join(line_id, count, os.urandom(32))
    assert joined.refusal is None, joined
    return [
        Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
        for i in range(count)
    ]


async def balance(service: Service) -> dict[str, Any]:
    (row,) = await execute(service, "SELECT promised, held, sold, seats FROM room_stock")
    return dict(row)


async def entries(service: Service, *kinds: str) -> list[dict[str, Any]]:
    log = await service.public_log.entries("drop", after=0, limit=10_000)
    bodies = [msgspec.json.decode(entry.body) for entry in log]
    return [body for body in bodies if body["kind"] in kinds]


async def test_numbers_begin_at_one_again_and_the_room_waits_to_be_opened(service: Service) -> None:
    await open_room(service)
    await join(service, 7)

    await reset(service)
    before_opening = await service.lines.join(service.board.room("drop").line_id, 1, os.urandom(32))
    await service.rooms.set_status("drop", "open", who="test")
    (ticket,) = await join(service, 1)

    assert service.board.room("drop").main_line.rules.line == "main-2"
    assert before_opening.refusal == "not_open"
    assert ticket.number == 1


async def test_calls_are_taken_back_and_their_promises_with_them(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    await join(service, 9)
    called = await balance(service)

    taken_back = await reset(service)

    assert (called["promised"], called["seats"]) == (5, 5)
    assert taken_back == 5
    assert (await balance(service))["promised"] == (await balance(service))["seats"] == 0
    assert await service.ledger.breaches() == []


async def test_who_is_inside_stays_and_can_finish(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    inside, other = await sessions_in(service, 2)
    await hold(service, inside, mug=1)

    await reset(service)
    again = await ask(service, wish(inside, mug=1))
    first = await ask(service, wish(other, mug=1))

    assert isinstance(again, Placed)
    assert isinstance(first, Placed)
    assert (await balance(service))["seats"] == 2
    assert await service.ledger.breaches() == []


async def test_wishes_of_those_inside_are_served_after_it(service: Service) -> None:
    await open_gate(service, skus={"mug": 1})
    has, wants = await sessions_in(service, 2)
    hold_id = await hold(service, has, mug=1)
    assert isinstance(await ask(service, wish(wants, mug=1)), Refusal)

    await reset(service)
    await service.holds.release(has, hold_id)
    await service.holds.serve(100)

    served = await execute(service, "SELECT session_id FROM hold WHERE state = 'held'")
    assert [row["session_id"] for row in served] == [wants]
    assert await service.ledger.breaches() == []


async def test_who_stayed_for_returns_in_the_old_line_is_forgotten_with_the_address(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 1})
    await tick(service)
    first, second = await join(service, 2)
    has, wants = (c.session_id for c in await service.lines.claim([first, second]))
    await hold(service, has, mug=1)
    assert isinstance(await ask(service, wish(wants, mug=1)), Refusal)
    assert await service.lines.stay_for_returns(second, email="a@b.example") == "waits"

    await reset(service)
    late = await service.lines.stay_for_returns(second, email="a@b.example")

    assert late == "left"
    assert await execute(service, "SELECT FROM returns_wait") == []


async def test_an_old_ticket_is_told_plainly_at_every_worker(services: Services) -> None:
    here, there = await services(), await services()
    await open_room(here, skus={"mug": 5}, seats_max=1)
    await tick(here)
    await there.board.refresh(rooms=True)
    called, waits = await join(here, 2)

    await reset(here)
    # This worker has not heard of it yet, so the books say it.
    claims = await there.lines.claim([called, waits])

    assert [claim.verdict for claim in claims] == ["line_over", "line_over"]


async def test_a_claim_of_one_who_is_inside_still_gives_the_same_session(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    (ticket,) = await join(service, 1)
    (before,) = await service.lines.claim([ticket])

    await reset(service)
    (after,) = await service.lines.claim([ticket])

    assert (after.verdict, after.fresh) == ("claimed", False)
    assert after.session_id == before.session_id


async def test_it_can_be_done_again_and_again(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    for generation in range(2, 6):
        await service.rooms.set_status("drop", "open", who="test")
        await tick(service)
        await join(service, 4)

        assert await reset(service) == 3
        assert service.board.room("drop").main_line.rules.line == f"main-{generation}"

    assert [e["to_line"] for e in await entries(service, "reset")] == [
        "main-2", "main-3", "main-4", "main-5",
    ]  # fmt: skip
    assert await service.ledger.breaches() == []


async def test_an_ended_room_can_be_begun_anew(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await join(service, 2)
    await service.rooms.set_status("drop", "ended", who="test")

    await reset(service)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service)
    (ticket,) = await join(service, 1)
    (claim,) = await service.lines.claim([ticket])

    assert claim.verdict == "claimed"
    status = [(e["from"], e["to"]) for e in await entries(service, "status")]
    assert status == [
        ("scheduled", "open"), ("open", "ended"), ("ended", "scheduled"), ("scheduled", "open"),
    ]  # fmt: skip


async def test_every_lane_is_begun_anew_with_its_share(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await execute(service, "SELECT set_lane('drop', 'members', 3, 'test')")

    await reset(service)

    lines = await execute(service, "SELECT line, share, joinable FROM line ORDER BY line_id")
    assert [tuple(line) for line in lines] == [
        ("main-1", 1, False), ("members-1", 3, False), ("main-2", 1, True), ("members-2", 3, True),
    ]  # fmt: skip


async def test_what_was_missed_in_the_old_line_is_not_called_in_the_new_one(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 3}, claim_window_s=10)
    await tick(service)
    tickets = await join(service, 3)
    await shift_clock(service, 60)
    await service.office.end_due(100)
    assert {c.verdict for c in await service.lines.claim(tickets[:1])} == {"missed"}

    await reset(service)
    await service.rooms.set_status("drop", "open", who="test")
    await tick(service, 2)
    new = await join(service, 1)

    assert [c.verdict for c in await service.lines.claim(new)] == ["claimed"]
    assert await entries(service, "called") == []
    figures = await service.rooms.figures("drop")
    assert (figures.came_back, figures.missed, figures.claimed) == (0, 0, 1)


async def test_a_leader_that_decided_before_it_calls_nobody_in_the_old_line(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=0)
    await tick(service)
    await join(service, 3)
    old = service.board.room("drop").line_id
    (known,) = await execute(service, "SELECT room_id FROM room")
    seen = await service.office.snapshot(known["room_id"])
    assert seen is not None

    await reset(service)
    await service.rooms.set_status("drop", "open", who="test")
    values = (old, service.controller.term, seen.lines[0].gate, 3, [], seen.now, "seats", "{}")
    (said,) = await execute(
        service, "SELECT * FROM call_numbers($1, $2, $3, $4, $5, $6, $7, $8)", *values
    )

    assert (said["verdict"], said["called"]) == ("gate_moved", 0)
    assert (await balance(service))["seats"] == 0


async def test_a_draw_that_is_due_has_to_be_made_first(service: Service) -> None:
    await open_room(service, status="scheduled", order_by="draw")
    await tick(service)
    await join(service, 5)
    await service.rooms.set_status("drop", "open", who="test")

    with pytest.raises(DrawIsDue):
        await reset(service)
    await tick(service, 3)
    await reset(service)

    assert [e["line"] for e in await entries(service, "drawn")] == ["main-1"]


async def test_entries_before_the_opening_are_dropped_and_a_new_draw_is_announced(
    service: Service,
) -> None:
    await open_room(service, status="scheduled", order_by="draw")
    await tick(service)
    await join(service, 5)

    await reset(service)
    await tick(service)
    await service.board.refresh(rooms=True)
    (ticket,) = await join(service, 1)

    announced = await entries(service, "draw_announced")
    assert [e["line"] for e in announced] == ["main-1", "main-2"]
    assert announced[0]["commitment"] != announced[1]["commitment"]
    assert ticket.number == 1


async def test_calls_that_were_taken_back_are_not_learned_as_staying_away(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    await join(service, 5)
    (room,) = await execute(service, "SELECT room_id FROM room")

    await reset(service)

    reading = await service.office.all_journeys(room["room_id"])
    assert reading is not None
    assert [*reading.changed, *reading.closed] == []
    assert len(reading.dropped) == 5


async def reset_while(service: Service, doing: Awaitable[Any]) -> Any:
    """Let something begin while a reset has its locks, and return what came of it afterwards."""
    async with service.pool.acquire() as connection:
        async with connection.transaction():
            await connection.fetch("SELECT * FROM reset_room('drop', 'test', 'now')")
            # The driver knows the connection to a pooler, not the one behind it.
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            task = asyncio.ensure_future(doing)
            blocked = "SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
            await eventually(lambda: execute(service, blocked, pid))
        return await task


async def test_who_joins_while_it_is_being_done_gets_no_place_in_the_old_line(
    service: Service,
) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    line_id = service.board.room("drop").line_id

    joined = await reset_while(service, service.lines.join(line_id, 1, os.urandom(32)))

    assert joined.refusal == "line_begun_anew"
    assert [e["kind"] for e in await entries(service, "joined", "reset")] == ["reset"]


async def test_who_claims_while_it_is_being_done_gets_no_session(service: Service) -> None:
    await open_room(service, skus={"mug": 5})
    await tick(service)
    tickets = await join(service, 1)

    (claim,) = await reset_while(service, service.lines.claim(tickets))

    assert claim.verdict == "line_over"
    assert (await balance(service))["seats"] == 0


async def test_who_asks_to_stay_for_returns_meanwhile_leaves_no_address_behind(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 1})
    await tick(service)
    (ticket,) = await join(service, 1)
    (claim,) = await service.lines.claim([ticket])
    await hold(service, claim.session_id, mug=1)

    said = await reset_while(service, service.lines.stay_for_returns(ticket, email="a@b.example"))

    assert said == "left"
    assert await execute(service, "SELECT FROM returns_wait") == []


class Shopping:
    """Shoppers at one service who join, claim, hold and leave until the sale is over."""

    def __init__(self, service: Service, over: asyncio.Event, admitted: asyncio.Event) -> None:
        self.service = service
        self.over = over
        self.admitted = admitted
        self.waiting: list[Ticket] = []
        self.inside: list[int] = []
        self.verdicts: set[str] = set()

    async def run(self) -> None:
        while not self.over.is_set():
            await self.join()
            await self.claim()
            while len(self.inside) > 5:
                await self.service.orders.leave(self.inside.pop(0))

    async def join(self) -> None:
        line_id = self.service.board.room("drop").line_id
        joined = await self.service.lines.join(line_id, 3, os.urandom(32))
        self.verdicts.add(joined.refusal or "joined")
        if joined.refusal == "line_begun_anew":
            await self.service.board.refresh(rooms=True)
        if joined.refusal is None:
            self.waiting += [
                Ticket(line_id=line_id, number=joined.first + i, ticket_id=os.urandom(16))
                for i in range(3)
            ]

    async def claim(self) -> None:
        if not self.waiting:
            return
        claims = await self.service.lines.claim(self.waiting)
        self.verdicts |= {claim.verdict for claim in claims}
        for claim in claims:
            if claim.verdict == "claimed":
                self.inside.append(claim.session_id)
                await ask(self.service, wish(claim.session_id, mug=1))
                self.admitted.set()
        self.waiting = [
            ticket
            for ticket, claim in zip(self.waiting, claims, strict=True)
            if claim.verdict == "not_yet_called"
        ]


async def test_in_the_middle_of_a_sale_nothing_is_left_half_done(services: Services) -> None:
    """Joins, claims, holds, ticks and resets at once, from two services."""
    here, there = await services(), await services()
    await open_room(here, skus={"mug": 60}, seats_max=30)
    await tick(here)
    await there.board.refresh(rooms=True)
    over, admitted = asyncio.Event(), asyncio.Event()
    crowds = [Shopping(service, over, admitted) for service in (here, there, here, there)]

    async def lead() -> None:
        while not over.is_set():
            await here.controller.tick()

    async def begin_anew() -> None:
        for _ in range(RESETS):
            await admitted.wait()
            await reset(there)
            admitted.clear()
            await there.rooms.set_status("drop", "open", who="test")
        await admitted.wait()
        over.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for work in (lead, begin_anew, *(crowd.run for crowd in crowds)):
            group.create_task(work())
    await reset(here)

    verdicts = set().union(*(crowd.verdicts for crowd in crowds))
    assert {"joined", "claimed", "line_begun_anew"} <= verdicts
    assert verdicts <= {
        "joined",
        "claimed",
        "line_over",
        "line_begun_anew",
        "not_open",
        "not_yet_called",
    }
    assert await here.ledger.breaches() == []
    lines = await execute(here, "SELECT line, joinable FROM line ORDER BY line_id")
    assert [line["line"] for line in lines] == [f"main-{n}" for n in range(1, RESETS + 3)]
    assert [line["joinable"] for line in lines] == [False] * (RESETS + 1) + [True]
    assert await execute(here, "SELECT FROM admission WHERE state = 'called'") == []
    assert await execute(here, "SELECT FROM line WHERE gate > tail") == []
    closed = set[str]()
    for entry in await entries(here, "joined", "called", "reset"):
        assert entry.get("line") not in closed, entry
        closed.add(entry.get("from_line", ""))
