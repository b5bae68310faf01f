"""More time is more time for every step: to come, to buy, to hold, to pay, to come back."""

from typing import Any

import pytest
from paying import start
from shop import hold, open_gate, sessions_in
from support import execute, shift_clock

from inventory.refusals import HoldExpired
from waitroom.line.ticket import Ticket
from waitroom.run.app import Service
from waitroom.store.place_store import PlaceStore

RULES = {"claim_window_s": 100, "session_s": 5000, "hold_s": 400, "payment_window_s": 700}


async def ask_for_time(service: Service, session: int) -> str:
    """Ask for double time as a session's shopper would; return the verdict."""
    sql = "SELECT line_id, number, ticket_id FROM admission WHERE admission_id = $1"
    (row,) = await execute(service, sql, session)
    ticket = Ticket(line_id=row["line_id"], number=row["number"], ticket_id=row["ticket_id"])
    return await PlaceStore(service.pool).give_profile(ticket, "extra-time")


async def give_time(service: Service, session: int) -> None:
    assert await ask_for_time(service, session) == "given"


async def seconds_of(service: Service, column: str, table: str = "hold") -> int:
    sql = f"SELECT extract(epoch FROM {column} - shopper_now())::float8 AS s FROM {table}"
    return round((await execute(service, sql))[0]["s"])


@pytest.fixture
async def session(service: Service) -> int:
    await open_gate(service, skus={"mug": 9, "vase": 1}, limit=9)
    sql = "UPDATE room SET claim_window_s = $1, session_s = $2, hold_s = $3, payment_window_s = $4"
    await execute(service, sql, *RULES.values())
    return (await sessions_in(service, 1))[0]


async def test_a_hold_lasts_longer_whenever_more_time_is_asked_for(
    service: Service, session: int
) -> None:
    mine = await hold(service, session, mug=1)
    assert await seconds_of(service, "expires_at") == 400

    await give_time(service, session)

    assert await seconds_of(service, "expires_at") == 800
    assert await seconds_of(service, "due_at", "hold_line") == 800
    await shift_clock(service, 500)
    assert await service.holds.expire(10) == 0
    await service.holds.extend(session, mine)
    assert await seconds_of(service, "expires_at") == 800
    await service.holds.release(session, mine)
    await hold(service, session, vase=1)
    assert await seconds_of(service, "max(expires_at)") == 800


async def test_a_payment_may_take_longer_whenever_more_time_is_asked_for(
    service: Service, session: int
) -> None:
    mine = await hold(service, session, mug=1)
    await start(service, session, mine)
    assert await seconds_of(service, "pay_by", "purchase") == 700

    await give_time(service, session)

    for column in ("expires_at", "payment_until"):
        assert await seconds_of(service, column) == 1400
    assert await seconds_of(service, "unpaid_until") == 800
    assert await seconds_of(service, "pay_by", "purchase") == 1400


async def test_a_payment_that_begins_with_more_time_has_it(service: Service, session: int) -> None:
    await give_time(service, session)
    mine = await hold(service, session, mug=1)

    await start(service, session, mine)

    assert await seconds_of(service, "pay_by", "purchase") == 1400


async def test_no_deadline_of_a_shopper_forgets_the_factor(service: Service) -> None:
    deadlines = ("claim_window_s", "session_s", "hold_s", "payment_window_s", "returns_window_s")
    sql = "SELECT proname AS name, prosrc AS text FROM pg_proc WHERE prolang <> 12"
    functions = await execute(service, sql)

    found: list[Any] = [
        (function["name"], line.strip())
        for function in functions
        for line in function["text"].splitlines()
        if any(name in "".join(line.split("make_interval")[1:]) for name in deadlines)
    ]

    # Most ask how long stock stays on sale, and one returns an end to which callers add.
    no_deadlines = {"slack_of", "kept_units", "read_facts", "read_off_sale", "advance_off_sale"}
    no_deadlines |= {"call_ends", "units_for_call", "has_lapsed"}
    assert [entry for entry in found if entry[0] not in no_deadlines] == []


async def test_more_time_brings_back_nothing_that_is_over(service: Service, session: int) -> None:
    mine = await hold(service, session, mug=1)
    await shift_clock(service, 401)
    # The hold's deadline has passed and the sweep has yet to come; the session goes on.
    await give_time(service, session)
    assert await seconds_of(service, "expires_at") < 0
    assert await seconds_of(service, "due_at", "hold_line") < 0
    assert await seconds_of(service, "expires_at", "admission") > 2 * 5000 - 500
    with pytest.raises(HoldExpired):
        await service.holds.extend(session, mine)

    (other,) = await sessions_in(service, 1)
    await shift_clock(service, 5001)
    # Neither a session nor, after the sweep, the time to come back begins once more.
    assert await ask_for_time(service, other) == "over"
    long_ago = "state = 'missed', ended_at = shopper_now() - interval '5 hours'"
    await execute(service, f"UPDATE admission SET {long_ago} WHERE admission_id = $1", other)
    assert await ask_for_time(service, other) == "over"
