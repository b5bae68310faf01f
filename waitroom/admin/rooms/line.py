"""The log of a room as a file, for operators."""

from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.http import PRIVATE, send_file
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.desk.board import Board
from waitroom.desk.public_log import PublicLog

_JSON_LINES = {**PRIVATE, "Content-Type": "application/x-ndjson"}


class LineAdmin:
    def __init__(self, guard: Guard, *, board: Board, public_log: PublicLog) -> None:
        self._guard = guard
        self._board = board
        self._public_log = public_log

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get(
                "/admin/rooms/{room}/log.jsonl", as_role("viewer", self.dump_log, scope="figures")
            ),
        ]

    @described(answer=str, content_type="application/x-ndjson")
    async def dump_log(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Send a room's log as `waitroom verify` saves it, even if it is not public yet.

        The file has a JSON document on each line: the signed head, then the entries in order.
        """
        room = (await self._board.find(request.match_info["room"])).room
        # Read before the file begins, so that a refusal is still an answer of its own.
        head = await self._public_log.head(room)
        pieces = self._public_log.as_file(head)
        return await send_file(request, pieces, name=f"{room}-log.jsonl", headers=_JSON_LINES)
