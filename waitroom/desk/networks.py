"""The places that a room gave to each network, lately and in all.

A network is an IPv4 address or a /64 of IPv6 (`inventory.kit.doors.client`). Places are counted in
the worker that gives them. Once a second the workers exchange the counts of busy networks through
Valkey, so a join asks no engine for them. Without Valkey each worker knows its own places alone.
"""

import asyncio
import time
from collections.abc import Callable
from itertools import islice

from inventory.kit.loops import repeat
from waitroom.store.memory import Memory

EXCHANGE_EVERY_S = 1.0
# A network with fewer places at this worker is no news to the others. Most networks of a crowd
# have only a few, and each one that is told costs Valkey a field.
BUSY_FROM = 8
# One exchange tells at most this many networks; the others wait for the next.
EXCHANGED_MAX = 4096
# A sale is over by then; a later place begins the counts of its room again.
KEPT_S = 7 * 24 * 3600
# The window of `lately`.
WINDOW_S = 60.0
# A worker counts at most this many networks, about 200 bytes each. Beyond it those with the
# fewest places are forgotten, so no crowd of addresses hides one that takes many.
NETWORKS_MAX = 65_536


class Networks:
    """Counts new places by room and network."""

    def __init__(self, memory: Memory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock
        self._rooms: dict[str, _Room] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return how many networks are counted."""
        return self._size

    def gave(self, room: str, network: str, *, line_id: int) -> None:
        """Count a new place, before it is given: what comes at the same time hears of it.

        `line_id` is the room's main line. A reset gives the room another, and the counts begin
        again.
        """
        if not network:
            return
        found = self._rooms.get(room)
        if found is None or found.line_id != line_id:
            self._size -= 0 if found is None else len(found.own)
            found = self._rooms[room] = _Room(line_id)
        own = found.own
        own[network] = count = own.get(network, 0) + 1
        if count >= BUSY_FROM:
            found.note(network, count, self._clock())
        elif count == 1:
            self._size += 1
            if self._size > NETWORKS_MAX:
                self._forget_small()

    def took_back(self, room: str, network: str) -> None:
        """Count a place no more that came to nothing, or that was there already."""
        found = self._rooms.get(room)
        if found is not None and network in found.own and found.drop(network):
            self._size -= 1

    def has_most(self, room: str, network: str, most: int | None) -> bool:
        """Say whether a network has as many places as it may, with those that are being given."""
        if most is None or not network:
            return False
        found = self._rooms.get(room)
        return found is not None and found.total(network) >= most

    def lately(self, room: str, network: str) -> int:
        """Return how many places the network got in the last minute, about.

        The few of a network that is not busy all count, whenever they were given.
        """
        found = self._rooms.get(room)
        if found is None:
            return 0
        own = found.own.get(network, 0)
        return own if own < BUSY_FROM else found.lately(network, self._clock())

    def total(self, room: str, network: str) -> int:
        """Return how many places the network got since the room began."""
        found = self._rooms.get(room)
        return 0 if found is None else found.total(network)

    async def run(self, stopping: asyncio.Event) -> None:
        """Exchange counts once a second until `stopping` is set."""
        await repeat("networks", self.exchange, stopping)

    async def exchange(self) -> float:
        """Tell the new places of busy networks and hear all; return the seconds until the next."""
        for name, room in list(self._rooms.items()):
            if told := room.news():
                key = f"{name}:{room.line_id}"
                heard = await self._memory.exchange_counts(f"networks:{key}", told, ttl_s=KEPT_S)
                room.hear(told, heard, self._clock())
        return EXCHANGE_EVERY_S

    def _forget_small(self) -> None:
        """Forget the networks with the fewest places, until half of the table is free."""
        least = 1
        while self._size > NETWORKS_MAX // 2:
            self._size -= sum(room.forget_small(least) for room in self._rooms.values())
            least *= 2


class _Room:
    """The counts of one room since its main line began.

    They are plain numbers, since most networks of a crowd take one place. Only of busy networks is
    it known when they took theirs. The last minute is reckoned from two windows: that which runs,
    and the part of the one before it which is less than a minute ago.
    """

    __slots__ = ("_before", "_recent", "_shared", "_since", "line_id", "own", "untold")

    def __init__(self, line_id: int) -> None:
        self.line_id = line_id
        # The places that this worker gave.
        self.own: dict[str, int] = {}
        # The number that all workers share of a busy network, and this worker's part of it.
        self._shared: dict[str, tuple[int, int]] = {}
        # The busy networks with places of which the other workers have not heard.
        self.untold: set[str] = set()
        self._since = float("-inf")
        self._recent: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def note(self, network: str, count: int, now: float) -> None:
        """Count the latest place of a busy network, which has `count` of this worker."""
        self._happened(network, 1, now)
        if count == BUSY_FROM:
            # When the others were given is not known.
            self._recent[network] = max(self._recent[network], BUSY_FROM)
        self.untold.add(network)

    def drop(self, network: str) -> bool:
        """Count a place no more; say whether it was the network's only one."""
        # The window may have turned since.
        window = self._recent if self._recent.get(network) else self._before
        if window.get(network):
            window[network] -= 1
        if network in self._shared:
            self.untold.add(network)
        self.own[network] -= 1
        if self.own[network]:
            return False
        self._forget(network)
        return True

    def _turn(self, now: float) -> None:
        """Begin the window in which this moment lies."""
        went_on = now - self._since < 2 * WINDOW_S
        self._before, self._recent = (self._recent if went_on else {}), {}
        self._since = self._since + WINDOW_S if went_on else now

    def lately(self, network: str, now: float) -> int:
        recent, age = self._recent.get(network, 0), (now - self._since) / WINDOW_S
        if age < 1:
            before = self._before.get(network, 0)
            return recent + round(before * (1 - age)) if before else recent
        return round(recent * (2 - age)) if age < 2 else 0

    def total(self, network: str) -> int:
        own, shared = self.own.get(network, 0), self._shared.get(network)
        return own if shared is None else shared[0] + own - shared[1]

    def news(self) -> dict[str, int]:
        """Return the places of busy networks that were not told yet."""
        busy = islice(self.untold, EXCHANGED_MAX)
        return {network: self._untold(network) for network in busy}

    def _untold(self, network: str) -> int:
        _, told = self._shared.get(network, (0, 0))
        return self.own[network] - told

    def hear(self, told: dict[str, int], heard: dict[str, int], now: float) -> None:
        """Take in what all workers have given to the networks that were told."""
        for network, total in heard.items():
            if network not in self.own:
                continue
            known, before = self._shared.get(network, (0, 0))
            elsewhere = total - told[network] - known
            if elsewhere > 0 and before:
                self._happened(network, elsewhere, now)
            # Valkey may have forgotten: then what it lacks is told once more.
            self._shared[network] = total, min(before + told[network], total)
            if not self._untold(network):
                self.untold.discard(network)

    def _happened(self, network: str, places: int, now: float) -> None:
        """Count places of a busy network as new at this moment."""
        if now - self._since >= WINDOW_S:
            self._turn(now)
        self._recent[network] = self._recent.get(network, 0) + places

    def forget_small(self, least: int) -> int:
        """Forget networks with at most `least` places; return how many these are."""
        small = [network for network in self.own if self.total(network) <= least]
        for network in small:
            self._forget(network)
        return len(small)

    def _forget(self, network: str) -> None:
        for counts in (self.own, self._recent, self._before, self._shared):
            counts.pop(network, None)
        self.untold.discard(network)
