"""The draw gives each early entry a number, by a rule that anybody can compute again. Pure.

The operator commits to a random seed before the first entry. When the entries have closed, their
count and the log up to the closing are signed; then the seed is revealed. Seed, log, count and the
announced public value, if there is one, are hashed to a key, and the key drives a permutation of
1..count. The public value did not exist before the closing, so with it no order could be aimed at.
A place is computed on demand; nothing is stored for an entry.

docs/how-it-works/draw-and-log.md specifies the draw for independent implementations, with test
vectors.
"""

from collections.abc import Iterator
from hashlib import sha256
from math import isqrt
from struct import unpack

from waitroom.log.chain import fields

SEED_BYTES = 32
# Up to this count the entries are shuffled, which makes all orders equally likely. A shuffle takes
# a few milliseconds once, and memory for each entry.
SHUFFLE_MAX = 4096
# FF1 of NIST SP 800-38G has ten rounds, for secrecy. Here the joint distribution of any two entries
# has to be that of a fair draw: two more rounds divide the distance to it by the width.
# docs/how-it-works/draw-and-log.md has the figures.
ROUNDS = 16
_WORD = 2**32


def commitment(room: str, line: str, seed: bytes) -> bytes:
    """Return the hash that is published before the first entry.

    It fixes the seed and reveals nothing about it.
    """
    committed = fields(room.encode(), line.encode(), _checked(seed))
    return sha256(b"waitroom.commitment.1" + committed).digest()


def draw_key(
    room: str, line: str, *, seed: bytes, head: bytes, count: int, value: str | None
) -> bytes:
    """Return the 32 bytes that decide the order.

    `head` is the hash of the log entry that closed the entries, so it covers all of them.
    `value` is the public random value, or None if none was announced.
    """
    parts = room.encode(), line.encode(), _checked(seed), head, b"%d" % count
    return sha256(b"waitroom.draw.1" + fields(*parts, (value or "").encode())).digest()


def _checked(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    return seed


class Shuffle:
    """The order of few entries: a Fisher-Yates shuffle (Knuth, TAOCP 2, algorithm 3.4.2 P).

    The entries 1..count stand in a row. From the last place down to the second, each entry is
    swapped with one picked among the places up to and including its own. The entry that ends up
    first has number 1.
    """

    def __init__(self, key: bytes, count: int) -> None:
        row = list(range(1, count + 1))
        words = _words(key)
        for last in range(count - 1, 0, -1):
            picked = _below(last + 1, words)
            row[last], row[picked] = row[picked], row[last]
        self._entries = row
        self._numbers = [0] * count
        for place, entry in enumerate(row):
            self._numbers[entry - 1] = place + 1

    def number_of(self, entry: int) -> int:
        return self._numbers[entry - 1]

    def entry_of(self, number: int) -> int:
        return self._entries[number - 1]


def _words(key: bytes) -> Iterator[int]:
    """Yield 32-bit words: eight from each SHA-256 over the key and a counter."""
    for counter in range(2**63):
        digest = sha256(b"S" + key + counter.to_bytes(8)).digest()
        yield from unpack(">8I", digest)


def _below(bound: int, words: Iterator[int]) -> int:
    """Return one of 0..bound-1, all equally likely.

    The highest words are skipped: they would give the smaller values one chance more.
    """
    fair = _WORD - _WORD % bound
    while (word := next(words)) >= fair:
        pass
    return word % bound


class Feistel:
    """The order of many entries: a Feistel network on a rectangle slightly larger than their count.

    This is the generalised Feistel cipher of Black and Rogaway (Ciphers with Arbitrary Finite
    Domains, 2002). An entry is a point in a rectangle of `width` by `height`, both about the square
    root of the count. In alternation, one coordinate moves by a keyed hash of the other. A point
    beyond the count goes through again (cycle walking). The rectangle has less than one row of
    `width` points to spare, so fewer than one point in `height` goes through twice.
    """

    def __init__(self, key: bytes, count: int, *, rounds: int = ROUNDS) -> None:
        self._count = count
        self._width = isqrt(count - 1) + 1
        self._height = -(-count // self._width)
        sides = self._width, self._height
        self._rounds = [(_Round(key, turn, sides[turn % 2]), turn % 2) for turn in range(rounds)]

    def number_of(self, entry: int) -> int:
        point = entry - 1
        while True:
            y, x = divmod(point, self._width)
            for steps, is_odd in self._rounds:
                if is_odd:
                    y = (y + steps[x]) % self._height
                else:
                    x = (x + steps[y]) % self._width
            point = y * self._width + x
            if point < self._count:
                return point + 1

    def entry_of(self, number: int) -> int:
        point = number - 1
        while True:
            y, x = divmod(point, self._width)
            for steps, is_odd in reversed(self._rounds):
                if is_odd:
                    y = (y - steps[x]) % self._height
                else:
                    x = (x - steps[y]) % self._width
            point = y * self._width + x
            if point < self._count:
                return point + 1


class _Round(dict[int, int]):
    """One round: how far a coordinate moves, for each value of the other.

    A value is hashed on first use. A round has as many values as the rectangle is wide, so a
    million entries need sixteen thousand hashes in all, kept in memory.
    """

    def __init__(self, key: bytes, turn: int, side: int) -> None:
        self._prefix = b"F" + key + bytes([turn])
        self._side = side

    def __missing__(self, other: int) -> int:
        digest = sha256(self._prefix + other.to_bytes(8)).digest()
        # 64 bits for a side of a few thousand: the bias between steps is below one part in 2**48.
        step = int.from_bytes(digest[:8]) % self._side
        self[other] = step
        return step


class Permutation:
    """The order of a draw: the number of each entry, and the entry of each number, 1..count."""

    def __init__(self, key: bytes, count: int) -> None:
        if count < 1:
            raise ValueError("a draw needs an entry")
        self._count = count
        self._order = Shuffle(key, count) if count <= SHUFFLE_MAX else Feistel(key, count)

    def number_of(self, entry: int) -> int:
        """Return the number of an entry; raises `ValueError` for an entry beyond the count."""
        return self._order.number_of(self._within(entry))

    def entry_of(self, number: int) -> int:
        """Return the entry of a number; raises `ValueError` for a number beyond the count."""
        return self._order.entry_of(self._within(number))

    def _within(self, place: int) -> int:
        if not 1 <= place <= self._count:
            raise ValueError(f"the draw covers 1 to {self._count}")
        return place
