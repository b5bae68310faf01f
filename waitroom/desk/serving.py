"""A web worker's report that it serves shoppers, by which the shoppers' clock goes on."""

import asyncio
from collections.abc import Callable

from inventory.kit.lease import Retry
from inventory.kit.loops import repeat
from waitroom.store.line_store import LineStore

# The clock goes on for three seconds after a report, so one may be late.
REPORT_EVERY_S = 1.0
# A report that takes longer waits for a lost reply; the next one goes out on another connection.
REPORT_MAX_S = 2.0
# A worker that is back reports at once: a shopper who waits for the clock waits for this too.
_RESTS = Retry(waits_s=(REPORT_EVERY_S,))


class ServingReport:
    """Reports once a second that this worker serves shoppers, between `begin` and `end`.

    A report leaves only after the worker's event loop has turned and its database has answered, so
    neither a frozen worker nor one without PostgreSQL reports. A worker that is known to be cut off
    (`is_cut_off`) does not report either: shoppers do not reach it, or it can do little for them.
    """

    def __init__(self, store: LineStore, *, is_cut_off: Callable[[], bool]) -> None:
        self._store = store
        self._is_cut_off = is_cut_off
        self._listens = False

    def begin(self) -> None:
        """Report from now on: the worker listens for shoppers."""
        self._listens = True

    def end(self) -> None:
        """Report no more: the worker takes no new shoppers."""
        self._listens = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Report until `stopping` is set."""
        await repeat("serving", self.report, stopping, rests=_RESTS)

    async def report(self) -> float:
        """Report once if this worker serves; return the seconds until the next report."""
        if self._listens and not self._is_cut_off():
            async with asyncio.timeout(REPORT_MAX_S):
                await self._store.report_serving()
        return REPORT_EVERY_S
