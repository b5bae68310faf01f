"""Choices: what the shoppers in a line named as the SKU they came for. Pure.

The leader reads the choices of each batch of joins once, and each change once. They are kept by
number and counted by blocks of numbers, so a look at a line of a million costs a thousand sums.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

BLOCK = 1024
# The pieces that a line is cut into grow, each this many times as long as the one before.
GROWTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The choices of one batch of joins, as they are now.

    first: the batch's first number, or with `entered` its first entry in a draw.
    skus: the SKU that each number named, None for a number that named none.
    """

    line_id: int
    entered: bool
    first: int
    skus: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of the line: how many numbers it has, and how many of them named which SKU."""

    shoppers: int
    named: Counter[int]


@dataclass(slots=True)
class Choices:
    """The choices of one line's numbers, or of its entries before a draw.

    A draw mixes its entries, so each stretch of the drawn numbers is taken to name what all entries
    named together.
    """

    _blocks: "dict[int, array[int]]" = field(default_factory=dict)
    _counts: dict[int, Counter[int]] = field(default_factory=dict)
    _entries: dict[int, int] = field(default_factory=dict)

    def put(self, chosen: Chosen) -> None:
        """Take in a batch; to do it again changes nothing."""
        if chosen.entered:
            for entry, sku in enumerate(chosen.skus, chosen.first):
                self._entries[entry] = sku or 0
            return
        for number, sku in enumerate(chosen.skus, chosen.first):
            block, at = divmod(number, BLOCK)
            if block not in self._blocks:
                self._blocks[block] = array("i", [0]) * BLOCK
            self._blocks[block][at] = sku or 0
            self._counts.pop(block, None)

    def pass_by(self, head: int) -> None:
        """Forget the blocks of numbers that are all called."""
        for block in [block for block in self._blocks if (block + 1) * BLOCK <= head]:
            del self._blocks[block]
            self._counts.pop(block, None)

    def ahead(self, head: int, tail: int, *, drawn: int = 0) -> Iterator[Stretch]:
        """Yield the waiting numbers in stretches, each longer than the one before.

        The first `drawn` numbers of the line are those of entries.
        """
        if head < drawn:
            last, shares = min(drawn, tail), Counter(self._entries.values())
            del shares[0]
            # Whole shoppers do not matter here; the counts are of expected ones.
            part = (last - head) / max(drawn, 1)
            named = Counter({sku: round(count * part) for sku, count in shares.items()})
            yield Stretch(shoppers=last - head, named=named)
            head = last
        blocks = 1
        while head < tail:
            last = min((head // BLOCK + blocks) * BLOCK, tail)
            yield Stretch(shoppers=last - head, named=self._named(head + 1, last))
            head, blocks = last, blocks * GROWTH

    def _named(self, first: int, last: int) -> Counter[int]:
        """Count what the numbers from `first` to `last` named."""
        named: Counter[int] = Counter()
        for block in range(first // BLOCK, last // BLOCK + 1):
            low, high = max(first - block * BLOCK, 0), min(last - block * BLOCK + 1, BLOCK)
            if block in self._blocks:
                named.update(self._count(block, low, high))
        named.pop(0, None)
        return named

    def _count(self, block: int, low: int, high: int) -> Counter[int]:
        if low or high < BLOCK:
            return Counter(self._blocks[block][low:high])
        if block not in self._counts:
            self._counts[block] = Counter(self._blocks[block])
        return self._counts[block]


def named_in(stretches: Sequence[Stretch]) -> Counter[int]:
    """Return how many shoppers of these stretches named each SKU."""
    named: Counter[int] = Counter()
    for stretch in stretches:
        named.update(stretch.named)
    return named
