"""Moments: one grammar and one set of bounds. Pure.

The grammar is that of RFC 3339, section 5.6, with two liberties: seconds may be missing, and a
space may stand in place of the T. The offset from UTC is part of the moment; a time of day without
one would be another moment in each place. A leap second, the hour 24 and an offset with seconds are
refused, since not every reader of the moment knows them.

The bounds keep far from what PostgreSQL can store and Python cannot read, such as the year 10000 or
infinity. The tables check the same bounds with the SQL function `is_moment`.
"""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from inventory.kit.doors.decoding import Json, Readable

YEAR_FIRST, YEAR_LAST = 2000, 2199
FORM = (
    "a moment with its offset from UTC, such as 2026-11-22T10:00:00Z, "
    f"in the years {YEAR_FIRST} to {YEAR_LAST}"
)

# A JSON Schema of moments, with their years.
MOMENT_SCHEMA: Json = {"type": "string", "format": "date-time", "pattern": "^2[01][0-9]{2}-"}
# The days of those years that there are, leap days among them.
_DAY = (
    r"(?:2[01][0-9]{2}-(?:02-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01]))"
    r"|2(?:0(?:[02468][048]|[13579][26])|1(?:0[48]|[2468][048]|[13579][26]))-02-29)"
)
# A moment in a filter, with or without an offset from UTC, or nothing.
FILTER_PATTERN = (
    rf"^(?:{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?$"
)
_MOMENT = re.compile(
    r"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:\.(?P<fraction>[0-9]{1,30}))?)?"
    r"(?P<offset>[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
# Finer fractions, as some programs write them, are cut.
_FRACTION_DIGITS = 6


class UnreadableMoment(ValueError):
    """The text is not a moment. The message says what a moment is, after "is"."""

    def __init__(self) -> None:
        super().__init__(FORM)


def parse_moment(text: str) -> datetime:
    """Return a moment in UTC; raises `UnreadableMoment`."""
    parts = _MOMENT.fullmatch(text.strip())
    if parts is None:
        raise UnreadableMoment
    fraction = (parts["fraction"] or "")[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, "0")
    second = parts["second"] or "00"
    try:
        moment = datetime.fromisoformat(
            f"{parts['minute'].upper()}:{second}.{fraction}{parts['offset'].upper()}"
        ).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableMoment from error
    if not YEAR_FIRST <= moment.year <= YEAR_LAST:
        raise UnreadableMoment
    return moment


def _read(text: str) -> datetime:
    try:
        return parse_moment(text)
    except UnreadableMoment as error:
        raise ValueError(f"Expected {error}") from error


if TYPE_CHECKING:
    Moment = datetime
else:

    class Moment(metaclass=Readable):
        """The type of a field that holds a moment."""

        plain = datetime
        read = staticmethod(_read)
        form = MOMENT_SCHEMA
