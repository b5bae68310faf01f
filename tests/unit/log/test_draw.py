"""Every entry gets one number, all as likely, and the same one wherever it is computed."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.log.chain import fields
from waitroom.log.draw import (
    ROUNDS,
    SHUFFLE_MAX,
    Feistel,
    Permutation,
    Shuffle,
    commitment,
    draw_key,
)
from waitroom.log.signing import LogKey

DOCS = Path(__file__).parents[3] / "docs" / "how-it-works" / "draw-and-log.md"
KEY = sha256(b"a key").digest()
# A right draw passes at this bound whatever the seeds, but for one choice of them in ten thousand;
# the seeds are fixed, so it passes always. A biased one falls below by many powers of ten.
LIKELY = 1e-4
NEVER = 1e-12


class Order(Protocol):
    def number_of(self, entry: int) -> int: ...

    def entry_of(self, number: int) -> int: ...


Draw = Callable[[bytes, int], Order]


def keys(draws: int) -> Iterable[bytes]:
    return (sha256(b"draw %d" % n).digest() for n in range(draws))


def p_value(seen: Iterable[int], cells: int) -> float:
    """Return how likely chance strays so far from equal cells (by Wilson and Hilferty)."""
    counts = Counter(seen)
    expected = counts.total() / cells
    # The bound of Cochran, below which the approximation is worth nothing.
    assert expected >= 5
    strayed = sum((counts[cell] - expected) ** 2 / expected for cell in range(cells))
    freedom = cells - 1
    spread = 2 / (9 * freedom)
    z = ((strayed / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2


# Every count has an order.


@pytest.mark.parametrize("draw", [Shuffle, Feistel, Permutation])
def test_every_entry_gets_one_number_for_any_small_count(draw: Draw) -> None:
    for count in range(1, 301):
        order = draw(KEY, count)

        numbers = [order.number_of(entry) for entry in range(1, count + 1)]

        assert sorted(numbers) == list(range(1, count + 1))
        assert [order.entry_of(number) for number in numbers] == list(range(1, count + 1))


@pytest.mark.parametrize("count", [SHUFFLE_MAX, SHUFFLE_MAX + 1, 10_007, 65_536, 99_856, 99_857])
def test_every_entry_gets_one_number_for_large_counts(count: int) -> None:
    order = Permutation(KEY, count)

    taken = bytearray(count + 1)
    for entry in range(1, count + 1):
        taken[order.number_of(entry)] = 1

    assert sum(taken) == count
    assert taken[0] == 0


@given(count=st.integers(1, 10**12), data=st.data())
def test_entry_and_number_lead_to_each_other(count: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, count))
    order = Feistel(KEY, count)

    assert 1 <= order.number_of(place) <= count
    assert order.entry_of(order.number_of(place)) == place
    assert order.number_of(order.entry_of(place)) == place


@given(key=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_another_key_is_another_order(key: bytes, other: bytes) -> None:
    orders = [[Permutation(k, 64).number_of(e) for e in range(1, 65)] for k in (key, other)]

    assert (orders[0] == orders[1]) == (key == other)


@pytest.mark.parametrize("count", [1, 5, SHUFFLE_MAX + 1])
def test_who_did_not_enter_has_no_number(count: int) -> None:
    order = Permutation(KEY, count)

    for place in (0, -1, count + 1):
        with pytest.raises(ValueError, match=f"1 to {count}"):
            order.number_of(place)
        with pytest.raises(ValueError, match=f"1 to {count}"):
            order.entry_of(place)


@pytest.mark.parametrize("count", [0, -3])
def test_a_draw_needs_an_entry(count: int) -> None:
    with pytest.raises(ValueError, match="entry"):
        Permutation(KEY, count)


@pytest.mark.parametrize("count", [SHUFFLE_MAX + 1, 9_999, 250_001, 10**6])
def test_hardly_any_entry_goes_through_the_network_twice(count: int) -> None:
    order, passes = Feistel(KEY, count), []

    class Counting(list[Any]):
        def __iter__(self) -> Any:
            passes.append(1)
            return super().__iter__()

    # Each pass goes over all rounds once.
    order._rounds = Counting(order._rounds)  # noqa: SLF001 - what is counted is inside
    for entry in range(1, 2001):
        order.number_of(entry)

    assert 2000 <= len(passes) <= 1.1 * 2000


# Fairness, by statistics over seeded draws.


class Swapped:
    """A shuffle in which each changes places with any at all: the classical mistake."""

    def __init__(self, key: bytes, count: int) -> None:
        self._row = list(range(1, count + 1))
        for place in range(count):
            picked = int.from_bytes(sha256(key + bytes([place])).digest()) % count
            self._row[place], self._row[picked] = self._row[picked], self._row[place]

    def number_of(self, entry: int) -> int:
        return self._row.index(entry) + 1

    def entry_of(self, number: int) -> int:
        return self._row[number - 1]


class Restless(Shuffle):
    """A shuffle in which nobody keeps the place they came with: Sattolo's algorithm does that."""

    def number_of(self, entry: int) -> int:
        number = super().number_of(entry)
        return number if number != entry else number % 6 + 1


