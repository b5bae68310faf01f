"""What libraries log becomes lines of our form, and an outage is no flood of tracebacks."""

import logging

import asyncpg
from structlog.testing import capture_logs

from waitroom.run.logs import LibraryLines

RETRYING = "Failed to restore the pool connection floor; retrying"


def say(lines: LibraryLines, error: Exception, words: str = RETRYING) -> None:
    record = logging.LogRecord(
        "asyncpg.pool", logging.ERROR, "pool.py", 1, words, (), (type(error), error, None)
    )
    lines.handle(record)


def test_an_engine_that_is_away_is_one_line_without_a_traceback() -> None:
    lines = LibraryLines()
    with capture_logs() as said:
        for _ in range(3):
            say(lines, TimeoutError())
        say(lines, asyncpg.TooManyConnectionsError("sorry, too many clients already"))

    (only,) = said
    assert only["event"] == RETRYING
    assert only["error"] == "TimeoutError()"
    assert "exc_info" not in only


def test_a_mistake_keeps_its_traceback_each_time() -> None:
    lines, error = LibraryLines(), ValueError("x")
    with capture_logs() as said:
        say(lines, error, "Task exception was never retrieved")
        say(lines, error, "Task exception was never retrieved")

    assert [one["exc_info"] for one in said] == [error, error]
