"""Numbers on signed tickets that the database does not know: it is older than what was told."""

import time

import structlog

from waitroom.line.ticket import Ticket
from waitroom.store.line_store import LineStore

log = structlog.get_logger()

# A line's numbers are taken up at most so often, and a database that is too old is told so often.
PAUSE_S = 1.0
TOLD_EVERY_S = 60.0


class UnknownNumbers:
    """Takes up the numbers of shoppers whose joins were lost with the database.

    A ticket is signed after its number was written, so a number beyond the last one proves that
    the database was brought back from an older copy, or that a standby without the last writes
    took over. Once an operator has said so (`waitroom restored`), the number stands and the next
    one follows it. Until then it is only logged: another service with the same signing keys must
    not move this one's lines.
    """

    def __init__(self, store: LineStore) -> None:
        self._store = store
        self._quiet_until: dict[int, float] = {}

    async def met(self, ticket: Ticket, *, tail: int) -> None:
        """Look at a number; `tail` is the last one of its line in the database."""
        now = time.monotonic()
        if (
            ticket.entered
            or ticket.number <= tail
            or now < self._quiet_until.get(ticket.line_id, 0.0)
        ):
            return
        self._quiet_until[ticket.line_id] = now + PAUSE_S
        last = await self._store.take_up(ticket.line_id, upto=ticket.number)
        if last is None:
            self._quiet_until[ticket.line_id] = now + TOLD_EVERY_S
            log.error(
                "database_is_too_old",
                line_id=ticket.line_id,
                number=ticket.number,
                last_number=tail,
                act="run `waitroom restored`, and see docs/run-the-night.md",
            )
        elif last > tail:
            log.warning("numbers_taken_up", line_id=ticket.line_id, first=tail + 1, last=last)
