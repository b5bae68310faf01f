"""The operators' API for rooms that speak KnownUser V3 to a site."""

import msgspec
from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.http import json_response, read_body
from inventory.refusals import RoomArchived
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.gates import KnownUsers
from waitroom.gate.known_user.integration import KNOWN_USER_CHANGE, KnownUserChange, KnownUserRules
from waitroom.gate.known_user.known_user_store import KnownUserStore, SiteKeys
from waitroom.refusals import EventTaken


class KnownUserBody(msgspec.Struct, frozen=True, kw_only=True):
    """A room's rules of KnownUser V3, null if it speaks to no site."""

    room: str
    known_user: KnownUserRules | None
    # The site's keys, where they were made: they are told once.
    keys: SiteKeys | None


class KnownUserAdmin:
    def __init__(self, guard: Guard, *, store: KnownUserStore, known_users: KnownUsers) -> None:
        self._guard = guard
        self._store = store
        self._known_users = known_users

    def routes(self) -> list[web.RouteDef]:
        as_role, known_user = self._guard.as_role, "/admin/rooms/{room}/gate/known-user"
        return [
            web.get(known_user, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.put(known_user, as_role("operator", self.put, scope="rooms")),
            web.delete(known_user, as_role("operator", self.remove, scope="rooms")),
            web.post(f"{known_user}/secret", as_role("admin", self.renew, fresh=True)),
        ]

    @described(answer=KnownUserBody)
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Return how the room speaks KnownUser V3 to a site."""
        return await self._answer(request.match_info["room"], None)

    @described(body=KnownUserChange, answer=KnownUserBody, refusals=(EventTaken, RoomArchived))
    async def put(self, request: web.Request, operator: Operator) -> web.Response:
        """Let a room speak to a site. The first room of a site is answered with the site's keys."""
        room, change = request.match_info["room"], await read_body(request, KNOWN_USER_CHANGE)
        await self._require_site(room, change.customer, operator)
        keys = await self._store.put(
            room, change.rules(room), who=operator.name, reason=change.reason
        )
        await self._known_users.refresh()
        if keys is not None:
            await self._guard.note("site_secret_made", operator, request, room=room)
        return await self._answer(room, keys)

    async def _require_site(self, room: str, customer: str, operator: Operator) -> None:
        """Raise `KeyNarrowed` for a key that would join a site of rooms in which it does not work.

        The rooms of a site share its configuration, so one could let visitors past the others.
        """
        await self._known_users.refresh()
        standing = self._known_users.of_room(room)
        if standing is None or standing.rules.customer != customer:
            for speaker in self._known_users.of_customer(customer):
                operator.require_room(speaker.room)

    @described(status=204)
    async def remove(self, request: web.Request, operator: Operator) -> web.Response:
        """Let a room speak to no site. The last room of a site takes the site's keys along."""
        await self._store.put(request.match_info["room"], None, who=operator.name, reason="")
        await self._known_users.refresh()
        return web.Response(status=204)

    @described(answer=KnownUserBody)
    async def renew(self, request: web.Request, operator: Operator) -> web.Response:
        """Give the site of a room new keys, and tell them once. The former end at once."""
        room = request.match_info["room"]
        keys = await self._store.renew_secret(room, who=operator.name)
        await self._guard.note("site_secret_made", operator, request, room=room)
        await self._known_users.refresh()
        return await self._answer(room, keys)

    async def _answer(self, room: str, keys: SiteKeys | None) -> web.Response:
        rules = await self._store.read(room)
        return json_response(KnownUserBody(room=room, known_user=rules, keys=keys))
