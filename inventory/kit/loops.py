"""Background loops that outlive a failed round: it is caught, counted, and followed by a rest."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from inventory.kit.lease import Retry, exponential
from inventory.kit.problem import Refusal
from inventory.kit.troubles import trouble_of

log = structlog.get_logger()

# After a failed round a loop rests ever longer, but never so long that shoppers have to wait for it
# when the database is back: what is overdue gives its seats and units to the next of them.
RESTS = Retry(waits_s=exponential(first_s=1.0, longest_s=3.0))

FAILURES = Counter(
    "waitroom_loop_failures_total", "Rounds of a background loop that failed.", ["loop"]
)
FAILING = Gauge(
    "waitroom_loop_failing",
    "Rounds of a background loop that failed since the last one that worked.",
    ["loop"],
    multiprocess_mode="mostrecent",
)

# A round of a loop; it returns the seconds to rest before the next one.
Round = Callable[[], Awaitable[float]]


async def repeat(name: str, once: Round, stopping: asyncio.Event, *, rests: Retry = RESTS) -> None:
    """Run rounds until told to stop; a round that fails never ends the loop.

    Several loops share a process, so an unexpected error in one must not reach the others.
    """
    failures, failing = FAILURES.labels(name), FAILING.labels(name)
    failed = 0
    while not stopping.is_set():
        try:
            rest_s = await once()
        except Exception as error:  # noqa: BLE001 - a failed round never ends the loop
            failed += 1
            failures.inc()
            tell_failure("loop_failed", error, loop=name, failed=failed)
            chance = random.random()  # noqa: S311 - jitter guards no secret
            rest_s = rests.again_s(attempts=failed, chance=chance) or 0.0
        else:
            failed = 0
        failing.set(failed)
        await rest(stopping, rest_s)


def tell_failure(event: str, error: Exception, **facts: object) -> None:
    """Log a failed round: errors of an engine are expected now and then and take one line.

    Anything else is logged with its traceback.
    """
    if isinstance(error, (Refusal, asyncpg.PostgresError)) or trouble_of(error) is not None:
        log.warning(event, **facts, error=error)
    else:
        log.error(event, **facts, exc_info=error)


async def rest(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most for some seconds."""
    with suppress(TimeoutError):
        # `asyncio.wait_for` would make a task for each rest.
        async with asyncio.timeout(seconds):
            await event.wait()
