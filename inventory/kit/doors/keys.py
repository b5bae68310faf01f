"""Which text names one client alone, so that no stranger sends the same. Pure.

A random id does. `order-42`, a date, an e-mail address or a phrase does not: another client may
send it as well, or guess it. Entropy cannot be measured from one sample, and no rule tells every
phrase from every id. Only forms that are made for ids are therefore taken for one. A counter in
such a form passes.
"""

import re
from itertools import pairwise

# Random ids miss one of these bounds once in 10^9 at most; ids that people type miss one of them.
DIFFERENT_MIN = 7
PAIRS_MIN = 18
# The versions and the variant of RFC 9562; the nil UUID has neither.
_UUID = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9a-z])"
)
# Sixteen bytes in hex.
_HEX = re.compile(r"(?<![0-9a-z])[0-9a-f]{32,}(?![0-9a-z])")
# 48 bits of time in milliseconds, which begin with 01 from 2004 to 2039, and 80 random bits.
_ULID = re.compile(r"01[0-9A-HJKMNP-TV-Z]{24}|01[0-9a-hjkmnp-tv-z]{24}")


def is_unique(text: str) -> bool:
    """Say whether a text is, or has in it, an id that names a client without anything else.

    Such an id is a UUID, 32 or more hex digits in a row, or a ULID that stands alone.
    """
    lower = text.lower()
    if _UUID.fullmatch(lower):
        # As most clients write it.
        return _looks_random(lower.replace("-", ""))
    for digits in _HEX.findall(lower):
        # A run without a letter is a date or a count.
        if not digits.isdigit() and _looks_random(digits):
            return True
    for found in _UUID.findall(lower) if "-" in lower else ():
        if _looks_random(found.replace("-", "")):
            return True
    return _ULID.fullmatch(text) is not None and _looks_random(text)


def _looks_random(digits: str) -> bool:
    """Say whether an id has many different digits, and many different pairs of neighbours."""
    return len(set(digits)) >= DIFFERENT_MIN and _pairs(digits) >= PAIRS_MIN


def _pairs(digits: str) -> int:
    """Count the different pairs of neighbours."""
    try:
        # Two digits in hex are a byte, so two readings, one digit apart, see every pair.
        return len({*bytes.fromhex(digits), *bytes.fromhex(digits[1:-1])})
    except ValueError:
        return len(set(pairwise(digits)))
