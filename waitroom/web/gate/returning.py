"""The way back to the site: from the request that a gate refused to the page that was asked for.

The address comes in the room's own address, as `t`, signed by the check, or as `to`, in plain and
on the room's list. A cookie that goes to this room alone keeps it while the shopper waits, signs in
and is drawn. It is compared with the list once more when it is used, since the list may have
changed meanwhile.
"""

from urllib.parse import urlencode

from aiohttp import web

from checkout.session import checkout_url
from inventory.kit.doors.cookies import COOKIE, values_of
from inventory.kit.doors.origins import Origin, origin_of
from inventory.kit.doors.query import Text
from inventory.kit.http import read_query
from waitroom.desk.board import RoomView
from waitroom.desk.gates import Gates, KnownUsers
from waitroom.desk.tickets import OpenedSession
from waitroom.gate.return_address import allowed, with_pass
from waitroom.gate.return_token import ReturnSeal
from waitroom.refusals import ReturnAddressRefused
from waitroom.web.gate.hand_overs import HandOvers
from waitroom.web.waiting.notes import RETURN_COOKIE

SIGNED, PLAIN = "t", "to"
SIGNED_ADDRESS = Text(
    name=SIGNED, text="The return address, as a link to the room names it, signed by this service."
)
PLAIN_ADDRESS = Text(name=PLAIN, text="A return address that the room allows.")


class Returning:
    """Keeps return addresses and leads to them. `own` is this service's origin, if it is set."""

    def __init__(
        self,
        gates: Gates,
        known_users: KnownUsers,
        seal: ReturnSeal,
        *,
        hand_overs: HandOvers,
        own: Origin | None,
    ) -> None:
        self._gates = gates
        self._known_users = known_users
        self._seal = seal
        self.hand_overs = hand_overs
        self._own = own

    def token_for(self, request: web.Request, room: str, address: str) -> str | None:
        """Return the signed form of an address to which this room may lead, or None."""
        plain = self._allowed(request, room, address)
        return None if plain is None else self._seal.sign(room, plain)

    def asked(self, request: web.Request, room: str) -> str | None:
        """Return the token of the address that a request names, None if it names none.

        Raises `ReturnAddressRefused`.
        """
        query = read_query(request)
        if not query:
            return None
        signed, plain = query.get(SIGNED), query.get(PLAIN)
        if signed is None and plain is None:
            return None
        if plain is not None:
            found = allowed(plain, self._gates.of(room).return_addresses)
        else:
            opened = self._seal.open(room, signed or "")
            found = None if opened is None else self._allowed(request, room, opened)
        if found is None:
            raise ReturnAddressRefused(room=room)
        return self._seal.sign(room, found)

    def checked(self, room: str, address: str) -> str:
        """Return an address on the room's list in its plain form; raises `ReturnAddressRefused`."""
        found = allowed(address, self._gates.of(room).return_addresses)
        if found is None:
            raise ReturnAddressRefused(room=room)
        return found

    def kept(self, room: str, address: str) -> str:
        """Return the token by which a browser keeps an address that was checked."""
        return self._seal.sign(room, address)

    def way_on(self, request: web.Request, view: RoomView) -> str:
        """Return what leads a shopper on who is let in.

        That is the address itself, or where a token is put into it for a site that needs one. A
        named address that is refused raises `ReturnAddressRefused`.
        """
        there = self.address(request, view)
        if self._known_users.of_room(view.room) is None:
            return there
        return self._onward(request, view)

    def link_on(self, request: web.Request, view: RoomView) -> str:
        """Return the link for a shopper who was let in before.

        To a site on another host it leads by this service, which hands a new pass over.
        """
        there = self.way_on(request, view)
        return self._onward(request, view) if self._is_elsewhere(request, there) else there

    def _onward(self, request: web.Request, view: RoomView) -> str:
        named = self.asked(request, view.room)
        return f"/rooms/{view.room}/onward" + (f"?{urlencode({SIGNED: named})}" if named else "")

    def site(self, request: web.Request, view: RoomView) -> str:
        """Return the host of the site that a shopper goes on to, "" for our own checkout."""
        origin = origin_of(self.address(request, view))
        return "" if origin is None else origin.host

    def address(self, request: web.Request, view: RoomView) -> str:
        """Return where a shopper goes who was let in.

        That is the address that the request names or its browser keeps, or else the first of the
        room's list, or else this service's own checkout.
        """
        named = self.asked(request, view.room)
        kept = values_of(request.headers.getall(COOKIE, ()), RETURN_COOKIE)
        for token in kept if named is None else [named]:
            opened = self._seal.open(view.room, token)
            found = None if opened is None else self._allowed(request, view.room, opened)
            if found is not None:
                return found
        return next(iter(self._gates.of(view.room).return_addresses), checkout_url(view.room))

    def handing_over(
        self, request: web.Request, room: str, address: str, *, session: OpenedSession, text: str
    ) -> str:
        """Return where to lead a shopper who has the pass `text`, "" for none.

        To a site on another host that is its place of arrival with a hand-over token, or else the
        address with the pass in it. A site on this host gets both in cookies. Without a pass the
        address stays as it is.
        """
        if not text or not self._is_elsewhere(request, address):
            return address
        return self.hand_overs.way_to(room, address, session) or with_pass(address, text)

    def _is_elsewhere(self, request: web.Request, address: str) -> bool:
        """Say whether an address is on another host, which gets no cookie of this service."""
        origin = origin_of(address)
        return origin is not None and origin != self._own and not origin.is_at(request.host)

    def _allowed(self, request: web.Request, room: str, address: str) -> str | None:
        """Return an address on the room's list, or, without a list, on this service's own site."""
        entries = self._gates.of(room).return_addresses
        if entries:
            return allowed(address, entries)
        origin = origin_of(address)
        if origin is None or not (origin == self._own or origin.is_at(request.host)):
            return None
        return allowed(address, [origin.address])
