"""The list of revoked passes in a worker's memory, read again at most once a second."""

import asyncio
import time
from collections import defaultdict

from inventory.kit.problem import EngineDown
from waitroom.gate.pass_store import EndedSince, PassStore
from waitroom.gate.passes import PassKeys
from waitroom.gate.revoked import REVOKED_MAX, Revocation, RevokedList, RevokedPage
from waitroom.refusals import NoGate

READ_EVERY_S = 1.0
# A site may have heard of a later transaction from another worker.
READ_SOONER_S = 0.1
# Meanwhile a site is answered from memory, while it is no older than this.
WAIT_S, STALE_S = 0.5, 60.0


class Revocations:
    """Answers sites from memory. While no site asks, nothing is read."""

    def __init__(self, store: PassStore, keys: PassKeys) -> None:
        self._store = store
        self._keys = keys
        self._list = RevokedList()
        self._longest_s: dict[str, int] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def page(self, room: str, since: int | None) -> tuple[RevokedPage, int]:
        """Return what is new since a version, and the longest time that a pass of the room holds.

        Raises `NoGate` for a room without passes, and `EngineDown`.
        """
        await self._refresh(sooner=since is not None and since > self._list.horizon)
        longest_s = self._longest_s.get(room)
        if longest_s is None:
            raise NoGate
        return self._list.page(room, since), longest_s

    def read_again(self) -> None:
        """Let the next answer be as the database has it now."""
        self._tried_at = float("-inf")

    async def _refresh(self, *, sooner: bool) -> None:
        every_s = READ_SOONER_S if sooner else READ_EVERY_S
        if self._reading is None and time.monotonic() - self._tried_at >= every_s:
            self._tried_at = time.monotonic()
            self._reading = asyncio.create_task(self._read(), name="revocations")
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=WAIT_S)
        if time.monotonic() - self._read_at > STALE_S:
            raise EngineDown

    async def _read(self) -> None:
        try:
            found = await self._store.ended_since(self._list.horizon)
            self._take(found)
            self._read_at = time.monotonic()
        except EngineDown:
            return
        finally:
            self._reading = None

    def _take(self, found: EndedSince) -> None:
        by_room: dict[str, list[Revocation]] = defaultdict(list)
        for one in found.ended:
            entry = Revocation(
                public_id=self._keys.public_id(one.session_id, one.turn),
                written=one.written,
                ended_at=one.ended_at,
                until=one.until,
            )
            by_room[one.room].append(entry)
        self._longest_s = found.longest_s
        self._list.take(by_room, horizon=found.horizon, now=found.now)
        if len(found.ended) == REVOKED_MAX:
            # Older ones may not have been read.
            self._list.forget_before(min(one.ended_at for one in found.ended))

    async def close(self) -> None:
        """End a reading that runs."""
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=WAIT_S)
