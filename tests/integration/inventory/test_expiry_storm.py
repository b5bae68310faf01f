"""Thousands of holds that end in the same second, while shoppers go on taking units."""

import asyncio
from collections.abc import Awaitable, Callable

from shop import hold, open_gate, sessions_in, wish
from support import (
    as_owner,
    eventually,
    execute,
    shift_clock,
)

from inventory.hold_store import Placed
from waitroom.run.app import Service

OpenService = Callable[..., Awaitable[Service]]

# A session places at most twenty holds without paying.
SESSIONS = 100
HOLDS_EACH = 20
HOLD_S = 300
# As a web process sends them: so many shoppers at once, a few of each kind.
BATCHES = 20
BATCH = 10

# Every time that somebody writes a hold's state, also if it is the same state again.
NOTE_ENDINGS = """
CREATE TABLE ending (hold_id uuid, was text, became text);
CREATE FUNCTION note_ending() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ending VALUES (NEW.hold_id, OLD.state, NEW.state);
    RETURN NULL;
END $$;
CREATE TRIGGER endings_are_noted AFTER UPDATE OF state ON hold
    FOR EACH ROW EXECUTE FUNCTION note_ending();"""


async def raise_storm(service: Service) -> list[int]:
    """Take every mug with holds that are all overdue at once; return fresh sessions."""
    mugs = SESSIONS * HOLDS_EACH
    await open_gate(
        service,
        skus={"mug": mugs, "vase": mugs},
        limit=mugs,
        seats_max=2 * SESSIONS,
        order_units_max=None,
        hold_s=HOLD_S,
        session_s=10 * HOLD_S,
    )
    sessions = await sessions_in(service, 2 * SESSIONS)
    for session in sessions[:SESSIONS]:
        placed = await service.holds.place([wish(session, mug=1) for _ in range(HOLDS_EACH)])
        assert all(isinstance(answer, Placed) for answer in placed)
    async with as_owner(service.pool) as connection:
        await connection.execute(NOTE_ENDINGS)
    await shift_clock(service, HOLD_S + 1)
    return sessions[SESSIONS:]


async def take(service: Service, sessions: list[int], sku: str) -> int:
    """Place batch after batch of one SKU; return how many of the holds were refused."""
    refused = 0
    for index in range(BATCHES):
        first = index * BATCH
        wishes = [
            wish(sessions[(first + turn) % len(sessions)], **{sku: 1}) for turn in range(BATCH)
        ]
        answers = await service.holds.place(wishes)
        refused += sum(not isinstance(answer, Placed) for answer in answers)
    return refused


async def storm_is_over(service: Service) -> bool:
    sql = "SELECT FROM hold WHERE state = 'held' AND expires_at <= shopper_now() LIMIT 1"
    return await execute(service, sql) == []


async def test_in_a_storm_each_hold_ends_once_and_new_ones_are_placed(
    service: Service, services: OpenService
) -> None:
    fresh = await raise_storm(service)
    other = await services()

    # The shelf is full of overdue holds, so that this one can only be had in the midst of them.
    early = await hold(service, fresh[0], mug=1)
    sweeping = [services(roles=frozenset({"sweeper"})) for _ in range(2)]
    *_, mugs_refused, vases_refused = await asyncio.gather(
        *sweeping, take(service, fresh, "mug"), take(other, fresh, "vase")
    )
    await eventually(lambda: storm_is_over(service))

    assert (mugs_refused, vases_refused) == (0, 0)
    endings = await execute(service, "SELECT hold_id, was, became FROM ending")
    assert {(row["was"], row["became"]) for row in endings} == {("held", "expired")}
    ended = [row["hold_id"] for row in endings]
    assert len(ended) == len(set(ended)) == SESSIONS * HOLDS_EACH
    assert early not in ended
    within = await execute(
        service,
        "SELECT placed_at < (SELECT max(ended_at) FROM hold) AS it FROM hold WHERE hold_id = $1",
        early,
    )
    assert within[0]["it"]


async def test_after_a_storm_the_books_agree(service: Service, services: OpenService) -> None:
    fresh = await raise_storm(service)

    await asyncio.gather(
        *(services(roles=frozenset({"sweeper"})) for _ in range(3)),
        take(service, fresh, "mug"),
        take(service, fresh, "vase"),
    )
    await eventually(lambda: storm_is_over(service))

    assert await service.ledger.breaches() == []
    held = {sku: (await service.stock.read(sku)).held for sku in ("mug", "vase")}
    assert held == {"mug": BATCHES * BATCH, "vase": BATCHES * BATCH}
    stale = await execute(
        service,
        "SELECT FROM hold h JOIN hold_line l USING (hold_id) "
        "WHERE h.state = 'expired' AND l.due_at IS NOT NULL",
    )
    assert stale == []


async def test_a_storm_is_worked_off_without_a_sweeper_as_far_as_units_are_needed(
    service: Service, services: OpenService
) -> None:
    fresh = await raise_storm(service)
    other = await services()

    refused = await asyncio.gather(take(service, fresh, "mug"), take(other, fresh, "mug"))

    assert refused == [0, 0]
    assert await service.ledger.breaches() == []
    open_units = await execute(
        service,
        "SELECT sum(l.quantity)::int AS units FROM hold h JOIN hold_line l USING (hold_id) "
        "WHERE h.state = 'held' AND h.expires_at > shopper_now()",
    )
    assert open_units[0]["units"] == 2 * BATCHES * BATCH
