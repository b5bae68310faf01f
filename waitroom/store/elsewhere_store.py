"""Reports of other shops on their stock and on sessions, on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inventory.kit.database import Pool, connection, load_queries
from inventory.kit.problem import NotFound, Unprocessable
from waitroom.refusals import NotElsewhere

SQL = load_queries("waitroom.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNews:
    """One shop's news of a session: held, bought, released, nothing or left.

    `units` of `held` are those in its basket now, of the other kinds the units that are added; None
    for all that it held. `mark` names the news: news that comes twice counts once.
    """

    session_id: int
    what: str
    units: int | None
    mark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A room's stock once the news is taken in.

    `stale` says that the figures were older than the last ones and not taken over; `unknown` are
    sessions that never were in this room.
    """

    available: int
    held: int
    promised: int
    heard_at: datetime
    stale: bool
    unknown: list[int]


class ElsewhereStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def hear(
        self,
        room: str,
        *,
        available: int,
        held: int,
        as_of: datetime | None,
        outcomes: Sequence[SessionNews],
    ) -> Heard:
        """Take in what another shop says, all of it in one transaction.

        Raises `NotFound`, `NotElsewhere`, and `Unprocessable` for a time that lies ahead.
        """
        news = (
            [outcome.session_id for outcome in outcomes],
            [outcome.what for outcome in outcomes],
            [outcome.units for outcome in outcomes],
            [outcome.mark for outcome in outcomes],
        )
        async with connection(self._pool) as borrowed:
            row = await borrowed.fetchrow(SQL["hear_of_stock"], room, available, held, as_of, *news)
        assert row is not None
        if row["verdict"] == "unknown":
            raise NotFound(f"There is no room {room!r}.")
        if row["verdict"] == "not_elsewhere":
            raise NotElsewhere
        if row["verdict"] == "ahead":
            raise Unprocessable(
                "`as_of` is more than a minute ahead of this service's clock; whatever came next "
                "would seem old."
            )
        return Heard(
            available=row["available"],
            held=row["held"],
            promised=row["promised"],
            heard_at=row["heard_at"],
            stale=row["stale"],
            unknown=row["unknown"],
        )
