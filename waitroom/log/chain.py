"""The room's log: a chain of hashes over entries, a Merkle tree over each tick's tickets. Pure.

An entry's hash is SHA-256 over the hash before it and the entry's exact text, so an entry cannot
be changed, dropped or put in later without changing every hash after it. A tick of joins is one
entry with the Merkle root of its tickets, and the path from a ticket to that root is the shopper's
receipt. The tree is that of RFC 6962, section 2.1: leaves and nodes are hashed with different
prefixes, and an odd node moves up unchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

LEAF, NODE = b"\x00", b"\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry as it is stored: its number from 1, its exact text, and its hash of 32 bytes."""

    seq: int
    body: str
    hash: bytes


# An entry as an address or a file has it, before it is checked: whatever JSON object that is.
Served = Mapping[str, Any]


def fields(*parts: bytes) -> bytes:
    """Join parts unambiguously: each follows its length in 4 bytes, big-endian."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def leaf_hash(ticket_id: bytes, random: bytes) -> bytes:
    """Hash a ticket's id with the random value that its shopper chose, empty if none."""
    return sha256(LEAF + ticket_id + random).digest()


def _parents(level: Sequence[bytes]) -> list[bytes]:
    pairs = [sha256(NODE + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def merkle_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the tree from the leaves up; the last level is the root alone."""
    if not leaves:
        raise ValueError("a tree needs a leaf")
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        levels.append(_parents(levels[-1]))
    return levels


def merkle_paths(levels: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Return for each leaf the neighbours up to the root, one after another, for its receipt.

    A path is a neighbour and the path of the parent, so those of a tick take two steps a leaf.
    """
    paths = [b""]
    for level in reversed(levels[:-1]):
        # An odd node has no neighbour.
        pairs = [*level, b""]
        paths = [pairs[index ^ 1] + paths[index // 2] for index in range(len(level))]
    return paths


def root_from_path(leaf: bytes, *, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """Compute the root that a path leads to, or None if the path has the wrong length."""
    if not 0 <= index < count:
        return None
    node, steps = leaf, iter(path)
    while count > 1:
        if index ^ 1 < count:
            neighbour = next(steps, None)
            if neighbour is None:
                return None
            node = sha256(NODE + (neighbour + node if index % 2 else node + neighbour)).digest()
        index, count = index // 2, (count + 1) // 2
    return node if next(steps, None) is None else None


def chain_hash(previous: bytes, body: str) -> bytes:
    """Return the hash of an entry; `previous` is the hash before it, empty for the first."""
    return sha256(previous + body.encode()).digest()
