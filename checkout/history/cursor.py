"""The point at which a list of orders goes on: after the last one seen. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from inventory.kit.doors.query import Text, Whole
from inventory.kit.problem import BadRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Microseconds since 1970, until 2286, and the order's id. Every text of this form is a cursor.
_FORM = r"[0-9]{1,16}~[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CURSOR = re.compile(_FORM)
LIMIT = Whole(name="limit", text="Orders on a page.", default=20, low=1, high=100)
CURSOR = Text(
    name="cursor",
    text="The `next` of the page before.",
    pattern=f"^({_FORM})?$",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """An order's place among the newest: by when it was placed, then by its id."""

    at: datetime
    order_id: UUID

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}~{self.order_id}"


def read_cursor(text: str | None) -> Cursor | None:
    """Return a cursor as it was given out; raises `BadRequest` for any other."""
    if not text:
        return None
    if _CURSOR.fullmatch(text) is None:
        raise BadRequest("This cursor is none of ours. Send the `next` of the page before.")
    at, _, order_id = text.partition("~")
    return Cursor(at=_EPOCH + int(at) * _MICROSECOND, order_id=UUID(order_id))
