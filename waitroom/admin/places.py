"""The operators' API for single places: taking one away."""

import re

import msgspec
from aiohttp import web

from inventory.hold import PaymentRunning
from inventory.kit.http import json_response, read_body
from inventory.kit.problem import BadRequest, NotFound, Refusal
from waitroom.admin.bodies import Reason
from waitroom.admin.guard import Guard
from waitroom.admin.sign_in import Operator
from waitroom.board import Board
from waitroom.place_store import PlaceStore


class PlaceOver(Refusal):
    code, status = "place_over", 409
    title = "This place is used or given up; there is nothing to take away."


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of DELETE: why, and the number once more, typed by hand."""

    reason: Reason
    confirm: int


_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_REVOCATION = msgspec.json.Decoder(Revocation)


class PlacesAdmin:
    def __init__(self, guard: Guard, *, board: Board, places: PlaceStore) -> None:
        self._guard = guard
        self._board = board
        self._places = places

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.delete(
                "/admin/rooms/{room}/places/{line}/{number}",
                as_role("operator", self.revoke),
            ),
        ]

    async def revoke(self, request: web.Request, operator: Operator) -> web.Response:
        """Take a place away; its session ends, and the public log has a hash of the reason."""
        named = request.match_info
        if _NUMBER.fullmatch(named["number"]) is None:
            raise NotFound("There is no such place.")
        number = int(named["number"])
        wish = await read_body(request, _REVOCATION)
        if wish.confirm != number:
            raise BadRequest(f'To take the place away, say {{"confirm": {number}}}.')
        if not wish.reason.strip():
            raise BadRequest("Say why the place is taken away.")
        verdict = await self._places.revoke(
            named["room"], named["line"], number, who=operator.name, reason=wish.reason
        )
        if verdict == "unknown":
            raise NotFound("There is no such place.")
        if verdict == "over":
            raise PlaceOver
        if verdict == "payment_running":
            raise PaymentRunning("A payment is under way; it decides first.")
        await self._board.refresh_places()
        return json_response({"line": named["line"], "number": number, "status": "revoked"})
