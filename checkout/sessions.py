"""The sessions that a request carries, and which of them the request is about.

A browser has a cookie for each room in which it has a session, so that two rooms in two tabs never
touch each other; a program sends one token in `Authorization`. A request names its room with
`?room=…`. One that carries a single session need not, and one that is about a hold, an order or a
basket is about the session that has it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from aiohttp import web

from checkout.order import Order
from checkout.order_store import OrderStore, SessionView
from checkout.refusals import RoomNeeded
from checkout.session import Session, SessionSeal
from inventory.hold import Hold, HoldBody, Wish, hold_body
from inventory.kit.batcher import Batcher
from inventory.kit.database import work_for
from inventory.kit.doors.client import bearer
from inventory.kit.doors.cookies import COOKIE, cookies_in, values_of
from inventory.kit.holders.holders import Holders
from inventory.kit.holders.marks import Shows
from inventory.kit.http import read_query
from inventory.kit.language.language import phrase
from inventory.kit.limits.limited import spend_as_bearer
from inventory.kit.problem import Busy, Refusal
from inventory.refusals import SessionBound, SessionOver

SESSION_COOKIE = "waitroom_session_"


class CustomerNote(TypedDict):
    """Whether a signed-in customer is bound to a session, and whether one must be."""

    bound: bool
    needed: bool


class WishBody(TypedDict):
    """Units that a session was refused; if any come free they are held for it."""

    sku: str
    name: str
    quantity: int


class SessionBody(TypedDict):
    """A session as its shopper is told of it."""

    session: str
    room: str
    room_name: str
    # The deadline, and the seconds until then by the shoppers' clock.
    expires_at: datetime
    seconds_left: float
    customer: CustomerNote
    holds: list[HoldBody]
    waiting_for: list[WishBody]


def session_body(view: SessionView, holds: list[Hold], wishes: list[Wish]) -> SessionBody:
    """Return what a shopper is told of their session."""
    return {
        "session": str(view.session_id),
        "room": view.room,
        "room_name": view.room_name,
        "expires_at": view.expires_at,
        "seconds_left": max(view.seconds_left, 0.0),
        "customer": {"bound": view.customer_bound, "needed": view.customer_needed},
        "holds": [hold_body(hold) for hold in holds],
        "waiting_for": [
            {"sku": wish.sku, "name": wish.name, "quantity": wish.quantity} for wish in wishes
        ],
    }


def session_cookie(room: str, *, secure: bool) -> str:
    """Return the name of the cookie that keeps a browser's session in a room."""
    return f"{_prefix(secure=secure)}{room}"


def _prefix(*, secure: bool) -> str:
    return f"__Host-{SESSION_COOKIE}" if secure else SESSION_COOKIE


