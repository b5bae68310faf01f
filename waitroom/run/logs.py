"""Structured logs on standard error: lines for people, or JSON for machines."""

import logging
import sys
import textwrap
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from inventory.kit.troubles import trouble_of, words_of_cause

# Trouble of one kind with an engine is told again after this time, whoever meets it.
REPEATED_AFTER_S = 10.0
# aiohttp's errors quote the request or the answer that they are about, with cookies and tokens.
QUOTING = "aiohttp"
# A terminal obeys some of these, a reader of lines breaks at others, and the last ones turn the
# direction of the text around them.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F))
_ESCAPES = {
    sign: repr(chr(sign))[1:-1] for sign in (*_CONTROLS, *range(0x2066, 0x206A), 0x200E, 0x200F)
}
# A traceback has lines of its own.
_ESCAPES_OF_LINES = {sign: said for sign, said in _ESCAPES.items() if sign != ord("\n")}


def set_up_logs(*, level: str, as_json: bool, shard: str = "") -> None:
    """Configure structlog; control characters are escaped, so no field can forge a line.

    Each line names the shard, if there are several.
    """
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *([_naming(shard)] if shard else []),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            Troubles(),
            escape_controls,
            structlog.processors.JSONRenderer() if as_json else _for_people,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[LibraryLines()], level=logging.WARNING)


def _naming(shard: str) -> structlog.typing.Processor:
    def name(
        _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["shard"] = shard
        return event

    return name


class Troubles:
    """Tells trouble with an engine once for its kind, and again after a while.

    In an outage each loop, room and request of a process fails, some of them several times a
    second, and all for one reason. The first line names the kind (`trouble`) and what to do
    (`hint`); the next one, ten seconds later, says how many were left out (`unsaid`). `error` may
    be an exception in every line, and is told in words.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def __call__(
        self, _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        error = event.get("error")
        if not isinstance(error, BaseException):
            return event
        trouble = trouble_of(error)
        event["error"] = repr(error)
        if trouble is None:
            return event
        now = self._clock()
        told_at = self._told_at.get(trouble.kind)
        if told_at is not None and now - told_at < REPEATED_AFTER_S:
            self._unsaid[trouble.kind] += 1
            raise structlog.DropEvent
        self._told_at[trouble.kind] = now
        event.update(trouble=trouble.kind, hint=trouble.line, error=words_of_cause(error))
        if not event["error"]:
            del event["error"]
        if unsaid := self._unsaid.pop(trouble.kind, 0):
            event["unsaid"] = unsaid
        return event


def escape_controls(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Write control characters of all values in letters, also of those within lists."""
    for key, value in event.items():
        if key == "exception":
            event[key] = str(value).translate(_ESCAPES_OF_LINES)
        elif not isinstance(value, int | float | None):
            event[key] = _escaped(value)
    return event


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, list | tuple | set | frozenset):
        return [_escaped(one) for one in value]
    if isinstance(value, dict):
        return {str(_escaped(key)): _escaped(one) for key, one in value.items()}
    return value if isinstance(value, int | float | None) else str(value).translate(_ESCAPES)


class LibraryLines(logging.Handler):
    """Passes on what libraries log, as lines of our own form.

    asyncpg reports each second that it cannot connect, with a traceback that tells no more than the
    error itself. Such a report becomes one line among those of the trouble (`Troubles`).

    aiohttp's errors are told by their kind and the lines of code alone, whichever library reports
    them. Its own reports are told without what they are about.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        logger = structlog.get_logger()
        if record.name.startswith(QUOTING) or type(error).__module__.startswith(QUOTING):
            frames = traceback.format_tb(error.__traceback__) if error is not None else []
            told = {"error": type(error).__name__, "where": "".join(frames)} if error else {}
            # asyncio tells of the task and its error in further lines.
            words = str(record.msg).partition("\n")[0]
            logger.log(record.levelno, words, library=record.name, **told)
            return
        is_trouble = error is not None and trouble_of(error) is not None
        said = {"error" if is_trouble else "exc_info": error}
        logger.log(record.levelno, record.getMessage(), library=record.name, **said)


_logfmt = structlog.processors.LogfmtRenderer(
    key_order=["timestamp", "level", "event"], drop_missing=True
)


def _for_people(logger: Any, method: str, event: structlog.typing.EventDict) -> str:
    """Render one line, and a traceback below it, indented so that nothing in it looks like one."""
    traceback = event.pop("exception", None)
    flat = {key: str(value) for key, value in event.items()}
    line = str(_logfmt(logger, method, flat))
    return line if traceback is None else line + "\n" + textwrap.indent(traceback, "    ")
