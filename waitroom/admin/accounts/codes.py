"""Codes that a person types, and the hashes that the database keeps of secrets."""

import secrets
from hashlib import sha256

# Letters and digits that are not mistaken for others.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5


def make_code() -> str:
    """Return a code such as ab2cd-…, of some hundred random bits."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def code_hash(typed: str) -> bytes:
    """Return the hash of a code however it was typed: in capitals, with spaces, without dashes."""
    bare = "".join(letter for letter in typed.lower() if letter.isalnum())
    return fingerprint("-".join(bare[at : at + _GROUP] for at in range(0, len(bare), _GROUP)))


def fingerprint(secret: str) -> bytes:
    """Return the hash that the database keeps of a secret.

    Our secrets have some hundred random bits and more, so a plain hash cannot be searched, and a
    leaked table is useless.
    """
    return sha256(secret.encode()).digest()
