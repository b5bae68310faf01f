"""The filters of a list of orders. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from checkout.history.status import StatusFilter
from inventory.kit.problem import BadRequest

TEXT_LENGTH_MAX = 320
# The length of a whole reference; fewer signs are a part of one.
REFERENCE_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of a search; exactly one of these is set."""

    order_id: UUID | None = None
    reference: str | None = None
    reference_part: str | None = None
    # The beginning of an address in small letters, as a pattern of LIKE.
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders are wanted; those placed from `since` on and before `until`."""

    status: StatusFilter | None = None
    sku: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: Words | None = None


def read_words(text: str) -> Words | None:
    """Tell an order's id, a customer's address and an order's number from one another.

    An address has an @ and is found by its beginning. All else is an order's number or a part of
    one, in any case, with spaces and dashes as people write them. Raises `BadRequest` for a text
    that is longer than an address.
    """
    text = text.strip()
    if len(text) > TEXT_LENGTH_MAX:
        raise BadRequest(f"q has at most {TEXT_LENGTH_MAX} letters.")
    if not text:
        return None
    try:
        return Words(order_id=UUID(text))
    except ValueError:
        pass
    if "@" in text:
        return Words(email=re.sub(r"([\\%_])", r"\\\1", text.lower()) + "%")
    number = re.sub(r"[\s-]", "", text).upper()
    if len(number) == REFERENCE_LENGTH:
        return Words(reference=number)
    return Words(reference_part=number)
