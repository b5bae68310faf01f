"""Where the rooms of other shards are found, and what those shards list."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import msgspec
import structlog

from inventory.kit.loops import repeat
from inventory.kit.problem import BadRequest, Busy
from waitroom.desk.board import Board
from waitroom.desk.shards.shard_map import ShardMap, disagreements
from waitroom.store.shards.home_store import Home, HomeStore

log = structlog.get_logger()

READ_EVERY_S = 2.0
# After this time every process of the other shard has read that a room arrived there.
SETTLES_S = 3 * READ_EVERY_S
ASK_EVERY_S = 15.0
ASK_MAX_S = 3.0
LISTED_MAX = 100
# How a room answers that is there, also where its log is not shown yet.
ANSWERED = (200, 403, 409)


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    room: str
    name: str
    status: str


class _List(msgspec.Struct, frozen=True, kw_only=True):
    rooms: list[_Listed]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomElsewhere:
    """A public room of another shard, whose addresses all lie below `shard_url`."""

    room: str
    name: str
    status: str
    shard_url: str


class Homes:
    """Knows for each room that is not here which shard has it.

    `run` reads which rooms have left, and asks the other shards for their public rooms now and
    then, for the pages that list rooms. Nothing waits for an answer: a shard that is away keeps the
    list that it gave last.
    """

    def __init__(self, shards: ShardMap, board: Board, store: HomeStore) -> None:
        self.shards = shards
        self._board = board
        self._store = store
        # The rooms that left, by name.
        self._left: dict[str, Home] = {}
        # Those of them that arrived a moment ago, each with the moment from which that is known
        # everywhere.
        self._settled_at: dict[str, float] = {}
        self._is_read = False
        self._told: list[str] = []
        self._lists: dict[str, list[RoomElsewhere]] = {}

    @property
    def listed(self) -> Sequence[RoomElsewhere]:
        """The public rooms of the other shards, by their names."""
        every = [one for rooms in self._lists.values() for one in rooms]
        return sorted(every, key=lambda one: (one.name, one.room))

    @property
    def known_elsewhere(self) -> Sequence[RoomElsewhere]:
        """The rooms of the other shards as far as they list them or the settings name them."""
        every = {one.room: one for one in self.listed}
        for home in self._left.values():
            if (url := self.shards.addresses.get(home.shard or "")) and home.room not in every:
                every[home.room] = RoomElsewhere(
                    room=home.room, name=home.name, status=home.status, shard_url=url
                )
        for room, shard in self.shards.given.items():
            if shard != self.shards.own and room not in self._board.rooms and room not in every:
                url = self.shards.addresses[shard]
                every[room] = RoomElsewhere(room=room, name=room, status="", shard_url=url)
        return sorted(every.values(), key=lambda one: (one.name, one.room))

    def has_left(self, room: str) -> bool:
        """Say whether a room was here and left for another shard."""
        return room in self._left

    def elsewhere(self, room: str) -> str | None:
        """Return the address of the shard that has a room, None if it is to be looked for here.

        A room is where its database says, and where the settings say if it never was here. Raises
        `Busy` for one that is on its way to another shard than theirs, or arrived a moment ago.
        """
        if room in self._board.rooms:
            return None
        shard = self.shards.shard_of(room)
        if (left := self._left.get(room)) is not None and left.shard != shard:
            if not left.arrived or time.monotonic() < self._settled_at.get(room, 0):
                # The other shard, which may not know of it yet, would lead back here.
                raise Busy
            shard = left.shard or shard
        return None if shard == self.shards.own else self.shards.addresses.get(shard)

    async def refresh(self) -> None:
        """Read which rooms have left, and tell once where settings and database disagree."""
        homes = await self._store.homes()
        left = {home.room: home for home in homes if home.away}
        for room, home in left.items():
            before = self._left.get(room)
            if home.arrived and self._is_read and (before is None or not before.arrived):
                self._settled_at[room] = time.monotonic() + SETTLES_S
        self._left, self._is_read = left, True
        told = list(disagreements(self.shards, homes))
        if told != self._told:
            for line in told:
                log.warning("room_lives_elsewhere_than_set", says=line)
        self._told = told

    async def run(self, stopping: asyncio.Event) -> None:
        """Read and ask until `stopping` is set."""
        await asyncio.gather(
            repeat("homes", self._read_again, stopping), repeat("shards", self._ask_again, stopping)
        )

    async def _read_again(self) -> float:
        await self.refresh()
        return READ_EVERY_S

    async def _ask_again(self) -> float:
        async with _client() as http:
            await self.ask(http)
        return ASK_EVERY_S

    async def ask(self, http: aiohttp.ClientSession) -> None:
        """Ask each of the other shards once."""
        others = self.shards.others
        for name, rooms in zip(
            others,
            await asyncio.gather(*(_rooms_at(http, url) for url in others.values())),
            strict=True,
        ):
            if rooms is not None:
                self._lists[name] = rooms


def _client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_MAX_S))


async def _rooms_at(http: aiohttp.ClientSession, url: str) -> list[RoomElsewhere] | None:
    """Return the public rooms of the shard at an address, None if it does not tell them."""
    try:
        params = {"limit": LISTED_MAX}
        async with http.get(f"{url}/rooms", params=params, allow_redirects=False) as answer:
            answer.raise_for_status()
            found = msgspec.json.decode(await answer.read(), type=_List)
    except (aiohttp.ClientError, OSError, ValueError):
        return None
    return [
        RoomElsewhere(room=one.room, name=one.name, status=one.status, shard_url=url)
        for one in found.rooms
    ]


class Founding:
    """Sees to it that no room is made in two shards.

    The settings give a name to one shard, and no other makes it. A room may have been made before
    the settings gave its name away, so the other shards are asked as well.
    """

    def __init__(self, shards: ShardMap) -> None:
        self._shards = shards

    async def check(self, room: str) -> None:
        """Raise `BadRequest` if a room of this name may not be made in this shard."""
        self._shards.refuse_to_make(room)
        others = self._shards.others
        if not others:
            return
        async with _client() as http:
            for name, url in others.items():
                await self._check_at(http, room, name, url)

    async def _check_at(self, http: aiohttp.ClientSession, room: str, name: str, url: str) -> None:
        status = await _status_of(http, f"{url}/rooms/{room}/log/head")
        # A shard leads on where it has no such room, and the settings lead it here.
        if status in {307, 404}:
            return
        if status in ANSWERED:
            raise BadRequest(
                f"The shard {name} has a room {room} already, at {url}/rooms/{room}. Move it here "
                "with `waitroom move`, or choose another name.",
                field="room",
            )
        raise BadRequest(
            f"The shard {name} at {url} does not answer whether it has a room {room} already. Try "
            "again when it does.",
            field="room",
        )


async def _status_of(http: aiohttp.ClientSession, url: str) -> int | None:
    try:
        async with http.get(url, allow_redirects=False) as answer:
            return answer.status
    except (aiohttp.ClientError, OSError, ValueError):
        return None
