"""A room's address as a QR code, from our own origin."""

from io import BytesIO

import segno
from aiohttp import web

from inventory.kit.http import PRIVATE
from inventory.kit.problem import NotFound
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board

_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
# Modules of the code as pixels: large enough to print, and small enough for a page.
_SCALES = {"svg": 8, "png": 16}


class ShareAdmin:
    def __init__(self, guard: Guard, *, board: Board, base_url: str) -> None:
        self._guard = guard
        self._board = board
        self._base_url = base_url

    def routes(self) -> list[web.RouteDef]:
        show = self._guard.as_role("viewer", self.show)
        return [web.get("/admin/rooms/{room}/qr.{ending}", show)]

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        ending = request.match_info["ending"]
        if ending not in _TYPES:
            raise NotFound
        room = (await self._board.find(request.match_info["room"])).room
        body = qr_of(f"{self._base_url}/rooms/{room}", ending)
        response = web.Response(body=body, headers={**PRIVATE, "Content-Type": _TYPES[ending]})
        response.headers["Content-Disposition"] = f'inline; filename="{room}.{ending}"'
        return response


def qr_of(address: str, ending: str) -> bytes:
    """Return an address as a QR code in which a quarter of the modules may be lost."""
    picture = BytesIO()
    code = segno.make_qr(address, error="q", boost_error=False)
    code.save(picture, kind=ending, scale=_SCALES[ending], border=4, light="#ffffff")
    return picture.getvalue()
