"""Which kind and coding of an answer a client prefers (RFC 9110, section 12.5). Pure."""

import re
from collections.abc import Iterator
from functools import lru_cache

_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
# Ranges beyond this are not read: a browser sends fewer than ten.
RANGES_MAX = 50
_DATA = ("application/json", "application/problem+json")


def quality(header: str, kind: str) -> float:
    """Return how much a client wants an answer of this kind, such as `text/html`, from 0 to 1.

    The most specific range that fits decides: `text/html` before `text/*` before `*/*`. A range
    with parameters of its own, such as `text/html;level=1`, asks for a special form of the kind
    and does not fit.
    """
    major = kind.partition("/")[0]
    best = (0, 0.0)
    for name, wanted in ranges(header):
        rank = {kind: 3, f"{major}/*": 2, "*/*": 1}.get(name, 0)
        if rank > best[0]:
            best = (rank, wanted)
        elif rank == best[0] and rank:
            best = (rank, max(best[1], wanted))
    return best[1]


def prefers_html(header: str) -> bool:
    """Say whether a client would rather have a page than JSON.

    Browsers name `text/html` and at most wildcards besides.
    """
    return prefers(header, "text/html")


def prefers(header: str, kind: str) -> bool:
    """Say whether a client would rather have an answer of this kind than JSON.

    A program that takes anything, or both alike, gets JSON unless it names the other kind first.
    """
    wanted, data = quality(header, kind), max(quality(header, one) for one in _DATA)
    if not wanted or wanted < data:
        return False
    if wanted > data:
        return True
    names = [name for name, weight in ranges(header) if weight]
    named = [name for name in names if name in {kind, *_DATA}]
    return bool(named) and named[0] == kind


# Browsers of a crowd send the same few headers.
@lru_cache(maxsize=64)
def takes_gzip(header: str) -> bool:
    """Say whether a client can read an answer that is packed with gzip, by its Accept-Encoding."""
    weights = dict(reversed(list(ranges(header))))
    named = [weights[name] for name in ("gzip", "x-gzip") if name in weights]
    return max(named) > 0 if named else weights.get("*", 0) > 0


def ranges(header: str) -> Iterator[tuple[str, float]]:
    """Return the ranges of a header with their quality; what cannot be read is left out."""
    for part in header.split(",")[:RANGES_MAX]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        wanted, special = 1.0, False
        for parameter in parameters:
            key, _, value = (piece.strip() for piece in parameter.partition("="))
            if key == "q":
                wanted = float(value) if _QUALITY.fullmatch(value) else 0.0
                break
            # The character set of a page is always UTF-8, so naming it asks for nothing special.
            special = special or (bool(key) and (key, value.strip('"')) != ("charset", "utf-8"))
        if name and not special:
            yield name, wanted
