"""A signature is good for one message, one purpose and one key."""

from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waitroom.log.signing import LogKey, verify_closing, verify_head

ROOM, LINE, HEAD = "drop", "main-1", sha256(b"head").digest()
SECRET = bytes.fromhex("11" * 32)


def test_a_signature_is_good_for_what_was_signed_and_nothing_else() -> None:
    key = LogKey(SECRET)
    closing: dict[str, Any] = {"room": ROOM, "line": LINE, "count": 10, "head": HEAD}
    head: dict[str, Any] = {"room": ROOM, "seq": 7, "head": HEAD}

    closed, at_head = key.sign_closing(**closing), key.sign_head(**head)

    assert verify_closing(key.public, closed, **closing)
    assert verify_head(key.public, at_head, **head)
    for name, other in (("room", "x"), ("line", "x"), ("count", 11), ("head", bytes(32))):
        assert not verify_closing(key.public, closed, **{**closing, name: other})
    for name, other in (("room", "x"), ("seq", 8), ("head", bytes(32))):
        assert not verify_head(key.public, at_head, **{**head, name: other})
    assert not verify_closing(LogKey(bytes(32)).public, closed, **closing)
    assert not verify_closing(key.public, at_head, **closing)


@pytest.mark.parametrize("broken", [b"", bytes(31), bytes(32), bytes(64)])
def test_what_is_no_key_and_what_is_no_signature_verifies_nothing(broken: bytes) -> None:
    key = LogKey(SECRET)
    signature = key.sign_head(room=ROOM, seq=7, head=HEAD)

    assert not verify_head(broken, signature, room=ROOM, seq=7, head=HEAD)
    assert not verify_head(key.public, broken, room=ROOM, seq=7, head=HEAD)


def test_the_keys_of_the_log_and_of_the_tickets_have_nothing_in_common() -> None:
    of_the_secret = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()

    assert LogKey(SECRET).public != of_the_secret
    assert LogKey(SECRET).public == LogKey(SECRET).public
    assert LogKey(SECRET).public != LogKey(bytes(32)).public
