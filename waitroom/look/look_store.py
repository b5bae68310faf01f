"""The looks of rooms on PostgreSQL: a draft, and what is live."""

from dataclasses import dataclass

import asyncpg
import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.refusals import ChangedMeanwhile, RoomArchived, no_room
from waitroom.look.look import LOOK, PLAIN, RoomLook

SQL = load_queries("waitroom.look")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The two looks of a room."""

    draft: RoomLook
    live: RoomLook


class LookStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, room: str) -> Looks:
        """Return the looks of a room; raises `NotFound`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["read_looks"], room)
        if row is None:
            raise no_room(room)
        return Looks(draft=_look_of(row["draft"]), live=_look_of(row["live"]))

    async def live(self) -> dict[str, RoomLook]:
        """Return the live look of every room that has one, by room."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_live_looks"])
        return {row["room"]: _look_of(row["live"]) for row in rows}

    async def save(self, room: str, draft: RoomLook, *, was: RoomLook | None, who: str) -> None:
        """Keep a draft, which no shopper sees, in place of `was`; raises `ChangedMeanwhile`."""
        seen = None if was is None else _encoded(was)
        changed = msgspec.json.decode(
            await self._change("save_look", room, _encoded(draft), seen, who)
        )
        if changed:
            raise ChangedMeanwhile(
                "A colleague changed this draft meanwhile, so nothing was saved. Save again to put "
                "yours in its place, or load this page anew to see theirs.",
                changed=changed,
            )

    async def publish(self, room: str, *, who: str) -> None:
        """Show the draft to shoppers from now on."""
        await self._change("publish_look", room, who)

    async def _change(self, query: str, room: str, *values: str | None) -> str:
        async with connection(self._pool) as borrowed:
            try:
                known = await borrowed.fetchval(SQL[query], room, *values)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name == "archived_room_stands":
                    raise RoomArchived from error
                raise
        if not known:
            raise no_room(room)
        return str(known)


def _encoded(look: RoomLook) -> str:
    return msgspec.json.encode(look).decode()


def _look_of(text: str | None) -> RoomLook:
    """Read a look. One that an older or newer version wrote in another form shows as none."""
    try:
        return LOOK.decode(text) if text else PLAIN
    except msgspec.ValidationError:
        return PLAIN
