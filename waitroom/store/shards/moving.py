"""A room's move from one database to another; the package tells why it never lives in both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from inventory.kit.database import load_queries

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # Generic to the type checker only.
    Connection = asyncpg.Connection

SQL = load_queries("waitroom.store.shards")

LOG_PAGE = 5000
# What keeps a room where it is, by the word of the database.
_KEPT = {
    "open": "its sale goes on: end it, or pause and end it",
    "sessions": "shoppers are inside, or called",
    "holds": "units are held",
    "orders": "orders wait for the payment gateway",
    "refunds": "refunds are on their way",
    "draw": "its draw is not finished",
    "returns": "shoppers wait for returns: reset it",
    "places": "people have places in it: reset it, or wait for the end of the sale",
    "invitations": "invitations to it are good, and their links are of this shard: revoke them",
}


class CannotMove(Exception):
    """A room stays where it is; the message is one line that says why."""


class _Head(msgspec.Struct, frozen=True):
    """The end of the log as PostgreSQL writes it in JSON, the hash with its mark of bytes."""

    seq: int
    hash: str


class _Luggage(msgspec.Struct, frozen=True):
    head: _Head


@dataclass(kw_only=True)
class Move:
    """One room on its way from the database of `source` to that of `target`.

    `begin`, `leave`, `arrive` and `tell_source` follow each other; `roll_back` ends a move that has
    not left.
    """

    source: Connection
    target: Connection
    room: str
    # The name of the shard that it goes to.
    to: str
    who: str

    def __post_init__(self) -> None:
        self._leaving = self.source.transaction()
        self._arriving = self.target.transaction()

    async def begin(self) -> None:
        """Write both transactions to their ends; raises `CannotMove`."""
        await self._leaving.start()
        await self._arriving.start()
        await self._pack()
        await self._unpack()

    async def roll_back(self) -> None:
        """Leave everything as it was."""
        await self._arriving.rollback()
        await self._leaving.rollback()

    async def leave(self) -> None:
        """Commit the source: the room is sealed there for good."""
        await self._leaving.commit()

    async def arrive(self) -> None:
        """Commit the target: the room lives there from now on."""
        await self._arriving.commit()

    async def tell_source(self) -> None:
        """Let the source know that the room has arrived."""
        await self.source.execute(SQL["note_arrival"], self.room, self.to)

    async def _pack(self) -> None:
        row = await self.source.fetchrow(SQL["leave_for_shard"], self.room, self.to, self.who)
        assert row is not None, "the function returns one row"
        verdict, word = row
        if verdict == "unknown":
            raise CannotMove(f"there is no room {self.room}")
        if verdict == "archived":
            raise CannotMove(f"the room {self.room} is archived")
        if verdict == "elsewhere":
            raise CannotMove(f"the room {self.room} left for the shard {word}: move it there first")
        if verdict == "kept":
            raise CannotMove(f"the room {self.room} cannot move yet: {_KEPT[word]}")
        self._luggage = await self.source.fetchval(SQL["luggage_of"], self.room)
        self._head = msgspec.json.decode(self._luggage, type=_Luggage).head

    async def _unpack(self) -> None:
        last_hash = bytes.fromhex(self._head.hash.removeprefix("\\x"))
        if await self.target.fetchval(SQL["has_arrived"], self.room, self._head.seq, last_hash):
            return
        signed = (self._luggage, self.to, self.who)
        collides = await self.target.fetchval(SQL["take_in_room"], *signed)
        if collides is not None:
            raise CannotMove(f"the room {self.room} cannot move: the shard {self.to} {collides}")
        for first in range(1, self._head.seq + 1, LOG_PAGE):
            page = (self.room, first, first + LOG_PAGE - 1)
            bodies = [row["body"] for row in await self.source.fetch(SQL["log_page"], *page)]
            await self.target.execute(SQL["take_in_log"], self.room, bodies)
        async for row in self.source.cursor(SQL["pictures"], self.room, prefetch=10):
            await self.target.execute(SQL["take_in_picture"], self.room, *row)
        await self.target.execute(SQL["take_in_units"], *signed)


async def lives_in(database: Connection, room: str, *, on_its_way_to: str = "") -> bool:
    """Say whether a room lives in a database, or has left it for a shard and is not there yet."""
    for row in await database.fetch(SQL["homes"]):
        if row["room"] == room and not (row["away"] and row["arrived"]):
            return not row["away"] or row["shard"] == on_its_way_to
    return False


async def _version(database: Connection) -> str:
    return str(await database.fetchval(SQL["last_migration"]))


async def move(source: Connection, target: Connection, *, room: str, to: str, who: str) -> None:
    """Move a room to the shard `to`, whose database is `target`; raises `CannotMove`.

    A move that broke off is taken up where it stood, and one that is complete is left as it is.
    """
    if await _version(source) != await _version(target):
        raise CannotMove("the databases are of different versions: run `waitroom migrate` for both")
    moving = Move(source=source, target=target, room=room, to=to, who=who)
    try:
        await moving.begin()
    except BaseException:
        await moving.roll_back()
        raise
    await moving.leave()
    await moving.arrive()
    await moving.tell_source()
