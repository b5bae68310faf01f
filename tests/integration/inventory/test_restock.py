"""What comes free goes to those who were refused it, by number, and then to the line."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import Shopper, authorization, execute, open_room, shift_clock, tick

from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from inventory.refusals import OutOfStock
from waitroom.line.forecast.learning.demand import Demand
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
RETURNS_WINDOW_S = 900
# The units that are kept for others before each of these sessions.
AHEAD = """
SELECT units_ahead(ROW(b.*)::hold_batch, ARRAY[k.sku_id]) AS units
FROM sku k, jsonb_populate_record(NULL::hold_batch, jsonb_build_object(
    'sessions', to_jsonb($1::bigint[]), 'pair_session', '[1, 2, 3, 4]'::jsonb,
    'pair_sku', '[1, 1, 1, 1]'::jsonb)) b
WHERE k.sku = 'mug'
"""


async def held_by(service: Service, session: int) -> dict[str, int]:
    found = Counter[str]()
    for held in await service.holds.held(session):
        if held.state == "held":
            found.update({line.sku: line.quantity for line in held.lines})
    return dict(found)


async def waits(service: Service, session: int) -> dict[str, int]:
    return {w.sku: w.quantity for w in await service.holds.wishes(session)}


def gone(answer: Placed | Refusal) -> bool:
    return isinstance(answer, OutOfStock)


async def test_what_comes_free_is_held_for_the_lowest_number_that_was_refused(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 1})
    first, second, third = await sessions_in(service, 3)
    lucky = await hold(service, first, mug=1)
    # The third asks before the second, and often: neither helps.
    assert gone(await ask(service, wish(third, mug=1)))
    assert gone(await ask(service, wish(second, mug=1)))
    for _ in range(3):
        assert gone(await ask(service, wish(third, mug=1)))

    await service.holds.release(first, lucky)
    served = await service.holds.serve(100)

    assert served == 1
    assert await held_by(service, second) == {"mug": 1}
    assert await held_by(service, third) == {}
    assert await waits(service, second) == {}
    assert await waits(service, third) == {"mug": 1}
    assert await service.ledger.breaches() == []


async def test_among_lanes_what_comes_free_is_held_for_those_whose_turn_came_first(
    service: Service,
) -> None:
    """Numbers of two lanes say nothing of each other; within a lane they do."""
    await open_gate(service, skus={"mug": 3})
    first, early, late = await sessions_in(service, 3)
    await execute(service, "SELECT set_lane('drop', 'members', 1, 'test')")
    await service.board.refresh(rooms=True)
    member, other = await sessions_in(service, 2, lane="members")
    lucky = await hold(service, first, mug=3)
    for session in (other, member, late, early):
        assert gone(await ask(service, wish(session, mug=1)))

    # Each asks in its turn, before anything is served: the turn counts there too.
    (ahead,) = await execute(service, AHEAD, [member, other, early, late])
    await service.holds.release(first, lucky)
    await service.holds.serve(100)

    assert ahead["units"] == [2, 3, 0, 1]
    held = [await held_by(service, session) for session in (early, late, member, other)]
    assert held == [{"mug": 1}, {"mug": 1}, {"mug": 1}, {}]
    assert await service.ledger.breaches() == []


async def test_nobody_gets_in_first_by_asking_at_the_right_moment(service: Service) -> None:
    await open_gate(service, skus={"mug": 1})
    first, second, fresh = await sessions_in(service, 3)
    lucky = await hold(service, first, mug=1)
    assert gone(await ask(service, wish(second, mug=1)))

    await service.holds.release(first, lucky)
    answer = await ask(service, wish(fresh, mug=1))

    assert gone(answer)
    assert await held_by(service, second) == {"mug": 1}


async def test_who_was_refused_may_ask_again_in_their_turn(service: Service) -> None:
    await open_gate(service, skus={"mug": 1})
    first, second, third = await sessions_in(service, 3)
    lucky = await hold(service, first, mug=1)
    assert gone(await ask(service, wish(second, mug=1)))
    assert gone(await ask(service, wish(third, mug=1)))

    await service.holds.release(first, lucky)
    again = await ask(service, wish(second, mug=1))

    assert isinstance(again, Placed)
    assert await waits(service, second) == {}
    assert await service.ledger.breaches() == []


async def test_new_stock_serves_the_refused_before_the_line_is_called(service: Service) -> None:
    await open_room(service, skus={"mug": 2}, seats_max=2)
    first, second = await sessions_in(service, 2)
    await hold(service, first, mug=1)
    await hold(service, second, mug=1)
    assert gone(await ask(service, wish(first, mug=1)))
    await service.lines.join(service.board.room("drop").line_id, 3, os.urandom(32))
    await service.rooms.change("drop", '{"seats_max": 9}', who="test")

    await service.ledger.move("mug", kind="received", quantity=2, who="test")
    await tick(service)
    (line,) = await execute(service, "SELECT gate FROM line")
    await service.holds.serve(100)
    await tick(service)

    # One of the two units waits for the session, so one number was called and not two.
    assert line["gate"] == 3
    assert await held_by(service, first) == {"mug": 2}
    (line,) = await execute(service, "SELECT gate FROM line")
    assert line["gate"] == 3
    assert await service.ledger.breaches() == []


async def test_a_promise_goes_before_a_wish(service: Service) -> None:
    await open_room(service, skus={"mug": 3}, seats_max=3)
    first, second, called = await sessions_in(service, 3)
    await hold(service, first, mug=1)
    await hold(service, second, mug=1)
    assert gone(await ask(service, wish(first, mug=1)))

    answer = await ask(service, wish(called, mug=1))

    assert isinstance(answer, Placed)
    assert await service.ledger.breaches() == []


async def test_a_wish_gets_what_there_is_of_it(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    first, second = await sessions_in(service, 2)
    lucky = await hold(service, first, mug=3)
    assert gone(await ask(service, wish(second, mug=3)))

    await service.holds.change(first, lucky, {"mug": 1})
    await service.holds.serve(100)

    assert await held_by(service, second) == {"mug": 2}


async def test_whoever_can_have_some_is_not_put_in_line_for_more(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    greedy, other = await sessions_in(service, 2)

    refused = await ask(service, wish(greedy, mug=4))
    answer = await ask(service, wish(other, mug=3))

    assert isinstance(refused, OutOfStock)
    assert refused.fields == {"sku": "mug", "available": 3}
    assert await waits(service, greedy) == {}
    assert isinstance(answer, Placed)


async def test_a_wish_ends_with_its_session(service: Service) -> None:
    await open_gate(service, skus={"mug": 1}, session_s=60)
    first, leaver, late, next_one = await sessions_in(service, 4)
    lucky = await hold(service, first, mug=1)
    for session in (leaver, late, next_one):
        assert gone(await ask(service, wish(session, mug=1)))
    await service.orders.leave(leaver)
    await execute(
        service, "UPDATE admission SET expires_at = shopper_now() WHERE admission_id = $1", late
    )

    await service.holds.release(first, lucky)
    await service.holds.serve(100)
    await service.holds.serve(100)

    assert await held_by(service, next_one) == {"mug": 1}
    assert await held_by(service, late) == {}
    await shift_clock(service, 61)
    await service.office.end_due(100)
    assert await service.ledger.breaches() == []


async def test_a_wish_that_a_limit_forbids_does_not_hold_up_the_next(service: Service) -> None:
    await open_gate(service, skus={"mug": 2}, limit=1)
    first, second, third = await sessions_in(service, 3)
    held = await hold(service, first, mug=1)
    await hold(service, second, mug=1)
    assert gone(await ask(service, wish(third, mug=1)))
    await execute(
        service,
        "INSERT INTO wish (session_id, sku_id, line_id, passed_at, number, quantity) "
        "SELECT $1, sku_id, 1, '2000-01-01', 1, 1 FROM sku",
        second,
    )
    await execute(service, "UPDATE stock SET wished = wished + 1")

    await service.holds.release(first, held)
    await service.holds.serve(100)
    await service.holds.serve(100)

    assert await held_by(service, third) == {"mug": 1}
    assert await waits(service, second) == {}


async def test_whoever_takes_it_into_a_basket_waits_for_it_no_longer(service: Service) -> None:
    await open_gate(service, skus={"mug": 1, "vase": 1})
    first, second = await sessions_in(service, 2)
    lucky = await hold(service, first, mug=1)
    assert gone(await ask(service, wish(second, mug=1)))
    basket = await hold(service, second, vase=1)

    await service.holds.release(first, lucky)
    await service.holds.change(second, basket, {"vase": 1, "mug": 1})

    assert await waits(service, second) == {}
    assert await service.ledger.breaches() == []


async def test_wishes_of_several_skus_come_as_one_basket(service: Service) -> None:
    await open_gate(service, skus={"mug": 1, "vase": 1})
    first, second = await sessions_in(service, 2)
    lucky = await hold(service, first, mug=1, vase=1)
    assert gone(await ask(service, wish(second, mug=1)))
    assert gone(await ask(service, wish(second, vase=1)))

    await service.holds.release(first, lucky)
    await service.holds.serve(100)

    (found,) = await service.holds.held(second)
    assert {line.sku for line in found.lines} == {"mug", "vase"}


async def test_two_sweepers_and_many_who_ask_give_each_unit_once(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 5})
    sessions = await sessions_in(one, 30)
    holders = [(s, await hold(one, s, mug=1)) for s in sessions[:5]]
    refused = [await ask(one, wish(s, mug=1)) for s in sessions[5:25]]
    assert all(map(gone, refused))

    async def release() -> None:
        for session, hold_id in holders:
            await one.holds.release(session, hold_id)

    async def keep_asking(service: Service, mine: list[int]) -> None:
        for session in mine * 3:
            await ask(service, wish(session, mug=1))

    async def serve(service: Service) -> None:
        for _ in range(8):
            await service.holds.serve(3)

    await asyncio.gather(
        release(),
        serve(one),
        serve(other),
        keep_asking(one, sessions[25:]),
        keep_asking(other, sessions[20:25]),
    )
    for _ in range(3):
        await one.holds.serve(100)

    winners = [s for s in sessions if await held_by(one, s)]
    assert winners == sessions[5:10]
    assert await one.ledger.breaches() == []


async def test_a_shopper_sees_what_they_wait_for_and_can_give_it_up(
    service: Service, client: Any
) -> None:
    await open_gate(service, skus={"mug": 1})
    await tick(service)
    first, second = Shopper(client), Shopper(client)
    for shopper in (first, second):
        await shopper.join()
        await shopper.claim()
    await first.hold(mug=1)
    refused = await second.hold(mug=1)
    headers = authorization(second.session)

    seen = await (await client.get("/checkout/session", headers=headers)).json()
    dropped = await client.delete("/checkout/wishes", headers=headers)
    after = await (await client.get("/checkout/session", headers=headers)).json()

    assert refused.status == 409
    assert seen["waiting_for"] == [{"sku": "mug", "name": "Mug", "quantity": 1}]
    assert dropped.status == 204
    assert after["waiting_for"] == []
    assert await service.ledger.breaches() == []


# In line for returns.


async def returns(service: Service, number: int, email: str = "") -> str:
    sql = "SELECT line_id, number, ticket_id FROM admission WHERE number = $1"
    (row,) = await execute(service, sql, number)
    return await service.lines.stay_for_returns(Ticket(**dict(row)), email=email)


async def test_who_stayed_for_returns_is_called_again_before_anyone_new(service: Service) -> None:
    await open_room(service, skus={"mug": 1}, seats_max=9, session_s=60, hold_s=200)
    (first,) = await sessions_in(service, 1)
    lucky = await hold(service, first, mug=1)
    await service.lines.join(service.board.room("drop").line_id, 4, os.urandom(32))
    await _call_in_spite_of_the_stock(service, 2)
    assert await returns(service, 2, "ada@example.com") == "waits"
    await shift_clock(service, 130)
    await service.office.end_due(100)

    await service.holds.release(first, lucky)
    await tick(service)

    (row,) = await execute(
        service, "SELECT state, claim_until - called_at AS window FROM admission WHERE number = 2"
    )
    assert row["state"] == "called"
    assert row["window"].total_seconds() >= RETURNS_WINDOW_S
    (line,) = await execute(service, "SELECT gate FROM line")
    assert line["gate"] == 2
    (mail,) = await execute(service, "SELECT address, kind, state FROM mail")
    assert tuple(mail) == ("ada@example.com", "called_for_returns", "waiting")
    assert await execute(service, "SELECT FROM returns_wait") == []
    assert await service.ledger.breaches() == []


async def _call_in_spite_of_the_stock(service: Service, number: int) -> None:
    """Let the next number in without a promise, as in a room of another policy."""
    await service.rooms.change("drop", '{"policy": "rate"}', who="test")
    sql = "SELECT verdict FROM call_numbers($1, $2, $3, $4, '{}', now(), 'test', '{}')"
    (line,) = await execute(service, "SELECT line_id, gate, tail, o.term FROM line, office o")
    head = min(line["gate"], line["tail"])
    values = (line["line_id"], line["term"], line["gate"], head + 1)
    (called,) = await execute(service, sql, *values)
    assert (called["verdict"], head + 1) == ("done", number)
    ticket = Ticket(line_id=line["line_id"], number=number, ticket_id=os.urandom(16))
    (claimed,) = await service.lines.claim([ticket])
    assert claimed.verdict == "claimed"
    await service.rooms.change("drop", '{"policy": "guaranteed"}', who="test")


@pytest.mark.parametrize("policy", ["rate", "expected", "guaranteed"])
async def test_one_unit_that_comes_back_calls_one_of_those_who_stayed(
    service: Service, policy: str
) -> None:
    await open_room(service, skus={"mug": 1}, policy="rate", seats_max=20, session_s=60)
    sessions = await sessions_in(service, 6)
    await hold(service, sessions[0], mug=1)
    for number in range(2, 7):
        assert await returns(service, number, f"n{number}@example.com") == "waits"
        await execute(
            service,
            "SELECT end_session(admission_id, 'expired') FROM admission WHERE number = $1",
            number,
        )
    await service.rooms.change("drop", f'{{"policy": "{policy}"}}', who="test")
    await tick(service, 2)
    assert await _called(service) == []

    await execute(service, "SELECT end_session(admission_id, 'left') FROM admission")
    await tick(service, 3)

    assert await _called(service) == [2]
    mails = await execute(service, "SELECT address FROM mail WHERE kind = 'called_for_returns'")
    assert [mail["address"] for mail in mails] == ["n2@example.com"]


async def _called(service: Service) -> list[int]:
    rows = await execute(
        service, "SELECT number FROM admission WHERE state = 'called' ORDER BY number"
    )
    return [row["number"] for row in rows]


async def test_who_was_refused_and_is_called_again_may_still_ask(service: Service) -> None:
    await open_room(service, skus={"mug": 1}, seats_max=9, session_s=60, hold_s=200, policy="rate")
    first, second = await sessions_in(service, 2)
    lucky = await hold(service, first, mug=1)
    assert gone(await ask(service, wish(second, mug=1)))
    assert await returns(service, 2) == "waits"
    await shift_clock(service, 130)
    await service.office.end_due(100)
    await service.holds.release(first, lucky)
    await service.office.end_due(100)
    await tick(service)
    (room,) = await execute(service, "SELECT room_id FROM room")
    (row,) = await execute(
        service, "SELECT line_id, number, ticket_id FROM admission WHERE number = 2"
    )
    demand = Demand()

    for came_in in (False, True):
        if came_in:
            await service.lines.claim([Ticket(**dict(row))])
        reading = await service.office.all_journeys(room["room_id"])
        assert reading is not None
        (again,) = (one for one in reading.changed if one.admission_id == second)
        demand.observe(reading.room.shopper_s, reading.changed, reading.closed, units_free=1)
        crowd = demand.outlook(reading.room.shopper_s).crowd

        # The database keeps what happened after the first call.
        assert (again.came_in, again.refused, again.missed_sku is None) == (came_in, True, False)
        assert (crowd.called.total(), crowd.inside.total()) == (not came_in, came_in)
        assert (crowd.refused, crowd.missed.total()) == (0, 0)


async def test_who_bought_or_left_does_not_stay_for_returns(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    buyer, leaver = await sessions_in(service, 2)
    await execute(
        service,
        "UPDATE admission SET state = 'ended', end_reason = 'ordered' WHERE admission_id = $1",
        buyer,
    )
    await execute(service, "UPDATE admission SET state = 'left' WHERE admission_id = $1", leaver)

    assert await returns(service, 1) == "bought"
    assert await returns(service, 2) == "left"


async def test_one_may_stay_for_returns_and_not_stay_a_bounded_number_of_times(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 1})
    first, second = await sessions_in(service, 2)
    await hold(service, first, mug=1)
    await execute(
        service, "UPDATE admission SET state = 'ended', end_reason = 'left' WHERE number = 2"
    )
    (row,) = await execute(
        service, "SELECT line_id, number, ticket_id FROM admission WHERE number = 2"
    )
    most = (await execute(service, "SELECT session_changes_max() AS most"))[0]["most"]
    sql = "UPDATE admission SET changes = $1 WHERE admission_id = $2"
    await execute(service, sql, most - 2, second)

    said = []
    for _ in range(4):
        said.append(await returns(service, 2))
        await service.lines.leave_returns(Ticket(**dict(row)))

    assert said == ["waits", "waits", "too_many_changes", "too_many_changes"]


async def test_another_ticket_cannot_stay_in_ones_place(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    await sessions_in(service, 1)
    line_id = service.board.room("drop").line_id
    stranger = Ticket(line_id=line_id, number=1, ticket_id=os.urandom(16))

    assert await service.lines.stay_for_returns(stranger, email="") == "other_ticket"


async def test_who_could_have_something_now_does_not_stay_for_it(service: Service) -> None:
    await open_gate(service, skus={"mug": 2})
    first, second = await sessions_in(service, 2)

    assert await returns(service, 1) == "units_free"
    held = await hold(service, first, mug=2)
    assert await returns(service, 1) == "units_free"
    assert await returns(service, 2) == "waits"
    await service.holds.release(first, held)
    # Who stays already may still say where to write to.
    assert await returns(service, 2, "ada@example.com") == "waits"
    assert await held_by(service, second) == {}


async def test_who_was_given_something_since_is_not_called_for_returns(service: Service) -> None:
    await open_gate(service, skus={"mug": 1}, session_s=60, hold_s=30)
    first, second = await sessions_in(service, 2)
    held = await hold(service, first, mug=1)
    assert gone(await ask(service, wish(second, mug=1)))
    assert await returns(service, 2) == "waits"
    await service.holds.release(first, held)
    await service.holds.serve(10)
    await shift_clock(service, 61)
    await service.holds.expire(10)
    await service.office.end_due(10)

    (row,) = await execute(service, "SELECT state FROM admission WHERE number = 2")

    assert row["state"] == "ended"
