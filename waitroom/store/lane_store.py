"""Lanes and profiles on PostgreSQL: what operators make of a room's lines."""

from typing import Any

import asyncpg

from inventory.kit.database import Pool, connection
from inventory.kit.problem import BadRequest, NotFound
from waitroom.store.line_store import SQL

_BROKEN = {
    "lane_is_a_slug": "A lane's name is 1 to 31 small letters and digits, a letter first.",
    "sixteen_lanes_at_most": "A room has at most sixteen lanes.",
    "profile_is_a_slug": "A profile's name is 1 to 31 small letters, digits and hyphens.",
    "profile_within_its_bound": "More places have this profile already.",
}


class LaneStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def lanes(self, room: str) -> list[dict[str, Any]]:
        """Return a room's lanes, the main one first, with head, tail and share of the calls."""
        return await self._list("list_lanes", room)

    async def set_lane(self, room: str, lane: str, *, share: float, who: str) -> None:
        """Add a lane, or change its share of the calls."""
        if await self._change("set_lane", room, lane, share, who) is None:
            raise NotFound(f"There is no room {room!r}.")

    async def profiles(self, room: str) -> list[dict[str, Any]]:
        """Return a room's profiles, and how many places have each."""
        return await self._list("list_profiles", room)

    async def set_profile(
        self,
        room: str,
        profile: str,
        *,
        name: str,
        time_factor: float,
        places_max: int | None,
        who: str,
    ) -> None:
        """Add a profile, or change it: `places_max` is how many places may have it, if bounded."""
        values = (room, profile, name, time_factor, places_max, who)
        if not await self._change("set_profile", *values):
            raise NotFound(f"There is no room {room!r}.")

    async def _list(self, query: str, room: str) -> list[dict[str, Any]]:
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL[query], room)
            if not rows and await borrowed.fetchrow(SQL["read_room"], room) is None:
                raise NotFound(f"There is no room {room!r}.")
        return [dict(row) for row in rows]

    async def _change(self, query: str, *values: object) -> Any:
        async with connection(self._pool) as borrowed:
            try:
                return await borrowed.fetchval(SQL[query], *values)
            except asyncpg.CheckViolationError as error:
                rule = error.constraint_name or ""
                raise BadRequest(_BROKEN.get(rule, f"That breaks the rule {rule}.")) from error
