"""Mail on PostgreSQL: taking what is due, noting how it went, forgetting."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from inventory.kit.database import Pool, connection
from inventory.kit.queries import load_queries
from waitroom.outgoing.mail.attempt import ATTEMPTS_MAX, Outcome

SQL = load_queries("waitroom.outgoing.mail")

# What became of a message, without its address, is kept for those who run the service.
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message taken under a lease, and at what moment it was taken."""

    mail_id: int
    address: str = field(repr=False)
    kind: str
    facts: str
    attempts: int
    created_at: datetime
    now: datetime


class MailStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, batch_max: int, *, lease_s: float) -> list[Mail]:
        """Take up to `batch_max` messages that are due, for `lease_s`."""
        async with connection(self._pool) as borrowed:
            rows = await borrowed.fetch(SQL["claim_mail"], batch_max, lease_s, ATTEMPTS_MAX)
        return [Mail(**dict(row)) for row in rows]

    async def note(self, mail: Mail, what: str, outcome: Outcome) -> None:
        """Note how an attempt ended; the address of a message that is over goes with it."""
        values = (mail.mail_id, mail.attempts, outcome.state, what, outcome.again_s)
        async with connection(self._pool) as borrowed:
            await borrowed.execute(SQL["note_mail"], *values)

    async def tidy(self, batch_max: int) -> int:
        """End messages that came to nothing and forget old ones; return how many were touched."""
        async with connection(self._pool) as borrowed:
            ended = await borrowed.fetchval(SQL["give_up_mail"], batch_max, ATTEMPTS_MAX)
            return int(ended + await borrowed.fetchval(SQL["forget_mail"], batch_max, KEPT))
