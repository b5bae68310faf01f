"""The operators' API for how a room stands in front of a site."""

from aiohttp import web
from msgspec import UNSET

from inventory.kit.doors.decoding import Json
from inventory.kit.http import json_response, read_body
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.gates import Gates
from waitroom.gate.gate_store import GateStore
from waitroom.gate.rules import GATE_CHANGE


class GateAdmin:
    def __init__(self, guard: Guard, *, store: GateStore, gates: Gates) -> None:
        self._guard = guard
        self._store = store
        self._gates = gates

    def routes(self) -> list[web.RouteDef]:
        as_role, gate = self._guard.as_role, "/admin/rooms/{room}/gate"
        return [
            web.get(gate, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.put(gate, as_role("operator", self.put, scope="rooms")),
        ]

    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        return json_response(await self._body(request.match_info["room"]))

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

    async def _body(self, room: str) -> Json:
        return {"room": room, "gate": await self._store.read(room)}
