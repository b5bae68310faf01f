"""Which room the settings give to which shard, and where each shard is found. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inventory.kit.problem import BadRequest
from waitroom.store.shards.home_store import Home

# The shard of all rooms that the settings give to no other: the one at the top of the settings.
MAIN = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardMap:
    """The shards by their names; without any, there is only this one.

    `own` is the shard of this process. `addresses` has the public address of each, and `given` the
    shard of each room that the settings name.
    """

    own: str = MAIN
    addresses: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> str:
        """The name of this shard where there are several; "" is for none."""
        return self.own if self.addresses else ""

    @property
    def others(self) -> dict[str, str]:
        """The public addresses of all shards but this one, by name."""
        return {name: url for name, url in self.addresses.items() if name != self.own}

    @property
    def suffix(self) -> str:
        """What tells the names of this shard from those of the main one, which has none."""
        return "" if self.own == MAIN else self.own

    def shard_of(self, room: str) -> str:
        """Return the shard to which the settings give a room."""
        return self.given.get(room, MAIN)

    def refuse_to_make(self, room: str) -> None:
        """Raise `BadRequest` where a room of this name belongs into another shard."""
        shard = self.shard_of(room)
        if not self.addresses or shard == self.own:
            return
        if shard == MAIN:
            raise BadRequest(
                f"The settings do not give a room {room} to the shard {self.own}. Add it to "
                f"`rooms` there, or make it at {self.addresses[MAIN]}.",
                field="room",
            )
        raise BadRequest(
            f"The settings give the room {room} to the shard {shard}. Make it at "
            f"{self.addresses[shard]}.",
            field="room",
        )


def disagreements(shards: ShardMap, homes: Sequence[Home]) -> Iterator[str]:
    """Return a line for each room that is not where the settings say, with what to do."""
    if not shards.addresses:
        return
    for home in homes:
        shard = shards.shard_of(home.room)
        here = home.shard if home.away and home.shard else shards.own
        if home.away and not home.arrived:
            yield (
                f"the room {home.room} is on its way to the shard {here}: run "
                f"`waitroom move {home.room} --to {here}` again"
            )
        elif here not in shards.addresses:
            yield f"the room {home.room} is in the shard {here}, which the settings do not name"
        elif shard != here and not _is_left_behind(home):
            yield (
                f"the room {home.room} is in the shard {here}, and the settings give it to {shard}:"
                f" change `rooms` there, or run `waitroom move {home.room} --to {shard}`"
            )


def _is_left_behind(home: Home) -> bool:
    """Say whether this is what a room left behind that came back: its name is its own."""
    return home.away and "-until-" in home.room
