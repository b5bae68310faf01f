"""Work with one driver at a time: take what has none, drive it, and put off what did not move."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol
from uuid import UUID

import structlog

from checkout.driving.attempt import Taken
from checkout.gateway.gateway import GATEWAY_TIMEOUT_S
from inventory.kit.database import work_for
from inventory.kit.lease import Lease, Retry, exponential

log = structlog.get_logger()

# The table's own first lease is as long (`driven_until` of `purchase` and `refund`).
LEASE = Lease(attempt_s=GATEWAY_TIMEOUT_S, margin_s=5.0)
# A short stall must not cost a good card its payment window, so the first waits are short. Nothing
# is ever given up: money that moves has to come to rest.
RETRY = Retry(waits_s=exponential(first_s=2.0, longest_s=120.0))
# While a shopper waits, the waits stay short: a gateway that is back must find the payment soon.
# The payment window bounds them, and the turns at the gateway bound the load.
AWAITED_WAIT_MAX_S = 4.0
BATCH_MAX = 50
# Work that was taken this often in one state has stood still for over a quarter of an hour.
TRIES_ALARM = 14


class LeasedStore(Protocol):
    """A table of orders or refunds, each with a lease."""

    async def take(self, *, gateway: str, lease_s: float, limit: int) -> list[Taken]:
        """Lease work of this gateway that has no driver and has not come to rest."""
        ...

    async def put_off(self, work_id: UUID, *, wait_s: float) -> None:
        """End a lease, so that the work is taken again after a while."""
        ...


class Driven:
    """The orders and refunds that this process drives just now, by id."""

    def __init__(self) -> None:
        self._drives: Counter[UUID] = Counter()

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._drives)

    @contextmanager
    def drives(self, work_id: UUID) -> Iterator[None]:
        """Note that the work is being driven; it may be, more than once at a time."""
        self._drives[work_id] += 1
        try:
            yield
        finally:
            self._drives[work_id] -= 1
            if not self._drives[work_id]:
                del self._drives[work_id]


# Drives one piece of work, and says whether it has come to rest.
Drive = Callable[[UUID], Awaitable[bool]]


async def drive_idle(
    store: LeasedStore, drive: Drive, *, driven: Driven, gateway: str, kind: str
) -> int:
    """Drive work that has no driver; return how many pieces were taken.

    An error in one piece reaches none of the others.
    """
    started = time.monotonic()
    taken = await store.take(gateway=gateway, lease_s=LEASE.length_s, limit=BATCH_MAX)
    with ExitStack() as stack:
        for work in taken:
            stack.enter_context(driven.drives(work.id))
        driving = (_drive_of_room(drive, work, started=started) for work in taken)
        for work, end in zip(
            taken, await asyncio.gather(*driving, return_exceptions=True), strict=True
        ):
            if end is not True:
                await _put_off(store, work, end, kind=kind)
    return len(taken)


async def _drive_of_room(drive: Drive, work: Taken, *, started: float) -> bool:
    # Apart from the room's shoppers; many idle orders of one room leave other rooms their share.
    work_for(f"idle work of {work.room_id}")
    return await within_lease(drive(work.id), started=started)


async def within_lease(driving: Awaitable[bool], *, started: float) -> bool:
    """Drive until the work rests or the lease ends; say whether it rests."""
    async with asyncio.timeout(LEASE.left_s(started=started, now=time.monotonic())):
        return await driving


async def _put_off(store: LeasedStore, work: Taken, end: object, *, kind: str) -> None:
    """Let work that has not come to rest be taken again after a while."""
    facts = {kind: str(work.id), "tries": work.tries}
    if isinstance(end, Exception):
        log.warning("not_settled", **facts, error=repr(end))
    if work.tries >= TRIES_ALARM and not work.awaited:
        log.error("stands_still", **facts, hint="look at it on the operators' screen")
    chance = random.random()  # noqa: S311 - jitter guards no secret
    wait_s = RETRY.again_s(attempts=work.tries, chance=chance)
    assert wait_s is not None, "nothing is given up"
    if work.awaited:
        wait_s = min(wait_s, AWAITED_WAIT_MAX_S)
    await store.put_off(work.id, wait_s=wait_s)
