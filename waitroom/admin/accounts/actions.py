"""The record of operators' changes. It is append-only."""

from typing import Any

import msgspec

from inventory.kit.database import Pool, connection, load_queries

SQL = load_queries("waitroom.admin.accounts")


class ActionStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(
        self, room: str | None, who: str, action: str, detail: dict[str, Any], reason: str = ""
    ) -> None:
        values = (room, who, action, msgspec.json.encode(detail).decode(), reason)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["record_action"], *values)

    async def page(self, room: str, *, limit: int) -> list[dict[str, Any]]:
        """Return a room's newest actions."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_actions"], room, limit)
        return [{**dict(row), "detail": msgspec.json.decode(row["detail"])} for row in rows]

    async def of_accounts(self, *, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Return the newest actions that belong to no room, before the one with this id."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_account_actions"], before, limit)
        return [{**dict(row), "detail": msgspec.json.decode(row["detail"])} for row in rows]