def one_place(order: Order, count: int) -> dict[str, int]:
    """Return what a draw says of single places, each from 0 to count - 1."""
    return {
        "the first entry's number": order.number_of(1) - 1,
        "the last entry's number": order.number_of(count) - 1,
        "who has number 1": order.entry_of(1) - 1,
        "who comes last": order.entry_of(count) - 1,
    }


@pytest.mark.parametrize(("draw", "count"), [(Shuffle, 6), (Feistel, 6), (Feistel, 61)])
def test_every_place_is_as_likely(draw: Draw, count: int) -> None:
    seen = [one_place(draw(key, count), count) for key in keys(3000)]

    for name in seen[0]:
        assert p_value((places[name] for places in seen), count) > LIKELY, name


@pytest.mark.parametrize("draw", [Shuffle, Feistel])
def test_every_place_among_two_thousand_is_as_likely(draw: Draw) -> None:
    seen = [one_place(draw(key, 2000), 2000) for key in keys(400)]

    for name in seen[0]:
        # By forties, so that each cell is met often enough.
        assert p_value((places[name] // 40 for places in seen), 50) > LIKELY, name


ORDERS_OF_FIVE = {order: index for index, order in enumerate(permutations(range(1, 6)))}


def order_of_five(draw: Draw, key: bytes) -> int:
    order = draw(key, 5)
    return ORDERS_OF_FIVE[tuple(order.number_of(entry) for entry in range(1, 6))]


def test_every_order_of_five_is_as_likely() -> None:
    seen = [order_of_five(Shuffle, key) for key in keys(12_000)]

    assert p_value(seen, len(ORDERS_OF_FIVE)) > LIKELY


# Two thousand stand in a rectangle of 45 by 45: neighbours, those of one column, and any two.
WIDTH = 45
PAIRS = [(1, 2), (1, 46), (700, 701), (700, 745), (3, 1777)]


def two_places(order: Order, one: int, other: int) -> dict[str, tuple[int, int]]:
    """Return what a draw says of two entries, and how many outcomes are as likely."""
    apart = order.number_of(one) - order.number_of(other)
    return {
        "who comes first": (int(apart > 0), 2),
        "how far apart": ((apart % 2000 - 1) * 40 // 1999, 40),
        "how many columns apart": (apart % WIDTH, WIDTH),
    }


@pytest.mark.parametrize("draw", [Shuffle, Feistel])
def test_who_of_two_comes_first_is_open_and_so_is_by_how_much(draw: Draw) -> None:
    orders = [draw(key, 2000) for key in keys(400)]

    for pair in PAIRS:
        seen = [two_places(order, *pair) for order in orders]
        for name, (_, cells) in seen[0].items():
            assert p_value((places[name][0] for places in seen), cells) > LIKELY, (pair, name)


@pytest.mark.parametrize("draw", [Shuffle, Feistel])
def test_those_who_entered_together_are_scattered(draw: Draw) -> None:
    # The first hundred of two thousand, wherever they land, in twenty equal stretches.
    seen = [
        (order.number_of(entry) - 1) // 100
        for order in (draw(key, 2000) for key in keys(60))
        for entry in range(1, 101)
    ]

    assert p_value(seen, 20) > LIKELY


def test_a_shuffle_in_which_all_change_places_with_any_is_found_out() -> None:
    seen = [order_of_five(Swapped, key) for key in keys(12_000)]

    assert p_value(seen, len(ORDERS_OF_FIVE)) < NEVER


def test_a_shuffle_in_which_nobody_may_stay_is_found_out() -> None:
    seen = [one_place(Restless(key, 6), 6) for key in keys(3000)]

    assert p_value((places["the last entry's number"] for places in seen), 6) < NEVER


def test_too_few_rounds_are_found_out_by_neighbours() -> None:
    seen = [two_places(Feistel(key, 2000, rounds=2), 1, 2) for key in keys(400)]

    assert p_value((places["how many columns apart"][0] for places in seen), WIDTH) < NEVER


def strayed(width: int, height: int, rounds: int) -> Fraction:
    """Return how far the numbers of the worst two entries are from a fair draw's: total variation.

    With random round functions all depends on how far two entries lie apart, by column and by row.
    A turn leaves the distance along one side as it is if there is none along the other; else it
    makes every distance as likely. So of each side three kinds are kept: none, one, and all others.
    """
    sides = (width, height)
    kinds = [{0: 1, 1: 1, 2: side - 2} for side in sides]
    worst = Fraction(0)
    for start in ((1, 0), (0, 1), (1, 1)):
        state: dict[tuple[int, int], Fraction] = {start: Fraction(1)}
        for turn in range(rounds):
            side, after = turn % 2, defaultdict[tuple[int, int], Fraction](Fraction)
            for apart, share in state.items():
                if apart[1 - side] == 0:
                    after[apart] += share
                    continue
                for kind, many in kinds[side].items():
                    moved = (apart[0], kind) if side else (kind, apart[1])
                    after[moved] += share * many / sides[side]
            state = after
        others = width * height - 1
        fair = {apart: Fraction(kinds[0][apart[0]] * kinds[1][apart[1]], others) for apart in state}
        more = sum((max(state[apart] - fair[apart], Fraction(0)) for apart in state), Fraction(0))
        worst = max(worst, more)
    return worst


def test_two_entries_are_as_in_a_fair_draw_but_for_next_to_nothing() -> None:
    # The figures of docs/how-it-works/draw-and-log.md.
    assert strayed(65, 64, ROUNDS) < Fraction(3, 10**13)
    assert strayed(1000, 1000, ROUNDS) < Fraction(1, 10**21)
    assert Fraction(5, 10**8) < strayed(65, 64, 10) < Fraction(6, 10**8)
    assert strayed(65, 64, 2) > Fraction(98, 100)


# The same wherever it is computed.


def by_row(key: bytes, count: int) -> list[int]:
    """Write the draw of few again, from the words of docs/how-it-works/draw-and-log.md."""
    row, counter, words = list(range(1, count + 1)), 0, []
    for last in range(count - 1, 0, -1):
        while True:
            if not words:
                block = sha256(b"S" + key + counter.to_bytes(8, "big")).digest()
                words = [int.from_bytes(block[at : at + 4], "big") for at in range(0, 32, 4)]
                counter += 1
            word = words.pop(0)
            if word < 2**32 - 2**32 % (last + 1):
                break
        picked = word % (last + 1)
        row[last], row[picked] = row[picked], row[last]
    return [row.index(entry) + 1 for entry in range(1, count + 1)]


def by_rectangle(key: bytes, count: int) -> list[int]:
    """Write the draw of many again, from the words of docs/how-it-works/draw-and-log.md."""
    width = next(side for side in range(1, count + 1) if side * side >= count)
    height = (count + width - 1) // width
    numbers = []
    for point in range(count):
        while True:
            x, y = point % width, point // width
            for turn in range(16):
                other = x if turn % 2 else y
                block = sha256(b"F" + key + bytes([turn]) + other.to_bytes(8, "big")).digest()
                step = int.from_bytes(block[:8], "big")
                x, y = (x, (y + step) % height) if turn % 2 else ((x + step) % width, y)
            point = y * width + x  # noqa: PLW2901 - it goes on walking
            if point < count:
                break
        numbers.append(point + 1)
    return numbers


@pytest.mark.parametrize("count", [1, 2, 3, 100, 4096, 4097, 5000])
def test_the_draw_is_what_its_description_says(count: int) -> None:
    again = by_row if count <= 4096 else by_rectangle

    order = Permutation(KEY, count)

    assert [order.number_of(entry) for entry in range(1, count + 1)] == again(KEY, count)


def vectors() -> dict[str, Any]:
    """Read the test vectors that the docs give."""
    block = re.search(r"```json\n(\{.*?\n\})\n```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    found: dict[str, Any] = json.loads(block[1])
    return found


def test_the_vectors_of_the_docs_hold() -> None:
    told = vectors()
    room, line, seed, head = (told[name] for name in ("room", "line", "seed", "head"))
    seed, head, count, value = (
        bytes.fromhex(seed),
        bytes.fromhex(head),
        told["count"],
        told["value"],
    )
    key = LogKey(bytes.fromhex(told["secret"]))
    with_value = draw_key(room, line, seed=seed, head=head, count=count, value=value)

    assert fields(b"drop", b"").hex() == told["fields_of_drop_and_nothing"]
    assert commitment(room, line, seed).hex() == told["commitment"]
    assert draw_key(room, line, seed=seed, head=head, count=count, value=None).hex() == told["key"]
    assert with_value.hex() == told["key_with_value"]
    assert key.public.hex() == told["public_key"]
    assert (
        key.sign_closing(room=room, line=line, count=count, head=head).hex()
        == told["closing_signature"]
    )
    assert key.sign_head(room=room, seq=7, head=head).hex() == told["head_7_signature"]


def test_the_orders_of_the_docs_hold() -> None:
    told = vectors()
    key = bytes.fromhex(told["key"])

    assert [Permutation(key, 10).number_of(entry) for entry in range(1, 11)] == told["of_10"]
    for count, numbers in told["orders"].items():
        order = Permutation(key, int(count))
        assert {entry: order.number_of(int(entry)) for entry in numbers} == numbers


# What goes into the key.

ROOM, LINE, SEED, HEAD = "drop", "main-1", bytes(range(32)), sha256(b"head").digest()


def key_of(**changes: Any) -> bytes:
    told = {"room": ROOM, "line": LINE, "seed": SEED, "head": HEAD, "count": 10, "value": None}
    told |= changes
    return draw_key(told.pop("room"), told.pop("line"), **told)


def test_whatever_goes_into_the_draw_decides_it() -> None:
    changed = [
        key_of(),
        key_of(room="drop2"),
        key_of(line="main-2"),
        key_of(seed=bytes(32)),
        key_of(head=sha256(b"other").digest()),
        key_of(count=11),
        key_of(value="4711"),
    ]

    assert len(set(changed)) == len(changed)


def test_parts_cannot_run_into_each_other() -> None:
    assert commitment("drop", "main-1", SEED) != commitment("dropm", "ain-1", SEED)
    assert key_of(room="dropm", line="ain-1") != key_of()
    assert fields(b"a", b"bc") != fields(b"ab", b"c")


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_has_32_bytes(seed: bytes) -> None:
    with pytest.raises(ValueError, match="32"):
        commitment(ROOM, LINE, seed)
    with pytest.raises(ValueError, match="32"):
        key_of(seed=seed)
