"""A process's report of the signing keys that it has, and its notice of others with other keys."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from inventory.kit.database import ENGINE_ERRORS
from inventory.kit.loops import repeat
from inventory.kit.problem import EngineDown
from waitroom.run.keys.key_store import SigningKeys

log = structlog.get_logger()

REPORT_EVERY_S = 5.0
END_MAX_S = 1.0


class KeyReport:
    """Reports every few seconds, from the start of a process to its end.

    The log says `keys_differ` once for each change: then shoppers who got their
    places from one of the processes are refused by the other.
    """

    def __init__(self, store: SigningKeys, keys: Sequence[bytes], process: UUID) -> None:
        self._store = store
        self._keys = keys
        self._process = process
        self._strangers: list[str] = []
        # Returns the proxy that is not trusted and brings most requests, "" for none.
        self.forwarder: Callable[[], str] = str

    async def run(self, stopping: asyncio.Event) -> None:
        """Report until `stopping` is set, and take the report back."""
        await repeat("keys", self.report, stopping)
        with suppress(*ENGINE_ERRORS, EngineDown):
            async with asyncio.timeout(END_MAX_S):
                await self._store.end_report(self._process)

    async def report(self) -> float:
        """Report once; return the seconds until the next report."""
        strangers = sorted(
            map(
                str, await self._store.report(self._process, self._keys, forwarder=self.forwarder())
            )
        )
        if strangers and strangers != self._strangers:
            log.error("keys_differ", others=strangers)
        self._strangers = strangers
        return REPORT_EVERY_S
