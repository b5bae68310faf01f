"""The credentials in a shopper's request: ticket, session, invitation, customer token, join key.

Browsers carry them in cookies, programs as a bearer token. Only this module knows the cookies'
names and flags, and so it also reads which version of the state document a client has seen.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from aiohttp import web

from checkout.session import Session, SessionSeal
from checkout.sessions import session_cookie
from inventory.kit.database import work_for
from inventory.kit.doors.client import bearer
from inventory.kit.doors.cookies import (
    OURS_BYTES_MAX,
    Kind,
    RoomCookie,
    cookies_in,
    surplus,
)
from inventory.kit.doors.keys import is_unique
from inventory.kit.holders.holders import Given, Holders, by_page, new_id
from inventory.kit.holders.marks import mark_of_app
from inventory.kit.http import idempotency_key
from inventory.kit.language.asked import ROOM_LANGUAGE
from inventory.kit.limits.limited import Limits
from waitroom.desk.board import Board, RoomView
from waitroom.desk.entrance import Brought
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    CookiesNeeded,
    IdempotencyKeyWeak,
    LineOver,
    NoTicket,
    TicketBound,
    TicketMoved,
)
from waitroom.web.waiting.notes import COOKIE_MAX_AGE_S, Notes, cookie_lines, sent

COOKIES = "waitroom_"
TICKET_COOKIE = "waitroom_ticket_"
INVITATION_COOKIE = "waitroom_invitation_"
# Connectors on the sites look for this name.
PASS_COOKIE = "waitroom_pass_"  # noqa: S105 - the name of a cookie
# The sign between name and value, and what stands between two cookies.
_COOKIE_FRAME = 3
# The refusals of a request whose ticket gives it no place here, although it may have had one.
NOT_HERE = (NoTicket, TicketMoved, TicketBound)


class Credentials(Notes):
    """Reads a shopper's credentials from requests and writes them into responses.

    `secure` is for sites on https: the cookies are then bound to the host.
    """

    def __init__(
        self, board: Board, sessions: SessionSeal, *, limits: Limits, secure: bool
    ) -> None:
        self._board = board
        self._sessions = sessions
        self._limits = limits
        self.clients = limits.clients
        self.holders = Holders(secure=secure)
        super().__init__(secure=secure)
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
        room = request.match_info["room"]
        view = self._board.rooms.get(room)
        if view is None:
            view = await self._board.find(room)
        else:
            work_for(room)
        request[ROOM_LANGUAGE] = view.rules.language
        return view

    def ticket_of(self, request: web.Request, view: RoomView) -> Ticket:
        """Return the ticket that a request carries.

        A bearer token that is no ticket may be another service's; then the cookie counts. Raises
        the refusals of `NOT_HERE`, and `TooManyRequests` for a bearer who asks too often.
        """
        ticket = self._first_good(request, self._tokens(request, view), view)
        self._limits.spend_as_bearer(request, ticket.ticket_id)
        return ticket

    def _first_good(self, request: web.Request, tokens: Iterable[str], view: RoomView) -> Ticket:
        refusal: NoTicket | TicketBound | None = None
        shows = self.holders.shows(request)
        for token in tokens:
            try:
                return self._board.ticket_of(view, token, shows)
            except (NoTicket, TicketBound) as error:
                # The first that says more than that it is no ticket of this room is told.
                refusal = refusal if isinstance(refusal, LineOver | TicketBound) else error
        raise refusal or NoTicket()

    def ticket_if_any(self, request: web.Request, view: RoomView) -> Ticket | None:
        """Return the ticket that a request carries, None for none.

        Raises `TicketMoved` and `TicketBound`: such a request gets no other place unasked.
        """
        tokens = self._tokens(request, view)
        if not tokens:
            return None
        try:
            return self._first_good(request, tokens, view)
        except NoTicket:
            return None

    def _tokens(self, request: web.Request, view: RoomView) -> list[str]:
        token = bearer(request)
        kept = sent(request, self._ticket_cookie(view.room))
        return kept if token is None else [token, *kept]

    def former_ticket(self, request: web.Request, view: RoomView) -> tuple[Ticket | None, bool]:
        """Return the ticket of a request, if it carries one, and whether the place is still its.

        A ticket whose place moved to another device is returned too. One that is bound to another
        browser is none of this browser's.
        """
        try:
            return self.ticket_of(request, view), True
        except (NoTicket, TicketBound):
            return None, False
        except TicketMoved:
            return self._moved(request, view), False

    def _moved(self, request: web.Request, view: RoomView) -> Ticket | None:
        """Return the ticket in a cookie that is this browser's, wherever its place is."""
        shows = self.holders.shows(request)
        for token in sent(request, self._ticket_cookie(view.room)):
            with suppress(NoTicket, TicketBound):
                return self._board.seal.open(token, shows)
        return None

    def ticket_for(self, request: web.Request, ticket: Ticket) -> Given:
        """Return a ticket as the sender of a request gets it; raises `ClientKeyWeak`."""
        return self.holders.given(request, partial(self._board.seal.sign, ticket))

    def session_for(
        self, request: web.Request, session: Session, *, to_browser: bool = False
    ) -> Given:
        """Return a session as the sender of a request gets it; raises `ClientKeyWeak`."""
        sign = partial(self._sessions.sign, session)
        return self.holders.given(request, sign, to_browser=to_browser)

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
            invitations_kept=tuple(sent(request, self._invitation_cookie(view.room))),
            customer_token=customer_token
            or (_customer_token(request) if view.rules.join_by == "customer" else ""),
            network=self.clients.network(request),
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

        Two strangers may both send `order-42`, and one must not get the ticket of the other. A key
        counts within the browser or the app that it came from. Where a request tells of neither,
        the key has to name its client by itself, or with one `random` value. An address would not
        do in their place, since many people share one. Raises `IdempotencyKeyWeak`, and
        `ClientKeyWeak`.
        """
        key, visitor = idempotency_key(request, required=False), self.holders.browser(request)
        app = self.holders.app_key(request)
        if key is None:
            return f"v:{visitor}" if visitor else None
        if visitor:
            return f"w:{visitor}:{key}"
        if app:
            return f"a:{mark_of_app(app)}:{key}"
        if is_unique(key):
            return f"k:{key}"
        if is_unique(shown := random.hex()):
            return f"r:{shown}:{key}"
        raise IdempotencyKeyWeak

    def keep_ticket(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, given: Given
    ) -> None:
        self._keep_given(request, response, view, self._ticket_cookie(view.room), given)

    def give_ticket(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, ticket: Ticket
    ) -> None:
        """Let the browser keep a ticket that a form of a page got it."""
        self.keep_ticket(request, response, view, self.ticket_for(request, ticket))

    def forget_ticket(self, response: web.StreamResponse, view: RoomView) -> None:
        response.del_cookie(self._ticket_cookie(view.room), secure=self._secure)

    def keep_session(
        self, request: web.Request, response: web.StreamResponse, view: RoomView, given: Given
    ) -> None:
        name = session_cookie(view.room, secure=self._secure)
        self._keep_given(request, response, view, name, given)

    def _keep_given(
        self,
        request: web.Request,
        response: web.StreamResponse,
        view: RoomView,
        name: str,
        given: Given,
    ) -> None:
        """Set a cookie, and the one that its holder shows beside it, which must not go earlier."""
        self._keep(request, response, view.room, name, given.kept)
        if given.browser:
            cookie = f"{self.holders.browser_cookie}={given.browser}; {self._flags}"
            response.headers.add("Set-Cookie", cookie)

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
        if not by_page(request):
            return
        own = self._prefix + COOKIES
        if (
            any(name.startswith(own) for name, _ in cookies_in(cookie_lines(request)))
            or "Idempotency-Key" in request.headers
            or bearer(request) is not None
        ):
            return
        raise CookiesNeeded(headers={"Set-Cookie": self._visitor()})

    def _visitor(self) -> str:
        return f"{self.holders.visitor_cookie}={new_id()}; {self._flags}"

    def keep_visitor(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give a browser an id, unless it has one, so that a tab and its twin join once."""
        if not self.holders.browser(request):
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
        if sum(map(len, cookie_lines(request))) + size > OURS_BYTES_MAX:
            for dropped in self._surplus(request, room, name, size):
                response.headers.add("Set-Cookie", f"{dropped}=; {self._flags_of_none}")

    def _surplus(self, request: web.Request, room: str, name: str, size: int) -> list[str]:
        """Return the cookies of ours that have no place beside a new one of this size."""
        ours: Counter[str] = Counter()
        for one, value in cookies_in(cookie_lines(request)):
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


def _customer_token(request: web.Request) -> str:
    """Return the bearer token, unless it is a ticket: those have a `~`, which no JWT has."""
    token = bearer(request) or ""
    return "" if "~" in token else token
