"""The draw: who among the early gets which number, so that anybody can compute it again. Pure.

The operator commits to a random seed before anybody enters. When the entries have closed, their
count and the log as it stands are signed; then the seed is revealed. Seed, log, count and, where
one was announced, a public value that did not exist before are hashed to a key, and the key drives
a permutation of 1..count. A place is computed when it is asked for; nothing is kept for an entry.

docs/fairness.md says all of it for somebody who writes it again, with test vectors.
"""

from collections.abc import Iterator
from hashlib import sha256
from math import isqrt
from struct import unpack

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waitroom.log.chain import fields

SEED_BYTES = 32
# Up to here the entries are shuffled, which makes any order exactly as likely as any other. It
# takes some milliseconds once, and memory for each entry.
SHUFFLE_MAX = 4096
# NIST SP 800-38G has ten in FF1, for secrecy. Here any two entries shall be as in a fair draw, and
# each two rounds bring them nearer by the width; docs/fairness.md has the figures.
ROUNDS = 16
_WORD = 2**32
_LOG_KEY_INFO = b"waitroom.log-key.1"


def commitment(room: str, line: str, seed: bytes) -> bytes:
    """Return what is published before anybody enters; it fixes the seed and tells nothing of it."""
    said = fields(room.encode(), line.encode(), _checked(seed))
    return sha256(b"waitroom.commitment.1" + said).digest()


def draw_key(
    room: str, line: str, *, seed: bytes, head: bytes, count: int, value: str | None
) -> bytes:
    """Return the 32 bytes that decide the order.

    `head` is the hash of the log entry that closed the entries, so it covers every one of them;
    `value` is the public random value, None where none was announced.
    """
    parts = room.encode(), line.encode(), _checked(seed), head, b"%d" % count
    return sha256(b"waitroom.draw.1" + fields(*parts, (value or "").encode())).digest()


def _checked(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    return seed


def log_key_from(secret: bytes) -> Ed25519PrivateKey:
    """Derive the key that signs closings and heads, by HKDF-SHA256 (RFC 5869).

    `secret` is the oldest signing key of the service: it stays when a newer one is added, so the
    public key that a room has announced stays the right one.
    """
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_LOG_KEY_INFO).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)


def public_key_of(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes that a room announces."""
    return key.public_key().public_bytes_raw()


def sign_closing(key: Ed25519PrivateKey, *, room: str, line: str, count: int, head: bytes) -> bytes:
    return key.sign(_closing(room, line, count, head))


def verify_closing(
    public_key: bytes, signature: bytes, *, room: str, line: str, count: int, head: bytes
) -> bool:
    return _signed_by(public_key, signature, _closing(room, line, count, head))


def sign_head(key: Ed25519PrivateKey, *, room: str, seq: int, head: bytes) -> bytes:
    return key.sign(_head(room, seq, head))


def verify_head(public_key: bytes, signature: bytes, *, room: str, seq: int, head: bytes) -> bool:
    return _signed_by(public_key, signature, _head(room, seq, head))


def _closing(room: str, line: str, count: int, head: bytes) -> bytes:
    return b"waitroom.closing.1" + fields(room.encode(), line.encode(), b"%d" % count, head)


def _head(room: str, seq: int, head: bytes) -> bytes:
    return b"waitroom.head.1" + fields(room.encode(), b"%d" % seq, head)


def _signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Shuffle:
    """The order of few entries: a Fisher-Yates shuffle (Knuth, TAOCP 2, algorithm 3.4.2 P).

    The entries 1..count stand in a row. From the last place down to the second, the entry there
    changes places with one that is picked among those up to it. Then whoever stands first has
    number 1.
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
    """Yield words of 32 bits: eight of each SHA-256 over the key and a counter."""
    for counter in range(2**63):
        digest = sha256(b"S" + key + counter.to_bytes(8)).digest()
        yield from unpack(">8I", digest)


def _below(bound: int, words: Iterator[int]) -> int:
    """Return 0..bound-1, each as likely as the others.

    The last words, with which the smaller values would have one chance more, are passed over.
    """
    fair = _WORD - _WORD % bound
    while (word := next(words)) >= fair:
        pass
    return word % bound


class Feistel:
    """The order of many entries: a Feistel network on a rectangle hardly larger than their count.

    The generalised Feistel cipher of Black and Rogaway (Ciphers with Arbitrary Finite Domains,
    2002): an entry is a point in a rectangle of `width` by `height`, which are about the root of
    the count. By turns the one coordinate moves on by a keyed hash of the other. Who lands beyond
    the count goes through again (cycle walking); the rectangle has less than one column to spare,
    so that befalls fewer than one in `height`.
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
    """How far a coordinate moves for each value of the other.

    A value is hashed when it is first needed. There are as many as the rectangle is wide, so a
    million entries need sixteen thousand hashes in all, and no more memory than that.
    """

    def __init__(self, key: bytes, turn: int, side: int) -> None:
        self._prefix = b"F" + key + bytes([turn])
        self._side = side

    def __missing__(self, other: int) -> int:
        digest = sha256(self._prefix + other.to_bytes(8)).digest()
        # 64 bits for a side of some thousands: no step is likelier than another by a part in 2**48.
        step = int.from_bytes(digest[:8]) % self._side
        self[other] = step
        return step


class Permutation:
    """The outcome of a draw: the number of every entry, and the entry of every number, 1..count."""

    def __init__(self, key: bytes, count: int) -> None:
        if count < 1:
            raise ValueError("a draw needs an entry")
        self._count = count
        self._order = Shuffle(key, count) if count <= SHUFFLE_MAX else Feistel(key, count)

    def number_of(self, entry: int) -> int:
        """Return the number that an entry got; raises `ValueError` for one that did not enter."""
        return self._order.number_of(self._within(entry))

    def entry_of(self, number: int) -> int:
        """Return the entry that a number went to; raises `ValueError` for one beyond the draw."""
        return self._order.entry_of(self._within(number))

    def _within(self, place: int) -> int:
        if not 1 <= place <= self._count:
            raise ValueError(f"the draw is of 1 to {self._count}")
        return place
