"""Mail on PostgreSQL: queueing messages of a turn, leasing, noting outcomes, forgetting."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from inventory.kit.database import Pool, connection, load_queries
from waitroom.line.forecast.near import NearLine
from waitroom.line.state import RoomState, decode_state
from waitroom.outgoing.mail.attempt import ATTEMPTS_MAX
from waitroom.outgoing.outcome import Fate, Outcome

SQL = load_queries("waitroom.outgoing.mail")

# The states of `mail`.
STATES = {Fate.SENT: "sent", Fate.AGAIN: "waiting", Fate.GIVEN_UP: "failed"}
# The outcome of a message, without its address, is kept for the operators.
KEPT = timedelta(days=7)
DUE_COUNTED_MAX = 100_000
# One address gets this many messages of a turn in a day, for however many places it was left.
DAY_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message taken under a lease.

    `facts` is JSON, in the form that its kind has. `attempts` counts this attempt too, and names
    the lease. `now` is the database's clock when the message was taken.
    """

    mail_id: int
    address: str = field(repr=False)
    kind: str
    facts: str
    attempts: int
    created_at: datetime
    now: datetime

    @property
    def item_id(self) -> int:
        return self.mail_id


class MailStore:
    """`holder` is the name of this process in the leases that it takes."""

    def __init__(self, pool: Pool, *, holder: UUID | None = None) -> None:
        self._pool = pool
        self._holder = holder

    async def due(self) -> int:
        """Return how many messages are due for an attempt, counted up to a bound."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["count_due_mail"], DUE_COUNTED_MAX))

    async def lease_due(self, batch_max: int, *, lease_s: float) -> list[Mail]:
        """Lease up to `batch_max` messages that are due."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(
                SQL["lease_mail"], batch_max, lease_s, ATTEMPTS_MAX, self._holder
            )
        return [Mail(**dict(row)) for row in rows]

    async def note(self, mail: Mail, what: str, outcome: Outcome) -> None:
        """Note how an attempt ended; the address of a message that is over is blanked."""
        values = (mail.mail_id, mail.attempts, STATES[outcome.fate], what, outcome.again_s)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_mail"], *values)

    async def write_called(self, batch_max: int) -> int:
        """Queue a message to each shopper who asked for it and is called; return how many."""
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["write_called"], batch_max, DAY_MAX))

    async def nearing(self) -> list[tuple[int, RoomState]]:
        """Return the rooms, by id, in which a shopper is to hear that the turn is near."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["list_nearing"])
        found = []
        for row in rows:
            # A document of another release may not be readable here, and keeps no other mail back.
            with suppress(msgspec.MsgspecError):
                found.append((row["room_id"], decode_state(row["body"])))
        return found

    async def write_near(self, room_id: int, lines: Sequence[NearLine], batch_max: int) -> int:
        """Queue the message of shortly before, once for each place; return how many."""
        names, uptos = [near.line for near in lines], [near.upto for near in lines]
        values = (room_id, names, uptos, batch_max, DAY_MAX)
        async with connection(self._pool) as borrowed:
            return int(await borrowed.fetchval(SQL["write_near"], *values))

    async def tidy(self, batch_max: int) -> int:
        """End messages that are of no use any more and delete old ones; return how many."""
        async with connection(self._pool) as borrowed:
            ended = await borrowed.fetchval(SQL["end_call_mails"], batch_max)
            ended += await borrowed.fetchval(SQL["give_up_mail"], batch_max, ATTEMPTS_MAX)
            return int(ended + await borrowed.fetchval(SQL["forget_mail"], batch_max, KEPT))
