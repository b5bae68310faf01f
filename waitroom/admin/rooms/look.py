"""The operators' API for how a room looks: a draft that they preview, and what is live."""

import msgspec
from aiohttp import web
from msgspec import UNSET

from inventory.kit.doors.described import described
from inventory.kit.http import json_response, read_body
from inventory.refusals import ChangedMeanwhile
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.looks import RoomLooks
from waitroom.look.look import LOOK_CHANGE, LookChange, RoomLook, unreadable
from waitroom.look.look_store import LookStore
from waitroom.refusals import UnreadableColour


class LooksBody(msgspec.Struct, frozen=True, kw_only=True):
    """The look that operators work on, and the one that shoppers see."""

    draft: RoomLook
    live: RoomLook


class LookAdmin:
    def __init__(self, guard: Guard, *, store: LookStore, looks: RoomLooks) -> None:
        self._guard = guard
        self._store = store
        self._looks = looks

    def routes(self) -> list[web.RouteDef]:
        as_role, look = self._guard.as_role, "/admin/rooms/{room}/look"
        return [
            web.get(look, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.put(look, as_role("operator", self.save, scope="rooms")),
            web.post(f"{look}/publish", as_role("operator", self.publish, scope="rooms")),
        ]

    @described(answer=LooksBody)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Return how a room looks: the draft, and what is live."""
        return json_response(await self._body(request.match_info["room"]))

    @described(body=LookChange, answer=LooksBody, refusals=(ChangedMeanwhile, UnreadableColour))
    async def save(self, request: web.Request, operator: Operator) -> web.Response:
        """Keep a draft in place of the last one; raises `UnreadableColour`."""
        room, change = request.match_info["room"], await read_body(request, LOOK_CHANGE)
        draft, was = change.look(), None if change.was is UNSET else change.was
        _require_readable(draft)
        await self._store.save(room, draft, was=was, who=operator.name)
        return json_response(await self._body(room))

    @described(answer=LooksBody, refusals=(UnreadableColour,))
    async def publish(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the draft to shoppers. A repeat changes nothing."""
        room = request.match_info["room"]
        _require_readable((await self._store.read(room)).draft)
        await self._store.publish(room, who=operator.name)
        await self._looks.refresh()
        return json_response(await self._body(room))

    async def _body(self, room: str) -> LooksBody:
        looks = await self._store.read(room)
        return LooksBody(draft=looks.draft, live=looks.live)


def _require_readable(look: RoomLook) -> None:
    for refused in unreadable(look):
        raise UnreadableColour(refused.sentence, field=refused.field, nearest=refused.nearest)
