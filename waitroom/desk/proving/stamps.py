"""Stamps for browsers that wait instead of working.

A stamp names the room and its holder, and counts as a proof from a later moment on. It is signed,
so none is kept here. Waiting is no cheaper than the work, since few are taken from one network in
a minute (`Proofs`).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from inventory.kit.signing import Seal

_PURPOSE = "waitroom.proof.stamp.1"
# The wait at level 1; as many times longer as the level is high.
WAIT_S = 15
# A stamp is used in this time, or it is worth nothing.
USED_WITHIN_S = 600
_FIELDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """An opened stamp: its name, and the seconds until it counts, 0 once it does."""

    name: str
    wait_s: int


class Stamps:
    def __init__(self, keys: Sequence[bytes]) -> None:
        self._seal = Seal(keys, _PURPOSE)

    def make(self, room: str, owner: str, level: int, *, now: float) -> str:
        """Return a stamp that counts after the wait of its level. `now` is in Unix time."""
        due = int(now) + WAIT_S * level
        name = secrets.token_hex(8)
        return self._seal.sign(f"{room} {name} {due} {_digest(owner)}")

    def opened(self, room: str, owner: str | None, text: str, *, now: float) -> Stamp | None:
        """Return the stamp of this holder in this room, None for none and for one that is over.

        Without a holder any holder's is opened: to show it, and not to take it.
        """
        signed = self._seal.open(text)
        fields = [] if signed is None else signed.split(" ")
        if (
            len(fields) != _FIELDS
            or fields[0] != room
            or (owner is not None and fields[3] != _digest(owner))
        ):
            return None
        due = int(fields[2])
        if now > due + USED_WITHIN_S:
            return None
        return Stamp(name=fields[1], wait_s=max(due - int(now), 0))


def _digest(owner: str) -> str:
    return sha256(owner.encode()).hexdigest()[:32]
