"""What operators do to a whole room, on PostgreSQL: begin it anew, look at its draws."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from inventory.kit.database import Pool, connection
from inventory.kit.problem import BadRequest, NotFound
from waitroom.refusals import DrawIsDue
from waitroom.store.line_store import SQL
from waitroom.store.room_rules import sentence_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The draw of one line as anybody may see it. `count` is None while entries are taken.

    `value` is the public value that was given, where a source for one was announced; `drawn_at` is
    set once the order is out.
    """

    line: str
    lane: str
    announced_at: datetime
    commitment: bytes
    public_value_source: str | None
    entries: int
    count: int | None
    closing_signed: bool
    value: str | None
    drawn_at: datetime | None

    @property
    def status(self) -> str:
        """Return announced, closing, waits_for_value, drawing or drawn."""
        if self.drawn_at is not None:
            return "drawn"
        if self.count is None:
            return "announced"
        if not self.closing_signed:
            return "closing"
        value_missing = self.public_value_source is not None and self.value is None
        return "waits_for_value" if value_missing else "drawing"


class RoomStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, room: str, name: str, rules: str, *, who: str) -> None:
        """Make a room with rules, a JSON object of columns and values; or make nothing."""
        async with connection(self._pool) as borrowed:
            try:
                async with borrowed.transaction():
                    await borrowed.execute(SQL["create_room"], room, name, who)
                    await borrowed.execute(SQL["change_room"], room, rules, who, "")
            except asyncpg.UniqueViolationError as error:
                raise BadRequest(f"There is a room {room!r} already.") from error
            except asyncpg.CheckViolationError as error:
                if error.constraint_name != "room_is_a_slug":
                    raise BadRequest(sentence_for(error.constraint_name)) from error
                raise BadRequest(
                    f"{room!r} cannot name a room: use small letters, digits and hyphens."
                ) from error

    async def reset(self, room: str, *, who: str, reason: str) -> int:
        """Begin a room anew and return how many calls were taken back; raises `DrawIsDue`."""
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["reset_room"], room, who, reason)
        assert row is not None
        if row["verdict"] == "unknown":
            raise NotFound(f"There is no room {room!r}.")
        if row["verdict"] == "draw_is_due":
            raise DrawIsDue
        return int(row["calls_taken_back"])

    async def draws(self, room: str) -> list[Draw]:
        """Return the draws of the lines that can be joined, the main one first."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["read_draws"], room)
        return [_draw_of(row) for row in rows]


def _draw_of(row: asyncpg.Record) -> Draw:
    return Draw(**dict(row))
