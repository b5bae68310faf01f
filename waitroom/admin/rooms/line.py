"""The operators' screen of a room's line, and its log as a file."""

from aiohttp import web

from inventory.kit.http import PRIVATE, send_file
from inventory.kit.pages import Context, Pages
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board
from waitroom.desk.public_log import PublicLog

_JSON_LINES = {**PRIVATE, "Content-Type": "application/x-ndjson"}


def screen_context(request: web.Request, operator: Operator, board: Board) -> Context:
    """Return the start of a screen of rooms: the operator, the rooms, and the chosen one."""
    rooms = [{"room": v.room, "name": v.rules.name} for v in board.rooms.values()]
    return {
        "operator": {"name": operator.name, "role": operator.role},
        "rooms": rooms,
        "chosen": request.query.get("room", ""),
    }


class LineAdmin:
    def __init__(self, guard: Guard, *, board: Board, public_log: PublicLog, pages: Pages) -> None:
        self._guard = guard
        self._board = board
        self._public_log = public_log
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get("/admin/line", as_role("viewer", self.screen)),
            web.get("/admin/rooms/{room}/log.jsonl", as_role("viewer", self.dump_log)),
        ]

    async def screen(self, request: web.Request, operator: Operator) -> web.Response:
        context = screen_context(request, operator, self._board)
        return self._pages.render("admin_line.html", context, title="The line")

    async def dump_log(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send a room's log as `waitroom verify` saves it, even if it is not public yet.

        The file has a JSON document on each line: the signed head, then the entries in order.
        """
        room = (await self._board.find(request.match_info["room"])).room
        # Read before the file begins, so that a refusal is still an answer of its own.
        head = await self._public_log.head(room)
        pieces = self._public_log.as_file(head)
        return await send_file(request, pieces, name=f"{room}-log.jsonl", headers=_JSON_LINES)
