"""Hand-over tokens: a session on its way to a site on another host. Pure.

A cookie belongs to the host that set it, so a session cannot follow its shopper to another host.
The shopper's browser carries a token there instead. It is bound to the room and to the address that
the shopper goes to, lives a minute, and is spent once: what stays behind in a log or a history is
worth nothing.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inventory.catalogue import ROOM
from inventory.kit.signing import Seal

PURPOSE = "waitroom.gate.hand-over.1"
NONCE_BYTES = 16
LIFE = timedelta(seconds=60)
_FORM = re.compile(
    rf"({ROOM})\.([1-9][0-9]{{0,18}})\.([0-9]{{1,12}})\.([0-9a-f]{{32}})\.([\w-]*=*)\.([\w-]+=*)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A session in a room, on its way to `address`.

    `sku` is what the shopper came for, "" for anything. The token is good until `until`, in whole
    seconds; `nonce` is what is spent.
    """

    room: str
    session_id: int
    sku: str
    until: datetime
    nonce: bytes
    address: str


class HandOverSeal:
    """Signs hand-over tokens and reads them back."""

    def __init__(self, secret_keys: list[bytes]) -> None:
        self._seal = Seal(secret_keys, PURPOSE)

    def sign(self, token: HandOver) -> str:
        parts = (
            token.room,
            str(token.session_id),
            str(int(token.until.timestamp())),
            token.nonce.hex(),
            urlsafe_b64encode(token.sku.encode()).decode(),
            urlsafe_b64encode(token.address.encode()).decode(),
        )
        return self._seal.sign(".".join(parts))

    def open(self, text: str) -> HandOver | None:
        """Return what a token says, None for anything that we did not sign."""
        found = _FORM.fullmatch(self._seal.open(text) or "")
        if found is None:
            return None
        return HandOver(
            room=found[1],
            session_id=int(found[2]),
            until=datetime.fromtimestamp(int(found[3]), UTC),
            nonce=bytes.fromhex(found[4]),
            sku=urlsafe_b64decode(found[5]).decode(),
            address=urlsafe_b64decode(found[6]).decode(),
        )
