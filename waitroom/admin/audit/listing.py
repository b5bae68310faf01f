"""Actions as the API gives them and as lines of a file. Pure."""

from collections.abc import Iterable
from datetime import UTC

import msgspec

from inventory.kit.doors.decoding import Json
from inventory.kit.tables.writing import write_rows
from waitroom.admin.accounts.actions import Action
from waitroom.admin.audit.filing import subject_of
from waitroom.admin.audit.sentences import say_action

COLUMNS = ("at", "room", "who", "about", "action", "sentence", "reason", "detail")


def sentence_of(action: Action) -> str:
    return say_action(action.who, action.action, action.detail, currency=action.currency)


def action_body(action: Action) -> Json:
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
