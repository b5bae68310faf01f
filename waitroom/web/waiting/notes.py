"""Notes that pages keep in cookies of a browser, which open nothing, and read again.

They say which version of the state document the last page showed, what a shopper came for, and the
like. A note is sent under the path of its room alone, so that many rooms make no request longer.
"""

from collections.abc import Sequence

from aiohttp import web

from inventory.kit.doors.cookies import COOKIE, values_of
from inventory.kit.doors.query import Whole
from inventory.kit.http import read_query
from waitroom.desk.board import RoomView
from waitroom.desk.standing import TicketStanding

COOKIE_MAX_AGE_S = 7 * 24 * 3600
# Sent under the room's own path alone, so that many rooms make no request longer.
SEEN_COOKIE = "waitroom_seen"
# No worker lags behind another for this long.
SEEN_MAX_AGE_S = 3600
# Says under the same path that this browser has left an address, so that its pages ask for it.
MAILED_COOKIE = "waitroom_mailed"
# Keeps what a shopper came for while they sign in at the shop or look for their invitation.
CHOICE_COOKIE = "waitroom_choice"
CHOICE_MAX_AGE_S = 3600
# Keeps where a shopper wants to go once they are let in, signed.
RETURN_COOKIE = "waitroom_return"
# Keeps a stamp that counts as a proof once the browser has waited.
STAMP_COOKIE = "waitroom_stamp"
# Greater than any document's version, and exact in every JSON reader.
VERSION_MAX = 2**53
_VERSION_DIGITS_MAX = 16
VERSION = Whole(
    name="version",
    text="The latest version of the state document that the client has seen. The place in the "
    "answer is then of that version or a later one, so it never rises.",
    default=0,
    low=0,
    high=VERSION_MAX,
)


class Notes:
    """Reads notes from requests, and writes them into responses. `secure` is for sites on https."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    def seen(self, request: web.Request) -> int:
        """Return the latest version of the state document that a client has seen, 0 for none.

        Scripts and programs name it in the query. A script names none at first; then the cookie
        tells the version of the page that it stands on.
        """
        return max(VERSION.of(read_query(request)), self.seen_on_page(request))

    @staticmethod
    def seen_on_page(request: web.Request) -> int:
        """Return the version that a browser's last page showed, 0 for none."""
        versions = [
            min(int(text), VERSION_MAX)
            for text in sent(request, SEEN_COOKIE)
            if text.isascii() and text.isdigit() and len(text) <= _VERSION_DIGITS_MAX
        ]
        return max(versions, default=0)

    def keep_seen(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, version: int
    ) -> None:
        """Note the version of the place on a page, so that no reload shows a greater place."""
        if version > self.seen_on_page(request):
            self._note(response, view, f"{SEEN_COOKIE}={version}", max_age_s=SEEN_MAX_AGE_S)

    @staticmethod
    def asked_for_mail(request: web.Request) -> bool:
        """Say whether this browser may have left an address in the room."""
        return bool(sent(request, MAILED_COOKIE))

    def keep_mailed(self, response: web.StreamResponse, view: RoomView) -> None:
        """Note that the place of this browser may have left an address."""
        self._note(response, view, f"{MAILED_COOKIE}=1", max_age_s=COOKIE_MAX_AGE_S)

    def keep_choice(self, response: web.StreamResponse, view: RoomView, sku: str) -> None:
        """Note the SKU of a shopper who has to bring something before they can join."""
        self._note(response, view, f"{CHOICE_COOKIE}={sku}", max_age_s=CHOICE_MAX_AGE_S)

    def keep_return(self, response: web.StreamResponse, view: RoomView, token: str) -> None:
        """Note the address that a waiting shopper wants to go on to."""
        self._note(response, view, f"{RETURN_COOKIE}={token}", max_age_s=COOKIE_MAX_AGE_S)

    def keep_stamp(self, response: web.StreamResponse, view: RoomView, stamp: str) -> None:
        """Keep a stamp that counts as a proof later, "" to forget it."""
        max_age_s = CHOICE_MAX_AGE_S if stamp else 0
        self._note(response, view, f"{STAMP_COOKIE}={stamp}", max_age_s=max_age_s)

    @staticmethod
    def stamp_of(request: web.Request) -> str:
        return next(iter(sent(request, STAMP_COOKIE)), "")

    @staticmethod
    def choice_of(request: web.Request, standing: TicketStanding | None) -> str:
        """Return the SKU that a browser without a place came for before, "" for none."""
        return next(iter(sent(request, CHOICE_COOKIE)), "") if standing is None else ""

    def _note(
        self, response: web.StreamResponse, view: RoomView, cookie: str, *, max_age_s: int
    ) -> None:
        """Set a cookie that goes to this room alone."""
        flags = f"HttpOnly; Max-Age={max_age_s}; Path=/rooms/{view.room}; SameSite=Lax"
        secure = "; Secure" if self._secure else ""
        response.headers.add("Set-Cookie", f"{cookie}; {flags}{secure}")


def sent(request: web.Request, name: str) -> list[str]:
    """Return the values of the cookies of this name."""
    return values_of(cookie_lines(request), name)


def cookie_lines(request: web.Request) -> Sequence[str]:
    """Return the lines of cookies in a request."""
    return request.headers.getall(COOKIE, ())
