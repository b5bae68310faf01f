"""What libraries log becomes lines of our form, and an outage is no flood of tracebacks."""

import json
import logging
from contextlib import suppress

import asyncpg
import pytest
import structlog
from aiohttp import http_exceptions
from structlog.testing import capture_logs

from inventory.kit.problem import EngineDown
from waitroom.run.logs import LibraryLines, Troubles, set_up_logs


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


RETRYING = "Failed to restore the pool connection floor; retrying"


def say(lines: LibraryLines, error: Exception, words: str = RETRYING) -> None:
    record = logging.LogRecord(
        "asyncpg.pool", logging.ERROR, "pool.py", 1, words, (), (type(error), error, None)
    )
    lines.handle(record)


def test_a_librarys_report_of_an_engine_that_is_away_has_no_traceback() -> None:
    error = TimeoutError()
    with capture_logs() as said:
        say(LibraryLines(), error)

    (only,) = said
    assert (only["event"], only["error"]) == (RETRYING, error)
    assert "exc_info" not in only


def test_trouble_of_one_kind_is_told_at_most_every_ten_seconds() -> None:
    seconds = iter([*[0.0, 1.0, 9.9], 10.0, 11.0, 12.0])
    troubles, lines = Troubles(clock=lambda: next(seconds)), []

    def tell(error: Exception, **fields: object) -> None:
        with suppress(structlog.DropEvent):
            lines.append(troubles(None, "warning", {**fields, "error": error}))

    full = asyncpg.DiskFullError("could not extend file: No space left on device")
    for event in ("loop_failed", "board_not_refreshed", "loop_failed", "room_tick_failed"):
        tell(full, event=event)
    tell(asyncpg.TooManyConnectionsError("sorry, too many clients already"), event="loop_failed")
    tell(caused(EngineDown(), full), event="loop_failed")
    tell(ValueError("a mistake of ours"), event="loop_failed")

    assert [(one["event"], one.get("trouble"), one.get("unsaid")) for one in lines] == [
        ("loop_failed", "disk_full", None),
        ("room_tick_failed", "disk_full", 2),
        ("loop_failed", "connections_exhausted", None),
        ("loop_failed", None, None),
    ]
    assert "No space left" in lines[0]["error"]
    assert "free space" in lines[0]["hint"]
    assert lines[3]["error"] == "ValueError('a mistake of ours')"


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
