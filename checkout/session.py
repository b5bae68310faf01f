"""Sessions: a claimed admission as a signed right to check out. Pure."""

import hmac
import re
from uuid import UUID

import msgspec

from inventory.catalogue import ROOM
from inventory.kit.doors.client_address import is_loopback
from inventory.kit.holders.marks import Shows, bound, no_one, unbound
from inventory.kit.language.language import phrase
from inventory.kit.signing import KeyedHash, Seal
from inventory.refusals import SessionBound, SessionOver

PURPOSE = "waitroom.session.1"
_MARKING = b"waitroom.network.1"
MARK_BYTES = 8
_FORM = re.compile(rf"([1-9][0-9]{{0,18}})\.({ROOM})(?:\.([A-Za-z0-9][A-Za-z0-9._-]{{0,62}}))?")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The admission's number in the books, and the room it belongs to.

    `sku` is what the shopper came for, "" for anything: the ticket named it.
    """

    session_id: int
    room: str
    sku: str = ""


def checkout_url(room: str) -> str:
    """Return the address of a room's checkout, which is this one in whichever tab it is opened."""
    return f"/checkout?room={room}"


class SessionSeal:
    """Sign sessions and read them back.

    The deadline is not in the token: it can move (an outage, an early leaving), so the database
    is asked whenever a session is used to change something.
    Networks are marked under the `first` key of the service, which outlives rotations, so that the
    sessions of one network have one mark; None stands for the oldest of `secret_keys`.
    """

    def __init__(self, secret_keys: list[bytes], *, first: bytes | None = None) -> None:
        self._seal = Seal(secret_keys, PURPOSE)
        self._marks = KeyedHash(hmac.digest(first or secret_keys[0], _MARKING, "sha256"))

    def mark(self, network: str, *, salt: UUID) -> bytes | None:
        """Return the mark of a network that a session keeps when it is claimed from there.

        Equal marks are of one network, and say nothing else: without the secret keys no addresses
        can be tried against them, and rooms with other salts have other marks. The machine itself
        has none: behind a proxy that is not listed as trusted it would stand for all shoppers.
        """
        if not network or is_loopback(network):
            return None
        return self._marks.digest(salt.bytes + network.encode())[:MARK_BYTES]

    def sign(self, session: Session, mark: str = "") -> str:
        """Return a token for the holder of this mark, or for any bearer without one."""
        came_for = f".{session.sku}" if session.sku else ""
        return self._seal.sign(bound(f"{session.session_id}.{session.room}{came_for}", mark))

    def open(self, token: str, shows: Shows = no_one) -> Session:
        """Return the session; `shows` says whether its bearer is the one that it is bound to.

        Raises `SessionOver` for anything that we did not sign, and `SessionBound`.
        """
        text, mark = unbound(self._seal.open(token) or "")
        match = _FORM.fullmatch(text)
        if match is None:
            raise SessionOver(phrase("There is no valid session with this request."))
        if mark and not shows(mark):
            raise SessionBound(room=match[2])
        return Session(session_id=int(match[1]), room=match[2], sku=match[3] or "")
