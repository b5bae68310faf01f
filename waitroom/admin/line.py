"""The operators' screen of a room's line, and its log as a file."""

from typing import Any

import structlog
from aiohttp import web

from inventory.kit.http import PRIVATE, encode
from inventory.kit.pages import Pages
from waitroom.admin.guard import Guard
from waitroom.admin.sign_in import Operator
from waitroom.board import Board
from waitroom.line_store import LineStore
from waitroom.log_api import LOG_PAGE_MAX, LogApi

log = structlog.get_logger()

_JSON_LINES = {**PRIVATE, "Content-Type": "application/x-ndjson"}


def screen_context(request: web.Request, operator: Operator, board: Board) -> dict[str, Any]:
    """Return what a screen of rooms begins with: who looks, the rooms, and which was named."""
    rooms = [{"room": v.room, "name": v.rules["name"]} for v in board.rooms.values()]
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
        room = self._board.room(request.match_info["room"]).room
        # The head comes first: the log may grow while it is read, and may not have shrunk since.
        head = await self._log_api.signed_head(room)
        response = web.StreamResponse(headers=_JSON_LINES)
        response.headers["Content-Disposition"] = f'attachment; filename="{room}-log.jsonl"'
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            await response.write(encode(head) + b"\n")
            await self._write_entries(response, room)
        except Exception as error:  # noqa: BLE001 - whatever it was, half a file is no answer
            log.warning("export_broken_off", room=room, error=repr(error))
            # The connection ends without the last chunk, so nobody takes the file for a whole one.
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response

    async def _write_entries(self, response: web.StreamResponse, room: str) -> None:
        after = 0
        while entries := await self._lines.log(room, after=after, limit=LOG_PAGE_MAX):
            await response.write(b"".join(encode(entry) + b"\n" for entry in entries))
            after = entries[-1]["seq"]
            if len(entries) < LOG_PAGE_MAX:
                return
