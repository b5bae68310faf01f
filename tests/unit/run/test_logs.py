"""What libraries log becomes lines of our form, and an outage is no flood of tracebacks."""

import json
import logging

import asyncpg
import pytest
import structlog
from aiohttp import http_exceptions
from structlog.testing import capture_logs

from waitroom.run.logs import LibraryLines, set_up_logs

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


CONTROLS = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066)))


@pytest.mark.parametrize("as_json", [True, False])
def test_no_value_brings_a_control_character_into_the_log(
    capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    kept, handlers = structlog.get_config(), logging.root.handlers
    structlog.reset_defaults()
    logging.root.handlers = []
    try:
        set_up_logs(level="info", as_json=as_json)
        log = structlog.get_logger()
        log.warning("refused", path=f"/a{CONTROLS}b", listed=[CONTROLS], odd={CONTROLS: {CONTROLS}})
        try:
            raise ValueError(CONTROLS)
        except ValueError:
            log.exception("failed", error=OSError(CONTROLS))
        logging.getLogger("some.library").error("said %s", CONTROLS)
    finally:
        structlog.configure(**kept)
        logging.root.handlers = handlers
    told = capsys.readouterr().err

    assert not set(CONTROLS) - {"\n"} & set(told)
    ours = [line for line in told.splitlines() if not line.startswith("    ")]
    assert len(ours) == 3
    assert all(r"\x1b" in line for line in ours)
    if as_json:
        assert [json.loads(line)["level"] for line in ours] == ["warning", "error", "error"]


@pytest.mark.parametrize("library", ["aiohttp.server", "aiohttp.web", "asyncio"])
def test_no_library_tells_what_a_request_held(library: str) -> None:
    lines = LibraryLines()
    error = http_exceptions.BadHttpMessage("400, message: Cookie: SECRET")
    record = logging.LogRecord(
        library, logging.ERROR, "x.py", 1, "Error with %s\nfuture: SECRET", ("SECRET",),
        (type(error), error, None),
    )  # fmt: skip
    with capture_logs() as said:
        lines.handle(record)

    (only,) = said
    assert "SECRET" not in str(only)
    assert only["error"] == "BadHttpMessage"
