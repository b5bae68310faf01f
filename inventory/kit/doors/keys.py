"""Which text names one client alone, so that no stranger sends the same. Pure.

A random id does. `order-42`, a date, an e-mail address or a phrase does not: another client may
send it as well, or guess it. Entropy cannot be measured from one sample, so this tells the common
forms apart; a counter that looks like a random id passes.
"""

import re

# A UUID has 32 digits; 16 random bytes have 22 characters in base64.
UNIQUE_LENGTH_MIN = 22
# A UUID with fewer different characters comes up once in 10^11. The nil UUID has two.
DIFFERENT_MIN = 7
# No word of a phrase is as long; random ids without separators are.
_WORD_LENGTH_MAX = 20
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_WORD = re.compile(r"(?:[A-Z]?[a-z]*|[A-Z]*)\d*|\d+T?\d*Z?")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")


def is_unique(text: str) -> bool:
    """Say whether a text is random enough to name a client without anything else."""
    if len(text) < UNIQUE_LENGTH_MIN or len(set(text.lower())) < DIFFERENT_MIN:
        return False
    return _UUID.search(text) is not None or not (text.isdigit() or _is_phrase(text))


def _is_phrase(text: str) -> bool:
    """Say whether a text is words, numbers and dates with separators between them."""
    words = _SEPARATORS.split(text)
    return len(words) > 1 and all(
        _WORD.fullmatch(word) and (len(word) < _WORD_LENGTH_MAX or word.isdigit()) for word in words
    )
