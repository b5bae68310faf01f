"""The line's API: join, state, claim, leave."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from checkout.api import SESSION_COOKIE
from checkout.session import Session, SessionSeal
from inventory.api import Catalogue
from inventory.kit.batcher import Batcher
from inventory.kit.http import (
    PRIVATE,
    bearer,
    idempotency_key,
    json_response,
    query_int,
    read_body,
)
from inventory.kit.problem import Busy, Refusal, TooManyRequests
from inventory.refusals import PaymentRunning
from waitroom.desk.board import Board, PlaceNote, RoomView
from waitroom.desk.entrance import JOIN, NOTHING, Entrance, JoinBody
from waitroom.desk.join_desk import Place
from waitroom.desk.standing import (
    entered_standing,
    noted_standing,
    reference_of,
    row_for,
    standing_by_books,
)
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    InvitationUsed,
    LineOver,
    Missed,
    NoTicket,
    NotYetCalled,
    OtherTicket,
    StateNotKnown,
    SteppedAside,
    TicketLeft,
    TicketOver,
)
from waitroom.store.line_store import Claimed, LineStore, Standing

TICKET_COOKIE = "waitroom_ticket_"
VISITOR_COOKIE = "waitroom_visitor"
COOKIE_MAX_AGE_S = 7 * 24 * 3600
ROOMS_PAGE_MAX = 200
SKUS_NAMED_MAX = 60
# How often one browser may have given up a place in this room and join again all the same.
REJOINS_MAX = 20


_CLAIM_REFUSALS: dict[str, type[Refusal]] = {
    "not_yet_called": NotYetCalled,
    "missed": Missed,
    "over": TicketOver,
    "left": TicketLeft,
    "ended": TicketOver,
    "other_ticket": OtherTicket,
    "aside": SteppedAside,
    "line_over": LineOver,
}


class Line:
    """What a shopper can do with a place; the API and the pages both stand on it."""

    def __init__(
        self,
        *,
        board: Board,
        store: LineStore,
        sessions: SessionSeal,
        entrance: Entrance,
        secure: bool,
    ) -> None:
        self.board = board
        self.entrance = entrance
        self.store = store
        self._sessions = sessions
        self._prefix = "__Host-" if secure else ""
        self.secure = secure
        self._cookie_flags = f"HttpOnly; Max-Age={COOKIE_MAX_AGE_S}; Path=/; SameSite=Lax" + (
            "; Secure" if secure else ""
        )
        self.session_cookie = self._prefix + SESSION_COOKIE
        self.visitor_cookie = self._prefix + VISITOR_COOKIE
        self.claims: Batcher[Ticket, Claimed] = Batcher("claims", store.claim)
        self.standings: Batcher[Ticket, Standing] = Batcher("standings", store.standings)

    def ticket_cookie(self, room: str) -> str:
        return f"{self._prefix}{TICKET_COOKIE}{room}"

    def ticket_of(self, request: web.Request, view: RoomView) -> Ticket:
        """Return the ticket that this request carries; raises `NoTicket` without one.

        A bearer token may be another service's; then the cookie speaks.
        """
        cookie = request.cookies.get(self.ticket_cookie(view.room))
        token = bearer(request)
        if token is not None and cookie is not None:
            try:
                return self.board.ticket_of(view, token)
            except NoTicket:
                token = cookie
        return self.board.ticket_of(view, token or cookie)

    def set_cookie(self, response: web.StreamResponse, name: str, value: str) -> None:
        """Set a cookie whose value is a token of ours: no sign in it needs quoting.

        `response.set_cookie` parses and quotes whatever it is given, which would be a tenth of
        a join's time.
        """
        response.headers.add("Set-Cookie", f"{name}={value}; {self._cookie_flags}")

    async def open_invitation(self, view: RoomView, request: web.Request) -> None:
        """Keep an invitation that stands in the address, and lead on to the address without it.

        Only looking at the page changes nothing, so a mail program may look first. Raises
        `InvitationInvalid`.
        """
        token = request.query.get("invitation")
        if token is None:
            return
        await self.entrance.check(view, token)
        response = web.HTTPSeeOther(f"/rooms/{view.room}", headers={"Cache-Control": "no-store"})
        self.set_cookie(response, self.entrance.cookie(view.room), token)
        raise response

    def join_key(self, request: web.Request) -> str | None:
        """Return what recognises a repeated join: the client's key, else the browser's id."""
        key = idempotency_key(request, required=False)
        if key is not None:
            return f"k:{key}"
        visitor = request.cookies.get(self.visitor_cookie)
        # Only what we could have made ourselves; another client's guess is not worth a key.
        return f"v:{visitor}" if visitor and len(visitor) == 32 and visitor.isalnum() else None

    async def join(
        self,
        view: RoomView,
        request: web.Request,
        ticket: Ticket | None,
        body: JoinBody = NOTHING,
    ) -> Place:
        """Give a place to whoever has none: the same to a repeat, a new one after the old is over.

        A key whose ticket is used up leads on to the next key, so that joining again is as safe
        to repeat as joining. Raises what the room asks for and the request does not bring.
        """
        random = body.random_bytes()
        asked = await self.entrance.ask(view, request, body)
        key = self.join_key(request) if ticket is None else f"after:{ticket.text()}"
        for _ in range(REJOINS_MAX):
            try:
                admitted = await self.entrance.admit(view, asked)
                place = await admitted.desk.batcher.submit(admitted.request(key, random))
                if place.ticket.line_id not in view.lines:
                    # It was given by another worker, in a lane of which this one has not heard.
                    raise Busy
                if place.fresh or place.called:
                    return place
                # The draw may have been made since: then the place has a number now.
                ticket = self.board.drawn(view, place.ticket)
                if await self.still_good(ticket):
                    return replace(place, ticket=ticket, token=self.board.seal.sign(ticket))
                await self.entrance.take_leave(view, admitted, given=place.ticket, now=ticket)
            except InvitationUsed:
                asked = self.entrance.without_invitation(asked)
            else:
                key = f"after:{place.ticket.text()}"
        raise TooManyRequests

    async def still_good(self, ticket: Ticket) -> bool:
        """Say whether joining again with this ticket gives the same place."""
        standing = await self.standings.submit(ticket)
        if standing.has_left or standing.state in {"left", "ended"}:
            return False
        if standing.aside and not standing.passed:
            return True
        return standing.state != "missed" or standing.came_back or standing.in_grace

    async def claim(self, view: RoomView, ticket: Ticket) -> tuple[Claimed, str]:
        """Take up a call; return the session and its token, or raise what stands in the way."""
        if ticket.entered:
            raise NotYetCalled("The draw has not been made yet; your place is safe.")
        claimed = await self.claims.submit(ticket)
        if claimed.verdict != "claimed":
            refusal = _CLAIM_REFUSALS[claimed.verdict]
            raise refusal
        session = Session(session_id=claimed.session_id, room=view.room)
        return claimed, self._sessions.sign(session)

    async def leave(self, view: RoomView, ticket: Ticket) -> None:
        verdict = await self.store.leave(ticket)
        if verdict == "drawn":
            # An entry's ticket, and this worker has not heard of the draw yet.
            await self.board.refresh(rooms=True)
            verdict = await self.store.leave(self.board.drawn(view, ticket))
        if verdict == "other_ticket":
            raise OtherTicket
        if verdict == "drawn":
            raise Busy
        if verdict == "payment_running":
            raise PaymentRunning("A payment is under way; it decides first.")

    async def standing(self, view: RoomView, ticket: Ticket) -> dict[str, Any]:
        """Return what `tickets/me` says: from the state document for whoever still waits.

        Only a number that the document has not seen yet, or that is called, asks the database.
        """
        note = self.board.note_of(ticket)
        if ticket.entered:
            return entered_standing(view, ticket, note)
        line = view.line_of(ticket)
        if line is not None and line.head < ticket.number <= line.tail:
            return noted_standing(view, ticket, note, line.head)
        found = await self.standings.submit(ticket)
        return standing_by_books(view, ticket, found)

    async def close(self) -> None:
        await self.claims.close()
        await self.standings.close()
        await self.entrance.close()


class LineApi:
    def __init__(self, line: Line, *, catalogue: Catalogue) -> None:
        self._line = line
        self._catalogue = catalogue

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms", self.list_rooms),
            web.post("/rooms/{room}/tickets", self.join),
            web.get("/rooms/{room}/state", self.state),
            web.get("/rooms/{room}/tickets/me", self.standing),
            web.delete("/rooms/{room}/tickets/me", self.leave),
            web.post("/rooms/{room}/claims", self.claim),
        ]

    async def list_rooms(self, request: web.Request) -> web.Response:
        limit = query_int(request, "limit", default=50, low=1, high=ROOMS_PAGE_MAX)
        after = request.query.get("cursor", "")
        views = sorted(self._line.board.rooms.values(), key=lambda view: view.room)
        public = [view for view in views if view.rules.public and view.room > after]
        rooms = []
        for view in public[:limit]:
            skus = await self._catalogue.page(room=view.room, limit=SKUS_NAMED_MAX)
            rooms.append({**room_body(view), "skus": [sku.sku for sku in skus]})
        following = rooms[-1]["room"] if len(public) > limit else None
        return json_response({"rooms": rooms, "next": following})

    async def state(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        if request.headers.get("If-None-Match") == view.etag and view.etag:
            return web.Response(status=304, headers=_state_headers(view.etag))
        if not view.raw:
            raise StateNotKnown
        return web.Response(body=view.raw, headers=_state_headers(view.etag))

    async def join(self, request: web.Request) -> web.Response:
        line = self._line
        view = line.board.room(request.match_info["room"])
        body = await read_body(request, JOIN) if request.can_read_body else NOTHING
        try:
            ticket = line.ticket_of(request, view)
        except NoTicket:
            ticket = None
        if ticket is not None and await line.still_good(ticket):
            place = Place(ticket=ticket, token=line.board.seal.sign(ticket), fresh=False)
        else:
            place = await line.join(view, request, ticket, body)
        response = json_response(self._joined_body(view, place), status=201 if place.fresh else 200)
        line.set_cookie(response, line.ticket_cookie(view.room), place.token)
        return response

    def _joined_body(self, view: RoomView, place: Place) -> dict[str, Any]:
        if place.ticket.entered:
            return self._entered_body(view, place)
        number = place.ticket.number
        line = view.line_of(place.ticket)
        head = line.head if line else 0
        ahead = (
            0 if place.called else max(number - head, 1) if place.fresh else max(number - head, 0)
        )
        body = {
            "ticket": place.token,
            "line": view.name_of(place.ticket),
            "number": number,
            "reference": reference_of(view, place.ticket),
            "place": ahead,
            "status": "called" if place.called else "waiting" if ahead else "called",
            "receipt": place.receipt,
            "state_url": f"/rooms/{view.room}/state",
            "poll_s": row_for(view, place.ticket, ahead).poll_s,
        }
        if place.called:
            body["claim_until"] = place.claim_until
            body["seconds_left"] = place.claim_seconds
        return body

    def _entered_body(self, view: RoomView, place: Place) -> dict[str, Any]:
        standing = entered_standing(view, place.ticket, PlaceNote())
        names = ("line", "number", "entry", "entries", "reference", "place", "status", "poll_s")
        return {
            "ticket": place.token,
            **{name: standing[name] for name in names},
            "receipt": place.receipt,
            "state_url": f"/rooms/{view.room}/state",
        }

    async def standing(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        ticket = self._line.ticket_of(request, view)
        return json_response(await self._line.standing(view, ticket))

    async def leave(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        await self._line.leave(view, self._line.ticket_of(request, view))
        response = web.Response(status=204)
        response.del_cookie(self._line.ticket_cookie(view.room), secure=self._line.secure)
        return response

    async def claim(self, request: web.Request) -> web.Response:
        view = self._line.board.room(request.match_info["room"])
        ticket = self._line.ticket_of(request, view)
        claimed, token = await self._line.claim(view, ticket)
        response = json_response(
            {
                "session": token,
                "expires_at": claimed.expires_at,
                "seconds_left": claimed.seconds_left,
                "checkout_url": "/checkout",
            },
            status=201 if claimed.fresh else 200,
        )
        self._line.set_cookie(response, self._line.session_cookie, token)
        return response


@lru_cache(maxsize=ROOMS_PAGE_MAX)
def _state_headers(etag: str) -> CIMultiDict[str]:
    """Return the headers of a state document; the same for everybody, and any cache may keep it."""
    return CIMultiDict(
        {
            **PRIVATE,
            "Cache-Control": "public, max-age=1",
            "ETag": etag,
            "Access-Control-Allow-Origin": "*",
        }
    )


def room_body(view: RoomView) -> dict[str, Any]:
    state = view.state
    return {
        "room": view.room,
        "name": view.rules.name,
        "status": state.status if state else view.rules.status,
        "opens_at": view.rules.opens_at,
        "join_by": view.rules.join_by,
    }
