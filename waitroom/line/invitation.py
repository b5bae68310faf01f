"""Invitations: links that are worth one place each. Pure.

A link holds the number of a batch, an index in it, and a signature over both: nothing personal, and
no row of its own. Everything else about it is in its batch's row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inventory.kit.signing import Seal
from waitroom.refusals import InvitationInvalid

PURPOSE = "waitroom.invitation.1"
# The most links in one batch: as many as one answer can carry.
COUNT_MAX = 100_000
# The prefix of invitations' keys, among all keys that stand for one place. These keys are shorter
# than a hash, so they never equal a customer's key.
_KEY_PREFIX = b"invitation:"
_FORM = re.compile(r"([1-9][0-9]{0,9})\.([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """The link number `index`, from 1, of a batch."""

    batch: int
    index: int

    def text(self) -> str:
        """Return the canonical form: one invitation, one spelling."""
        return f"{self.batch}.{self.index}"

    def key(self) -> bytes:
        """Return the key of its one place; the keys of a batch are contiguous."""
        return _KEY_PREFIX + self.batch.to_bytes(4) + self.index.to_bytes(4)


def parse_invitation(text: str) -> Invitation | None:
    """Read the canonical form back; None for anything else."""
    match = _FORM.fullmatch(text)
    return None if match is None else Invitation(batch=int(match[1]), index=int(match[2]))


class InvitationSeal:
    """Sign invitations and read them back, by HMAC-SHA256 with the keys of the room's service."""

    def __init__(self, secret_keys: Sequence[bytes]) -> None:
        self._seal = Seal(secret_keys, PURPOSE)

    def sign(self, invitation: Invitation) -> str:
        return self._seal.sign(invitation.text())

    def open(self, token: str) -> Invitation:
        """Return the invitation; raises `InvitationInvalid` for anything that we did not sign."""
        text = self._seal.open(token)
        invitation = None if text is None else parse_invitation(text)
        if invitation is None:
            raise InvitationInvalid
        return invitation

    def links(self, base_url: str, room: str, *, batch: int, count: int) -> list[str]:
        """Return the addresses of a batch's invitations, in order.

        A token has only characters that need no escaping in a query (RFC 3986, section 2.3).
        """
        return [
            f"{base_url}/rooms/{room}?invitation={self.sign(Invitation(batch=batch, index=index))}"
            for index in range(1, count + 1)
        ]
