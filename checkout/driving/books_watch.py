"""A metric of the books: whether any of them disagree, without anybody asking."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from prometheus_client import Gauge

from inventory.kit.problem import AuditTooLong, Busy

log = structlog.get_logger()

# A count may read whole tables, so it takes a fiftieth of the time at most.
COUNT_EVERY_S = 300.0
REST_TIMES = 50

BREACHES = Gauge(
    "waitroom_books_breaches",
    "Ways in which the books disagree, as far as the last count found: 0 when all is well.",
    ["books"],
    multiprocess_mode="mostrecent",
)

Books = Callable[[], Awaitable[Sequence[object]]]


class BooksWatch:
    """Count the breaches of books by their names, now and then."""

    def __init__(self, books: Mapping[str, Books]) -> None:
        self._books = books
        self._due = time.monotonic() + COUNT_EVERY_S

    async def sweep(self, _: int) -> int:
        """Count when it is time, as a sweep that rests between its rounds."""
        began_at = time.monotonic()
        if began_at >= self._due:
            self._due = began_at + COUNT_EVERY_S
            await self.count()
            now = time.monotonic()
            self._due = max(self._due, now + REST_TIMES * (now - began_at))
        return 0

    async def count(self) -> None:
        for name, read in self._books.items():
            try:
                found = await read()
            except (Busy, AuditTooLong) as error:
                # An operator counts them just now, or a larger machine has to.
                log.warning("books_not_counted", books=name, error=error)
                continue
            BREACHES.labels(name).set(len(found))
            if found:
                log.error("books_disagree", books=name, breaches=len(found))
