"""Holds on PostgreSQL: every unit once, every basket whole, every repeat recognised."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import execute, open_room, shift_clock

from inventory.hold_store import Placed
from inventory.kit.problem import IdempotencyKeyReused, Refusal
from inventory.refusals import (
    ExtensionRefused,
    HoldExpired,
    LimitReached,
    OutOfStock,
    PaymentRunning,
    SessionOver,
    UnknownHold,
    UnknownSku,
)
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]
WAIT_S = 20.0


async def figures(service: Service, sku: str = "mug") -> tuple[int, int]:
    found = await service.stock.read(sku)
    return found.held, found.sold


async def due_agrees(service: Service) -> None:
    """Check that a line's deadline is its hold's while the clock may end it, and else none."""
    sql = """SELECT h.hold_id FROM hold h JOIN hold_line l USING (hold_id)
             WHERE l.quantity > 0 AND l.due_at IS DISTINCT FROM
                 CASE WHEN h.state = 'held' AND NOT h.paying THEN h.expires_at END"""
    assert await execute(service, sql) == []


async def all_is_well(service: Service) -> None:
    assert await service.ledger.breaches() == []
    await due_agrees(service)


async def pay_for(service: Service, session_id: int, hold_id: UUID) -> UUID:
    order_id, _ = await service.orders.start(
        session_id,
        hold_id=hold_id,
        key=uuid4(),
        body_hash=b"body",
        gateway="test",
        token="tok_approve",
    )
    return order_id


# Placing.


async def test_forty_holds_on_five_units_by_eight_callers_at_two_services_give_five(
    services: OpenService,
) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 5})
    sessions = await sessions_in(one, 40)

    async def caller(number: int) -> list[Placed | Refusal]:
        service = (one, other)[number % 2]
        mine = sessions[number * 5 : number * 5 + 5]
        return [await ask(service, wish(session, mug=1)) for session in mine]

    answers = [a for found in await asyncio.gather(*map(caller, range(8))) for a in found]

    placed = [a for a in answers if isinstance(a, Placed)]
    refused = [a for a in answers if isinstance(a, OutOfStock)]
    assert (len(placed), len(refused)) == (5, 35)
    assert await figures(one) == (5, 0)
    await all_is_well(one)


async def test_holds_in_one_batch_are_first_come_first_served(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    sessions = await sessions_in(service, 4)

    answers = await service.holds.place(
        [wish(s, mug=q) for s, q in zip(sessions, (2, 4, 3, 1), strict=True)]
    )

    assert [isinstance(a, Placed) for a in answers] == [True, False, True, False]
    assert isinstance(answers[1], OutOfStock)
    assert answers[1].fields == {"sku": "mug", "available": 3}
    await all_is_well(service)


async def test_a_basket_is_all_or_nothing(service: Service) -> None:
    await open_gate(service, skus={"mug": 5, "vase": 1})
    one, other = await sessions_in(service, 2)

    refused = await ask(service, wish(one, mug=2, vase=2))
    placed = await ask(service, wish(other, mug=4, vase=1))

    assert isinstance(refused, OutOfStock)
    assert refused.fields["sku"] == "vase"
    assert isinstance(placed, Placed)
    assert await figures(service, "mug") == (4, 0)
    assert await figures(service, "vase") == (1, 0)
    await all_is_well(service)


async def test_a_refused_basket_takes_nothing_from_its_neighbours(service: Service) -> None:
    await open_gate(service, skus={"mug": 2, "vase": 0})
    one, other = await sessions_in(service, 2)

    refused, placed = await service.holds.place([wish(one, mug=2, vase=1), wish(other, mug=2)])

    assert isinstance(refused, OutOfStock)
    assert isinstance(placed, Placed)
    await all_is_well(service)


async def test_a_hold_of_ones_own_does_not_block_another(service: Service) -> None:
    await open_room(service, skus={"mug": 3, "vase": 3})
    (session,) = await sessions_in(service, 1)

    first = await ask(service, wish(session, mug=1))
    second = await ask(service, wish(session, mug=1, vase=1))

    assert isinstance(first, Placed)
    assert isinstance(second, Placed)
    assert await figures(service) == (2, 0)
    await all_is_well(service)


async def test_units_behind_others_promises_are_not_to_be_had(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    one, *others = await sessions_in(service, 3)

    greedy = await ask(service, wish(one, mug=2))
    each = [await ask(service, wish(session, mug=1)) for session in (one, *others)]

    assert isinstance(greedy, OutOfStock)
    assert greedy.fields["available"] == 1
    assert all(isinstance(answer, Placed) for answer in each)
    assert (await execute(service, "SELECT promised FROM room_stock"))[0]["promised"] == 0
    await all_is_well(service)


@pytest.mark.parametrize("same_batch", [True, False])
async def test_two_requests_of_one_session_share_its_limit(
    service: Service, *, same_batch: bool
) -> None:
    await open_gate(service, skus={"mug": 10}, limit=4)
    (session,) = await sessions_in(service, 1)
    wishes = [wish(session, mug=3), wish(session, mug=2), wish(session, mug=1)]

    if same_batch:
        answers = await service.holds.place(wishes)
    else:
        answers = [await ask(service, request) for request in wishes]

    assert [type(answer) for answer in answers] == [Placed, LimitReached, Placed]
    assert isinstance(answers[1], LimitReached)
    assert answers[1].fields == {"sku": "mug", "limit": 4, "scope": "session"}
    await all_is_well(service)


async def test_what_is_bought_counts_towards_the_limit_and_what_is_released_does_not(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 10}, limit=4)
    (session,) = await sessions_in(service, 1)
    released = await hold(service, session, mug=4)
    await service.holds.release(session, released)
    bought = await hold(service, session, mug=3)
    kept = await hold(service, session, mug=1)
    await service.payments.drive(await pay_for(service, session, bought))
    await service.holds.release(session, kept)

    answer = await ask(service, wish(session, mug=2))

    assert isinstance(answer, LimitReached)
    await all_is_well(service)


async def test_a_sku_of_another_room_or_of_none_is_unknown(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    await open_room(service, "other", skus={"vase": 3})
    (session,) = await sessions_in(service, 1)

    for sku in ("vase", "nothing"):
        refused = await ask(service, wish(session, mug=1, **{sku: 1}))
        assert isinstance(refused, UnknownSku)
        assert refused.fields["sku"] == sku
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_an_unknown_or_ended_session_holds_nothing(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    ended, overdue = await sessions_in(service, 2)
    await service.orders.leave(ended)
    await shift_clock(service, 601)

    answers = await service.holds.place([wish(s, mug=1) for s in (ended, overdue, 999_999)])

    assert [type(answer) for answer in answers] == [SessionOver] * 3
    await all_is_well(service)


# Repeats.


async def test_a_repeated_key_gets_the_same_hold(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    key = uuid4()

    first = await ask(service, wish(session, key=key, mug=2))
    again = await ask(service, wish(session, key=key, mug=2))

    assert isinstance(first, Placed)
    assert isinstance(again, Placed)
    assert again.replay
    assert (await service.holds.replayed(session, key)).hold_id == first.hold_id
    assert await figures(service) == (2, 0)
    await all_is_well(service)


async def test_a_repeat_within_one_batch_gets_the_same_hold(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    key = uuid4()

    first, again, other = await service.holds.place(
        [
            wish(session, key=key, mug=2),
            wish(session, key=key, mug=2),
            wish(session, key=key, mug=1),
        ]
    )

    assert isinstance(first, Placed)
    assert isinstance(again, Placed)
    assert (again.replay, again.hold_id) == (True, first.hold_id)
    assert isinstance(other, IdempotencyKeyReused)
    assert await figures(service) == (2, 0)


async def test_a_double_click_at_two_services_gives_one_hold(services: OpenService) -> None:
    one, other = await services(), await services()
    await open_gate(one, skus={"mug": 50}, limit=50)
    sessions = await sessions_in(one, 10)

    for session in sessions:
        key = uuid4()
        await asyncio.gather(
            *(ask(s, wish(session, key=key, mug=1)) for _ in range(3) for s in (one, other))
        )

    rows = await execute(one, "SELECT session_id, count(*) AS n FROM hold GROUP BY session_id")
    assert {row["session_id"]: row["n"] for row in rows} == dict.fromkeys(sessions, 1)
    assert await figures(one) == (10, 0)
    await all_is_well(one)


async def test_a_key_with_another_body_is_refused(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    key = uuid4()
    await ask(service, wish(session, key=key, mug=2))

    refused = await ask(service, wish(session, key=key, mug=3))

    assert isinstance(refused, IdempotencyKeyReused)
    assert refused.status == 422
    assert await figures(service) == (2, 0)


async def test_a_key_is_its_sessions_own(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    one, other = await sessions_in(service, 2)
    key = uuid4()

    answers = await service.holds.place([wish(one, key=key, mug=1), wish(other, key=key, mug=2)])

    assert [isinstance(a, Placed) and not a.replay for a in answers] == [True, True]
    assert await figures(service) == (3, 0)


async def test_a_refusal_is_not_kept_under_its_key(service: Service) -> None:
    await open_gate(service, skus={"mug": 1})
    (session,) = await sessions_in(service, 1)
    key = uuid4()
    refused = await ask(service, wish(session, key=key, mug=2))
    await service.ledger.move("mug", kind="received", quantity=1, who="test", reason="")

    placed = await ask(service, wish(session, key=key, mug=2))

    assert isinstance(refused, OutOfStock)
    assert isinstance(placed, Placed)
    assert not placed.replay


async def test_a_repeat_is_answered_after_the_session_has_ended(service: Service) -> None:
    await open_gate(service, skus={"mug": 1})
    (session,) = await sessions_in(service, 1)
    key = uuid4()
    await ask(service, wish(session, key=key, mug=1))
    await service.orders.leave(session)

    again = await ask(service, wish(session, key=key, mug=1))

    assert isinstance(again, Placed)
    assert again.replay
    assert (await service.holds.replayed(session, key)).state == "released"


# Ending.


async def test_a_second_release_changes_nothing(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    one, other = await sessions_in(service, 2)
    held = await hold(service, one, mug=2)
    await hold(service, other, mug=1)

    await asyncio.gather(*(service.holds.release(one, held) for _ in range(6)))
    await service.holds.release(one, held)

    assert await figures(service) == (1, 0)
    assert (await service.holds.read(one, held)).state == "released"
    await all_is_well(service)


async def test_a_hold_is_its_sessions_own(service: Service) -> None:
    await open_gate(service, skus={"mug": 3})
    one, other = await sessions_in(service, 2)
    held = await hold(service, one, mug=2)

    for attack in (
        service.holds.read(other, held),
        service.holds.release(other, held),
        service.holds.extend(other, held),
        service.holds.change(other, held, {"mug": 1}),
        pay_for(service, other, held),
    ):
        with pytest.raises(UnknownHold):
            await attack
    assert await figures(service) == (2, 0)


async def test_what_is_due_ends_when_it_is_needed_without_a_sweeper(service: Service) -> None:
    await open_gate(service, skus={"mug": 2}, hold_s=60)
    one, other = await sessions_in(service, 2)
    held = await hold(service, one, mug=2)
    await shift_clock(service, 61)

    placed = await ask(service, wish(other, mug=2))

    assert isinstance(placed, Placed)
    assert (await service.holds.read(one, held)).state == "expired"
    assert await figures(service) == (2, 0)
    await all_is_well(service)


async def test_more_that_is_due_than_one_round_ends_is_ended_too(service: Service) -> None:
    await open_gate(service, skus={"mug": 8}, hold_s=60)
    *sessions, last = await sessions_in(service, 9)
    await service.holds.place([wish(session, mug=1) for session in sessions])
    await shift_clock(service, 61)

    placed = await ask(service, wish(last, mug=4))

    assert isinstance(placed, Placed)
    await all_is_well(service)


async def test_units_of_another_sku_behind_a_rooms_promises_come_free_too(
    service: Service,
) -> None:
    # One mug and one vase, both promised; the vase's basket is overdue and frees the room's unit.
    await open_room(service, skus={"mug": 1, "vase": 1}, hold_s=60, units_promised=1)
    one, other = await sessions_in(service, 2)
    await hold(service, one, vase=1)
    await hold(service, other, mug=1)
    await shift_clock(service, 61)

    placed = await ask(service, wish(other, mug=1))

    assert isinstance(placed, Placed)
    await all_is_well(service)


async def test_a_change_finds_what_is_due_without_a_sweeper(service: Service) -> None:
    await open_gate(service, skus={"mug": 3}, hold_s=60)
    one, other = await sessions_in(service, 2)
    await hold(service, one, mug=2)
    await shift_clock(service, 61)
    mine = await hold(service, other, mug=1)

    await service.holds.change(other, mine, {"mug": 3})

    assert await figures(service) == (3, 0)
    await all_is_well(service)


async def test_an_overdue_hold_is_not_paid(service: Service) -> None:
    await open_gate(service, skus={"mug": 2}, hold_s=60)
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    await shift_clock(service, 61)

    with pytest.raises(HoldExpired):
        await pay_for(service, session, held)

    await service.holds.expire(100)
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_the_sweeper_ends_what_is_due_and_nothing_else(service: Service) -> None:
    await open_gate(service, skus={"mug": 9}, hold_s=60)
    one, other = await sessions_in(service, 2)
    due = await hold(service, one, mug=2)
    await shift_clock(service, 50)
    fresh = await hold(service, other, mug=3)
    await shift_clock(service, 11)

    ended = await service.holds.expire(100)

    assert ended == 1
    assert (await service.holds.read(one, due)).state == "expired"
    assert (await service.holds.read(other, fresh)).state == "held"
    assert await figures(service) == (3, 0)


async def test_a_sweep_ends_no_more_than_its_batch(service: Service) -> None:
    await open_gate(service, skus={"mug": 9}, hold_s=60)
    sessions = await sessions_in(service, 5)
    await service.holds.place([wish(session, mug=1) for session in sessions])
    await shift_clock(service, 61)

    ended = [await service.holds.expire(2) for _ in range(4)]

    assert ended == [2, 2, 1, 0]
    await all_is_well(service)


# Extending and changing.


async def test_an_extension_moves_the_deadline_as_often_as_allowed(service: Service) -> None:
    await open_gate(service, skus={"mug": 2}, hold_s=60, hold_extensions_max=1)
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    await shift_clock(service, 50)

    await service.holds.extend(session, held)

    assert (await service.holds.read(session, held)).seconds_left == pytest.approx(60, abs=5)
    with pytest.raises(ExtensionRefused):
        await service.holds.extend(session, held)
    await shift_clock(service, 30)
    assert await service.holds.expire(100) == 0
    await all_is_well(service)


@pytest.mark.parametrize("swept", [True, False])
async def test_an_extension_never_revives_a_hold(service: Service, *, swept: bool) -> None:
    await open_gate(service, skus={"mug": 2}, hold_s=60)
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    await shift_clock(service, 61)
    if swept:
        await service.holds.expire(100)

    with pytest.raises(HoldExpired):
        await service.holds.extend(session, held)
    with pytest.raises(HoldExpired):
        await service.holds.change(session, held, {"mug": 2})

    await service.holds.expire(100)
    assert await figures(service) == (0, 0)
    await all_is_well(service)


async def test_a_hold_grows_shrinks_and_takes_in_another_sku(service: Service) -> None:
    await open_gate(service, skus={"mug": 4, "vase": 4})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    seen = []

    for wanted in ({"mug": 4}, {"mug": 2, "vase": 3}, {"vase": 1}, {"mug": 1}):
        await service.holds.change(session, held, wanted)
        seen.append(((await figures(service, "mug"))[0], (await figures(service, "vase"))[0]))
        await all_is_well(service)

    assert seen == [(4, 0), (2, 3), (0, 1), (1, 0)]
    assert [line.sku for line in (await service.holds.read(session, held)).lines] == ["mug"]


async def test_a_change_is_all_or_nothing(service: Service) -> None:
    await open_gate(service, skus={"mug": 4, "vase": 1}, limit=4)
    one, other = await sessions_in(service, 2)
    held = await hold(service, one, mug=1)
    await hold(service, other, vase=1, mug=1)

    with pytest.raises(OutOfStock) as short:
        await service.holds.change(one, held, {"mug": 3, "vase": 1})
    with pytest.raises(LimitReached):
        await service.holds.change(one, held, {"mug": 5})
    with pytest.raises(UnknownSku):
        await service.holds.change(one, held, {"mug": 2, "nothing": 1})

    assert short.value.fields == {"sku": "vase", "available": 0}
    assert await figures(service, "mug") == (2, 0)
    await all_is_well(service)


async def test_a_change_counts_what_the_session_has_elsewhere(service: Service) -> None:
    await open_gate(service, skus={"mug": 9}, limit=4)
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    await hold(service, session, mug=2)

    await service.holds.change(session, held, {"mug": 2})
    with pytest.raises(LimitReached):
        await service.holds.change(session, held, {"mug": 3})

    assert await figures(service) == (4, 0)


async def test_a_change_uses_ones_own_promise_and_never_anothers(service: Service) -> None:
    await open_room(service, skus={"mug": 4}, units_promised=2)
    one, _ = await sessions_in(service, 2)
    held = await hold(service, one, mug=1)

    await service.holds.change(one, held, {"mug": 2})
    with pytest.raises(OutOfStock):
        await service.holds.change(one, held, {"mug": 3})

    assert (await execute(service, "SELECT promised FROM room_stock"))[0]["promised"] == 2
    await all_is_well(service)


async def test_a_change_of_an_ended_session_or_hold_is_refused(service: Service) -> None:
    await open_gate(service, skus={"mug": 4})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    await service.orders.leave(session)

    with pytest.raises((HoldExpired, SessionOver)):
        await service.holds.change(session, held, {"mug": 2})
    assert await figures(service) == (0, 0)


async def test_a_price_stays_as_it_was_when_the_hold_was_placed(service: Service) -> None:
    await open_gate(service, skus={"mug": 4})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=1)
    await execute(service, "UPDATE sku SET price_minor = 9999")

    await service.holds.change(session, held, {"mug": 2})

    assert (await service.holds.read(session, held)).total_minor == 2000


# Payment against everything else. Whoever has the row first decides; a test holds it open.


async def payment_starts_meanwhile(
    service: Service, session: int, held: UUID, meanwhile: Awaitable[Any]
) -> Any:
    """Start a payment, let `meanwhile` run into its locks, and commit the payment first."""
    async with service.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchrow(
            "SELECT * FROM start_payment($1, $2, $3, $4, 'b', $5, 'test', 'tok_approve', NULL,"
            " NULL, NULL)",
            uuid4(),
            session,
            held,
            uuid4(),
            str(uuid4()),
        )
        task = asyncio.ensure_future(meanwhile)
        me = await connection.fetchval("SELECT pg_backend_pid()")
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
        async with asyncio.timeout(WAIT_S):
            while not task.done() and not (await execute(service, blocked, me))[0][0]:
                continue
        await transaction.commit()
    return (await asyncio.gather(task, return_exceptions=True))[0]


async def settled(service: Service) -> str:
    order_id = (await execute(service, "SELECT order_id FROM purchase"))[0]["order_id"]
    return (await service.payments.drive(order_id)).state


async def test_a_release_does_not_free_a_hold_whose_payment_has_just_begun(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 4})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=2)

    answer = await payment_starts_meanwhile(
        service, session, held, service.holds.release(session, held)
    )

    assert isinstance(answer, PaymentRunning)
    assert await settled(service) == "paid"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_leaving_does_not_free_a_hold_whose_payment_has_just_begun(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 4})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=2)

    answer = await payment_starts_meanwhile(service, session, held, service.orders.leave(session))

    assert isinstance(answer, PaymentRunning)
    assert await settled(service) == "paid"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_the_sweeper_does_not_free_a_hold_whose_payment_has_just_begun(
    service: Service,
) -> None:
    await open_gate(service, skus={"mug": 4}, hold_s=60)
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=2)
    await shift_clock(service, 30)

    async def swept_late() -> int:
        await shift_clock(service, 31)
        return await service.holds.expire(100)

    answer = await payment_starts_meanwhile(service, session, held, swept_late())

    assert answer == 0
    assert await settled(service) == "paid"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


async def test_a_change_waits_for_the_payment_and_is_refused(service: Service) -> None:
    await open_gate(service, skus={"mug": 4})
    (session,) = await sessions_in(service, 1)
    held = await hold(service, session, mug=2)

    answer = await payment_starts_meanwhile(
        service, session, held, service.holds.change(session, held, {"mug": 1})
    )

    assert isinstance(answer, PaymentRunning)
    assert await settled(service) == "paid"
    assert await figures(service) == (0, 2)
    await all_is_well(service)


# Many at once.


async def test_baskets_over_many_skus_in_any_order_do_not_deadlock(
    services: OpenService,
) -> None:
    both = await services(), await services()
    skus = {f"sku-{i}": 40 for i in range(6)}
    await open_gate(both[0], skus=skus, limit=1000, hold_s=60)
    sessions = await sessions_in(both[0], 16)

    async def shopper(number: int) -> None:
        service, dice = both[number % 2], random.Random(number)
        for _ in range(12):
            session = dice.choice(sessions)
            wishes = [wish(session, **some_of(skus, dice)) for _ in range(3)]
            for answer in await service.holds.place(wishes):
                if isinstance(answer, Placed):
                    await go_on(service, dice, session, answer.hold_id, some_of(skus, dice))

    await asyncio.gather(*(shopper(number) for number in range(4)))

    assert await deadlocks(*both) == 0
    await all_is_well(both[0])


def some_of(skus: dict[str, int], dice: random.Random) -> dict[str, int]:
    """Return a basket of some SKUs in any order."""
    return dict.fromkeys(dice.sample(list(skus), dice.randint(1, len(skus))), 1)


async def go_on(
    service: Service, dice: random.Random, session: int, hold_id: UUID, wanted: dict[str, int]
) -> None:
    """Do something with a hold; a refusal is an answer like any other."""
    with suppress(Refusal):
        match dice.randint(0, 4):
            case 0:
                await service.holds.release(session, hold_id)
            case 1:
                await service.holds.change(session, hold_id, wanted)
            case 2:
                await service.payments.drive(await pay_for(service, session, hold_id))
            case 3:
                await service.holds.expire(50)


async def deadlocks(*services: Service) -> int:
    """Count this database's deadlocks, those that were tried again in silence too."""
    for service in services:
        borrowed = [await service.pool.acquire() for _ in range(service.pool.get_size())]
        for connection in borrowed:
            # A connection reports what it has counted only now and then.
            await connection.execute("SELECT pg_stat_force_next_flush()")
            await service.pool.release(connection)
    sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int((await execute(services[0], sql))[0]["deadlocks"])
