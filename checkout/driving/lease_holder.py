"""A process as the holder of its leases: it says that it lives, and frees what dead ones hold.

A lease is as long as its work may take, which is too long to wait for when its holder was killed.
Each lease therefore names its holder, and each holder beats once a second. Another holder that
beats steadily frees what one holds that has been silent for three seconds
(`0023_leases.sql`). A process that was only frozen may find its work taken when it wakes. That is
harmless: an order changes state only from the state that was read, and the gateway knows its keys.

A process may also hold what it knows nothing of: a statement took the lease, and its reply was
lost. So the holder notes what it drives, and with each beat it frees the leases that are older than
any reply may be and that are for nothing of this.
"""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import structlog

from checkout.driving.leased import LEASE, Driven
from inventory.kit.database import (
    ENGINE_ERRORS,
    SHOPPER_TIMEOUT_S,
    Pool,
    connection,
    load_queries,
)
from inventory.kit.lease import Retry
from inventory.kit.loops import repeat
from inventory.kit.problem import EngineDown

log = structlog.get_logger()

SQL = load_queries("checkout")

BEAT_EVERY_S = 1.0
# A beat that takes longer waits for a lost reply. The next one comes soon enough for this holder to
# be heard steadily.
BEAT_MAX_S = 1.0
_RESTS = Retry(waits_s=(0.2, BEAT_EVERY_S))
# A lease of which no reply has told in this time is held for nothing.
FORGOTTEN_AFTER_S = SHOPPER_TIMEOUT_S + 0.5


class LeaseHolder:
    """The holder of all leases that this process takes; its `name` stands in each of them."""

    def __init__(self, pool: Pool) -> None:
        self.name: UUID = uuid4()
        self.driven = Driven()
        self._pool = pool

    async def run(self) -> None:
        """Beat until cancelled: work is driven until the very end of the process."""
        await repeat("leases", self.beat, asyncio.Event(), rests=_RESTS)

    async def beat(self) -> float:
        """Say once that this process lives, and free what dead ones hold; return the rest."""
        async with connection(self._pool) as borrowed:
            dead = await borrowed.fetchval(SQL["beat_lease_holder"], self.name, timeout=BEAT_MAX_S)
            forgotten = await borrowed.fetchval(
                SQL["free_forgotten"],
                self.name,
                list(self.driven),
                LEASE.length_s - FORGOTTEN_AFTER_S,
                timeout=BEAT_MAX_S,
            )
        if dead:
            log.warning("leases_freed", holders=dead)
        if forgotten:
            log.warning("forgotten_leases_freed", leases=forgotten)
        return BEAT_EVERY_S

    async def end(self) -> None:
        """Free what is left, so that others go on with it at once."""
        with suppress(*ENGINE_ERRORS, EngineDown, TimeoutError):
            async with asyncio.timeout(BEAT_MAX_S), connection(self._pool) as borrowed:
                await borrowed.execute(SQL["end_leases"], self.name)
