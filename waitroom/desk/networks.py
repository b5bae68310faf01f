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
# The network "" stands for all networks of a room together.
ALL = ""


class Networks:
    """Counts new places by room and network."""

    def __init__(self, memory: Memory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._clock = clock
        self._rooms: dict[str, _Room] = {}
        # The places that are being given at this moment, by room and network.
        self._coming: dict[str, dict[str, int]] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return how many networks are counted."""
        return self._size

    def gave(self, room: str, network: str, *, line_id: int) -> None:
        """Count a new place.

        `line_id` is the room's main line. A reset gives the room another, and the counts begin
        again.
        """
        found = self._rooms.get(room)
        if found is None or found.line_id != line_id:
            self._size -= 0 if found is None else len(found.counts)
            found = self._rooms[room] = _Room(line_id)
            self._size += 1
        self._size += found.add(network, self._clock())
        if self._size > NETWORKS_MAX:
            self._forget_small()

    def giving(self, room: str, network: str) -> "_Giving":
        """Return a context that counts a place as one of the network's while it is being given."""
        coming = self._coming.get(room)
        if coming is None:
            coming = self._coming[room] = {}
        return _Giving(coming, network)

    def has_most(self, room: str, network: str, most: int | None) -> bool:
        """Say whether a network has as many places as it may, with those that are being given."""
        if most is None or not network:
            return False
        coming = self._coming.get(room)
        here = coming.get(network, 0) if coming else 0
        return here + self.total(room, network) >= most

    def lately(self, room: str, network: str = ALL) -> int:
        """Return how many places the network, or all together, got in the last minute, about."""
        count = self._count(room, network)
        return 0 if count is None else count.lately(self._clock())

    def total(self, room: str, network: str = ALL) -> int:
        """Return how many places the network, or all together, got since the room began."""
        count = self._count(room, network)
        return 0 if count is None else count.total

    def _count(self, room: str, network: str) -> "_Count | None":
        found = self._rooms.get(room)
        return None if found is None else found.counts.get(network)

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
            self._size -= sum(room.forget(least) for room in self._rooms.values())
            least *= 2


class _Giving:
    """A place that is being given. As a generator it would take five times as long."""

    __slots__ = ("_coming", "_network")

    def __init__(self, coming: dict[str, int], network: str) -> None:
        self._coming = coming
        self._network = network

    def __enter__(self) -> None:
        self._coming[self._network] = self._coming.get(self._network, 0) + 1

    def __exit__(self, *_: object) -> None:
        left = self._coming[self._network] - 1
        if left:
            self._coming[self._network] = left
        else:
            del self._coming[self._network]


class _Room:
    """The counts of one room since its main line began."""

    __slots__ = ("_all", "counts", "line_id", "untold")

    def __init__(self, line_id: int) -> None:
        self.line_id = line_id
        self._all = _Count()
        self.counts: dict[str, _Count] = {ALL: self._all}
        # The busy networks with places of which the other workers have not heard.
        self.untold: set[str] = set()

    def add(self, network: str, now: float) -> int:
        """Count a place; return how many networks are counted more than before."""
        self._all.add(now)
        self.untold.add(ALL)
        if not network:
            return 0
        count, new = self.counts.get(network), 0
        if count is None:
            count, new = self.counts.setdefault(network, _Count()), 1
        count.add(now)
        if count.own >= BUSY_FROM:
            self.untold.add(network)
        return new

    def news(self) -> dict[str, int]:
        """Return the places of busy networks that were not told yet."""
        busy = islice(self.untold, EXCHANGED_MAX)
        return {network: self.counts[network].untold for network in busy}

    def hear(self, told: dict[str, int], heard: dict[str, int], now: float) -> None:
        """Take in what all workers have given to the networks that were told."""
        for network, total in heard.items():
            if (count := self.counts.get(network)) is not None:
                count.hear(told[network], total, now)
                if not count.untold:
                    self.untold.discard(network)

    def forget(self, least: int) -> int:
        """Forget networks with at most `least` places; return how many these are."""
        small = [
            network
            for network, count in self.counts.items()
            if network != ALL and count.total <= least
        ]
        for network in small:
            del self.counts[network]
            self.untold.discard(network)
        return len(small)


class _Count:
    """The places of one network in one room.

    `own` were given by this worker, and `told` is the part of them that is in `known`, the number
    that all workers share. The last minute is reckoned from two windows: that which runs, and the
    part of the one before it which is less than a minute ago.
    """

    __slots__ = ("before", "known", "own", "recent", "since", "told")

    def __init__(self) -> None:
        self.own = self.told = self.known = 0
        self.since = float("-inf")
        self.recent = self.before = 0

    @property
    def untold(self) -> int:
        return self.own - self.told

    @property
    def total(self) -> int:
        return self.known + self.own - self.told

    def add(self, now: float) -> None:
        """Count a place that this worker gives."""
        self.own += 1
        if now - self.since >= WINDOW_S:
            self._turn(now)
        self.recent += 1

    def happened(self, places: int, now: float) -> None:
        """Count places as new at this moment."""
        if now - self.since >= WINDOW_S:
            self._turn(now)
        self.recent += places

    def _turn(self, now: float) -> None:
        """Begin the window in which this moment lies."""
        self.before = self.recent if now - self.since < 2 * WINDOW_S else 0
        self.recent = 0
        self.since = now if now - self.since >= 2 * WINDOW_S else self.since + WINDOW_S

    def lately(self, now: float) -> int:
        age = (now - self.since) / WINDOW_S
        if age < 1:
            return self.recent + round(self.before * (1 - age)) if self.before else self.recent
        return round(self.recent * (2 - age)) if age < 2 else 0

    def hear(self, told: int, total: int, now: float) -> None:
        """Take in the number that all workers share, in which `told` of this worker's are new."""
        is_first = self.told == 0
        elsewhere = total - told - self.known
        if elsewhere > 0 and not is_first:
            self.happened(elsewhere, now)
        # Valkey may have forgotten: then what it lacks is told once more.
        self.told, self.known = min(self.told + told, total), total
