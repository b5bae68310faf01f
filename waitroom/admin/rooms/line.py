"""The operators' screen of a room's line, and its log as a file."""

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from inventory.kit.http import PRIVATE, encode, send_file
from inventory.kit.pages import Pages
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board
from waitroom.store.line_store import LineStore
from waitroom.web.log_api import LOG_PAGE_MAX, LogApi

_JSON_LINES = {**PRIVATE, "Content-Type": "application/x-ndjson"}


def screen_context(request: web.Request, operator: Operator, board: Board) -> dict[str, Any]:
    """Return what a screen of rooms begins with: who looks, the rooms, and which was named."""
    rooms = [{"room": v.room, "name": v.rules.name} for v in board.rooms.values()]
    return {
        "operator": {"name": operator.name, "role": operator.role},
        "rooms": rooms,
        "chosen": request.query.get("room", ""),
    }


class LineAdmin:
    def __init__(
        self, guard: Guard, *, board: Board, lines: LineStore, log_api: LogApi, pages: Pages
    ) -> None:
        self._guard = guard
        self._board = board
        self._lines = lines
        self._log_api = log_api
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
        """Send a room's log, also one that is not public yet, as `waitroom verify` saves it.

        The file has a JSON document on each line: the signed head, then the entries in order.
        """
        room = (await self._board.find(request.match_info["room"])).room
        # The head comes first: the log may grow while it is read, and may not have shrunk since.
        head = await self._log_api.signed_head(room)
        pieces = self._written(head, room)
        return await send_file(request, pieces, name=f"{room}-log.jsonl", headers=_JSON_LINES)

    async def _written(self, head: dict[str, Any], room: str) -> AsyncIterator[bytes]:
        yield encode(head) + b"\n"
        after = 0
        while entries := await self._lines.log(room, after=after, limit=LOG_PAGE_MAX):
            yield b"".join(encode(entry) + b"\n" for entry in entries)
            after = entries[-1]["seq"]
            if len(entries) < LOG_PAGE_MAX:
                return
