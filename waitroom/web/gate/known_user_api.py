"""KnownUser V3 over HTTP: entries, failures, cancellations, and the configuration of a site.

The protocol's addresses stand at the root, where older connectors look for them, and below
`/known-user`, which newer ones are told by the configuration.
"""

from contextlib import suppress
from urllib.parse import quote, urlencode

from aiohttp import web

from checkout.api import Checkout
from checkout.session import checkout_url
from inventory.kit.doors.cookies import values_of
from inventory.kit.doors.described import Header, described
from inventory.kit.http import json_response, read_query
from inventory.kit.language.asked import COOKIE, ROOM_LANGUAGE
from inventory.kit.language.catalogues import ALIASES, tags
from inventory.kit.language.choice import prefer
from inventory.kit.language.language import phrase
from inventory.kit.language.switch_api import keep_language
from inventory.kit.limits.classes import HAND_OVERS, SERVICES, limited_as
from inventory.kit.pages import Pages
from inventory.kit.problem import NotFound
from waitroom.desk.board import Board, RoomView
from waitroom.desk.entrance import Entrance
from waitroom.desk.gates import Gates, KnownUsers
from waitroom.gate.known_user.integration import (
    PATH_PREFIX,
    Configuration,
    Integrated,
    Speaker,
    configuration,
)
from waitroom.gate.known_user.protocol import (
    Cancellation,
    Entry,
    minutes_of,
    parse_cancellation,
    parse_cancellations,
    parse_entry,
    queue_id_of,
)
from waitroom.refusals import ConfigurationKeyWrong, InvitationInvalid
from waitroom.web.credentials import Credentials
from waitroom.web.gate.onward import Onward, led_to
from waitroom.web.gate.returning import Returning

_UNKNOWN = phrase(
    "This link names no waiting room of this service. Please go back to the shop and try again."
)


_API_KEY = Header(name="api-key", text="The key with which a connector pulls its configuration.")


