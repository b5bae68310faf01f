"""Proofs that were spent: in Valkey for all workers, and in each worker while Valkey is away."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from waitroom.store.memory import Memory

# A worker remembers at most this many, some 300 bytes each. Each of them has cost its work.
KEPT_MAX = 50_000


class Spent:
    """Remembers what was spent, and for which place: its own join may be repeated."""

    def __init__(
        self,
        memory: Memory,
        *,
        kept_max: int = KEPT_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = memory
        self._kept_max = kept_max
        self._clock = clock
        # The owner, and the moment until which a name is kept; the oldest first.
        self._here: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many this worker remembers."""
        return len(self._here)

    async def spend(self, name: str, owner: str, *, ttl_s: int) -> bool:
        """Spend a proof; return whether it is this owner's, who may repeat the same join.

        A proof without an owner, "", is spent once.
        """
        mark, now = _mark(owner), self._clock()
        known = self._here.get(name)
        if known is not None and known[1] > now:
            return bool(owner) and known[0] == mark
        while self._here and (
            len(self._here) >= self._kept_max or next(iter(self._here.values()))[1] <= now
        ):
            self._here.popitem(last=False)
        self._here[name] = (mark, now + ttl_s)
        earlier = await self._memory.claim_note(f"spent:{name}", mark, ttl_s=ttl_s)
        if earlier is None:
            return True
        self._here[name] = (earlier, now + ttl_s)
        return bool(owner) and earlier == mark

    async def is_repeat(self, name: str, owner: str) -> bool:
        """Say whether this owner has spent this already."""
        known = self._here.get(name)
        mark = await self._memory.note(f"spent:{name}") if known is None else known[0]
        return bool(owner) and mark == _mark(owner)


def _mark(owner: str) -> bytes:
    return sha256(owner.encode()).digest()[:16]
