"""The functions that the program calls and that write: they run with the owner's rights. Pure.

The program's own named queries say which functions it calls, so there is no list to forget. A
function that only reads keeps its caller's rights, or PostgreSQL could no longer make it part of
the query around it. One that the program never calls by itself keeps them too, so that no one adds
an entry to the log, say, without the deed that it tells of.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

PACKAGES = ("inventory", "checkout", "waitroom")
_COMMENT = re.compile(r"--[^\n]*")
_CALL = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\(")
_WRITE = re.compile(
    r"\b(INSERT\s+INTO|UPDATE\s|DELETE\s+FROM|TRUNCATE\s|CREATE\s+TEMP|EXECUTE\s"
    r"|FOR\s+(NO\s+KEY\s+)?UPDATE|FOR\s+(KEY\s+)?SHARE)",
    re.IGNORECASE,
)


@cache
def called_by_the_program() -> frozenset[str]:
    """Return every name that a named query of the program calls, functions of ours among them."""
    texts = (
        file.read_text(encoding="utf-8")
        for package in PACKAGES
        for file in _queries_in(resources.files(package))
    )
    return frozenset(name for text in texts for name in calls_in(text))


def _queries_in(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _queries_in(entry)
        elif entry.name == "queries.sql":
            yield entry


def calls_in(sql: str) -> set[str]:
    """Return the names that a text of SQL calls."""
    return set(_CALL.findall(_COMMENT.sub("", sql)))


def writing(bodies: Mapping[str, str]) -> set[str]:
    """Return the functions that write or lock rows, by themselves or through others.

    `bodies` maps each function's name to its source; overloads are one text.
    """
    plain = {name: _COMMENT.sub("", body) for name, body in bodies.items()}
    calls = {name: calls_in(body) & bodies.keys() for name, body in plain.items()}
    found = {name for name, body in plain.items() if _WRITE.search(body)}
    while more := {name for name, called in calls.items() if called & found} - found:
        found |= more
    return found
