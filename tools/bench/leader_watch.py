"""Failures of the leader, read from its log: one of them spoils every figure beside it.

A leader that fails takes CPU time from the requests that are measured, and a benchmark of a broken
service says nothing. So any failure ends the run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

# The controller, the rooms' leads and the loops beside them log these when a step fails.
EVENTS = {"tick_failed", "room_tick_failed", "room_step_failed", "loop_failed"}
ERROR_SHOWN_CHARS = 200


class LeaderFailed(Exception):
    """The leader failed while the benchmark ran; the message is one line with part and room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed step.

    part: the part of the tick, as the counter `waitroom_leader_failures_total` names it.
    room: the room's name; empty where the step belongs to no room.
    error: the error in one line.
    """

    part: str
    room: str
    error: str

    def __str__(self) -> str:
        where = f" of room {self.room}" if self.room else ""
        return f"{self.part}{where} ({self.error})"


def failures_in(lines: Iterable[bytes], rooms: Mapping[int, str]) -> list[Failure]:
    """Return the failures in lines of JSON; `rooms` has names by id. Other lines are left out."""
    found = []
    for line in lines:
        try:
            event = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            # A traceback, or what an engine says.
            continue
        if event.get("event") in EVENTS or _is_trouble(event):
            found.append(_failure(event, rooms))
    return found


def summary(failures: Iterable[Failure]) -> str:
    """Return one line: each failure once, with how often it came."""
    counted = Counter(map(str, failures))
    kinds = [f"{what}{f', {times} times' if times > 1 else ''}" for what, times in counted.items()]
    return "the leader failed: " + "; ".join(kinds)


@dataclass(slots=True, kw_only=True)
class LeaderWatch:
    """Reads on in the leader's log at each check."""

    log: Path
    rooms: Mapping[int, str]
    _offset: int = field(default=0, init=False)

    def check(self) -> None:
        """Raise `LeaderFailed` if the leader has failed since the last look."""
        failures = self._new()
        if failures:
            raise LeaderFailed(summary(failures))

    def excuse(self) -> None:
        """Skip the failures up to now: the benchmark itself has caused them, or may have."""
        self._new()

    def _new(self) -> list[Failure]:
        with self.log.open("rb") as file:
            file.seek(self._offset)
            # A line that is still being written is read at the next look.
            whole = file.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        return failures_in(whole.splitlines(), self.rooms)


def _is_trouble(event: Mapping[str, object]) -> bool:
    """Say whether a line tells of trouble with PostgreSQL: it may stand for several lines."""
    kind = str(event.get("trouble") or "")
    return bool(kind) and kind != "busy" and not kind.startswith("valkey")


def _failure(event: Mapping[str, object], rooms: Mapping[int, str]) -> Failure:
    part = event.get("part") or event.get("loop") or "room"
    room = event.get("room_id")
    raised = str(event.get("error") or event.get("exception") or event.get("trouble") or "")
    error = raised.strip().splitlines()[-1].strip()[:ERROR_SHOWN_CHARS]
    name = rooms.get(room, f"{room}") if isinstance(room, int) else ""
    return Failure(part=str(part), room=name, error=error)
