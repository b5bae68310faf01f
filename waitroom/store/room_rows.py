"""Turns rows of the database into the rules of rooms and lines."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from typing import Any

import asyncpg

from waitroom.line.rules import LineRules, RoomRules

# asyncpg and `room_rules` raise these for a value that PostgreSQL can store and Python cannot read.
UNREADABLE = (ArithmeticError, LookupError, TypeError, ValueError)

# Raises `BadRequest` for the name of a room that may not be made in this database.
CheckNew = Callable[[str], Awaitable[None]]

_ROOM_FIELDS = tuple(field.name for field in fields(RoomRules))
_LINE_FIELDS = tuple(field.name for field in fields(LineRules))
# The column is a `real`; further digits are noise.
_SHARE_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOnFile:
    """A room with the lines that can be joined, the main one first.

    `former_lines` are the ids of the lines from before a reset: their tickets are over. `log_seq`
    is the last entry of the room's log. `networks_behind` are the marks of the networks that
    operators put behind.
    """

    log_seq: int
    rules: RoomRules
    lines: tuple[LineRules, ...]
    former_lines: frozenset[int]
    networks_behind: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsOnFile:
    """Every room, and why those that could not be read were set aside, by name.

    `unchanged` are the names of ended rooms that the reader has already.
    """

    rooms: list[RoomOnFile]
    unreadable: dict[str, str]
    unchanged: frozenset[str] = frozenset()


def room_rules(row: asyncpg.Record) -> RoomRules:
    """Return a room's rules; raises one of `UNREADABLE`."""
    values: dict[str, Any] = {name: row[name] for name in _ROOM_FIELDS}
    for name, value in values.items():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(f"{name} is infinite")
    for share in ("disappointed_max", "held_share_max"):
        values[share] = round(values[share], _SHARE_DIGITS)
    return RoomRules(**values)


def _line_rules(row: asyncpg.Record) -> LineRules:
    return LineRules(**{name: row[name] for name in _LINE_FIELDS})


def rooms_on_file(rows: Sequence[asyncpg.Record]) -> RoomsOnFile:
    """Group the rows of lines by their room; a room that cannot be read leaves the others."""
    found = RoomsOnFile(rooms=[], unreadable={})
    for room, lines in groupby(rows, key=lambda row: row["room"]):
        try:
            found.rooms.append(_room_on_file(list(lines)))
        except UNREADABLE as error:
            found.unreadable[room] = repr(error)
    return found


def _room_on_file(rows: Sequence[asyncpg.Record]) -> RoomOnFile:
    return RoomOnFile(
        log_seq=rows[0]["log_seq"],
        rules=room_rules(rows[0]),
        lines=tuple(_line_rules(row) for row in rows),
        former_lines=frozenset(rows[0]["former_lines"]),
        networks_behind=frozenset(rows[0]["networks_behind"]),
    )
