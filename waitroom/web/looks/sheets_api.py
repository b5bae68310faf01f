"""The stylesheets of rooms, under the hash of their text: a look that is live never changes."""

from aiohttp import web
from multidict import CIMultiDict

from inventory.kit.limits.classes import FILES, limited_as
from inventory.kit.problem import NotFound
from waitroom.desk.looks import RoomLooks
from waitroom.look.sheet import Sheet

KEPT_S = 31_536_000
_HEADERS = CIMultiDict({"Content-Type": "text/css; charset=utf-8"})


class SheetsApi:
    def __init__(self, looks: RoomLooks) -> None:
        self._looks = looks

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/rooms/{room}/look/{hash:[0-9a-f]{16}}.css", self.serve)]

    @limited_as(FILES)
    async def serve(self, request: web.Request) -> web.Response:
        """Serve the stylesheet of the live look.

        A page may come from a process that heard of a change a moment sooner or later than this
        one. It gets the colours that this one knows, and asks again next time.
        """
        sheet = self._looks.sheet(request.match_info["room"])
        if not sheet.hash:
            raise NotFound
        return sheet_response(sheet, kept=sheet.hash == request.match_info["hash"])


def sheet_response(sheet: Sheet, *, kept: bool) -> web.Response:
    response = web.Response(body=sheet.text.encode(), headers=_HEADERS)
    response.headers["Cache-Control"] = (
        f"public, max-age={KEPT_S}, immutable" if kept else "no-store"
    )
    return response
