"""Why a server has failed, in its own words: the telling line of what it printed. Pure."""

import re
from collections.abc import Sequence

LINE_LENGTH_MAX = 300
# The program that loads a server complains itself when it lacks a part of it.
_LIBRARY = re.compile(r"while loading shared libraries: ([^:\s]+)")
# PostgreSQL names the level; Valkey marks a warning by a sign, among them what ended it.
_COMPLAINT = re.compile(r"\b(PANIC|FATAL):  |terminated by signal|^\d+:\w .* # ")
# PostgreSQL tells this to single clients, and Valkey at each start or stop.
_IS_USUAL = re.compile(
    r"FATAL:  (terminating |the database system is |sorry, too many clients|remaining connection "
    r"slots|connection to client lost|unsupported frontend protocol)|bye bye|WARNING|ready to exit"
)
# What a start fails for until a person changes it.
_ADVICE = {
    "incompatible with server": "move the data over with pg_dump and the PostgreSQL that made it, "
    "choose another --data-dir, or give --postgres-url",
    "Permission denied": "give the data folder to the user who starts waitroom, or start it as the "
    "folder's owner",
    "wrong ownership": "give the data folder to the user who starts waitroom, or start it as the "
    "folder's owner",
    "Bad file format": "repair the file with valkey-check-aof --fix, or move the folder valkey out "
    "of the data folder: nothing in it is a promise",
    "insufficient file descriptors": "raise `ulimit -n`, or systemd's LimitNOFILE",
}
# What stands before the words: the moment, the process and the level.
_STAMP = re.compile(r"^.*?(?:(?:PANIC|FATAL|LOG):  | # )")


def telling_line(output: str) -> str:
    """Return the line of a failed program's output which says what was wrong.

    The first complaint is the cause and the later ones are its consequences; a
    program that does not mark its complaints tends to end with one.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if missing := _LIBRARY.search(output):
        return f"the shared library {missing[1]} is missing: install the package that has it"
    for mark in ("FATAL: ", "PANIC: ", "error: "):
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            if mark in line:
                detail = after.partition("DETAIL: ")[2].strip()
                return ": ".join(filter(None, [line.partition(mark)[2].strip(), detail]))
    # Valkey prints a refused setting in one line and the reason in the next.
    last = lines[-2:] if lines[-2:-1] and lines[-2].startswith(">>>") else lines[-1:]
    return " ".join(last) or "it left no message"


def advice_on(reason: str) -> str:
    """Return what to do about a failed start, after a semicolon; "" if trying again may help."""
    return next((f"; {advice}" for mark, advice in _ADVICE.items() if mark in reason), "")


def last_words(lines: Sequence[str]) -> str:
    """Return what a server that has run for a while complained about last, "" for nothing."""
    for line in reversed(lines):
        if _COMPLAINT.search(line) and not _IS_USUAL.search(line):
            return _STAMP.sub("", line).strip()[:LINE_LENGTH_MAX]
    return ""
