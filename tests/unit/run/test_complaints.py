"""Why an engine died or did not start, out of what it printed."""

from pathlib import Path

import pytest

from waitroom.run.engines.complaints import advice_on, last_words, telling_line
from waitroom.run.engines.server import remove_mark

FULL = """\
2026-11-30 03:46:57.6 UTC [1] LOG:  database system is ready to accept connections
2026-11-30 03:47:01.1 UTC [9] FATAL:  sorry, too many clients already
2026-11-30 03:47:37.2 UTC [7] PANIC:  could not write to file "pg_wal/x": No space left on device
2026-11-30 03:47:37.3 UTC [1] LOG:  terminating any other active server processes
2026-11-30 03:47:37.4 UTC [8] FATAL:  the database system is in recovery mode
"""
VALKEY = """\
17817:M 30 Nov 2026 03:47:37.6 * Ready to accept connections unix
17817:M 30 Nov 2026 03:47:37.7 # Error writing to the AOF file: No space left on device
17817:M 30 Nov 2026 03:47:37.8 # Valkey is now ready to exit, bye bye...
"""


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (FULL, 'could not write to file "pg_wal/x": No space left on device'),
        (VALKEY, "Error writing to the AOF file: No space left on device"),
        ("2026-11-30 UTC [1] LOG:  received fast shutdown request\n", ""),
        ("", ""),
    ],
)
def test_the_last_complaint_that_is_no_single_clients_says_why_a_server_died(
    log: str, said: str
) -> None:
    assert last_words(log.splitlines()) == said


def test_a_start_that_only_a_person_can_mend_says_what_to_do() -> None:
    output = (
        "x FATAL:  database files are incompatible with server\n"
        "x DETAIL:  The data directory was initialized by PostgreSQL version 16.\n"
    )

    reason = telling_line(output)

    assert reason == (
        "database files are incompatible with server: "
        "The data directory was initialized by PostgreSQL version 16."
    )
    assert "pg_dump" in advice_on(reason)
    assert advice_on("could not extend file: No space left on device") == ""


@pytest.mark.parametrize(
    "text", [b"", b"\xa5\xff\x00", b"\n\n", "\u0661".encode(), b"999999999", b"1\n/data"]
)
def test_a_mark_that_names_no_server_is_removed(tmp_path: Path, text: bytes) -> None:
    mark = tmp_path / "postmaster.pid"
    mark.write_bytes(text)

    remove_mark(mark, "postgres")
    remove_mark(mark, "postgres")

    assert not mark.exists()
