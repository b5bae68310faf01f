"""Signs that people can read to each other, for references and codes. Pure.

Capitals and digits of which no two look alike or are taken for one another: no B and 8, I, L and 1,
O and 0, S and 5, U and V, Z and 2. There is no other sign, so nothing has to be explained.
"""

from collections.abc import Callable

SIGNS = "34679ACDEFGHJKMNPQRTVWXY"


def drawn(length: int, choose: Callable[[str], str]) -> str:
    """Return as many signs, each drawn by `choose`."""
    return "".join(choose(SIGNS) for _ in range(length))


def spelled(number: bytes, length: int) -> str:
    """Return the last signs of a number in base 24: the same number always has the same signs."""
    value, signs = int.from_bytes(number) % len(SIGNS) ** length, ""
    for _ in range(length):
        value, at = divmod(value, len(SIGNS))
        signs = SIGNS[at] + signs
    return signs
