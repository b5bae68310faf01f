"""A receipt leads to the root that it was given for, and to no other."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitroom.log.chain import leaf_hash, merkle_levels, merkle_paths, root_from_path

SIZES = range(1, 71)
NODE_BYTES = 32


def path_of(levels: list[list[bytes]], index: int) -> list[bytes]:
    path = merkle_paths(levels)[index]
    return [path[at : at + NODE_BYTES] for at in range(0, len(path), NODE_BYTES)]


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(i.to_bytes(16), b"r") for i in range(count)]


@pytest.mark.parametrize("count", SIZES)
def test_every_path_leads_to_the_root(count: int) -> None:
    leaves = leaves_of(count)

    levels = merkle_levels(leaves)

    for index, leaf in enumerate(leaves):
        path = path_of(levels, index)
        assert root_from_path(leaf, index=index, count=count, path=path) == levels[-1][0]


@pytest.mark.parametrize("count", SIZES)
def test_a_receipt_does_not_prove_another_place(count: int) -> None:
    leaves = leaves_of(count)
    levels = merkle_levels(leaves)
    root = levels[-1][0]

    for index, leaf in enumerate(leaves):
        path = path_of(levels, index)
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
        path = path_of(levels, index)
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

    found = root_from_path(leaves[index], index=index, count=other, path=path_of(levels, index))

    if other <= index:
        assert found is None
    elif other == count:
        assert found == levels[-1][0]


def test_a_count_that_needs_another_path_is_refused() -> None:
    leaves = leaves_of(8)
    levels = merkle_levels(leaves)

    assert root_from_path(leaves[0], index=0, count=9, path=path_of(levels, 0)) is None
    assert root_from_path(leaves[0], index=0, count=4, path=path_of(levels, 0)) is None


def test_the_tree_is_that_of_rfc_6962() -> None:
    a, b, c = leaves_of(3)

    root = merkle_levels([a, b, c])[-1][0]

    left = sha256(b"\x01" + a + b).digest()
    assert root == sha256(b"\x01" + left + c).digest()
    assert leaf_hash(b"id", b"r") == sha256(b"\x00idr").digest()


def test_a_tree_needs_a_leaf() -> None:
    with pytest.raises(ValueError, match="leaf"):
        merkle_levels([])
