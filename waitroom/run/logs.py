"""Structured logs on standard error: lines for people, or JSON for machines."""

import logging
import sys
import textwrap
import time
from typing import Any

import structlog

from inventory.kit.database import ENGINE_ERRORS

# The library's report of an engine that is away is repeated after this time.
REPEATED_AFTER_S = 30.0


def set_up_logs(*, level: str, as_json: bool) -> None:
    """Configure structlog; line breaks are encoded, so no field can forge a line of its own."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if as_json else _for_people,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[LibraryLines()], level=logging.WARNING)


class LibraryLines(logging.Handler):
    """Passes on what libraries log, as lines of our own form.

    asyncpg reports each second that it cannot connect, with a traceback that tells no more than the
    error itself. Such a report becomes one line, and is repeated after a while only.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        logger = structlog.get_logger()
        if not isinstance(error, ENGINE_ERRORS):
            logger.log(record.levelno, record.getMessage(), library=record.name, exc_info=error)
            return
        now = time.monotonic()
        told_at = self._told_at.get(record.name)
        if told_at is None or now - told_at > REPEATED_AFTER_S:
            self._told_at[record.name] = now
            logger.log(record.levelno, record.getMessage(), library=record.name, error=repr(error))


_logfmt = structlog.processors.LogfmtRenderer(
    key_order=["timestamp", "level", "event"], drop_missing=True
)


def _for_people(logger: Any, method: str, event: structlog.typing.EventDict) -> str:
    """Render one line, and a traceback below it, indented so that nothing in it looks like one."""
    traceback = event.pop("exception", None)
    flat = {
        key: value.replace("\r", "\\r").replace("\n", "\\n")
        if isinstance(value, str)
        else str(value)
        for key, value in event.items()
    }
    line = str(_logfmt(logger, method, flat))
    return line if traceback is None else line + "\n" + textwrap.indent(traceback, "    ")
