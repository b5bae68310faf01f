"""The record of operators' changes. It is append-only."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.doors.decoding import Json

SQL = load_queries("waitroom.admin.accounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAction:
    """An operator's change of a room.

    `action` names its kind, `detail` has the values that belong to this kind, and `reason` is the
    operator's sentence, which may be empty.
    """

    at: datetime
    who: str
    action: str
    detail: Json
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAction:
    """A change that belongs to no room. `action_id` grows with every action; see `RoomAction`."""

    action_id: int
    at: datetime
    who: str
    action: str
    detail: Json
    reason: str


class ActionStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(
        self, room: str | None, who: str, action: str, detail: Json, reason: str = ""
    ) -> None:
        values = (room, who, action, msgspec.json.encode(detail).decode(), reason)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["record_action"], *values)

    async def page(self, room: str, *, limit: int) -> list[RoomAction]:
        """Return a room's newest actions."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_actions"], room, limit)
        return [RoomAction(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows]

    async def of_accounts(self, *, before: int | None, limit: int) -> list[AccountAction]:
        """Return the newest actions that belong to no room, before the one with this id."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_account_actions"], before, limit)
        return [
            AccountAction(**{**row, "detail": msgspec.json.decode(row["detail"])}) for row in rows
        ]
