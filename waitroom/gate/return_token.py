"""A signed return address: where a shopper wanted to go when a gate sent them to its room. Pure.

The signature binds the address to the room and to this service, so that no stranger can lead a
shopper of a room to another page of the site with a link of their own making.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit, urlunsplit

from inventory.catalogue import ROOM
from inventory.kit.signing import Seal

PURPOSE = "waitroom.gate.return.1"
# In base64 and with its signature it has to fit into a cookie of 4 KB.
SIGNED_LENGTH_MAX = 1500
_FORM = re.compile(rf"({ROOM})\.([A-Za-z0-9_-]+={{0,2}})")


class ReturnSeal:
    """Signs return addresses and reads them back."""

    def __init__(self, secret_keys: list[bytes]) -> None:
        self._seal = Seal(secret_keys, PURPOSE)

    def sign(self, room: str, address: str) -> str:
        """Return the token of an address; one that is too long loses its query."""
        if len(address) > SIGNED_LENGTH_MAX:
            parts = urlsplit(address)
            path = parts.path if len(parts.path) < SIGNED_LENGTH_MAX // 2 else "/"
            address = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        return self._seal.sign(f"{room}.{urlsafe_b64encode(address.encode()).decode()}")

    def open(self, room: str, token: str) -> str | None:
        """Return the address of a token that was signed for this room, or None."""
        found = _FORM.fullmatch(self._seal.open(token) or "")
        if found is None or found[1] != room:
            return None
        return urlsafe_b64decode(found[2]).decode()