class KnownUserApi:
    """`base_url` is the address of this service as browsers know it, on https if `secure`."""

    def __init__(
        self,
        known_users: KnownUsers,
        *,
        board: Board,
        gates: Gates,
        credentials: Credentials,
        entrance: Entrance,
        returning: Returning,
        onward: Onward,
        checkout: Checkout,
        pages: Pages,
        base_url: str,
        secure: bool,
    ) -> None:
        self._known_users = known_users
        self._board = board
        self._gates = gates
        self._credentials = credentials
        self._entrance = entrance
        self._returning = returning
        self._onward = onward
        self._checkout = checkout
        self._pages = pages
        self._base_url = base_url
        self._secure = secure

    def routes(self) -> list[web.RouteDef]:
        found = [web.get(f"/{PATH_PREFIX}/", self.enter)]
        for start in ("", f"/{PATH_PREFIX}"):
            cancel = f"{start}/cancel/{{customer}}"
            found += [
                web.get(f"{start}/error/{{problem:[a-z]+(?:/[a-z]+)?}}/", self.failed),
                web.get(f"{start}/cancel/multiple/{{customer}}", self.cancel_many),
                web.get(f"{cancel}/{{event}}", self.cancel),
                web.get(f"{cancel}/{{event}}/{{queue_id}}", self.cancel),
                web.get(f"{start}/status/integrationconfig/secure/{{customer}}", self.configure),
            ]
        return found

    @limited_as(HAND_OVERS)
    async def enter(self, request: web.Request) -> web.Response:
        """Lead a visitor of a site to the room, or back if this browser is in the shop already."""
        entry, view = await self._entered(request)
        target = self._returning.checked(view.room, entry.target) if entry.target else ""
        inside = await self._onward.inside(request, view)
        if inside is not None:
            there = target or self._returning.address(request, view)
            raise led_to(self._onward.address(request, view, inside, there))
        response = led_to(f"/rooms/{view.room}")
        if target:
            self._credentials.keep_return(response, view, self._returning.kept(view.room, target))
        with suppress(InvitationInvalid):
            # A site may vouch for its visitors with an invitation of ours. What else it sends in
            # this place is for rooms of other services, and this room asks for what it needs.
            await self._entrance.check(view, entry.enqueue_token)
            self._credentials.keep_invitation(request, response, view, entry.enqueue_token)
        language = prefer(entry.culture, tags(), ALIASES)
        if language and not values_of(request.headers.getall("Cookie", ()), COOKIE):
            keep_language(response, language, secure=self._secure)
        raise response

    async def _entered(self, request: web.Request) -> tuple[Entry, RoomView]:
        """Return the entry that an address names, and its room; raises `NotFound`."""
        entry = parse_entry(read_query(request))
        if entry is None:
            raise NotFound(_UNKNOWN)
        speaker = self._known_users.of_event(entry.customer, entry.event)
        if speaker is None:
            raise NotFound(_UNKNOWN)
        view = await self._board.find(speaker.room)
        request[ROOM_LANGUAGE] = view.rules.language
        return entry, view

    async def failed(self, request: web.Request) -> web.Response:
        """Tell a visitor why the site refused a token, with a way to a new one."""
        try:
            entry, view = await self._entered(request)
        except NotFound:
            again, room = "", None
        else:
            named = {"c": entry.customer, "e": entry.event, "t": entry.target}
            again, room = f"/{PATH_PREFIX}/?{urlencode(named, quote_via=quote)}", view.room
        return self._pages.render(
            "token_refused.html",
            {"problem": request.match_info["problem"], "again": again},
            title="",
            status=403,
            request=request,
            room=room,
        )

    @limited_as(SERVICES)
    async def cancel(self, request: web.Request) -> web.Response:
        """Give up the session that a site names, and lead back."""
        told = request.match_info
        asked = parse_cancellation(
            told["customer"], told["event"], told.get("queue_id", ""), read_query(request)
        )
        return await self._cancel(request, asked)

    @limited_as(SERVICES)
    async def cancel_many(self, request: web.Request) -> web.Response:
        return await self._cancel(
            request, parse_cancellations(request.match_info["customer"], read_query(request))
        )

    async def _cancel(self, request: web.Request, asked: Cancellation | None) -> web.Response:
        """End the sessions whose queue ids are right, and ask about all else.

        Any page of the web can lead a browser here, so the address alone is no wish of the shopper.
        The queue id is: the site alone was told it, for the session in this browser's own cookie. A
        session without it, and a place in line, which has none yet, are given up on a page that
        asks.
        """
        if asked is None:
            raise NotFound(_UNKNOWN)
        visits = []
        for event, queue_id in asked.visits.items():
            speaker = self._known_users.of_event(asked.customer, event)
            if speaker is not None:
                visits.append((speaker, await self._board.find(speaker.room), queue_id))
        if not visits:
            raise NotFound(_UNKNOWN)
        first = visits[0][1]
        # An address that is refused has to leave everything as it was.
        wanted = asked.leads_to and self._returning.checked(first.room, asked.leads_to)
        leads_to = wanted or checkout_url(first.room)
        for speaker, view, queue_id in visits:
            question = await self._end_visit(request, speaker, view, queue_id)
            if question is not None:
                raise led_to(question)
        raise led_to(leads_to)

    async def _end_visit(
        self, request: web.Request, speaker: Speaker, view: RoomView, queue_id: str
    ) -> str | None:
        """End a session that is proved, or return where to ask; None if there is nothing to ask.

        Raises `PaymentRunning`.
        """
        inside = await self._onward.inside(request, view)
        if inside is None:
            ticket, good = self._credentials.former_ticket(request, view)
            return f"/rooms/{view.room}/leave" if ticket is not None and good else None
        if queue_id != queue_id_of(inside.session_id, speaker.secret):
            return f"/checkout/leave?room={view.room}"
        await self._checkout.orders.leave(inside.session_id)
        return None

    @limited_as(SERVICES)
    @described(headers=(_API_KEY,), answer=Configuration, refusals=(ConfigurationKeyWrong,))
    async def configure(self, request: web.Request) -> web.Response:
        """Answer a connector that pulls its configuration; raises `ConfigurationKeyWrong`."""
        customer = request.match_info["customer"].lower()
        speakers = self._known_users.of_customer(customer)
        key = request.headers.get("api-key", "")
        # All rooms of a site have one secret.
        if not speakers or not speakers[0].opens(key):
            raise ConfigurationKeyWrong
        rooms = [await self._integrated(speaker) for speaker in speakers]
        return json_response(configuration(customer, rooms, base_url=self._base_url))

    async def _integrated(self, speaker: Speaker) -> Integrated:
        view = await self._board.find(speaker.room)
        return Integrated(
            speaker=speaker,
            triggers=self._gates.of(view.room).triggers,
            session_min=minutes_of(view.rules.session_s),
        )
