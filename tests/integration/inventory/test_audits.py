"""Audits read whole tables, and take neither a connection nor a moment from shoppers."""

import asyncio

import pytest
from shop import hold, open_gate, sessions_in
from support import (
    as_owner,
    execute,
    tick,
)

from inventory.kit.problem import AuditTooLong, Busy
from inventory.kit.turns import Audits
from waitroom.run.app import Service


async def test_audits_that_stand_still_keep_no_shopper_waiting(service: Service) -> None:
    await open_gate(service, skus={"mug": 5})
    (session,) = await sessions_in(service, 1)
    operators = range(12)

    async with as_owner(service.pool) as other:
        await other.execute("LOCK TABLE stock_movement")
        audits = [asyncio.create_task(service.ledger.breaches()) for _ in operators]
        audits += [asyncio.create_task(service.ledger.movements("mug")) for _ in operators]
        async with asyncio.timeout(10):
            held = await hold(service, session, mug=1)
            await service.holds.release(session, held)
            await tick(service)

    found = await asyncio.gather(*audits, return_exceptions=True)
    refused = [answer for answer in found if isinstance(answer, Busy)]
    # Few wait in line, and the others are told to come back.
    assert 0 < len(refused) < len(audits)
    assert all(isinstance(answer, list | Busy) for answer in found)


async def test_an_audit_without_end_says_so(service: Service) -> None:
    with pytest.raises(AuditTooLong):
        await Audits(service.audit_pool).fetch("SELECT pg_sleep(60)", timeout_s=0.1)

    assert await service.ledger.breaches() == []


async def test_open_holds_are_counted_as_they_begin_and_end(service: Service) -> None:
    await open_gate(service, skus={"mug": 9})
    sessions = await sessions_in(service, 3)
    holds = [await hold(service, session, mug=1) for session in sessions]
    await service.holds.release(sessions[0], holds[0])

    figures = await service.rooms.figures("drop")

    assert figures.holds_open == 2
    assert await service.ledger.breaches() == []
    await execute(service, "UPDATE room_stock SET holds = holds + 1")
    assert [breach.breach for breach in await service.ledger.breaches()] == [
        "open holds differ from the holds"
    ]
