"""A script for Valkey is short, and says what it takes and returns."""

from itertools import takewhile
from pathlib import Path

from sources import files, short

LINES_MAX = 60
TOLD = ("KEYS", "ARGV[1]", "Returns")


def header(path: Path) -> str:
    lines = path.read_text().splitlines()
    return "\n".join(takewhile(lambda line: line.startswith("--"), lines))


def test_a_script_says_what_it_takes_and_returns() -> None:
    scripts = files("lua")

    assert scripts
    assert {
        short(path): missing
        for path in scripts
        if (missing := [word for word in TOLD if word not in header(path)])
    } == {}


def test_a_script_is_short() -> None:
    lengths = {short(path): len(path.read_text().splitlines()) for path in files("lua")}

    assert {name: n for name, n in lengths.items() if n >= LINES_MAX} == {}
