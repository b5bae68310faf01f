"""The operators' API for how a room stands in front of a site."""

import re

import msgspec
from aiohttp import web
from msgspec import UNSET

from checkout.order_store import OrderStore
from inventory.kit.doors.described import described
from inventory.kit.http import json_response, read_body
from inventory.kit.problem import NotFound
from inventory.refusals import ChangedMeanwhile, PaymentRunning, RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.gates import Gates
from waitroom.gate.gate_store import GateStore
from waitroom.gate.rules import GATE_CHANGE, GateChange, GateRules

# As many digits as an id can have.
_SESSION = re.compile(r"[1-9][0-9]{0,17}")


class GateBody(msgspec.Struct, frozen=True, kw_only=True):
    """A room's gate: how it stands in front of a site."""

    room: str
    gate: GateRules


class GateAdmin:
    def __init__(
        self, guard: Guard, *, store: GateStore, gates: Gates, sessions: OrderStore
    ) -> None:
        self._guard = guard
        self._store = store
        self._gates = gates
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        as_role, gate = self._guard.as_role, "/admin/rooms/{room}/gate"
        return [
            web.get(gate, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.put(gate, as_role("operator", self.put, scope="rooms")),
            web.delete(
                "/admin/rooms/{room}/sessions/{session}",
                as_role("operator", self.release, scope="stock"),
            ),
        ]

    @described(answer=GateBody)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Return how the room stands in front of a site."""
        return json_response(await self._body(request.match_info["room"]))

    @described(body=GateChange, answer=GateBody, refusals=(ChangedMeanwhile, RoomArchived))
    async def put(self, request: web.Request, operator: Operator) -> web.Response:
        """Put rules in place of those that stand; a rule that is left out gets its default."""
        room, change = request.match_info["room"], await read_body(request, GATE_CHANGE)
        await self._store.put(
            room,
            change.rules(),
            was=None if change.was is UNSET else change.was,
            who=operator.name,
            reason=change.reason,
        )
        await self._gates.refresh()
        return json_response(await self._body(room))

    @described(status=204, refusals=(PaymentRunning,))
    async def release(self, request: web.Request, operator: Operator) -> web.Response:
        """End a session, whose seat goes to the next shopper at once. A repeat changes nothing.

        The check tells a site the session's id, in `X-Waitroom-Session`.
        """
        room, text = request.match_info["room"], request.match_info["session"]
        session_id = int(text) if _SESSION.fullmatch(text) else 0
        found = (await self._sessions.sessions([session_id])).get(session_id)
        if found is None or found.room != room:
            raise NotFound(f"There is no session {text!r} in the room {room!r}.")
        await self._sessions.leave(session_id)
        return web.Response(status=204)

    async def _body(self, room: str) -> GateBody:
        return GateBody(room=room, gate=await self._store.read(room))
