"""Every table has a rule for the role of the processes, and every statement keeps to it."""

import re
from collections.abc import Iterator
from pathlib import Path

from waitroom.store.migrate import load_migrations
from waitroom.store.roles.rights import PROTECTED, WRITTEN

ROOT = Path(__file__).parents[3]
COMMENT = re.compile(r"--[^\n]*")
MADE = re.compile(r"\bCREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)")
QUERY = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
WRITE = re.compile(r"\b(INSERT INTO|DELETE FROM|(?<!DO )UPDATE)\s+(\w+)\b(?:\s+(?:AS )?\w+)?\s*")
ASSIGNED = re.compile(r"\bSET\s+(.*?)(?:\bFROM\b|\bWHERE\b|\bRETURNING\b|\Z)", re.DOTALL)
COLUMN = re.compile(r"(?:^|,)\s*(\w+)\s*=")


def tables() -> set[str]:
    made = (MADE.findall(COMMENT.sub("", each.sql)) for each in load_migrations())
    return {"migration", *(name for names in made for name in names)}


def queries() -> Iterator[tuple[str, str]]:
    """Return each named query of the program with its text."""
    for file in sorted(ROOT.glob("*/**/queries.sql")):
        if file.relative_to(ROOT).parts[0] in {"inventory", "checkout", "waitroom"}:
            parts = QUERY.split(file.read_text(encoding="utf-8"))[1:]
            for name, text in zip(parts[::2], parts[1::2], strict=True):
                yield f"{file.parent.relative_to(ROOT)}: {name}", COMMENT.sub("", text)


def without_brackets(text: str) -> str:
    """Leave out what stands in brackets, where commas separate no columns."""
    while (shorter := re.sub(r"\([^()]*\)", "", text)) != text:
        text = shorter
    return text


def columns_of(right: str) -> set[str] | None:
    """Return the columns that a right to UPDATE names; None where it is for all."""
    named = re.search(r"UPDATE \((.*?)\)", right)
    return {name.strip() for name in named[1].split(",")} if named else None


def test_every_table_is_protected_or_says_what_is_written() -> None:
    # Those of the test gateway stand for a company elsewhere, in a schema of their own.
    assert tables() == PROTECTED | WRITTEN.keys()
    assert PROTECTED & WRITTEN.keys() == set()


def test_statements_of_the_stores_write_what_the_running_role_may() -> None:
    ours, beyond = tables(), []
    for place, text in queries():
        for found in WRITE.finditer(text):
            verb, table = found[1].split()[0], found[2]
            if table not in ours:
                continue
            right = WRITTEN.get(table, "")
            allowed = columns_of(right) if verb == "UPDATE" else None
            set_part = ASSIGNED.match(without_brackets(text[found.end() :]))
            assigned = set(COLUMN.findall(set_part[1])) if set_part else set()
            if verb not in right or (allowed is not None and not assigned <= allowed):
                beyond.append(f"{place}: {verb} {table} {sorted(assigned)}")

    assert beyond == []
