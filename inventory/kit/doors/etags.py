"""Which versions of a document a client says it has, by If-None-Match (RFC 9110). Pure."""

import re
from collections.abc import Sequence

# A weak tag is as good as a strong one here (section 13.1.2): proxies weaken what they pack.
_TAG = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"\s*(?:,|$)')
# Tags beyond this are not read: a client names one, a cache a few.
TAGS_MAX = 50


def has_seen(lines: Sequence[str], etag: str) -> bool:
    """Say whether a client has the version with this tag, which is strong and in its quotes.

    `lines` are the header's. A line that is no list of tags counts as far as it can be read.
    """
    if not lines:
        return False
    # Nearly every client sends the one tag back just as it got it.
    if lines[0] == etag:
        return True
    return any(line.strip() == "*" for line in lines) or etag[1:-1] in tags_in(lines)


def tags_in(lines: Sequence[str]) -> list[str]:
    """Return the tags of a header, without their quotes."""
    found: list[str] = []
    for line in lines:
        position = 0
        while len(found) < TAGS_MAX and (match := _TAG.match(line, position)):
            found.append(match[1])
            position = match.end()
            if position == len(line):
                break
    return found
