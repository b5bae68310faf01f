"""Turns at heavy work that can wait, such as audits: a few at once, others in line or refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from inventory.kit.database import ACQUIRE_TIMEOUT_S, ENGINE_ERRORS, Connection, Pool
from inventory.kit.problem import AuditTooLong, Busy, EngineDown

# One count takes a core of the engine, and the others wait for it in line.
AUDITS_AT_ONCE = 1
WAITING_MAX = 8
# A million holds are counted within seconds on a quiet machine.
AUDIT_TIMEOUT_S = 60.0

# A count reads whole tables once: a plan for the values at hand, and room for its sorts.
_COUNTING = "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '64MB'"


class Turns:
    """Let `at_once` work and `waiting_max` wait for it, each for `wait_max_s` at most.

    All others are refused with `Busy`. Without `wait_max_s` a wait has no bound of its own.
    """

    def __init__(
        self, *, at_once: int, waiting_max: int, busy: str, wait_max_s: float | None = None
    ) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting, self._waiting_max = 0, waiting_max
        self._busy = busy
        self._wait_max_s = wait_max_s

    def require_room(self) -> None:
        """Raise `Busy` if another one could not even wait."""
        if self._waiting >= self._waiting_max:
            raise Busy(self._busy)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn and have it. Raises `Busy` with the detail that was given."""
        self.require_room()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_max_s):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(self._busy) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


class Audits:
    """Lets queries that may read whole tables run one at a time, with a time limit of their own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turns = Turns(
            at_once=AUDITS_AT_ONCE,
            waiting_max=WAITING_MAX,
            busy="Other operators are checking the books; please try again in a moment.",
        )

    async def fetch(
        self, query: str, *values: object, timeout_s: float = AUDIT_TIMEOUT_S
    ) -> list[asyncpg.Record]:
        """Return the rows of a query that changes nothing.

        Raises `Busy` if many others wait, and `AuditTooLong` after the time limit.
        """
        async with self._turns.take():
            try:
                async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as borrowed:
                    return await _count(borrowed, query, values, timeout_s)
            except ENGINE_ERRORS as error:
                raise EngineDown from error


async def _count(
    borrowed: Connection, query: str, values: tuple[object, ...], timeout_s: float
) -> list[asyncpg.Record]:
    async with borrowed.transaction(readonly=True):
        await borrowed.execute(_COUNTING)
        try:
            return await borrowed.fetch(query, *values, timeout=timeout_s)
        except TimeoutError as error:
            raise AuditTooLong from error
