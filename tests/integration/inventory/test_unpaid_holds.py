"""The units that one shopper, and one network, may set aside without paying for them."""

from collections import deque
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import execute

from inventory.hold_store import Placed
from inventory.kit.problem import Refusal
from inventory.refusals import ExtensionRefused, LimitReached, TooManyActs
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
    payer, *sessions = await sessions_in(service, 17, network=ONE)
    lasted = [await seconds_of(service, session) for session in sessions[:15]]
    before = await seconds_of(service, sessions[15])
    await hold(service, sessions[0], mug=2)
    nothing = await ask(service, wish(sessions[1], mug=1))
    await execute(service, "UPDATE room SET held_share_max = 1")

    for _ in range(4):
        await pay(service, payer, mug=1)

    assert lasted == [480.0] * 10 + [240.0] * 5
    assert before == 240.0
    # What an unpaid network holds at once is bounded, and it gets nothing beyond.
    assert limited(nothing) == {"sku": "mug", "limit": 0, "scope": "network"}
    assert await seconds_of(service, sessions[15]) == 480.0


async def count(
    service: Service, *, paid: int = 0, unpaid: int = 0, lapsed: int = 0, network: bytes = ONE
) -> None:
    """Let baskets of a network have ended like this."""
    await execute(
        service,
        """INSERT INTO room_network (room_id, network, since, paid, unpaid, lapsed)
           SELECT room_id, $1, clock_timestamp(), $2, $3, $4 FROM room WHERE room = 'drop'
           ON CONFLICT (room_id, network) DO UPDATE SET paid = $2, unpaid = $3, lapsed = $4""",
        network,
        paid,
        unpaid,
        lapsed,
    )


async def units_of_network(service: Service) -> int:
    """Return the units that the room's one network may hold."""
    rows = await execute(
        service,
        """SELECT network_units(m, s, n) AS units FROM room m JOIN room_stock s USING (room_id)
           JOIN room_network n USING (room_id)""",
    )
    return int(rows[0]["units"])


async def let_pass(service: Service, basket: UUID, *, seconds: int) -> None:
    """Let a basket be as much older."""
    await execute(
        service,
        """UPDATE hold SET placed_at = placed_at - $2::int * interval '1 second',
               expires_at = expires_at - $2::int * interval '1 second' WHERE hold_id = $1""",
        basket,
        seconds,
    )


@pytest.mark.parametrize(
    ("record", "units"),
    [
        ({}, 50),
        ({"paid": 1}, 100),
        ({"paid": 3}, 200),
        ({"paid": 30}, 200),
        ({"unpaid": 9}, 50),
        ({"unpaid": 10}, 25),
        ({"unpaid": 26, "paid": 8}, 25),
        ({"lapsed": 6}, 25),
        ({"lapsed": 10, "paid": 1}, 100),
        ({"unpaid": 20}, 3),
        ({"unpaid": 40}, 0),
        ({"lapsed": 24}, 0),
    ],
)
async def test_the_share_of_a_network_is_earned_and_lost(
    service: Service, record: dict[str, int], units: int
) -> None:
    await open_gate(service, skus={"mug": 1000})
    await count(service, **record)

    assert await units_of_network(service) == units


@pytest.mark.parametrize(("unsold", "units"), [(10, 2), (9, 1), (5, 1), (4, 0)])
async def test_of_the_last_units_a_network_that_stands_out_has_its_share_alone(
    service: Service, unsold: int, units: int
) -> None:
    await open_gate(service, skus={"mug": unsold})
    await count(service, unpaid=10)

    assert await units_of_network(service) == units


@pytest.mark.parametrize(
    ("record", "units"),
    [({"lapsed": 1}, 4), ({"lapsed": 2}, 2), ({"lapsed": 2, "paid": 1}, 4), ({"unpaid": 9}, 4)],
)
async def test_in_a_small_sale_a_network_that_mostly_lapses_has_less_than_an_order(
    service: Service, record: dict[str, int], units: int
) -> None:
    await open_gate(service, skus={"mug": 30}, order_units_max=4)
    await count(service, **record)

    assert await units_of_network(service) == units


async def test_a_session_that_lapsed_gets_no_more_time_while_its_network_mostly_lapses(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 100})
    late, first_time = await sessions_in(service, 2, network=ONE)
    await service.holds.release(late, await hold(service, late, mug=1))
    baskets = [await hold(service, session, mug=1) for session in (late, first_time)]

    await count(service, unpaid=2, lapsed=2)
    await service.holds.extend(first_time, baskets[1], key=uuid4())
    with pytest.raises(ExtensionRefused):
        await service.holds.extend(late, baskets[0], key=uuid4())
    await count(service, unpaid=2, lapsed=1)
    await service.holds.extend(late, baskets[0], key=uuid4())


async def test_a_basket_lapses_after_half_of_its_time(service: Service) -> None:
    await open_gate(service, skus={"mug": 100}, hold_s=480)
    sessions = await sessions_in(service, 3, network=ONE)
    baskets = [await hold(service, session, mug=1) for session in sessions]

    for session, basket, seconds in zip(sessions, baskets, (200, 280, 479), strict=True):
        await let_pass(service, basket, seconds=seconds)
        await service.holds.release(session, basket)

    rows = await execute(service, "SELECT unpaid, lapsed FROM room_network")
    assert dict(rows[0]) == {"unpaid": 3, "lapsed": 2}


