"""Actions as the API gives them and as lines of a file. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypedDict

import msgspec

from inventory.kit.doors.decoding import Json
from inventory.kit.tables.writing import write_rows
from waitroom.admin.accounts.actions import Action
from waitroom.admin.audit.filing import subject_of
from waitroom.admin.audit.sentences import say_action

COLUMNS = ("at", "room", "who", "about", "action", "sentence", "reason", "detail")


def sentence_of(action: Action) -> str:
    return say_action(action.who, action.action, action.detail, currency=action.currency)


class ActionBody(TypedDict):
    """An operator's act."""

    # It grows with every act.
    action_id: int
    at: datetime
    # Null for an act that belongs to no room.
    room: str | None
    who: str
    # The kind of the act; `detail` has the values of this kind.
    action: str
    detail: Json
    reason: str
    # The act as a sentence in English.
    sentence: str


class ActionList(msgspec.Struct, frozen=True, kw_only=True):
    """Acts of operators, the newest first."""

    actions: list[ActionBody]


class ActionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of acts, the newest first; `next` is the cursor of the page after it."""

    actions: list[ActionBody]
    next: str | None


def action_body(action: Action) -> ActionBody:
    return {
        "action_id": action.action_id,
        "at": action.at,
        "room": action.room,
        "who": action.who,
        "action": action.action,
        "detail": action.detail,
        "reason": action.reason,
        "sentence": sentence_of(action),
    }


def header() -> str:
    return write_rows([COLUMNS])


def rows_of(actions: Iterable[Action]) -> str:
    """Return actions as lines of a file, in the order of `COLUMNS`, each cell guarded."""
    return write_rows(_row(action) for action in actions)


def _row(action: Action) -> list[str]:
    return [
        action.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        action.room or "",
        action.who,
        subject_of(action.action),
        action.action,
        sentence_of(action),
        action.reason,
        msgspec.json.encode(action.detail).decode(),
    ]
