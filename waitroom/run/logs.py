"""Structured logs on standard error: lines for people, or JSON for machines."""

import logging
import sys
from typing import Any

import structlog


def set_up_logs(*, level: str, as_json: bool) -> None:
    """Configure structlog; values are encoded, so no field can forge a line of its own."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: Any = structlog.processors.JSONRenderer()
    if not as_json:
        # logfmt quotes what holds spaces, quotes or line breaks.
        renderer = structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event"], drop_missing=True
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _one_line,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _one_line(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape line breaks, so that a log line stays one line whatever a client sent."""
    return {
        key: value.replace("\r", "\\r").replace("\n", "\\n") if isinstance(value, str) else value
        for key, value in event.items()
    }
