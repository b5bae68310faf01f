"""The language that a browser prefers among ours, by RFC 9110 and the look-up of RFC 4647. Pure."""

from collections.abc import Container, Iterator, Mapping

from inventory.kit.doors.accept import ranges


def prefer(header: str, offered: Container[str], aliases: Mapping[str, str]) -> str | None:
    """Return the offered tag that an Accept-Language header wants most; None if it wants none."""
    wanted = sorted(ranges(header), key=lambda one: -one[1])
    for name, quality in wanted:
        if not quality:
            break
        for tag in _shortened(name):
            found = aliases.get(tag.lower(), tag)
            if found in offered:
                return found
    return None


def _shortened(name: str) -> Iterator[str]:
    """Return a range and what it is cut down to, piece by piece: zh-Hans-CN, zh-Hans, zh."""
    parts = [_cased(part) if at else part for at, part in enumerate(name.split("-"))]
    while parts:
        yield "-".join(parts)
        parts.pop()
        # A single letter only introduces what was cut off.
        if parts and len(parts[-1]) == 1:
            parts.pop()


def _cased(part: str) -> str:
    # A script is written with a capital.
    return part.capitalize() if len(part) == 4 else part
