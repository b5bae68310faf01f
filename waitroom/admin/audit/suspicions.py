"""Suspicions of a room: networks that stand out, taking many places away, and giving them back.

The screen *Suspicions* shows what was seen, how often and since when. The operator decides: an
office or a carrier may look like a bot farm. Each place that is taken away is on record like a
single one, with the reason.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypedDict, cast

import msgspec
from aiohttp import web
from msgspec import Meta

from inventory.kit.doors.decoding import decoder
from inventory.kit.doors.described import described
from inventory.kit.doors.query import Whole
from inventory.kit.doors.texts import Note, Reason, is_visible
from inventory.kit.http import json_response, read_body, read_query
from inventory.kit.problem import BadRequest, Refusal
from inventory.refusals import ChangedMeanwhile, RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.audit.behind import NetworkHash
from waitroom.desk.board import Board, RoomView
from waitroom.refusals import SaleEnded
from waitroom.store.place_store import NetworkOnFile, PlaceStore, Signal

# One call takes at most this many places away; the rest of a network's places are for the next.
REVOKED_MAX = 200
SHOWN_MAX = 100


class NetworkSuspected(TypedDict):
    """Figures of a network's sessions in the room."""

    # A keyed hash of the network. It tells nothing about the address.
    network: str
    # The signals that it stands out by, the reasons why it is shown.
    signals: list[Signal]
    # Its first claim.
    since: datetime
    # Its sessions, and those of them that are open.
    sessions: int
    inside: int
    # Calls that were claimed within a second.
    at_once: int
    # Units in its open baskets; its baskets that were paid, and those that ended unpaid.
    held: int
    paid: int
    unpaid: int
    # Payments that were declined.
    declined: int


class Suspicions(msgspec.Struct, frozen=True, kw_only=True):
    """The networks that stand out, the most striking first, a hundred at most."""

    networks: list[NetworkSuspected]


class PlaceNamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: Annotated[str, Meta(min_length=1, max_length=64)]
    number: Annotated[int, Meta(ge=1, le=2**53)]


class ManyRevoked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST: a network's open sessions, or the places of a list, and why.

    `confirm` is how many places these are. If there are others by now, none is taken away.
    """

    reason: Note
    confirm: Annotated[int, Meta(ge=1, le=REVOKED_MAX)]
    network: NetworkHash | None = None
    places: Annotated[list[PlaceNamed], Meta(min_length=1, max_length=REVOKED_MAX)] | None = None


class RevokedPlaceBody(TypedDict):
    """A place that is taken away now."""

    line: str
    number: int
    at: datetime
    who: str
    reason: str


class RevokedPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """A page of places, the latest first; `next` is the `before` of the page after it."""

    places: list[RevokedPlaceBody]
    next: str | None


class ManyGivenBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST: the places, how many these are, and why they are given back."""

    reason: Reason
    confirm: Annotated[int, Meta(ge=1, le=REVOKED_MAX)]
    places: Annotated[list[PlaceNamed], Meta(min_length=1, max_length=REVOKED_MAX)]


class GivenBackPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """How many places were given back; `kept` were not taken away, or of a line that is over."""

    given_back: int
    kept: int


class Revocations(msgspec.Struct, frozen=True, kw_only=True):
    """How many places were taken away, and how many stayed: paid for, over or unknown."""

    revoked: int
    kept: int


# The verdicts on a place that end the whole act.
_REFUSALS: dict[str, type[Refusal]] = {"archived": RoomArchived, "room_ended": SaleEnded}
_MANY = decoder(ManyRevoked)
_BACK = decoder(ManyGivenBack)
_LIMIT = Whole(name="limit", text="Places on a page.", default=100, low=1, high=REVOKED_MAX)
_BEFORE = Whole(
    name="before", text="Only places taken away before this act.", default=0, low=1, high=2**63 - 1
)


