"""Sessions: a claimed admission as a signed right to check out. Pure."""

import re

import msgspec

from inventory.catalogue import ROOM
from inventory.kit.language.language import phrase
from inventory.kit.signing import Seal
from inventory.refusals import SessionOver

PURPOSE = "waitroom.session.1"
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
    """

    def __init__(self, secret_keys: list[bytes]) -> None:
        self._seal = Seal(secret_keys, PURPOSE)

    def sign(self, session: Session) -> str:
        came_for = f".{session.sku}" if session.sku else ""
        return self._seal.sign(f"{session.session_id}.{session.room}{came_for}")

    def open(self, token: str) -> Session:
        """Return the session; raises `SessionOver` for anything that we did not sign."""
        match = _FORM.fullmatch(self._seal.open(token) or "")
        if match is None:
            raise SessionOver(phrase("There is no valid session with this request."))
        return Session(session_id=int(match[1]), room=match[2], sku=match[3] or "")
