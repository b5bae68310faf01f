"""The opening of a room as a calendar file over HTTP."""

from aiohttp import web

from inventory.kit.language.asked import language_of
from inventory.kit.problem import NotFound
from waitroom.web.credentials import Credentials
from waitroom.web.waiting.calendar import calendar


class OpeningApi:
    def __init__(self, credentials: Credentials, *, base_url: str) -> None:
        self._credentials = credentials
        self._base_url = base_url

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/rooms/{room}/opening.ics", self.opening)]

    async def opening(self, request: web.Request) -> web.Response:
        """Give the opening as a calendar file."""
        view = await self._credentials.room_of(request)
        opens_at, state = view.rules.opens_at, view.state
        if opens_at is None or state is None:
            raise NotFound
        url = f"{self._base_url}/rooms/{view.room}"
        language = language_of(request)
        body = calendar(
            room=view.room,
            name=view.rules.name,
            text=language.say("The line starts to move then: {address}", address=url),
            url=url,
            opens_at=opens_at,
            written_at=state.updated_at,
        )
        headers = {
            "Content-Type": "text/calendar; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{view.room}.ics"',
            "Cache-Control": "no-store",
        }
        return web.Response(body=body, headers=headers)