class SuspicionsAdmin:
    """The operators' API of a room's suspicions."""

    def __init__(self, guard: Guard, *, board: Board, places: PlaceStore) -> None:
        self._guard = guard
        self._board = board
        self._places = places

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/rooms/{room}"
        return [
            web.get(f"{room}/suspicions", as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.post(
                f"{room}/revocations", as_role("operator", self.revoke, scope="rooms", fresh=True)
            ),
            web.get(
                f"{room}/revocations", as_role("viewer", self.revoked, scope=("figures", "rooms"))
            ),
            web.post(
                f"{room}/revocations/undo",
                as_role("operator", self.give_back, scope="rooms", fresh=True),
            ),
        ]

    @described(answer=Suspicions)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """List the networks that stand out in a room, by keyed hashes of them."""
        view = await self._board.find(request.match_info["room"])
        found = await self._places.suspicions(view.rules.room_id, SHOWN_MAX)
        return json_response(Suspicions(networks=[_told(network) for network in found]))

    @described(body=ManyRevoked, answer=Revocations, refusals=(ChangedMeanwhile, RoomArchived))
    async def revoke(self, request: web.Request, operator: Operator) -> web.Response:
        """Take many places away; their sessions end, and each is on record with the reason.

        Their holders are told so, and can name their reference. Places with a payment under way,
        and those that are over, stay as they are.
        """
        view = await self._board.find(request.match_info["room"])
        body = await read_body(request, _MANY)
        if not is_visible(body.reason):
            raise BadRequest("Say why the places are taken away; it goes on record.")
        if (body.network is None) == (body.places is None):
            raise BadRequest('Say either {"network": "…"} or {"places": […]}.')
        if body.network is not None:
            mark = bytes.fromhex(body.network)
            named = await self._places.of_network(view.rules.room_id, mark, REVOKED_MAX)
        else:
            named = list(dict.fromkeys((one.line, one.number) for one in body.places or ()))
        revoked = await self._do(self._places.revoke, view, named, body, operator, done="revoked")
        return json_response(Revocations(revoked=revoked, kept=len(named) - revoked))

    @described(query=(_LIMIT, _BEFORE), answer=RevokedPlaces)
    async def revoked(self, request: web.Request, operator: Operator) -> web.Response:
        """List the places that are taken away now, with who did it and why."""
        view = await self._board.find(request.match_info["room"])
        query = read_query(request)
        limit, before = _LIMIT.of(query), _BEFORE.of(query) or None
        found = await self._places.revoked(view.rules.room_id, before=before, most=limit)
        told: list[RevokedPlaceBody] = [
            {"line": p.line, "number": p.number, "at": p.at, "who": p.who, "reason": p.reason}
            for p in found
        ]
        following = str(found[-1].action_id) if len(found) == limit else None
        return json_response(RevokedPlaces(places=told, next=following))

    @described(
        body=ManyGivenBack,
        answer=GivenBackPlaces,
        refusals=(ChangedMeanwhile, SaleEnded, RoomArchived),
    )
    async def give_back(self, request: web.Request, operator: Operator) -> web.Response:
        """Give places back that were taken away; each stands again at its number.

        A place whose turn has passed is called again, before anyone new. Sessions that ended, their
        baskets, and messages that were asked for do not come back.
        """
        view = await self._board.find(request.match_info["room"])
        body = await read_body(request, _BACK)
        named = list(dict.fromkeys((one.line, one.number) for one in body.places))
        act = self._places.give_back
        given_back = await self._do(act, view, named, body, operator, done="given_back")
        return json_response(GivenBackPlaces(given_back=given_back, kept=len(named) - given_back))

    async def _do(
        self,
        act: Callable[..., Awaitable[str]],
        view: RoomView,
        named: Sequence[tuple[str, int]],
        body: ManyRevoked | ManyGivenBack,
        operator: Operator,
        *,
        done: str,
    ) -> int:
        """Do an act to each of the places that the operator confirmed; return to how many."""
        if body.confirm != len(named):
            raise ChangedMeanwhile(_now(len(named)), places=len(named))
        count = 0
        for line, number in named:
            verdict = await act(view.room, line, number, who=operator.name, reason=body.reason)
            if verdict in _REFUSALS:
                raise _REFUSALS[verdict]
            count += verdict == done
        await self._board.refresh_places()
        return count


def _told(network: NetworkOnFile) -> NetworkSuspected:
    return cast("NetworkSuspected", asdict(network))


def _now(places: int) -> str:
    is_one = places == 1
    return f"{'This is' if is_one else 'These are'} {places} place{'' if is_one else 's'} now."
