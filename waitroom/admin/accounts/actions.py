"""The record of operators' changes. It is append-only."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.decoding import Json

SQL = load_queries("waitroom.admin.accounts")
# A file of actions is read in parts of this size.
PART = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An operator's change. `action_id` grows with every action.

    `room` is None for a change that belongs to no room, and `currency` is that of the room.
    `action` names the kind of the change, `detail` has the values that belong to this kind, and
    `reason` is the operator's sentence, which may be empty.
    """

    action_id: int
    at: datetime
    room: str | None
    currency: str | None
    who: str
    action: str
    detail: Json
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFilter:
    """The actions to find; None stands for no limit.

    `private` includes those that belong to no room: they tell of accounts and webhooks. `since` is
    the first moment, and `until` the first one after the last.
    """

    room: str | None = None
    private: bool = False
    who: str | None = None
    kinds: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


class ActionStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(
        self, room: str | None, who: str, action: str, detail: Json, reason: str = ""
    ) -> None:
        values = (room, who, action, msgspec.json.encode(detail).decode(), reason)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["record_action"], *values)

    async def find(
        self, wanted: ActionFilter, *, before: int | None = None, limit: int
    ) -> list[Action]:
        """Return the newest actions that fit, before the one with the id `before`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["find_actions"],
                wanted.room,
                wanted.private,
                wanted.who,
                None if wanted.kinds is None else list(wanted.kinds),
                wanted.since,
                wanted.until,
                before,
                limit,
            )
        return [Action(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows]

    async def parts(self, wanted: ActionFilter) -> AsyncIterator[list[Action]]:
        """Yield all actions that fit, the newest first, in parts; the first may be empty."""
        found = await self.find(wanted, limit=PART)
        yield found
        while len(found) == PART:
            found = await self.find(wanted, before=found[-1].action_id, limit=PART)
            yield found

    async def actors(self, room: str | None, *, private: bool) -> list[str]:
        """Return the names under which actions are on record."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_actors"], room, private)
        return [row["who"] for row in rows]

    async def of_accounts(self, *, before: int | None, limit: int) -> list[Action]:
        """Return the newest actions that belong to no room, before the one with this id."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_account_actions"], before, limit)
        return [Action(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows]
