"""The loop that webhooks and mail share: take what is due, send it, note the outcome, rest."""

import asyncio
import random
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, Generic, Protocol, TypeVar

import asyncpg
import structlog

from inventory.kit.lease import Lease
from inventory.kit.loops import repeat, rest
from inventory.kit.problem import Refusal
from waitroom.outgoing.outcome import Fate, Outcome

log = structlog.get_logger()

# A loop that is stopped gives the attempts that are in flight this long to end.
STOP_WAIT_S = 5.0


class Taken(Protocol):
    """An item that was taken under a lease."""

    @property
    def item_id(self) -> int:
        """Return the key of its row."""
        ...


Item = TypeVar("Item", bound=Taken)
# The answer of the other side.
Reply = TypeVar("Reply")
End = TypeVar("End", bound=Outcome)


class SendingLoop(ABC, Generic[Item, Reply, End]):
    """Send what is due, several items at a time, until told to stop.

    A subclass says how items are taken, sent, judged and noted. The loop keeps these promises:

    * an attempt ends while its lease still lasts, or is cut off;
    * whatever an attempt or its judgement raises, the outcome is noted;
    * no log line holds an address or the text of an error, in which an address may stand.
    """

    # The loop's name in logs and metrics.
    name: ClassVar[str]
    lease: ClassVar[Lease]
    # A look at the table follows this long after one that found nothing, or at once when an item
    # was sent. The other side is not pressed while attempts fail.
    look_every_s: ClassVar[float]

    def __init__(self) -> None:
        self._attempts: dict[asyncio.Task[bool], Item] = {}
        self._wake = asyncio.Event()

    @property
    def in_flight(self) -> Collection[Item]:
        """Return the items that are being sent."""
        return self._attempts.values()

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop; attempts in flight then have a moment to end.

        An attempt that is cut off is made again by another sender once its lease is over.
        """
        waking = asyncio.create_task(self._wake_at(stopping))
        async with self.opened(stopping):
            try:
                await repeat(self.name, self._round, stopping)
                if self._attempts:
                    await asyncio.wait(self._attempts, timeout=STOP_WAIT_S)
            finally:
                # Before anything is closed, or each attempt would note that as a failure of the
                # other side.
                await cancel(*self._attempts, waking)

    async def send_due(self) -> int:
        """Do one round and wait for its attempts; return how many items were sent."""
        await self._look()
        return sum(await asyncio.gather(*self._attempts))

    @asynccontextmanager
    async def opened(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """Open what the attempts need, for as long as the loop runs."""
        yield

    async def prepare(self) -> bool:
        """Do what comes before taking; say whether there is more of it to do."""
        return False

    @abstractmethod
    async def take(self) -> Sequence[Item]:
        """Take due items under the lease, within the bound on what may be in flight."""

    @abstractmethod
    async def send(self, item: Item) -> Reply:
        """Send one item and return the reply; a failure on the way is a reply too."""

    @abstractmethod
    def broken(self, error: Exception) -> Reply:
        """Return the reply that stands for an attempt of ours that broke."""

    @abstractmethod
    def judge(self, item: Item, reply: Reply, *, chance: float) -> End:
        """Decide what a reply means; `chance` is a random number from 0 to 1."""

    @abstractmethod
    async def note(self, item: Item, reply: Reply, outcome: End) -> None:
        """Write the outcome of an attempt down."""

    async def _wake_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._wake.set()

    async def _round(self) -> float:
        self._wake.clear()
        if not await self._look():
            await rest(self._wake, self.look_every_s)
        return 0.0

    async def _look(self) -> bool:
        """Begin what is due; say whether there is more to prepare."""
        more = await self.prepare()
        started = _clock()
        for item in await self.take():
            attempt = asyncio.create_task(self._attempt(item, started))
            self._attempts[attempt] = item
            attempt.add_done_callback(self._attempts.pop)
        return more

    async def _attempt(self, item: Item, started: float) -> bool:
        """Send one item and note the outcome; say whether it was sent."""
        reply = await self._reply(item, started)
        outcome = self._outcome(item, reply)
        try:
            await self.note(item, reply, outcome)
        except (Refusal, asyncpg.PostgresError) as error:
            # The lease runs out, and the item is sent again.
            log.warning("unnoted", loop=self.name, item=item.item_id, error=error)
        except Exception as error:  # noqa: BLE001 - the next item is sent all the same
            self._log_broken("note", item, error)
        if outcome.fate is Fate.SENT:
            self._wake.set()
        return outcome.fate is Fate.SENT

    async def _reply(self, item: Item, started: float) -> Reply:
        try:
            async with asyncio.timeout(self.lease.left_s(started=started, now=_clock())):
                return await self.send(item)
        except Exception as error:  # noqa: BLE001 - an attempt that broke is noted as one
            self._log_broken("send", item, error)
            return self.broken(error)

    def _outcome(self, item: Item, reply: Reply) -> End:
        chance = random.random()  # noqa: S311 - jitter guards no secret
        try:
            return self.judge(item, reply, chance=chance)
        except Exception as error:  # noqa: BLE001 - it may be anything that a stranger has sent
            self._log_broken("judge", item, error)
            return self.judge(item, self.broken(error), chance=chance)

    def _log_broken(self, step: str, item: Item, error: Exception) -> None:
        """Log where and by what a step broke, without the error's text."""
        frames = traceback.extract_tb(error.__traceback__)
        at = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
        log.error(
            "sending_broke",
            loop=self.name,
            step=step,
            item=item.item_id,
            error=type(error).__name__,
            at=at,
        )


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def cancel(*tasks: "asyncio.Task[bool] | asyncio.Task[None]") -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
