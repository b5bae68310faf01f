"""A session that never stops acting meets a bound, and slows nobody down before it does."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import execute

from inventory.hold_store import Placed
from inventory.refusals import OutOfStock, TooManyActs
from waitroom.run.app import Service

# Holds that one session placed, in the state $3, as rows.
PLANT = """
WITH placed AS (
    INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, state,
                      placed_at, expires_at, ended_at)
    SELECT gen_random_uuid(), $1, a.room_id, gen_random_uuid(), '\\x', $3,
           now(), now(), now()
    FROM admission a, generate_series(1, $2) WHERE a.admission_id = $1 RETURNING hold_id)
INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor)
SELECT p.hold_id, k.sku_id, 1, 100 FROM placed p, sku k WHERE k.sku = 'mug'"""


async def bound(service: Service, name: str) -> int:
    (row,) = await execute(service, f"SELECT session_{name}_max() AS most")
    return int(row["most"])


async def test_a_session_places_a_bounded_number_of_holds(service: Service) -> None:
    await open_gate(service, skus={"mug": 1000}, limit=1000)
    restless, other = await sessions_in(service, 2)
    await execute(service, PLANT, restless, await bound(service, "holds") - 2, "confirmed")
    first = wish(restless, mug=1)

    # In one batch, so that the bound is kept within it too.
    answers = await service.holds.place([first, *(wish(restless, mug=1) for _ in range(3))])

    assert [isinstance(answer, Placed) for answer in answers] == [True, True, False, False]
    assert isinstance(answers[-1], TooManyActs)
    assert isinstance(await ask(service, wish(restless, mug=1)), TooManyActs)
    repeat = await ask(service, first)
    assert isinstance(repeat, Placed)
    assert repeat.replay
    held = await service.holds.held(restless)
    assert len(held) == 2
    await service.holds.release(restless, held[0].hold_id)
    assert isinstance(await ask(service, wish(other, mug=1)), Placed)


async def test_a_session_changes_its_holds_a_bounded_number_of_times(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 0}, limit=9)
    (session,) = await sessions_in(service, 1)
    mine = await hold(service, session, mug=1)
    assert isinstance(await ask(service, wish(session, vase=1)), OutOfStock)
    most = await bound(service, "changes")
    await execute(service, "UPDATE admission SET changes = $1", most - 1)

    await service.holds.change(session, mine, {"mug": 2})

    with pytest.raises(TooManyActs):
        await service.holds.change(session, mine, {"mug": 3})
    with pytest.raises(TooManyActs):
        await service.holds.drop_wishes(session)
    assert (await service.holds.read(session, mine)).lines[0].quantity == 2
    await service.holds.release(session, mine)


async def test_giving_up_a_wish_counts_as_an_act_only_if_there_is_one(service: Service) -> None:
    await open_gate(service, skus={"mug": 9, "vase": 0})
    (session,) = await sessions_in(service, 1)
    await ask(service, wish(session, vase=1))

    for _ in range(3):
        await service.holds.drop_wishes(session)

    (row,) = await execute(service, "SELECT changes FROM admission")
    assert row["changes"] == 1
    assert await service.holds.wishes(session) == []


async def test_a_session_waits_for_a_bounded_number_of_skus(service: Service) -> None:
    most = await bound(service, "wishes")
    skus = {f"vase-{number}": 0 for number in range(most + 2)}
    await open_gate(service, skus={"mug": 9, **skus})
    (session,) = await sessions_in(service, 1)

    for sku in skus:
        assert isinstance(await ask(service, wish(session, **{sku: 1})), OutOfStock)

    assert len(await service.holds.wishes(session)) == most
    assert await service.ledger.breaches() == []


async def test_holds_that_are_over_are_not_read_again(service: Service) -> None:
    await open_gate(service, skus={"mug": 1000}, limit=1000)
    restless, calm = await sessions_in(service, 2)
    await execute(service, PLANT, restless, 20_000, "released")

    async def units(session: int) -> None:
        await execute(service, "SELECT session_units(ARRAY[$1::bigint], ARRAY[1])", session)
        await ask(service, wish(session, mug=1000))
        await service.holds.held(session)

    assert await _fastest(lambda: units(restless)) < 4 * await _fastest(lambda: units(calm))


async def _fastest(act: Callable[[], Awaitable[None]]) -> float:
    async def once() -> float:
        started = time.perf_counter()
        await act()
        return time.perf_counter() - started

    return min([await once() for _ in range(10)])


async def test_clicking_many_times_at_once_is_bounded_too(service: Service) -> None:
    await open_gate(service, skus={"mug": 1000}, limit=1000)
    (session,) = await sessions_in(service, 1)
    most = await bound(service, "holds")
    await execute(service, PLANT, session, most - 3, "confirmed")

    answers = await asyncio.gather(*(ask(service, wish(session, mug=1)) for _ in range(12)))

    assert sum(isinstance(answer, Placed) for answer in answers) == 3
