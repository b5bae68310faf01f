"""The operators' API for the sellers of a room: who may sell there."""

import msgspec
from aiohttp import web

from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.texts import Note
from inventory.kit.http import json_response, read_body
from inventory.refusals import RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.rooms.answers import SellerList
from waitroom.store.room_store import RoomStore


class SellerChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT: whether the room admits the seller, and the reason for the record."""

    admitted: bool
    reason: Note = ""


_SELLER_CHANGE = decoder(SellerChange)


class SellersAdmin:
    def __init__(self, guard: Guard, *, rooms: RoomStore) -> None:
        self._guard = guard
        self._rooms = rooms

    def routes(self) -> list[web.RouteDef]:
        as_role, sellers = self._guard.as_role, "/admin/rooms/{room}/sellers"
        return [
            web.get(sellers, as_role("viewer", self.list_sellers, scope=("figures", "rooms"))),
            web.put(f"{sellers}/{{seller}}", as_role("operator", self.admit, scope="rooms")),
        ]

    @described(answer=SellerList)
    async def list_sellers(self, request: web.Request, operator: Operator) -> web.Response:
        """List the sellers whom the room admits, and those who have SKUs there without it."""
        return json_response(
            SellerList(sellers=await self._rooms.sellers(request.match_info["room"]))
        )

    @described(body=SellerChange, answer=SellerList, refusals=(RoomArchived,))
    async def admit(self, request: web.Request, operator: Operator) -> web.Response:
        """Admit a seller, or withdraw one; a repeat changes nothing."""
        room, seller = request.match_info["room"], request.match_info["seller"]
        change = await read_body(request, _SELLER_CHANGE)
        await self._rooms.admit(
            room, seller, admitted=change.admitted, who=operator.name, reason=change.reason
        )
        return await self.list_sellers(request, operator)
