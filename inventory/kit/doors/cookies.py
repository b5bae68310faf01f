"""The cookies of a request, and which of ours a browser gives up when they are many. Pure.

A browser may send two cookies of one name, of this host and of the domain above it (RFC 6265,
section 5.4). A reader takes the first that is of use, or else one site shuts out another.

A browser has up to four of our cookies for each room, sends them all with each request, and keeps
them for a week. Most servers refuse a head of 8 KB. Ours may take half of that, and the shop's own
have the rest.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

from multidict import istr

# Found in the headers of a request without a look at its case, which would take twice as long.
COOKIE = istr("Cookie")
OURS_BYTES_MAX = 4096
# Many lines in one answer could be too much for a proxy. The next answers drop the others.
DROPPED_MAX = 16
# This host and each domain above it may set one of the same name.
SAME_NAME_MAX = 8


class Kind(Enum):
    """What a cookie of a room is."""

    INVITATION = auto()
    TICKET = auto()
    SESSION = auto()
    PASS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCookie:
    """One cookie of a room that a browser has sent, with its bytes in the header."""

    name: str
    room: str
    kind: Kind
    size: int


def cookies_in(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return the name and value of each cookie in the lines of the header, in their order."""
    for line in lines:
        for part in line.split(";"):
            name, separator, value = part.partition("=")
            if separator:
                yield name.strip(), value.strip().strip('"')


def values_of(lines: Sequence[str], name: str) -> list[str]:
    """Return the values of the cookies of this name that can be ours, the first few.

    All of ours are ASCII. Bytes that are no text reach Python as lone surrogates, at which whatever
    encodes them again would fail.
    """
    if not lines:
        return []
    found = (value for one, value in cookies_in(lines) if one == name and value.isascii())
    return list(islice(found, SAME_NAME_MAX))


def surplus(
    kept: Iterable[RoomCookie], *, over_by: int, room: str, going_on: Container[str]
) -> list[str]:
    """Return the names of the cookies to drop, until `over_by` bytes are free.

    Those of rooms that are unknown or over go first, then invitations beside a ticket, then the
    oldest; browsers send the oldest first. Sessions go last, since there may be goods in them. What
    belongs to `room`, which is about to get a cookie, stays.
    """
    others = [cookie for cookie in kept if cookie.room != room]
    with_ticket = {cookie.room for cookie in others if cookie.kind is Kind.TICKET}

    def rank(cookie: RoomCookie) -> tuple[bool, bool, bool]:
        is_used = cookie.kind is Kind.INVITATION and cookie.room in with_ticket
        return (cookie.kind is Kind.SESSION, cookie.room in going_on, not is_used)

    dropped: list[str] = []
    for cookie in sorted(others, key=rank):
        if over_by <= 0 or len(dropped) == DROPPED_MAX:
            break
        dropped.append(cookie.name)
        over_by -= cookie.size
    return dropped