async def test_baskets_beyond_a_networks_share_end_sooner_until_it_pays(service: Service) -> None:
    await open_gate(service, skus={"mug": 100}, hold_s=480, order_units_max=4)
    sessions = await sessions_in(service, 8, network=ONE)
    (elsewhere,) = await sessions_in(service, 1, network=OTHER)
    wishes = [wish(session, mug=2) for session in (*sessions, elsewhere)]

    answers = await service.holds.place(wishes)

    # Five units are its share.
    told = [answer.seconds_left for answer in answers if isinstance(answer, Placed)]
    assert told == [480.0] * 2 + [240.0] * 6 + [480.0]
    late, early = answers[6:8]
    assert isinstance(late, Placed)
    assert isinstance(early, Placed)
    for basket, session, seconds in ((late, 6, 130), (early, 7, 110)):
        await let_pass(service, basket.hold_id, seconds=seconds)
        await service.holds.release(sessions[session], basket.hold_id)
    rows = await execute(service, "SELECT unpaid, lapsed FROM room_network WHERE network = $1", ONE)
    assert dict(rows[0]) == {"unpaid": 2, "lapsed": 1}
    await count(service, paid=3)
    assert await seconds_of(service, (await sessions_in(service, 1, network=ONE))[0]) == 480.0


async def test_a_second_chance_at_a_full_network_is_for_those_of_one_that_pays(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 100}, order_units_max=4)
    late, other, third = await sessions_in(service, 3, network=ONE)
    lapsed = await hold(service, late, mug=1)
    await let_pass(service, lapsed, seconds=280)
    await service.holds.release(late, lapsed)
    await hold(service, other, mug=4)
    await hold(service, third, mug=2)

    before = await ask(service, wish(late, mug=1))
    await count(service, paid=1, lapsed=1)
    after = await ask(service, wish(late, mug=1))

    assert limited(before)["limit"] == 0
    assert isinstance(after, Placed)


async def test_the_last_units_are_not_for_a_network_that_pays_for_nothing(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 4})
    (unpaying,) = await sessions_in(service, 1, network=ONE)
    await count(service, paid=0, unpaid=20)
    (elsewhere,) = await sessions_in(service, 1, network=OTHER)

    refused = await ask(service, wish(unpaying, mug=1))
    served = await ask(service, wish(elsewhere, mug=4))

    assert limited(refused)["scope"] == "network"
    assert isinstance(served, Placed)


async def test_a_network_beyond_its_share_gets_more_time_once_it_pays(service: Service) -> None:
    await open_gate(service, skus={"mug": 160}, limit=50, order_units_max=4)
    one, two, three = await sessions_in(service, 3, network=ONE)
    baskets = [await hold(service, one, mug=4), await hold(service, two, mug=4)]
    await hold(service, three, mug=2)
    (elsewhere,) = await sessions_in(service, 1, network=OTHER)
    other = await hold(service, elsewhere, mug=4)

    with pytest.raises(ExtensionRefused):
        await service.holds.extend(one, baskets[0], key=uuid4())
    await count(service, paid=1, unpaid=3)
    await service.holds.extend(one, baskets[0], key=uuid4())
    await execute(service, "UPDATE stock SET on_hand = 20")
    await execute(service, "UPDATE room_stock SET on_hand = 20")
    with pytest.raises(ExtensionRefused):
        await service.holds.extend(two, baskets[1], key=uuid4())
    await service.holds.extend(elsewhere, other, key=uuid4())
    await count(service, paid=2, unpaid=1)
    await service.holds.extend(two, baskets[1], key=uuid4())


@pytest.mark.parametrize("unpaid_share", [0.05, 0.3])
async def test_an_office_of_which_some_do_not_pay_is_never_refused(
    service: Service, unpaid_share: float
) -> None:
    """Sixty shoppers behind one address, of whom ten at a time are inside."""
    rng = Random(1)
    await open_gate(service, skus={"mug": 130}, limit=10, order_units_max=4, hold_s=480)
    sessions = deque(await sessions_in(service, 60, network=ONE))
    inside: list[tuple[int, UUID]] = []
    paid = 0
    while sessions or inside:
        while sessions and len(inside) < 10:
            session = sessions.popleft()
            placed = await ask(service, wish(session, mug=2))
            assert isinstance(placed, Placed), placed
            # Nobody knows the office before its first five have paid.
            assert placed.seconds_left == 480.0 or (paid < 5 and placed.seconds_left == 240.0)
            inside.append((session, placed.hold_id))
        session, basket = inside.pop(rng.randrange(len(inside)))
        if rng.random() < unpaid_share:
            await service.holds.extend(session, basket, key=uuid4())
            await let_pass(service, basket, seconds=rng.choice([0, 400]))
            await service.holds.release(session, basket)
        else:
            await execute(service, "SELECT end_holds(ARRAY[$1::uuid], 'confirmed', false)", basket)
            paid += 1


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
