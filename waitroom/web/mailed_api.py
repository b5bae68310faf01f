"""Messages at one's turn over HTTP: the API, and the links in the messages.

A link in a message opens the place in any browser, so looking at it changes nothing: the
page asks first. It leads on at once in the browser that has the place. The key stands in the query,
which no log of this service keeps.
"""

import msgspec
from aiohttp import web

from inventory.kit.doors.client import client_network
from inventory.kit.doors.described import Caller, described
from inventory.kit.http import json_response, read_body, read_form, read_query
from inventory.kit.language.asked import language_of
from inventory.kit.limits.classes import CODES, MAILS, limited_as
from inventory.kit.pages import Pages
from inventory.kit.problem import TooManyRequests
from waitroom.desk.board import RoomView
from waitroom.desk.called.messages import Messages, MessageStanding
from waitroom.desk.places import Places
from waitroom.desk.tickets import Tickets
from waitroom.line.ticket import Ticket
from waitroom.refusals import (
    AlreadyInside,
    MailNotOffered,
    OtherTicket,
    PlaceChangedTooOften,
    RoomEnded,
    TicketMoved,
    TicketOver,
)
from waitroom.web.credentials import NOT_HERE, Credentials


class AskBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: the address for the messages."""

    email: str


_ASK = msgspec.json.Decoder(AskBody)


class MailedApi:
    def __init__(
        self,
        messages: Messages,
        credentials: Credentials,
        *,
        tickets: Tickets,
        places: Places,
        pages: Pages,
    ) -> None:
        self._messages = messages
        self._credentials = credentials
        self._tickets = tickets
        self._places = places
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/mail", self.read),
            web.put("/rooms/{room}/mail", self.ask),
            web.delete("/rooms/{room}/mail", self.stop),
            web.get("/rooms/{room}/mailed", self.opened),
            web.get("/rooms/{room}/mailed/stop", self.opened),
            web.post("/rooms/{room}/mailed/bring", self.bring),
            web.post("/rooms/{room}/mailed/stop", self.stop_by_link),
        ]

    @described(caller=Caller.TICKET, answer=MessageStanding, refusals=(OtherTicket,))
    async def read(self, request: web.Request) -> web.Response:
        """Return the address to which messages about the place go."""
        _, ticket = await self._ticket(request)
        return json_response(await self._messages.read(ticket))

    @limited_as(MAILS)
    @described(
        caller=Caller.TICKET,
        body=AskBody,
        answer=MessageStanding,
        refusals=(
            MailNotOffered,
            OtherTicket,
            PlaceChangedTooOften,
            RoomEnded,
            AlreadyInside,
            TicketOver,
            TooManyRequests,
        ),
    )
    async def ask(self, request: web.Request) -> web.Response:
        """Leave an address for a message when the turn is near and when it has come."""
        view, ticket = await self._ticket(request)
        body = await read_body(request, _ASK)
        language = language_of(request).tag
        response = json_response(
            await self._messages.ask(view, ticket, body.email, language=language)
        )
        self._credentials.keep_mailed(response, view)
        return response

    @described(caller=Caller.TICKET, status=204)
    async def stop(self, request: web.Request) -> web.Response:
        """Forget the address, and write no more."""
        await self._messages.stop(*await self._ticket(request))
        return web.Response(status=204)

    async def opened(self, request: web.Request) -> web.Response:
        """Ask whether to bring the place here, or to stop the messages."""
        view = await self._credentials.room_of(request)
        key = read_query(request).get("key", "")
        try:
            place = await self._messages.mailed(view, key)
        except TicketOver:
            return self._page(request, view, said="over", status=TicketOver.status)
        if "stop" not in request.path and place == self._own(request, view):
            raise web.HTTPSeeOther(f"/rooms/{view.room}", headers={"Cache-Control": "no-store"})
        return self._page(request, view, place=place, key=key)

    @limited_as(CODES)
    async def bring(self, request: web.Request) -> web.Response:
        view = await self._credentials.room_of(request)
        key = (await read_form(request)).get("key", "")
        try:
            place, own = await self._messages.mailed(view, key), self._own(request, view)
            if place != own:
                network = client_network(request)
                place = await self._places.bring(view, place, network=network, own=own)
        except AlreadyInside:
            return self._page(request, view, said="inside", status=AlreadyInside.status)
        except (TicketMoved, TicketOver) as refusal:
            return self._page(request, view, said="over", status=refusal.status)
        response = web.HTTPSeeOther(f"/rooms/{view.room}")
        self._credentials.give_ticket(request, response, view, place)
        self._credentials.keep_mailed(response, view)
        raise response

    @limited_as(MAILS)
    async def stop_by_link(self, request: web.Request) -> web.Response:
        """Write no more. A mail program asks for it by one press, with the key in the query."""
        view = await self._credentials.room_of(request)
        key = read_query(request).get("key") or (await read_form(request)).get("key", "")
        try:
            await self._messages.stop_by_link(view, key)
        except TicketOver as refusal:
            return self._page(request, view, said="over", status=refusal.status)
        return self._page(request, view, said="stopped")

    def _page(
        self,
        request: web.Request,
        view: RoomView,
        *,
        place: Ticket | None = None,
        key: str = "",
        said: str = "",
        status: int = 200,
    ) -> web.Response:
        title = view.rules.name
        context = {
            "room": view.room,
            "name": title,
            "number": place.number if place is not None and not place.entered else None,
            "key": key,
            "said": said,
            "replaces": place is not None and self._own(request, view) is not None,
            "stops": request.path.endswith("/stop"),
        }
        return self._pages.render(
            "mailed.html", context, title=title, status=status, request=request
        )

    def _own(self, request: web.Request, view: RoomView) -> Ticket | None:
        """Return the place that this browser has, without what its shopper comes for."""
        try:
            ticket = self._credentials.ticket_of(request, view)
        except NOT_HERE:
            return None
        return msgspec.structs.replace(ticket, sku="")

    async def _ticket(self, request: web.Request) -> tuple[RoomView, Ticket]:
        view = await self._credentials.room_of(request)
        return view, self._credentials.ticket_of(request, view)
