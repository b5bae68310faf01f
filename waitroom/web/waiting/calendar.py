"""The opening of a room as a calendar file (RFC 5545). Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

# A line has at most 75 octets; the rest goes on in the next line, after a space.
LINE_OCTETS_MAX = 75
# A calendar reminds its owner this long before, and shows the opening for this long.
REMINDER = "-PT10M"
SHOWN_FOR = "PT30M"


def calendar(
    *, room: str, name: str, text: str, url: str, opens_at: datetime, written_at: datetime
) -> bytes:
    """Return an event that begins with the opening. The same room always is the same event."""
    host = url.partition("//")[2].partition("/")[0]
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//waitroom//opening//EN",
        "BEGIN:VEVENT",
        f"UID:opening-{room}@{host}",
        f"DTSTAMP:{_moment(written_at)}",
        f"DTSTART:{_moment(opens_at)}",
        f"DURATION:{SHOWN_FOR}",
        f"SUMMARY:{_escaped(name)}",
        f"DESCRIPTION:{_escaped(text)}",
        f"URL:{url}",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{_escaped(name)}",
        f"TRIGGER:{REMINDER}",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line)).encode()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    """Write a text of an operator's in one line; nothing else has a meaning in a TEXT value."""
    printable = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    for sign in "\\;,":
        printable = printable.replace(sign, f"\\{sign}")
    return printable.replace("\n", "\\n")


def _folded(line: str) -> Iterator[str]:
    """Break a line between signs, none of which may be torn apart."""
    part, size = "", 0
    for sign in line:
        octets = len(sign.encode())
        if size + octets > LINE_OCTETS_MAX:
            yield part
            part, size = " ", 1
        part, size = part + sign, size + octets
    yield part