class Sessions:
    """Reads sessions from requests."""

    def __init__(self, seal: SessionSeal, orders: OrderStore, *, secure: bool) -> None:
        self.seal = seal
        self._orders = orders
        self._holders = Holders(secure=secure)
        self._secure = secure
        self._prefix = _prefix(secure=secure)
        self._looks: Batcher[int, SessionView | None] = Batcher("session_looks", self._look_up)

    async def bought_in(self, request: web.Request, room: str) -> list[Order]:
        """Return what a browser bought in a room when it was last let in.

        It returns nothing while the books are away: the page that asks is shown without them too.
        """
        session = self.kept(request, room)
        if session is None:
            return []
        try:
            return await self._orders.bought(session.session_id)
        except Busy:
            return []

    def kept(self, request: web.Request, room: str) -> Session | None:
        """Return the session that a browser keeps of a room, be it over or not, or None."""
        lines, shows = request.headers.getall(COOKIE, ()), self._holders.shows(request)
        for value in values_of(lines, session_cookie(room, secure=self._secure)):
            session = self._own(value, shows)
            if session is not None and session.room == room:
                return session
        return None

    def forget(self, response: web.StreamResponse, session: Session) -> None:
        """Let the browser forget a session that it has left."""
        name = session_cookie(session.room, secure=self._secure)
        response.del_cookie(name, secure=self._secure)

    async def of(self, request: web.Request) -> Session:
        """Return the session that a request is about; raises `SessionOver` and `RoomNeeded`."""
        return await self.meant(self.carried(request))

    async def meant(
        self,
        carried: list[Session],
        *,
        hold_id: UUID | None = None,
        order_id: UUID | None = None,
        skus: Collection[str] = (),
    ) -> Session:
        """Return the one of several sessions that has the hold or the order, or sells the SKUs.

        Otherwise it is the only one that has not ended. Raises `RoomNeeded` if several have not.
        What the request does from here on counts among the work of the session's room.
        """
        session = await self._meant(carried, hold_id, order_id, skus)
        work_for(session.room)
        return session

    async def _meant(
        self,
        carried: list[Session],
        hold_id: UUID | None,
        order_id: UUID | None,
        skus: Collection[str],
    ) -> Session:
        if len(carried) == 1:
            return carried[0]
        found = await self._orders.sessions_about(
            [session.session_id for session in carried],
            hold_id=hold_id,
            order_id=order_id,
            skus=list(skus),
        )
        meant = [session for session in carried if session.session_id in found]
        if len(meant) == 1:
            return meant[0]
        if not found:
            # All of them have ended; the newest says how.
            return max(carried, key=lambda session: session.session_id)
        raise RoomNeeded(rooms=sorted(session.room for session in meant))

    async def live_in(self, request: web.Request, room: str) -> SessionView | None:
        """Return the live session of a request in a room, whatever room its query names.

        Requests that come together cost one question to the database.
        """
        token, lines = bearer(request), request.headers.getall(COOKIE, ())
        shows = self._holders.shows(request)
        tokens = [] if token is None else [token]
        tokens += values_of(lines, session_cookie(room, secure=self._secure))
        for one in tokens:
            session = self._own(one, shows)
            if session is not None and session.room == room:
                view = await self._looks.submit(session.session_id)
                if view is not None and view.state == "claimed" and view.seconds_left > 0:
                    return view
        return None

    async def _look_up(self, session_ids: Sequence[int]) -> list[SessionView | None | Refusal]:
        found = await self._orders.sessions(list(dict.fromkeys(session_ids)))
        return [found.get(session_id) for session_id in session_ids]

    async def close(self) -> None:
        """Answer every request that is queued."""
        await self._looks.close()

    def carried(self, request: web.Request) -> list[Session]:
        """Return the sessions of a request in the room that it names, or in all rooms.

        Raises `SessionOver` for a request without any, `SessionBound` where all of them are another
        browser's, and `TooManyRequests` for a bearer who asks too often.
        """
        carried = self._carried(request)
        spend_as_bearer(request, f"session:{carried[0].session_id}")
        return carried

    def _carried(self, request: web.Request) -> list[Session]:
        named = read_query(request).get("room")
        token, shows = bearer(request), self._holders.shows(request)
        others: list[SessionBound] = []
        if token is not None:
            found = self._own(token, shows, others)
            if found is not None:
                return [_in_room(found, named)]
        # A bearer token that is no session may be another service's; then the cookies count.
        sent = cookies_in(request.headers.getall(COOKIE, ()))
        kept = [
            session
            for value in dict.fromkeys(v for name, v in sent if name.startswith(self._prefix))
            if (session := self._own(value, shows, others))
        ]
        if named is not None:
            kept = [session for session in kept if session.room == named]
            others = [refusal for refusal in others if refusal.fields["room"] == named]
        if not kept and others:
            raise others[0]
        if not kept:
            raise SessionOver(phrase("This needs a session: claim your place first."), room=named)
        return kept

    def _own(
        self, token: str, shows: Shows, others: list[SessionBound] | None = None
    ) -> Session | None:
        """Return the session of a token, None for one that is no right of its bearer.

        The refusals of those that belong to other browsers are added to `others`.
        """
        try:
            return self.seal.open(token, shows)
        except SessionBound as refusal:
            if others is not None:
                others.append(refusal)
        except SessionOver:
            pass
        return None


def _in_room(session: Session, named: str | None) -> Session:
    if named is not None and session.room != named:
        raise SessionOver(phrase("This session belongs to another room."), room=named)
    return session
