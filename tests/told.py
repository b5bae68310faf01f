"""A room's state document, as the pages are told of it."""

from datetime import UTC, datetime
from typing import Any

from waitroom.line.state import LineState, RoomState


def state(status: str = "open", **changes: Any) -> RoomState:
    facts: dict[str, Any] = {
        "version": 1,
        "room": "drop",
        "status": status,
        "message": "",
        "message_at": None,
        "updated_at": datetime(2026, 11, 22, tzinfo=UTC),
        "opens_at": None,
        "available": 5,
        "held": 0,
        "has_stock": True,
        "calling_per_min": None,
        "lines": [LineState(line="main-1", head=0, tail=9, table=[])],
    }
    return RoomState(**{**facts, **changes})
