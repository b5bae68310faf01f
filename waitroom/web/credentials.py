"""The credentials in a shopper's request: ticket, session, invitation, customer token, join key.

Browsers carry them in cookies, programs as a bearer token. Only this module knows the cookies'
names and flags, and so it also reads which version of the state document a client has seen.
"""

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

from aiohttp import web

from checkout.sessions import session_cookie
from inventory.kit.doors.client import bearer, client_network
from inventory.kit.doors.cookies import (
    OURS_BYTES_MAX,
    Kind,
    RoomCookie,
    cookies_in,
    surplus,
    values_of,
)
from inventory.kit.doors.keys import is_unique
from inventory.kit.doors.query import Whole
from inventory.kit.http import idempotency_key
from inventory.kit.language.asked import ROOM_LANGUAGE
from inventory.kit.limits.limited import spend_as_bearer
from waitroom.desk.board import Board, RoomView
from waitroom.desk.entrance import Brought
from waitroom.desk.standing import TicketStanding
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    CookiesNeeded,
    IdempotencyKeyWeak,
    LineOver,
    NoTicket,
    TicketMoved,
)

COOKIES = "waitroom_"
TICKET_COOKIE = "waitroom_ticket_"
INVITATION_COOKIE = "waitroom_invitation_"
# Connectors on the sites look for this name.
PASS_COOKIE = "waitroom_pass_"  # noqa: S105 - the name of a cookie
VISITOR_COOKIE = "waitroom_visitor"
VISITOR_BYTES = 16
_VISITOR = re.compile(rf"[0-9a-f]{{{2 * VISITOR_BYTES}}}")
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
# The sign between name and value, and what stands between two cookies.
_COOKIE_FRAME = 3


VERSION = Whole(
    name="version",
    text="The latest version of the state document that the client has seen. The place in the "
    "answer is then of that version or a later one, so it never rises.",
    default=0,
    low=0,
    high=VERSION_MAX,
)


