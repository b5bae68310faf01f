"""Networks that an operator puts behind by hand: their further places are called last.

The lane behind takes further places of a network that has very many by itself. An operator who sees
a bot farm earlier puts it there, with a reason. Places that it has already stay where they are. The
public log says how many networks are put behind, and when that changed.
"""

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypedDict, cast

import msgspec
from aiohttp import web
from msgspec import Meta

from inventory.kit.doors.client_address import network_around, parse_address
from inventory.kit.doors.decoding import decoder, grammar
from inventory.kit.doors.described import described
from inventory.kit.doors.texts import Reason
from inventory.kit.http import json_response, read_body
from inventory.kit.problem import BadRequest, NotFound
from inventory.refusals import RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board, RoomView
from waitroom.desk.tickets import Tickets
from waitroom.refusals import SaleEnded
from waitroom.store.place_store import PlaceStore

NetworkHash = Annotated[
    str, grammar(r"^[0-9a-f]{16}\Z", "It is a network's hash, as the list of suspicions has it")
]
_HASH = re.compile("[0-9a-f]{16}")
ADDRESS_LENGTH_MAX = 60


class NetworkPut(TypedDict):
    """A network that an operator put behind."""

    # A keyed hash of the network. It tells nothing about the address.
    network: str
    at: datetime
    who: str
    reason: str


class NetworksBehind(msgspec.Struct, frozen=True, kw_only=True):
    """The networks that operators put behind, the latest first."""

    networks: list[NetworkPut]


class PutBehind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST: a network by its hash, or any address in it, and why."""

    reason: Reason
    network: NetworkHash | None = None
    address: Annotated[str, Meta(min_length=1, max_length=ADDRESS_LENGTH_MAX)] | None = None


class Lifted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of DELETE: why its further places are called like all others again."""

    reason: Reason


class NetworkNamed(msgspec.Struct, frozen=True, kw_only=True):
    """The network that was put behind, or is called like all others again."""

    network: str
    behind: bool


_PUT = decoder(PutBehind)
_LIFTED = decoder(Lifted)


class BehindAdmin:
    """The operators' API of the networks that are put behind by hand."""

    def __init__(self, guard: Guard, *, board: Board, tickets: Tickets, places: PlaceStore) -> None:
        self._guard = guard
        self._board = board
        self._tickets = tickets
        self._places = places

    def routes(self) -> list[web.RouteDef]:
        as_role, path = self._guard.as_role, "/admin/rooms/{room}/networks-behind"
        lift = as_role("operator", self.lift, scope="rooms")
        return [
            web.get(path, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.post(path, as_role("operator", self.put, scope="rooms")),
            web.delete(f"{path}/{{network}}", lift),
        ]

    @described(answer=NetworksBehind)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """List the networks that operators put behind, by keyed hashes of them."""
        view = await self._board.find(request.match_info["room"])
        found = await self._places.networks_behind(view.rules.room_id)
        told = [cast("NetworkPut", asdict(network)) for network in found]
        return json_response(NetworksBehind(networks=told))

    @described(body=PutBehind, answer=NetworkNamed, refusals=(SaleEnded, RoomArchived))
    async def put(self, request: web.Request, operator: Operator) -> web.Response:
        """Give a network its further places in the lane behind, from now on.

        Places that it has stay where they are. The log tells the number of such networks.
        """
        view = await self._board.find(request.match_info["room"])
        body = await read_body(request, _PUT)
        if (body.network is None) == (body.address is None):
            raise BadRequest('Say either {"network": "…"} or {"address": "…"}.')
        if body.network is not None:
            mark = bytes.fromhex(body.network)
        else:
            mark = self._mark_of(view, body.address or "")
        return await self._set(view, mark, operator, is_behind=True, reason=body.reason)

    @described(body=Lifted, answer=NetworkNamed, refusals=(SaleEnded, RoomArchived))
    async def lift(self, request: web.Request, operator: Operator) -> web.Response:
        """Give a network its further places like all others again.

        Places that it got behind stay there. A network with very many places is behind anyway.
        """
        view = await self._board.find(request.match_info["room"])
        named = request.match_info["network"]
        if _HASH.fullmatch(named) is None:
            raise NotFound("There is no such network.")
        body = await read_body(request, _LIFTED)
        mark = bytes.fromhex(named)
        return await self._set(view, mark, operator, is_behind=False, reason=body.reason)

    async def _set(
        self, view: RoomView, mark: bytes, operator: Operator, *, is_behind: bool, reason: str
    ) -> web.Response:
        verdict = await self._places.put_behind(
            view.room, mark, is_behind=is_behind, who=operator.name, reason=reason
        )
        if verdict == "unknown":
            raise NotFound
        if verdict == "room_ended":
            raise SaleEnded
        if verdict == "archived":
            raise RoomArchived
        if verdict == "too_many":
            raise BadRequest("A room has at most 1,000 networks put behind by hand; lift some.")
        await self._board.refresh(rooms=True)
        return json_response(NetworkNamed(network=mark.hex(), behind=is_behind))

    def _mark_of(self, view: RoomView, address: str) -> bytes:
        known = parse_address(address)
        mark = None if known is None else self._tickets.mark(view, network_around(known))
        if mark is None:
            raise BadRequest(
                "address must be a shopper's IPv4 or IPv6 address, such as 203.0.113.7."
            )
        return mark
