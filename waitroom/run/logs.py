"""Structured logs on standard error: lines for people, or JSON for machines."""

import logging
import sys
import textwrap
from typing import Any

import structlog


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
