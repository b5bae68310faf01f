"""Connections by the network that they come from, and which one ends to make room. Pure."""

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Generic, TypeVar

Connection = TypeVar("Connection", bound=Hashable)

# Of a network whose connections are all busy, and of all networks, this many are looked at.
LOOKS_PER_NETWORK_MAX = 64
LOOKS_MAX = 256


class Connections(Generic[Connection]):
    """The open connections of a server, oldest first, in all and by network.

    Networks stand by how many connections each has, so the greatest is found without a search:
    connections come fastest when there are most of them.
    """

    def __init__(self, *, total_max: int, network_max: int) -> None:
        self._total_max = total_max
        self._network_max = network_max
        self._network_of: dict[Connection, str | None] = {}
        self._of: dict[str, dict[Connection, None]] = {}
        self._by_size: dict[int, dict[str, None]] = {}
        self._largest = 0
        # Proxies bring the connections of many clients, and end idle ones by themselves.
        self._of_proxies: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._network_of)

    def all(self) -> list[Connection]:
        return list(self._network_of)

    def add(self, connection: Connection, network: str | None) -> None:
        """Count a connection; the network of a trusted proxy is None."""
        self._network_of[connection] = network
        if network is None:
            self._of_proxies[connection] = None
            return
        group = self._of.setdefault(network, {})
        group[connection] = None
        self._resize(network, len(group) - 1, len(group))

    def discard(self, connection: Connection) -> None:
        """Count a connection no more; one that is not counted changes nothing."""
        if connection not in self._network_of:
            return
        network = self._network_of.pop(connection)
        if network is None:
            del self._of_proxies[connection]
            return
        group = self._of[network]
        del group[connection]
        self._resize(network, len(group) + 1, len(group))
        if not group:
            del self._of[network]

    def is_full_for(self, network: str | None) -> bool:
        """Say whether a connection from this network needs the room of another one."""
        if len(self._network_of) >= self._total_max:
            return True
        return network is not None and len(self._of.get(network, ())) >= self._network_max

    def to_end_for(
        self, network: str | None, is_idle: Callable[[Connection], bool]
    ) -> Connection | None:
        """Return the idle connection that makes room for one of this network, None for none.

        A network at its own bound gives one of its own, and so does one that has as many as any
        other, if it can. Otherwise the network with most gives its oldest, and a proxy only if no
        other network has one to give.
        """
        own = {} if network is None else self._of.get(network, {})
        if own and len(own) >= min(self._network_max, self._largest):
            found = _first_idle(own, is_idle)
            if found is not None or len(own) >= self._network_max:
                return found
        looks = 0
        for size in range(self._largest, 0, -1):
            for one in self._by_size.get(size, ()):
                found = _first_idle(self._of[one], is_idle)
                looks += min(size, LOOKS_PER_NETWORK_MAX)
                if found is not None:
                    return found
                if looks >= LOOKS_MAX:
                    return None
        return _first_idle(self._of_proxies, is_idle)

    def _resize(self, network: str, before: int, after: int) -> None:
        if before:
            del self._by_size[before][network]
            if not self._by_size[before]:
                del self._by_size[before]
        if after:
            self._by_size.setdefault(after, {})[network] = None
        if after > self._largest or self._largest not in self._by_size:
            self._largest = after


def _first_idle(
    group: dict[Connection, None], is_idle: Callable[[Connection], bool]
) -> Connection | None:
    """Return the oldest idle connection of a group.

    Busy ones go to the end, so that they do not stand before the idle ones at the next look too.
    """
    for one in list(islice(group, LOOKS_PER_NETWORK_MAX)):
        if is_idle(one):
            return one
        del group[one]
        group[one] = None
    return None
