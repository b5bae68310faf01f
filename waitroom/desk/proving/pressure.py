"""The pressure on a room: the level of work for a join, by its network's latest places. Pure."""

from collections import OrderedDict

# New places of one network in a minute. Below it lie a household and an office that join together.
NETWORK_FROM = 30
# The work doubles with each level, as the places of the network do. The last one costs a slow
# phone some seconds.
LEVEL_MAX = 5
# While this many networks of a room are under pressure in one minute, the whole room is.
NETWORKS_FROM = 20
# Under the pressure of the room a network that took few places does this much.
ROOM_LEVEL = 2
PRESSED_S = 60.0


def level_of(lately: int) -> int:
    """Return the level of work for a network, by its new places in the last minute; 0 for none."""
    return min((lately // NETWORK_FROM).bit_length(), LEVEL_MAX)


class PressedNetworks:
    """The networks of one room that were under pressure lately, the oldest first."""

    __slots__ = ("_since", "until")

    def __init__(self) -> None:
        self._since: OrderedDict[str, float] = OrderedDict()
        # The moment at which the pressure of the whole room ends.
        self.until = float("-inf")

    def note(self, network: str, now: float) -> None:
        """Note a network that is under pressure. Only the latest `NETWORKS_FROM` are kept."""
        self._since[network] = now
        self._since.move_to_end(network)
        if len(self._since) > NETWORKS_FROM:
            self._since.popitem(last=False)
        if len(self._since) == NETWORKS_FROM:
            self.until = max(self.until, next(iter(self._since.values())) + PRESSED_S)
