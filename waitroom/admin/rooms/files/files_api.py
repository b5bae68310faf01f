"""The operators' API for rooms as documents."""

import msgspec
from aiohttp import web

from inventory.kit.doors.decoding import Json, field_of, words_of
from inventory.kit.doors.described import Answer, described
from inventory.kit.doors.query import Choice
from inventory.kit.http import json_response, read_body, read_query
from inventory.kit.problem import Unprocessable
from inventory.refusals import BelowCommitted, ChangedMeanwhile, RoomArchived, Taken
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.rooms.files.room_file import RoomFile, wanted_json
from waitroom.admin.rooms.files.room_file_store import RoomFileStore
from waitroom.client.answers import AppliedFile
from waitroom.desk.board import Board
from waitroom.desk.gates import Gates
from waitroom.desk.looks import RoomLooks
from waitroom.refusals import DrawIsDue, LookDraftWaits, SaleEnded, TooManyGoods

_OBJECT = msgspec.json.Decoder(dict)
# Those of every call by which a room is made or changed.
_REFUSALS = (
    *(RoomArchived, SaleEnded, DrawIsDue, Taken, BelowCommitted),
    *(ChangedMeanwhile, LookDraftWaits),
)


_DRY_RUN = Choice(
    name="dry_run",
    text="`true` changes nothing, and says what would change.",
    words=("true", "false"),
    default="false",
)


class FilesAdmin:
    def __init__(
        self, guard: Guard, *, files: RoomFileStore, board: Board, looks: RoomLooks, gates: Gates
    ) -> None:
        self._guard = guard
        self._files = files
        self._board = board
        self._looks = looks
        self._gates = gates

    def routes(self) -> list[web.RouteDef]:
        as_role, file = self._guard.as_role, "/admin/rooms/{room}/file"
        return [
            web.get(file, as_role("viewer", self.read, scope=("figures", "rooms"))),
            web.put(file, as_role("operator", self.apply, scope="rooms")),
        ]

    @described(answer=RoomFile, refusals=(TooManyGoods,))
    async def read(self, request: web.Request, operator: Operator) -> web.Response:
        """Return a room as a document, in the form in which it can be applied."""
        return json_response(await self._files.file_json(request.match_info["room"]))

    @described(
        query=(_DRY_RUN,),
        body=RoomFile,
        answer=AppliedFile,
        also=(Answer(status=201, body=AppliedFile, text="The room was made."),),
        refusals=_REFUSALS,
    )
    async def apply(self, request: web.Request, operator: Operator) -> web.Response:
        """Bring a room to a document, or say with `dry_run` what would change."""
        dry_run = _DRY_RUN.of(read_query(request))
        wanted = _read(await read_body(request, _OBJECT))
        if wanted.get("products"):
            operator.require_scope("stock")
        applied = await self._files.apply(
            request.match_info["room"],
            wanted,
            who=operator.name,
            may_make=operator.may("admin"),
            dry_run=dry_run == "true",
        )
        if applied.changes and not applied.dry_run:
            await self._board.refresh(rooms=True)
            await self._looks.refresh()
            await self._gates.refresh()
        return json_response(
            applied, status=201 if applied.created and not applied.dry_run else 200
        )


def _read(said: Json) -> Json:
    try:
        return wanted_json(said)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"{words_of(error)}.", field=field_of(error)) from error
