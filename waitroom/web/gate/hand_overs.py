"""Sessions handed over to a site on another host: the way there, and the arrival.

The site's proxy leads one path of its own, the gate's `arrive_at`, to `/arrive/{room}` of this
service. So the answer sets its cookie on the site's host, and leads on to a clean address.
"""

import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from checkout.session import Session
from inventory.kit.doors.client import asked_host
from inventory.kit.doors.described import described
from inventory.kit.doors.origins import origin_of
from inventory.kit.doors.query import Text
from inventory.kit.http import read_query, wants_html
from inventory.kit.limits.classes import HAND_OVERS, limited_as
from waitroom.desk.board import Board
from waitroom.desk.gates import Gates
from waitroom.desk.tickets import OpenedSession
from waitroom.gate.gate_store import GateStore
from waitroom.gate.hand_over import LIFE, NONCE_BYTES, HandOver, HandOverSeal
from waitroom.gate.return_address import allowed
from waitroom.refusals import HandOverOver
from waitroom.web.credentials import Credentials

TOKEN = "token"  # noqa: S105 - the name of a parameter
_TOKEN = Text(name=TOKEN, text="The hand-over token; the link is over without one.")
_LEAVES_NO_TRACE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class HandOvers:
    """Makes hand-over tokens and reads them."""

    def __init__(self, gates: Gates, seal: HandOverSeal) -> None:
        self._gates = gates
        self._seal = seal

    def way_to(self, room: str, address: str, session: OpenedSession) -> str | None:
        """Return where a shopper goes first who is led to an address on another host.

        None where the room's gate names no place of arrival.
        """
        origin, arrive_at = origin_of(address), self._gates.of(room).arrive_at
        if origin is None or not arrive_at:
            return None
        token = HandOver(
            room=room,
            session_id=session.session.session_id,
            sku=session.session.sku,
            until=_now(session) + LIFE,
            nonce=secrets.token_bytes(NONCE_BYTES),
            address=address,
        )
        return f"{origin.address}{arrive_at}?{urlencode({TOKEN: self._seal.sign(token)})}"

    def opened(self, text: str, *, room: str, host: str) -> HandOver | None:
        """Return what a token says if it is of this room and of the host where it arrived."""
        token = self._seal.open(text)
        origin = None if token is None else origin_of(token.address)
        if token is None or token.room != room or origin is None or not origin.is_at(host):
            return None
        entries = self._gates.of(room).return_addresses
        return None if allowed(token.address, entries) is None else token


def _now(session: OpenedSession) -> datetime:
    """Return the moment of the claim by the database's clock, since that spends the token."""
    if session.expires_at is None:
        return datetime.now(UTC)
    return session.expires_at - timedelta(seconds=session.seconds_left)


class ArrivalApi:
    """`base_url` is the address of the service as browsers know it."""

    def __init__(
        self,
        board: Board,
        credentials: Credentials,
        *,
        hand_overs: HandOvers,
        store: GateStore,
        base_url: str,
    ) -> None:
        self._board = board
        self._credentials = credentials
        self._hand_overs = hand_overs
        self._store = store
        self._base_url = base_url

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/arrive/{room}", self.arrive)]

    @limited_as(HAND_OVERS)
    @described(
        query=(_TOKEN,),
        status=303,
        refusals=(HandOverOver,),
    )
    async def arrive(self, request: web.Request) -> web.Response:
        """Spend a hand-over token, keep the session on this host, and lead on to the page."""
        view = await self._board.find(request.match_info["room"])
        text = _TOKEN.of(read_query(request))
        token = self._hand_overs.opened(text, room=view.room, host=asked_host(request))
        if token is None or not await self._store.spend(token):
            return self._refused(request, view.room)
        response = web.Response(status=303, headers={"Location": token.address, **_LEAVES_NO_TRACE})
        session = Session(session_id=token.session_id, room=token.room, sku=token.sku)
        # The browser is the one that the address was made for. On this host it has another id.
        given = self._credentials.session_for(request, session, to_browser=True)
        self._credentials.keep_session(request, response, view, given)
        return response

    def _refused(self, request: web.Request, room: str) -> web.Response:
        """Lead a browser back to the room, whose button makes another token; refuse a program."""
        place = f"{self._base_url}/rooms/{room}"
        if not wants_html(request):
            raise HandOverOver(room=room, url=place)
        return web.Response(status=303, headers={"Location": place, **_LEAVES_NO_TRACE})
