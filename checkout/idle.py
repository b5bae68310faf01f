"""Driving on what nobody has moved for a while: orders and refunds whose process may have died."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import structlog

from checkout.gateway.gateway import SETTLE_BATCH_MAX

log = structlog.get_logger()


class _Store(Protocol):
    async def unsettled(self, *, gateway: str, idle_s: float, limit: int) -> list[UUID]: ...

    async def touch(self, _: UUID, /) -> None: ...


async def settle_idle(
    store: _Store,
    drive: Callable[[UUID], Awaitable[Any]],
    *,
    gateway: str,
    idle_s: float,
    kind: str,
) -> int:
    """Drive those that were left for `idle_s` seconds; return how many were looked at."""
    idle = await store.unsettled(gateway=gateway, idle_s=idle_s, limit=SETTLE_BATCH_MAX)
    for each in idle:
        # Touched first, so that another sweeper passes over it meanwhile.
        await store.touch(each)
    ends = await asyncio.gather(*(drive(each) for each in idle), return_exceptions=True)
    for each, end in zip(idle, ends, strict=True):
        if isinstance(end, Exception):
            log.warning("not_settled", **{kind: str(each)}, error=repr(end))
    return len(idle)
