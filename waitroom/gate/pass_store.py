"""Sessions for which passes are minted, and those that ended early, on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from inventory.kit.database import Pool, ask, connection, load_queries
from waitroom.gate.revoked import REVOKED_MAX

SQL = load_queries("waitroom.gate")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNow:
    """A session at this moment."""

    session_id: int
    # How often its number had been called.
    turn: int
    room: str
    live: bool
    # On the shoppers' clock; None for a number that was never claimed.
    seconds_left: float | None
    # The database's clock, in seconds since 1970.
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A session that ended while a pass of it may still hold; moments in seconds since 1970."""

    room: str
    session_id: int
    turn: int
    # The transaction that wrote it.
    written: int
    ended_at: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSince:
    """What was found, the database's clock, and the oldest transaction that runs."""

    ended: list[Ended]
    now: float
    horizon: int
    # The rooms that give passes, with the longest seconds for which one may hold.
    longest_s: dict[str, int]


class PassStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, session_ids: Sequence[int]) -> list[SessionNow | None]:
        """Return sessions in the order of their numbers as asked, None for one that never was."""
        rows = await ask(self._pool, SQL["read_passes"], list(session_ids))
        found = {row["session_id"]: SessionNow(**dict(row)) for row in rows}
        return [found.get(session_id) for session_id in session_ids]

    async def ended_since(self, horizon: int) -> EndedSince:
        """Return what transactions from `horizon` on revoked, the newest if they are many."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["revocations_since"], str(horizon), REVOKED_MAX)
            longest = await borrowed.fetch(SQL["longest_passes"])
        return EndedSince(
            ended=[
                Ended(**{name: row[name] for name in Ended.__slots__})
                for row in rows
                if row["room"] is not None
            ],
            now=rows[0]["now"],
            horizon=rows[0]["horizon"],
            longest_s={row["room"]: row["longest_s"] for row in longest},
        )

    async def forget(self, batch_max: int) -> int:
        """Forget sessions whose passes have run out; return how many."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["forget_revocations"], batch_max))
