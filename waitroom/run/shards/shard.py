"""The shards of the settings: their engines, addresses and rooms. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from inventory.catalogue import ROOM
from inventory.kit.doors.decoding import Json
from waitroom.desk.shards.shard_map import MAIN, ShardMap
from waitroom.run.addresses import (
    EMBEDDED,
    check_postgres_url,
    check_valkey_url,
    public_address,
)

# What each shard has for itself; everything else in the settings is for all of them.
OWN = ("public_url", "postgres_url", "postgres_owner_url", "valkey_url")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
RoomName = Annotated[str, Meta(pattern=rf"\A{ROOM}\Z")]


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shard as its table has it. Only its own processes and commands need its engines."""

    public_url: str
    postgres_url: str = ""
    postgres_owner_url: str = ""
    valkey_url: str = ""
    rooms: list[RoomName] = []


Shards = Mapping[str, Shard]


def settled(shards: Shards) -> dict[str, Shard]:
    """Return shards with their addresses in one form; raises `ValueError` where two collide."""
    found = {name: _settled_one(name, shard) for name, shard in shards.items()}
    for field in ("public_url", "postgres_url", "valkey_url"):
        of: dict[str, str] = {}
        for name, shard in found.items():
            if (value := getattr(shard, field)) and of.setdefault(value, name) != name:
                raise ValueError(f"the shards {of[value]} and {name} have the same {field}")
    given: dict[str, str] = {}
    for name, shard in found.items():
        for room in shard.rooms:
            if given.setdefault(room, name) != name:
                raise ValueError(
                    f"the room {room} is given to two shards, {given[room]} and {name}"
                )
    return found


def _settled_one(name: str, shard: Shard) -> Shard:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a shard's name: small letters, digits and hyphens")
    if name == MAIN and shard.rooms:
        raise ValueError(f"the shard {MAIN} has the rooms that no other names, so it names none")
    if shard.postgres_url not in {"", EMBEDDED}:
        check_postgres_url(f"postgres_url of the shard {name}", shard.postgres_url)
    if shard.valkey_url not in {"", EMBEDDED}:
        check_valkey_url(f"valkey_url of the shard {name}", shard.valkey_url)
    try:
        return msgspec.structs.replace(shard, public_url=public_address(shard.public_url))
    except ValueError as error:
        raise ValueError(
            f"the shard {name} needs a public_url such as https://shop.example.com/{name}"
            + (", at the top of the settings" if name == MAIN else "")
        ) from error


def merged_json(in_file: Json, above: Json) -> Json:
    """Return the values of a settings file, and above them those of environment and options.

    What stands at the top of the file is for the main shard. A process of another one takes what
    shards have for themselves from its own table, and all else from the top. Raises `ValueError`
    for a shard that there is not.
    """
    values = {**in_file, **above}
    shards = values.get("shards") or {}
    if isinstance(shards, str):
        # The environment holds JSON.
        shards = msgspec.json.decode(shards, type=dict[str, Json])
    own = values.get("shard") or (MAIN if shards else "")
    if not shards:
        if own:
            raise ValueError(f"there is no shard {own}: the settings name none")
        return values | {"shards": {}}
    shards = {MAIN: {name: in_file[name] for name in OWN if name in in_file}} | shards
    if own not in shards:
        raise ValueError(f"there is no shard {own}; the shards are {', '.join(sorted(shards))}")
    mine = {name: value for name, value in shards[own].items() if name in OWN and value}
    mine |= {name: above[name] for name in OWN if name in above}
    shards[own] = shards[own] | mine
    shards[MAIN].setdefault("public_url", "")
    common = {name: value for name, value in values.items() if name not in OWN}
    return common | mine | {"shards": shards, "shard": own}


def check_own(own: str, postgres_url: str, valkey_url: str) -> None:
    """Raise `ValueError` for a shard that would use the engines of another."""
    if own not in {"", MAIN} and EMBEDDED in {postgres_url, valkey_url}:
        raise ValueError(f"the shard {own} needs a postgres_url and a valkey_url of its own")


def map_of(own: str, shards: Shards) -> ShardMap:
    """Return who has which room, and where."""
    return ShardMap(
        own=own or MAIN,
        addresses={name: shard.public_url for name, shard in shards.items()},
        given={room: name for name, shard in shards.items() for room in shard.rooms},
    )


def public_json(shards: Json) -> Json:
    """Return the plain values of shards without the addresses of engines, and their passwords."""
    return {
        name: {key: value for key, value in shard.items() if key in {"public_url", "rooms"}}
        for name, shard in shards.items()
    }
