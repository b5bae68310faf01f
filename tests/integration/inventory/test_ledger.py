"""The ledger: every change is a movement, and the past can be counted up from them."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from shop import ask, hold, open_gate, sessions_in, wish
from support import PASSWORD, execute, open_room, shift_clock, tick

from inventory.hold_store import Placed
from inventory.kit.problem import IdempotencyKeyReused, NotFound, Refusal
from inventory.refusals import BelowCommitted
from waitroom.run.app import Service

STEPS = 60


async def now(service: Service) -> datetime:
    (row,) = await execute(service, "SELECT clock_timestamp() AS t")
    moment: datetime = row["t"]
    return moment


async def balances(service: Service, moment: datetime | None = None) -> dict[str, tuple[int, ...]]:
    found = await service.ledger.at("drop", moment or await now(service))
    return {row.sku: (row.on_hand, row.held, row.sold, row.available) for row in found}


async def kept(service: Service) -> dict[str, tuple[int, ...]]:
    sql = """SELECT k.sku, s.on_hand, s.held, s.sold, s.on_hand - s.held - s.sold AS available
             FROM stock s JOIN sku k USING (sku_id)"""
    return {row["sku"]: tuple(row)[1:] for row in await execute(service, sql)}


async def test_every_change_of_stock_is_a_movement(service: Service) -> None:
    await open_gate(service, skus={"mug": 10})
    (session,) = await sessions_in(service, 1)
    await service.ledger.move("mug", kind="adjusted", quantity=-1, who="ada", reason="broken")
    held = await hold(service, session, mug=2)
    await service.holds.change(session, held, {"mug": 1})
    await service.holds.release(session, held)
    await hold(service, session, mug=3)
    await shift_clock(service, 301)
    await service.holds.expire(10)

    found = await service.ledger.movements("mug")

    story = [(row.kind, row.quantity, row.who) for row in reversed(found)]
    shopper = f"session {session}"
    assert story == [
        ("received", 10, "test"),
        ("adjusted", -1, "ada"),
        ("held", 2, shopper),
        ("released", 1, shopper),
        ("released", 1, shopper),
        ("held", 3, shopper),
        ("expired", 3, "the clock"),
    ]
    assert await balances(service) == {"mug": (9, 0, 0, 9)}


async def test_the_balances_of_any_past_moment_can_be_counted_up(service: Service) -> None:
    await open_gate(service, skus={"mug": 6, "vase": 4}, hold_s=60, limit=99)
    sessions = await sessions_in(service, 6)
    choice = random.Random(7)
    seen: list[tuple[datetime, dict[str, tuple[int, ...]]]] = []
    holds: list[tuple[int, UUID]] = []

    for _ in range(STEPS):
        await _step(service, choice, sessions, holds)
        seen.append((await now(service), await kept(service)))

    for moment, then in seen:
        assert await balances(service, moment) == then
    assert await service.ledger.breaches() == []


async def _step(
    service: Service, choice: random.Random, sessions: list[int], holds: list[tuple[int, UUID]]
) -> None:
    match choice.choice(["hold", "hold", "change", "release", "expire", "move", "pay"]):
        case "hold":
            session = choice.choice(sessions)
            answer = await ask(service, wish(session, partial=True, mug=2, vase=1))
            if isinstance(answer, Placed):
                holds.append((session, answer.hold_id))
        case "change" if holds:
            quantities = {"mug": choice.randint(1, 3)} | choice.choice([{}, {"vase": 1}])
            await _try(service.holds.change(*choice.choice(holds), quantities))
        case "release" if holds:
            await _try(service.holds.release(*choice.choice(holds)))
        case "expire":
            await shift_clock(service, 30)
            await service.holds.expire(5)
        case "move":
            quantity = choice.choice([-1, 1, 2])
            await _try(service.ledger.move("mug", kind="adjusted", quantity=quantity, who="ada"))
        case "pay" if holds:
            await _pay(service, *choice.choice(holds))


async def _pay(service: Service, session: int, hold_id: UUID) -> None:
    start = service.orders.start(
        session, hold_id=hold_id, key=uuid4(), body_hash=b"", gateway="test", token="tok_approve"
    )
    started = await _try(start)
    if started:
        await service.payments.drive(started[0])


async def _try(step: Any) -> Any:
    try:
        return await step
    except Refusal:
        return None


# Corrections.


async def test_a_correction_never_goes_below_what_is_spoken_for(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    await hold(service, session, mug=3)

    with pytest.raises(BelowCommitted):
        await service.ledger.move("mug", kind="adjusted", quantity=-3, who="ada", reason="lost")

    assert await service.ledger.move("mug", kind="adjusted", quantity=-2, who="ada") == 3


async def test_an_override_takes_away_what_was_held_and_is_on_record(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    session, late = await sessions_in(service, 2)
    held = await hold(service, session, mug=4)

    left = await service.ledger.move(
        "mug", kind="adjusted", quantity=-3, who="ada", reason="flood", override=True
    )
    refused = await ask(service, wish(late, mug=1))
    await service.ledger.move("mug", kind="received", quantity=1, who="ada")
    still_refused = await ask(service, wish(late, mug=1))
    await service.holds.release(session, held)

    assert left == 2
    assert getattr(refused, "code", "") == getattr(still_refused, "code", "") == "out_of_stock"
    (row,) = await execute(service, "SELECT on_hand, held, short FROM stock")
    assert (row["on_hand"], row["held"], row["short"]) == (3, 0, 0)
    (action,) = await execute(
        service,
        "SELECT who, reason, detail FROM operator_action WHERE detail @> '{\"override\": true}'",
    )
    assert (action["who"], action["reason"]) == ("ada", "flood")
    assert await service.ledger.breaches() == []


async def test_an_override_leaves_no_way_to_sell_what_is_missing(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    first, second = await sessions_in(service, 2)
    held = await hold(service, first, mug=2)
    await hold(service, second, mug=3)
    await service.ledger.move("mug", kind="adjusted", quantity=-4, who="ada", override=True)

    await service.holds.release(first, held)
    refused = await ask(service, wish(first, mug=1))

    assert getattr(refused, "code", "") == "out_of_stock"
    (row,) = await execute(service, "SELECT on_hand, held, short FROM stock")
    assert (row["on_hand"], row["held"], row["short"]) == (1, 3, 2)


async def test_an_override_also_goes_below_promises(service: Service) -> None:
    await open_room(service, skus={"mug": 3})
    await sessions_in(service, 3)

    with pytest.raises(BelowCommitted):
        await service.ledger.move("mug", kind="adjusted", quantity=-1, who="ada")
    await service.ledger.move("mug", kind="adjusted", quantity=-1, who="ada", override=True)

    (row,) = await execute(service, "SELECT on_hand, promised, short FROM room_stock")
    assert tuple(row) == (2, 3, 1)
    await shift_clock(service, 3600)
    await service.office.end_due(100)
    (row,) = await execute(service, "SELECT on_hand, promised, short FROM room_stock")
    assert tuple(row) == (2, 0, 0)


async def test_a_movement_is_made_once_for_each_key(service: Service) -> None:
    await open_gate(service, skus={"mug": 0})
    key = uuid4()

    async def receive(quantity: int = 5) -> int:
        return await service.ledger.move(
            "mug", kind="received", quantity=quantity, who="ada", key=key
        )

    figures = await asyncio.gather(*(receive() for _ in range(4)))

    assert figures == [5, 5, 5, 5]
    with pytest.raises(IdempotencyKeyReused):
        await receive(6)
    assert len(await service.ledger.movements("mug")) == 1


async def test_a_sku_that_is_not_there_has_no_movements(service: Service) -> None:
    with pytest.raises(NotFound):
        await service.ledger.movements("ghost")
    with pytest.raises(NotFound):
        await service.ledger.move("ghost", kind="received", quantity=1, who="ada")


# Over HTTP.


async def signed_in(
    service: Service, client: Any, name: str = "ada", role: str = "operator"
) -> Any:
    await service.operators.add(name, role=role, password=PASSWORD)
    answer = await client.post(
        "/admin/login", data={"name": "ada", "password": PASSWORD}, allow_redirects=False
    )
    return {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}


async def test_operators_read_the_ledger_and_override_with_a_reason(
    service: Service, client: Any
) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    before = await now(service)
    await hold(service, session, mug=4)
    cookie = await signed_in(service, client)
    keyed = {**cookie, "Idempotency-Key": "flood"}
    url = "/admin/skus/mug/movements"
    less = {"kind": "adjusted", "quantity": -3, "reason": "flood"}

    refused = await client.post(url, json=less, headers=keyed)
    silent = await client.post(
        url, json={"kind": "adjusted", "quantity": -3, "override": True}, headers=keyed
    )
    done = await client.post(url, json={**less, "override": True}, headers=keyed)
    listed = await (await client.get(url, headers=cookie)).json()
    past = await (
        await client.get(
            "/admin/rooms/drop/stock", params={"at": before.isoformat()}, headers=cookie
        )
    ).json()

    assert (refused.status, (await refused.json())["code"]) == (409, "below_committed")
    assert silent.status == 400
    assert (done.status, (await done.json())["on_hand"]) == (200, 2)
    assert [row["kind"] for row in listed["movements"]] == ["adjusted", "held", "received"]
    assert past["stock"] == [
        {"sku": "mug", "name": "Mug", "on_hand": 5, "held": 0, "sold": 0, "available": 5}
    ]
    assert datetime.fromisoformat(past["at"]) == before.astimezone(UTC)


async def test_a_moment_that_cannot_be_read_is_refused(service: Service, client: Any) -> None:
    await open_gate(service, skus={"mug": 5})
    cookie = await signed_in(service, client)

    answer = await client.get("/admin/rooms/drop/stock?at=yesterday", headers=cookie)

    assert (answer.status, (await answer.json())["code"]) == (400, "bad_request")
    await tick(service)
