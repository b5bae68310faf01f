"""The units that one shopper, and one network, may set aside without paying for them."""

from typing import Any
from uuid import uuid4

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import execute

from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from inventory.refusals import LimitReached, TooManyActs
from waitroom.run.app import Service
from waitroom.store.archive_store import Retention

ONE, OTHER = b"network1", b"network2"
pytestmark = pytest.mark.usefixtures("service")


def limited(answer: Placed | Refusal) -> dict[str, Any]:
    assert isinstance(answer, LimitReached), answer
    return answer.fields


async def of_network(service: Service, network: bytes = ONE) -> dict[str, int]:
    rows = await execute(
        service, "SELECT held, paid, unpaid FROM room_network WHERE network = $1", network
    )
    return dict(rows[0])


async def pay(service: Service, session: int, **quantities: int) -> None:
    held = await hold(service, session, **quantities)
    await execute(service, "SELECT end_holds(ARRAY[$1::uuid], 'confirmed', false)", held)


async def seconds_of(service: Service, session: int) -> float:
    """Return for how long a hold of the session is kept, and give the hold up."""
    placed = await ask(service, wish(session, mug=1))
    assert isinstance(placed, Placed), placed
    await service.holds.release(session, placed.hold_id)
    return placed.seconds_left


async def test_all_unpaid_baskets_of_a_session_share_the_limit_of_an_order(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 50, "vase": 50}, limit=50, order_units_max=5)
    (session,) = await sessions_in(service, 1)
    first = await hold(service, session, mug=3)

    over = await ask(service, wish(session, vase=3))
    partial = await ask(service, wish(session, partial=True, vase=3))

    assert limited(over) == {"limit": 5, "scope": "order"}
    assert isinstance(partial, Placed)
    assert partial.lines[0].quantity == 2
    with pytest.raises(LimitReached):
        await service.holds.change(session, first, {"mug": 4})
    await execute(service, "SELECT end_holds(ARRAY[$1::uuid], 'confirmed', false)", first)
    await hold(service, session, vase=3)


async def test_a_room_that_says_nothing_bounds_an_order(service: Service) -> None:
    await open_gate(service, skus={"mug": 50}, limit=50)
    (session,) = await sessions_in(service, 1)

    assert limited(await ask(service, wish(session, mug=11))) == {"limit": 10, "scope": "order"}
    await hold(service, session, mug=10)


async def test_a_network_holds_no_more_than_its_share_and_each_there_a_basket(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 50}, limit=50)
    one, two, three = await sessions_in(service, 3, network=ONE)
    (elsewhere,) = await sessions_in(service, 1, network=OTHER)
    (unknown,) = await sessions_in(service, 1)
    first = await hold(service, one, mug=8)

    over, fits = await service.holds.place([wish(two, mug=4), wish(two, mug=2)])
    later = await ask(service, wish(three, mug=3))
    basket = await hold(service, three, mug=2)

    assert limited(over) == limited(later) == {"sku": "mug", "limit": 2, "scope": "network"}
    assert isinstance(fits, Placed)
    with pytest.raises(LimitReached, match="connection"):
        await service.holds.change(three, basket, {"mug": 3})
    await hold(service, elsewhere, mug=10)
    await hold(service, unknown, mug=10)
    assert await of_network(service) == {"held": 12, "paid": 0, "unpaid": 0}
    assert await service.ledger.breaches() == []
    await service.holds.change(one, first, {"mug": 4})
    await service.holds.change(three, basket, {"mug": 4})
    await service.holds.release(three, basket)
    await execute(service, "SELECT end_holds(ARRAY[$1::uuid], 'confirmed', false)", first)
    assert await of_network(service) == {"held": 2, "paid": 1, "unpaid": 1}


async def test_sessions_of_one_network_share_its_bound_within_a_batch(service: Service) -> None:
    await open_gate(service, skus={"mug": 40}, limit=50)
    sessions = await sessions_in(service, 12, network=ONE)

    answers = await service.holds.place([wish(session, mug=4) for session in sessions])
    partial = await service.holds.place([wish(s, partial=True, mug=4) for s in sessions[2:]])

    assert [isinstance(answer, Placed) for answer in answers] == [True] * 2 + [False] * 10
    assert [a.lines[0].quantity for a in partial if isinstance(a, Placed)] == [2] * 10
    assert (await of_network(service))["held"] == 28


async def test_baskets_of_a_session_that_takes_and_drops_last_less_long(service: Service) -> None:
    await open_gate(service, skus={"mug": 40}, hold_s=480)
    (session, other) = await sessions_in(service, 2)

    lasted = [await seconds_of(service, session) for _ in range(20)]

    assert lasted == [480.0] * 6 + [240.0, 120.0] + [60.0] * 12
    assert isinstance(await ask(service, wish(session, mug=1)), TooManyActs)
    assert await seconds_of(service, other) == 480.0


async def test_more_time_for_a_basket_is_no_more_than_a_new_one_would_have(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 40}, hold_s=480)
    (session,) = await sessions_in(service, 1)
    for _ in range(8):
        await seconds_of(service, session)
    held = await hold(service, session, mug=1)

    await service.holds.extend(session, held, key=uuid4())

    assert (await service.holds.read(session, held)).seconds_left <= 60.0


async def test_baskets_of_a_network_that_pays_for_few_last_less_long(service: Service) -> None:
    await open_gate(service, skus={"mug": 90}, hold_s=480)
    sessions = await sessions_in(service, 16, network=ONE)
    lasted = [await seconds_of(service, session) for session in sessions[:15]]
    (payer,) = await sessions_in(service, 1, network=ONE)
    before = await seconds_of(service, sessions[15])
    for session in sessions[:4]:
        await hold(service, session, mug=4)
    await hold(service, sessions[4], mug=2)
    nothing = await ask(service, wish(sessions[5], mug=1))
    await execute(service, "UPDATE room SET held_share_max = 1")

    for _ in range(4):
        await pay(service, payer, mug=1)

    assert lasted == [480.0] * 10 + [240.0] * 5
    assert before == 240.0
    # What an unpaid network holds at once is bounded, and it gets nothing beyond.
    assert limited(nothing) == {"sku": "mug", "limit": 0, "scope": "network"}
    assert await seconds_of(service, sessions[15]) == 480.0


async def test_a_network_is_forgotten_a_day_after_the_end(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    (session,) = await sessions_in(service, 1, network=ONE)
    await service.holds.release(session, await hold(service, session, mug=1))
    sql = """SELECT (SELECT count(network) FROM admission) + (SELECT count(*) FROM room_network)
             AS kept"""
    keep = Retention(archive_after=None, people_after=None, orders_after=None)

    await service.rooms.set_status("drop", "ended", who="test")
    await service.archive.sweep(keep, 100)
    kept = await execute(service, sql)
    await execute(service, "UPDATE retention SET ended_at = ended_at - interval '25 hours'")
    await service.archive.sweep(keep, 100)

    assert kept[0]["kept"] == 2
    assert (await execute(service, sql))[0]["kept"] == 0