class Credentials:
    """Reads a shopper's credentials from requests and writes them into responses.

    `secure` is for sites on https: the cookies are then bound to the host.
    """

    def __init__(self, board: Board, *, secure: bool) -> None:
        self._board = board
        self._secure = secure
        self._prefix = "__Host-" if secure else ""
        flags = f"HttpOnly; Max-Age={COOKIE_MAX_AGE_S}; Path=/; SameSite=Lax"
        self._flags = f"{flags}; Secure" if secure else flags
        self._flags_of_none = self._flags.replace(f"={COOKIE_MAX_AGE_S};", "=0;")
        # The beginnings of the names of a room's cookies; the rest is the room.
        self._starts = {
            Kind.TICKET: self._ticket_cookie(""),
            Kind.INVITATION: self._invitation_cookie(""),
            Kind.SESSION: session_cookie("", secure=secure),
            Kind.PASS: self._prefix + PASS_COOKIE,
        }

    async def room_of(self, request: web.Request) -> RoomView:
        """Return the room that the path names; raises `NotFound`, or `Busy` while unsure."""
        view = await self._board.find(request.match_info["room"])
        request[ROOM_LANGUAGE] = view.rules.language
        return view

    def ticket_of(self, request: web.Request, view: RoomView) -> Ticket:
        """Return the ticket that a request carries.

        A bearer token that is no ticket may be another service's; then the cookie counts. Raises
        `NoTicket` or `TicketMoved`, and `TooManyRequests` for a bearer who asks too often.
        """
        ticket = self._first_good(self._tokens(request, view), view)
        spend_as_bearer(request, ticket.place_text())
        return ticket

    def _first_good(self, tokens: Iterable[str], view: RoomView) -> Ticket:
        refusal: NoTicket | None = None
        for token in tokens:
            try:
                return self._board.ticket_of(view, token)
            except NoTicket as error:
                # The first that says more than that it is no ticket of this room is told.
                refusal = refusal if isinstance(refusal, LineOver) else error
        raise refusal or NoTicket()

    def ticket_if_any(self, request: web.Request, view: RoomView) -> Ticket | None:
        """Return the ticket that a request carries, None for none; raises `TicketMoved`."""
        tokens = self._tokens(request, view)
        if not tokens:
            return None
        try:
            return self._first_good(tokens, view)
        except NoTicket:
            return None

    def _tokens(self, request: web.Request, view: RoomView) -> list[str]:
        token = bearer(request)
        sent = _sent(request, self._ticket_cookie(view.room))
        return sent if token is None else [token, *sent]

    def former_ticket(self, request: web.Request, view: RoomView) -> tuple[Ticket | None, bool]:
        """Return the ticket of a request, if it carries one, and whether the place is still its.

        A ticket whose place moved to another device is returned too.
        """
        try:
            return self.ticket_of(request, view), True
        except TicketMoved:
            return self._opened(_sent(request, self._ticket_cookie(view.room))), False
        except NoTicket:
            return None, False

    def _opened(self, tokens: Iterable[str]) -> Ticket | None:
        """Return the first ticket among these that this service has signed."""
        for token in tokens:
            with suppress(NoTicket):
                return self._board.seal.open(token)
        return None

    def brought(
        self,
        request: web.Request,
        view: RoomView,
        *,
        invitation: str,
        customer_token: str,
        proof: str = "",
        check: str = "",
    ) -> Brought:
        """Return what a join brings: its own fields first, then the cookie and the bearer token."""
        return Brought(
            invitation=invitation,
            invitations_kept=tuple(_sent(request, self._invitation_cookie(view.room))),
            customer_token=customer_token
            or (_customer_token(request) if view.rules.join_by == "customer" else ""),
            network=client_network(request),
            proof=proof,
            check=check,
        )

    def join_key(
        self, request: web.Request, view: RoomView, *, former: Ticket | None, random: bytes = b""
    ) -> str | None:
        """Return the key of a join, None where a person or a former ticket recognises a repeat.

        Raises `IdempotencyKeyWeak`.
        """
        if former is not None or view.rules.join_by != "open":
            return None
        return self.repeat_key(request, random=random)

    def repeat_key(self, request: web.Request, *, random: bytes = b"") -> str | None:
        """Return what recognises a repeated request: the client's key, else the browser's id.

        Two strangers may both send `order-42`, and one must not get the ticket of the other. Such a
        key counts within one browser, or beside one `random` value. An address would not do in
        their place, since many people share one. Raises `IdempotencyKeyWeak`.
        """
        key, visitor = idempotency_key(request, required=False), self._visitor_of(request)
        if key is None:
            return f"v:{visitor}" if visitor else None
        if is_unique(key):
            return f"k:{key}"
        if visitor:
            return f"w:{visitor}:{key}"
        if is_unique(shown := random.hex()):
            return f"r:{shown}:{key}"
        raise IdempotencyKeyWeak

    def _visitor_of(self, request: web.Request) -> str:
        """Return the browser's id, "" for none.

        It has to be one that this service could have made; a client's own guess is not worth a key.
        """
        sent = _sent(request, self._visitor_cookie)
        return next((visitor for visitor in sent if _VISITOR.fullmatch(visitor)), "")

    def seen(self, request: web.Request) -> int:
        """Return the latest version of the state document that a client has seen, 0 for none.

        Scripts and programs name it in the query. A script names none at first; then the cookie
        tells the version of the page that it stands on.
        """
        return max(VERSION.of(request.query), self.seen_on_page(request))

    @staticmethod
    def seen_on_page(request: web.Request) -> int:
        """Return the version that a browser's last page showed, 0 for none."""
        versions = [
            min(int(text), VERSION_MAX)
            for text in _sent(request, SEEN_COOKIE)
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
        return bool(_sent(request, MAILED_COOKIE))

    def keep_mailed(self, response: web.StreamResponse, view: RoomView) -> None:
        """Note that the place of this browser may have left an address."""
        self._note(response, view, f"{MAILED_COOKIE}=1", max_age_s=COOKIE_MAX_AGE_S)

    def keep_choice(self, response: web.StreamResponse, view: RoomView, sku: str) -> None:
        """Note what a shopper came for who has to bring something before they can join."""
        self._note(response, view, f"{CHOICE_COOKIE}={sku}", max_age_s=CHOICE_MAX_AGE_S)

    def keep_return(self, response: web.StreamResponse, view: RoomView, token: str) -> None:
        """Note where a shopper wants to go who waits here."""
        self._note(response, view, f"{RETURN_COOKIE}={token}", max_age_s=COOKIE_MAX_AGE_S)

    def keep_stamp(self, response: web.StreamResponse, view: RoomView, stamp: str) -> None:
        """Keep a stamp that counts as a proof later, "" to forget it."""
        max_age_s = CHOICE_MAX_AGE_S if stamp else 0
        self._note(response, view, f"{STAMP_COOKIE}={stamp}", max_age_s=max_age_s)

    @staticmethod
    def stamp_of(request: web.Request) -> str:
        return next(iter(_sent(request, STAMP_COOKIE)), "")

    @staticmethod
    def choice_of(request: web.Request, standing: TicketStanding | None) -> str:
        """Return the SKU that a browser without a place came for before, "" for none."""
        return next(iter(_sent(request, CHOICE_COOKIE)), "") if standing is None else ""

    def _note(
        self, response: web.StreamResponse, view: RoomView, cookie: str, *, max_age_s: int
    ) -> None:
        """Set a cookie that goes to this room alone."""
        flags = f"HttpOnly; Max-Age={max_age_s}; Path=/rooms/{view.room}; SameSite=Lax"
        secure = "; Secure" if self._secure else ""
        response.headers.add("Set-Cookie", f"{cookie}; {flags}{secure}")

    def keep_ticket(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, token: str
    ) -> None:
        self._keep(request, response, view.room, self._ticket_cookie(view.room), token)

    def forget_ticket(self, response: web.StreamResponse, view: RoomView) -> None:
        response.del_cookie(self._ticket_cookie(view.room), secure=self._secure)

    def keep_session(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, token: str
    ) -> None:
        name = session_cookie(view.room, secure=self._secure)
        self._keep(request, response, view.room, name, token)

    def keep_pass(
        self, request: web.Request, response: web.StreamResponse, room: str, text: str
    ) -> None:
        """Keep a pass for a site on this host, which verifies it by itself."""
        self._keep(request, response, room, f"{self._prefix}{PASS_COOKIE}{room}", text)

    def keep_invitation(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, token: str
    ) -> None:
        self._keep(request, response, view.room, self._invitation_cookie(view.room), token)

    def require_cookies(self, request: web.Request) -> None:
        """Raise `CookiesNeeded` for a join by a page whose browser has sent no cookie of ours.

        Each page sets one before anyone can join from it. A browser that does not send it would
        not keep a ticket either, and would take another number at each visit. Programs say nothing
        of an origin, or bring a key or a token. The refusal sets the cookie once more, for a
        browser that lost it meanwhile.
        """
        if "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers:
            return
        own = self._prefix + COOKIES
        if (
            any(name.startswith(own) for name, _ in cookies_in(_cookie_lines(request)))
            or "Idempotency-Key" in request.headers
            or bearer(request) is not None
        ):
            return
        raise CookiesNeeded(headers={"Set-Cookie": self._visitor()})

    def _visitor(self) -> str:
        return f"{self._visitor_cookie}={secrets.token_hex(VISITOR_BYTES)}; {self._flags}"

    def keep_visitor(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give a browser an id, unless it has one, so that a tab and its twin join once."""
        if not self._visitor_of(request):
            response.headers.add("Set-Cookie", self._visitor())

    def _keep(
        self,
        request: web.Request,
        response: web.StreamResponse,
        room: str,
        name: str,
        value: str,
    ) -> None:
        """Set a cookie whose value is a token of ours, with no character that needs quoting.

        `response.set_cookie` parses and quotes its value, which would cost a tenth of a join.
        """
        response.headers.add("Set-Cookie", f"{name}={value}; {self._flags}")
        size = len(name) + len(value) + _COOKIE_FRAME
        if sum(map(len, _cookie_lines(request))) + size > OURS_BYTES_MAX:
            for dropped in self._surplus(request, room, name, size):
                response.headers.add("Set-Cookie", f"{dropped}=; {self._flags_of_none}")

    def _surplus(self, request: web.Request, room: str, name: str, size: int) -> list[str]:
        """Return the cookies of ours that have no place beside a new one of this size."""
        ours: Counter[str] = Counter()
        for one, value in cookies_in(_cookie_lines(request)):
            if one.startswith(self._prefix + COOKIES) and one != name:
                ours[one] += len(one) + len(value) + _COOKIE_FRAME
        kept = [
            RoomCookie(name=one, room=one.removeprefix(start), kind=kind, size=ours[one])
            for one in ours
            for kind, start in self._starts.items()
            if one.startswith(start)
        ]
        going_on = {
            other for other, known in self._board.rooms.items() if known.rules.status != "ended"
        }
        over_by = sum(ours.values()) + size - OURS_BYTES_MAX
        return surplus(kept, over_by=over_by, room=room, going_on=going_on)

    def _ticket_cookie(self, room: str) -> str:
        return f"{self._prefix}{TICKET_COOKIE}{room}"

    def _invitation_cookie(self, room: str) -> str:
        return f"{self._prefix}{INVITATION_COOKIE}{room}"

    @property
    def _visitor_cookie(self) -> str:
        return self._prefix + VISITOR_COOKIE


def _sent(request: web.Request, name: str) -> list[str]:
    return values_of(_cookie_lines(request), name)


def _cookie_lines(request: web.Request) -> Sequence[str]:
    return request.headers.getall("Cookie", ())


def _customer_token(request: web.Request) -> str:
    """Return the bearer token, unless it is a ticket: those have a `~`, which no JWT has."""
    token = bearer(request) or ""
    return "" if "~" in token else token
