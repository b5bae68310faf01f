"""The point at which a list of orders goes on: after the last one seen. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from inventory.kit.doors.query import Text, Whole
from inventory.kit.problem import BadRequest

LIMIT = Whole(name="limit", text="Orders on a page.", default=20, low=1, high=100)
CURSOR = Text(
    name="cursor",
    text="The `next` of the page before.",
    pattern=r"^([12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-9]|3[01])T([01][0-9]|2[0-3])"
    r"(:[0-5][0-9]){2}\.[0-9]{6}Z~[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """An order's place among the newest: by when it was placed, then by its id."""

    at: datetime
    order_id: UUID

    def __str__(self) -> str:
        """Write it without a plus sign, which would become a space in an address."""
        return f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}~{self.order_id}"


def read_cursor(text: str | None) -> Cursor | None:
    """Return a cursor as it was given out; raises `BadRequest` for any other."""
    if not text:
        return None
    at, _, order_id = text.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is not None:
            return Cursor(at=moment.astimezone(UTC), order_id=UUID(order_id))
    except (ValueError, OverflowError):
        pass
    raise BadRequest("This cursor is none of ours.")
