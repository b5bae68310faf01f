"""The operators' API for their own sessions."""

import msgspec
from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.http import json_response
from inventory.kit.problem import NotFound
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.people import SessionsEnded
from waitroom.admin.accounts.sessions.session_store import OwnSession, SessionStore
from waitroom.admin.accounts.sign_in import Operator

SESSION_ID_DIGITS_MAX = 18


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """The open sessions of the operator who asks, this one first."""

    sessions: list[OwnSession]


class SessionsApi:
    def __init__(self, guard: Guard, *, sessions: SessionStore) -> None:
        self._guard = guard
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        as_role, own = self._guard.as_role, "/admin/account/sessions"
        return [
            web.get(own, as_role("viewer", self.show, sellers=True, before_factor=True)),
            web.delete(own, as_role("viewer", self.end_others, sellers=True, before_factor=True)),
            web.delete(
                f"{own}/{{session}}", as_role("viewer", self.end, sellers=True, before_factor=True)
            ),
        ]

    @described(answer=SessionList)
    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        """List where the operator who asks is signed in."""
        return json_response(SessionList(sessions=await self._sessions.sessions(operator)))

    @described(answer=SessionsEnded)
    async def end_others(self, request: web.Request, operator: Operator) -> web.Response:
        """End all sessions of the operator who asks but this one."""
        ended = await self._sessions.end_others(operator)
        await self._guard.note("sessions_ended", operator, request, sessions=ended)
        return json_response(SessionsEnded(sessions_ended=ended))

    @described(status=204)
    async def end(self, request: web.Request, operator: Operator) -> web.Response:
        """End one session of the operator who asks."""
        number = request.match_info["session"]
        is_number = number.isascii() and number.isdigit() and len(number) <= SESSION_ID_DIGITS_MAX
        if not is_number or not await self._sessions.end(operator, int(number)):
            raise NotFound("This session has ended already.")
        await self._guard.note("sessions_ended", operator, request, sessions=1)
        return web.Response(status=204)
