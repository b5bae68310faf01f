"""Marks: short digests of a holder's secret, which bind a signed text to that holder. Pure.

A text that carries a mark is worth something only beside the secret that the mark was made of. The
secret has 128 random bits at least, and cannot be found from its mark. A text without a mark is
worth something to any bearer.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

# Eighty bits: to find another secret with the same mark takes 2^80 digests.
MARK_LENGTH = 20
# A browser shows its id with each look at its place. An id has 32 digits, so the bound holds for
# bytes too; the key of an app may be long, and is digested each time.
MARKS_KEPT_MAX = 16_384
# Stands in no text that is bound, neither in a room's name nor in that of a SKU.
_SIGN = "!"

# Says whether a request shows the secret behind a mark.
Shows = Callable[[str], bool]


@lru_cache(maxsize=MARKS_KEPT_MAX)
def mark_of_browser(secret: str) -> str:
    """Return the mark of a browser, by the id in its cookie."""
    return sha256(b"browser:" + secret.encode()).hexdigest()[:MARK_LENGTH]


def mark_of_app(secret: str) -> str:
    """Return the mark of an app, by its key; the id of a browser never has the same one."""
    return sha256(b"app:" + secret.encode()).hexdigest()[:MARK_LENGTH]


def bound(text: str, mark: str) -> str:
    """Return a text that is bound by a mark, or the text itself for the mark ""."""
    return f"{text}{_SIGN}{mark}" if mark else text


def unbound(text: str) -> tuple[str, str]:
    """Return a text without its mark, and the mark; "" for a text that has none."""
    plain, _, mark = text.partition(_SIGN)
    return plain, mark


def anyone(_mark: str) -> bool:
    """Take each mark as shown, for a caller who is trusted with the tokens of others."""
    return True


def no_one(_mark: str) -> bool:
    """Take no mark as shown, so that only a text without one is worth something."""
    return False
