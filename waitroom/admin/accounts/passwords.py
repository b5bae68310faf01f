"""Passwords: the one form in which they are compared, and how hard they are to guess. Pure.

The guesses that a password withstands are estimated as zxcvbn does (Wheeler, USENIX Security 2016):
it is cut into the pieces that cost an attacker least, and their costs are multiplied. Pieces are
common passwords, words that belong to the account, sequences, repetitions, and single signs. In
contrast to that library, letters written as other signs are read in two ways and not in all, so the
time is bounded for every password.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from itertools import pairwise

# Powers of ten. A guess takes an attacker who has the hash some 50 ms, so this is some months.
GUESSES_MIN = 8.0
# Later characters are not looked at: no one remembers a long password that only begins badly.
LOOKED_AT = 48
WORD_LENGTH_MIN, WORD_LENGTH_MAX = 3, 32
SEQUENCE_LENGTH_MIN = 3

# Words of every service of this kind.
_OURS = ("waitroom", "waiting", "admin", "administrator", "operator", "queue", "tickets")

_COST_OF_SIGN = 1.0
_COST_OF_CAPITALS = 0.3
_COST_OF_SPELLING = 0.6
_COST_OF_SEQUENCE = 1.0
_COST_OF_YEAR = 2.0
# Signs for letters, with both readings of 1, | and !.
_SPELLINGS = (
    str.maketrans("48@({[369!1|05$7+%2", "abaccc" + "egg" + "iii" + "oss" + "tt" + "xz"),
    str.maketrans("4@3!1|05$7+", "aae" + "lll" + "oss" + "tt"),
)
_ROWS = (
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm"),
    *("1234567890", "1q2w3e4r5t6y7u8i9o0p", "1q2w3e4r5t6z", "qazwsxedcrfvtgb", "!@#$%^&*()"),
)
_KEYS = tuple(way for row in _ROWS for way in (row, row[::-1]))


def settled(password: str) -> str:
    """Return a password in the one form that is hashed and compared.

    Keyboards write the same letters in several ways: composed and not, wide and narrow.
    """
    return unicodedata.normalize("NFKC", password)


def is_guessable(password: str, own: Iterable[str] = ()) -> bool:
    """Say whether a password is among those that an attacker tries early.

    `own` are words that belong to the account and the service: its operator's name, the brand, the
    host. They are cut into their parts, and an attacker is taken to know them.
    """
    words = {part for word in (*_OURS, *own) for part in _parts(word.casefold())}
    return guesses(password[:LOOKED_AT], frozenset(words)) < GUESSES_MIN


def _parts(word: str) -> Iterable[str]:
    parts = "".join(sign if sign.isalnum() else " " for sign in word).split()
    yield from (one for one in (*parts, "".join(parts)) if len(one) >= WORD_LENGTH_MIN)


def guesses(text: str, own: frozenset[str] = frozenset()) -> float:
    """Return how many guesses a text withstands, as a power of ten."""
    return _guesses(text, own, {})


def _guesses(text: str, own: frozenset[str], known_guesses: dict[str, float]) -> float:
    """Return the guesses of a text; those of its repeated pieces are found once each."""
    if text in known_guesses:
        return known_guesses[text]
    ranks = _ranks()
    cheapest = [0.0]
    for end in range(1, len(text) + 1):
        costs = [cheapest[end - 1] + _COST_OF_SIGN]
        for begin in range(max(0, end - WORD_LENGTH_MAX), end - 1):
            piece = text[begin:end]
            known = _cost_of_piece(piece, ranks, own)
            if known is not None:
                costs.append(cheapest[begin] + known)
        for begin, piece, count in _repetitions(text, end):
            alone = _COST_OF_SIGN if len(piece) == 1 else _guesses(piece, own, known_guesses)
            costs.append(cheapest[begin] + alone + math.log10(count))
        cheapest.append(min(costs))
    known_guesses[text] = cheapest[-1]
    return cheapest[-1]


def _cost_of_piece(piece: str, ranks: Mapping[str, int], own: frozenset[str]) -> float | None:
    """Return the cost of a piece that an attacker knows, or None for any other."""
    small = piece.casefold()
    capitals = 0.0 if piece == small else _COST_OF_CAPITALS
    costs = []
    for extra, reading in (
        (0.0, small),
        *((_COST_OF_SPELLING, small.translate(table)) for table in _SPELLINGS),
    ):
        for turned in (reading, reading[::-1]):
            if turned in own:
                costs.append(extra + capitals)
            elif turned in ranks:
                costs.append(extra + capitals + math.log10(ranks[turned] + 1))
    if len(piece) >= SEQUENCE_LENGTH_MIN and _is_sequence(small):
        costs.append(_COST_OF_SEQUENCE + math.log10(len(piece)) + capitals)
    if len(piece) == 4 and piece.isascii() and piece.isdigit() and piece[:2] in {"19", "20"}:
        costs.append(_COST_OF_YEAR)
    return min(costs, default=None)


def _is_sequence(piece: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(piece)}
    return steps in ({1}, {-1}) or any(piece in row for row in _KEYS)


def _repetitions(text: str, end: int) -> Iterable[tuple[int, str, int]]:
    """Yield where a part that ends here is one piece again and again, the piece, and how often."""
    for length in range(1, end // 2 + 1):
        piece = text[end - length : end]
        count = 1
        while text[: end - count * length].endswith(piece):
            count += 1
        if count > 1:
            yield end - count * length, piece, count


@cache
def _ranks() -> Mapping[str, int]:
    """Return the common passwords with their ranks; each process reads them when it first asks."""
    file = resources.files("waitroom.admin.accounts").joinpath("common_passwords.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    words = [line for line in lines if not line.startswith("# ")]
    return {
        word: rank
        for rank, word in enumerate(words, start=1)
        if WORD_LENGTH_MIN <= len(word) <= WORD_LENGTH_MAX
    }
