"""Receipts lead to the root they were given for, and the chain shows every change."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.log.chain import (
    LogEntry,
    broken_at,
    chain_hash,
    leaf_hash,
    merkle_levels,
    merkle_path,
    root_from_path,
)

SIZES = range(1, 71)


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(i.to_bytes(16), b"r") for i in range(count)]


def chain_of(bodies: list[str]) -> list[LogEntry]:
    entries, previous = [], b""
    for seq, body in enumerate(bodies, start=1):
        previous = chain_hash(previous, body)
        entries.append(LogEntry(seq=seq, body=body, hash=previous))
    return entries


@pytest.mark.parametrize("count", SIZES)
def test_every_path_leads_to_the_root(count: int) -> None:
    leaves = leaves_of(count)

    levels = merkle_levels(leaves)

    for index, leaf in enumerate(leaves):
        path = merkle_path(levels, index)
        assert root_from_path(leaf, index=index, count=count, path=path) == levels[-1][0]


@pytest.mark.parametrize("count", SIZES)
def test_a_receipt_does_not_prove_another_place(count: int) -> None:
    leaves = leaves_of(count)
    levels = merkle_levels(leaves)
    root = levels[-1][0]

    for index, leaf in enumerate(leaves):
        path = merkle_path(levels, index)
        for other in (index - 1, index + 1, count, count + 1):
            assert root_from_path(leaf, index=other, count=count, path=path) != root
        stranger = leaf_hash(b"s" * 16, b"r")
        assert root_from_path(stranger, index=index, count=count, path=path) != root


@pytest.mark.parametrize("count", SIZES)
def test_a_receipt_with_a_changed_path_proves_nothing(count: int) -> None:
    leaves = leaves_of(count)
    levels = merkle_levels(leaves)
    root = levels[-1][0]

    for index, leaf in enumerate(leaves):
        path = merkle_path(levels, index)
        longer = [*path, root]
        assert root_from_path(leaf, index=index, count=count, path=longer) is None
        if path:
            shorter, flipped = path[:-1], [bytes(32), *path[1:]]
            assert root_from_path(leaf, index=index, count=count, path=shorter) is None
            assert root_from_path(leaf, index=index, count=count, path=flipped) != root


@given(count=st.integers(1, 70), other=st.integers(1, 70), data=st.data())
def test_a_receipt_for_a_wrong_count_never_needs_the_same_path_and_fits(
    count: int, other: int, data: st.DataObject
) -> None:
    # Another count may describe a tree with the same way up for this leaf, so the count proves
    # nothing by itself; but it never turns one leaf's path into another leaf's.
    index = data.draw(st.integers(0, count - 1))
    leaves = leaves_of(count)
    levels = merkle_levels(leaves)

    found = root_from_path(leaves[index], index=index, count=other, path=merkle_path(levels, index))

    if other <= index:
        assert found is None
    elif other == count:
        assert found == levels[-1][0]


def test_a_count_that_needs_another_path_is_refused() -> None:
    leaves = leaves_of(8)
    levels = merkle_levels(leaves)

    assert root_from_path(leaves[0], index=0, count=9, path=merkle_path(levels, 0)) is None
    assert root_from_path(leaves[0], index=0, count=4, path=merkle_path(levels, 0)) is None


def test_the_tree_is_that_of_rfc_6962() -> None:
    a, b, c = leaves_of(3)

    root = merkle_levels([a, b, c])[-1][0]

    left = sha256(b"\x01" + a + b).digest()
    assert root == sha256(b"\x01" + left + c).digest()
    assert leaf_hash(b"id", b"r") == sha256(b"\x00idr").digest()


def test_a_tree_needs_a_leaf() -> None:
    with pytest.raises(ValueError, match="leaf"):
        merkle_levels([])


bodies = st.lists(st.text(max_size=20), min_size=2, max_size=12, unique=True)


@given(bodies=bodies)
def test_an_untouched_chain_holds(bodies: list[str]) -> None:
    assert broken_at(chain_of(bodies)) is None


@given(bodies=bodies, data=st.data())
def test_a_changed_entry_breaks_the_chain_where_it_stands(
    bodies: list[str], data: st.DataObject
) -> None:
    entries = chain_of(bodies)
    at = data.draw(st.integers(0, len(entries) - 1))
    touched = entries[at]
    entries[at] = LogEntry(seq=touched.seq, body=touched.body + "!", hash=touched.hash)

    assert broken_at(entries) == at + 1


@given(bodies=bodies, data=st.data())
def test_a_changed_entry_with_its_hash_made_to_fit_breaks_the_next(
    bodies: list[str], data: st.DataObject
) -> None:
    entries = chain_of(bodies)
    at = data.draw(st.integers(0, len(entries) - 2))
    previous = entries[at - 1].hash if at else b""
    body = entries[at].body + "!"
    entries[at] = LogEntry(seq=at + 1, body=body, hash=chain_hash(previous, body))

    assert broken_at(entries) == at + 2


@given(bodies=bodies, data=st.data())
def test_a_dropped_entry_breaks_the_chain(bodies: list[str], data: st.DataObject) -> None:
    entries = chain_of(bodies)
    at = data.draw(st.integers(0, len(entries) - 2))

    assert broken_at(entries[:at] + entries[at + 1 :]) == at + 1


@given(bodies=bodies, data=st.data())
def test_an_entry_put_in_later_breaks_the_chain(bodies: list[str], data: st.DataObject) -> None:
    entries = chain_of(bodies)
    at = data.draw(st.integers(0, len(entries) - 1))
    previous = entries[at - 1].hash if at else b""
    put_in = LogEntry(seq=at + 1, body="late", hash=chain_hash(previous, "late"))
    moved_up = [LogEntry(seq=e.seq + 1, body=e.body, hash=e.hash) for e in entries[at:]]

    assert broken_at([*entries[:at], put_in, *entries[at:]]) == at + 2
    assert broken_at([*entries[:at], put_in, *moved_up]) == at + 2


@given(bodies=bodies, data=st.data())
def test_two_entries_in_another_order_break_the_chain(
    bodies: list[str], data: st.DataObject
) -> None:
    entries = chain_of(bodies)
    at = data.draw(st.integers(0, len(entries) - 2))
    entries[at], entries[at + 1] = entries[at + 1], entries[at]

    assert broken_at(entries) == at + 1


@given(bodies=bodies, data=st.data())
def test_a_page_of_the_chain_is_checked_from_the_hash_before_it(
    bodies: list[str], data: st.DataObject
) -> None:
    entries = chain_of(bodies)
    at = data.draw(st.integers(1, len(entries) - 1))

    page = entries[at:]

    assert broken_at(page, previous=entries[at - 1].hash, first_seq=at + 1) is None
    assert broken_at(page, previous=b"", first_seq=at + 1) == at + 1
