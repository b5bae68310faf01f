"""Arguments that no command can use: one line and exit code 2, and never a traceback."""

import pytest
from click.testing import CliRunner

from waitroom.cli.program import main
from waitroom.run.processes.exits import REFUSED, UNAVAILABLE, UNFIT

NO_ENGINE = "postgresql://u@127.0.0.1:1/x"
BAD = [
    (["verify", "http://["], "is not a URL"),
    (["verify", "http://h:99999999/rooms/x"], "is not a URL"),
    (["verify", "http://h:x/rooms/x"], "is not a URL"),
    (["migrate", "--postgres-url", "postgresql://h:x/x"], "postgres_url names a host or a port"),
    (["migrate", "--postgres-url", "postgresql://[::1"], "postgres_url names a host or a port"),
    (
        ["migrate", "--postgres-url", "postgresql://h:99999/x"],
        "postgres_url names a host or a port",
    ),
    (["migrate", "--postgres-url", ""], "postgres_url begins with"),
    (["migrate", "--postgres-url", "mysql://h/x"], "postgres_url begins with"),
    (["stock", "check", "--postgres-url", NO_ENGINE, "--valkey-url", ""], "valkey_url begins with"),
    (["stock", "check", "--postgres-url", NO_ENGINE], "no PostgreSQL listens"),
    (["keygen", "--data-dir", "/proc/nope"], "cannot use /proc/nope"),
    (["migrate", "--data-dir", ""], "length >= 1 - at `$.data_dir`"),
    (["rehearse", "small", "--seeds", "9" * 5000], "neither a number of seeds"),
    (["rehearse", "small", "--seeds", "\uff12"], "neither a number of seeds"),
    (["rehearse", "small", "--policy", f"rate:{'9' * 400}/s"], "is not key=value"),
    (["rehearse", "small", "--policy", "rate:\uff11/s"], "is not key=value"),
    (["rehearse", "small", "--jobs", "1_0"], "whole number in digits"),
    (["load", "--arrive-s", "nan"], "is not a number"),
    (["load", "--arrive-s", "inf"], "is not a number"),
    (["load", "--arrive-s", "1e400"], "is not a number"),
    (["load", "--pace", "nan"], "is not a number"),
    (["load", "--pace", "0"], "not in the range"),
    (["load", "--shoppers", "+3"], "whole number in digits"),
    (["load", "--seed", "9" * 5000], "whole number in digits"),
    (["load", "--room", "\udcff"], "UTF-8"),
    (["sku", "receive", "mug", "1_0"], "whole number in digits"),
    (["sku", "receive", "mug", "\uff11\uff12"], "whole number in digits"),
    (["sku", "receive", "mug", "+3"], "whole number in digits"),
    (["sku", "receive", "mug", "0"], "not in the range"),
    (
        ["sku", "add", "mug", "--room", "drop", "--name", "Mug", "--price-minor", "1_000"],
        "whole number in digits",
    ),
    (["serve", "--port", "8_0"], "whole number in digits"),
    (["room", "set", "drop", "seats_max=1e2"], "seats_max: expected int in digits alone"),
    (["room", "set", "drop", "seats_max=5", "seats_max=6"], "seats_max is given twice"),
    (
        ["room", "create", "drop", "policy=rate", "--name", "Drop", "--policy", "rate"],
        "policy is given twice",
    ),
    (["room", "archive", "drop", "--confirm", "drop", "--reason", "\x1b[2J"], "control characters"),
    (["room", "public-value", "drop", "\x1b[2J"], "control characters"),
    (["room", "public-value", "drop", "x" * 501], "at most 500"),
    (["room", "invite", "drop", "--count", "1_0"], "whole number in digits"),
    (["room", "invite", "drop", "--out", ""], "an empty name is no file"),
    (["catalogue", "export", "drop", "--output", ""], "an empty name is no file"),
    (["backup", ""], "an empty name is no file"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_what_no_command_can_use_is_refused_in_one_line(arguments: list[str], said: str) -> None:
    answer = CliRunner().invoke(main, arguments)

    assert answer.exit_code in {REFUSED, UNAVAILABLE, UNFIT}, answer.exception
    assert isinstance(answer.exception, SystemExit)
    assert said in " ".join(answer.stderr.split())
