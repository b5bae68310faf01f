"""Catalogues as files: the import and the export of a whole room, for operators and sellers."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import BinaryIO, cast

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from inventory.catalogue import CODE
from inventory.catalogue_csv import report_head, report_rows
from inventory.catalogue_import_store import CatalogueImportStore, Report, Source
from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import CSV, Answer, described
from inventory.kit.doors.query import Choice, Text, Whole
from inventory.kit.doors.texts import read_note
from inventory.kit.http import PRIVATE, PROBLEM, encode, read_query, send_file, send_pieces
from inventory.kit.problem import Busy, TooLarge
from inventory.refusals import CatalogueMoved, RoomArchived, UnreadableFile
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.uploads import PIECE_BYTES, receive
from waitroom.refusals import ImportRefused, NotCsv

FILE_BYTES_MAX = 64 * 1024 * 1024
_TOO_LARGE = f"A file to import has at most {FILE_BYTES_MAX // 1024**2} MiB."
UPLOAD_WAIT_S = 300.0
# An import keeps a core busy, and shoppers come first.
IMPORTS_MAX = 1
# Rows of each fate that a bounded report may have.
EACH_MAX = 1000
_CSV = {**PRIVATE, "Content-Type": "text/csv; charset=utf-8"}
# A larger file is written to the disk instead of kept in memory.
MEMORY_BYTES_MAX = 1024 * 1024


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one row of a file."""

    line: int
    sku: str | None
    fate: str
    # What each field was and is.
    changes: Json | UnsetType = UNSET
    # Units that are received.
    receive: int | UnsetType = UNSET
    # Why the row was refused.
    reasons: list[str] | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport(Report):
    """The result of an import, or what it would be."""

    room: str
    dry_run: bool
    fates: list[Fate]


_DRY_RUN = Choice(name="dry_run", text="1 imports nothing.", words=("0", "1"), default="0")
_REPORT = Choice(
    name="report", text="The form of the report.", words=("json", "csv"), default="json"
)
_ROWS = Whole(
    name="rows",
    text="At most so many rows of each fate; 0 is all.",
    default=0,
    low=0,
    high=EACH_MAX,
)
_DELIVERY = Text(
    name="delivery",
    text="A name for this delivery of units. A file that comes again under it brings none twice.",
    pattern=f"^$|{CODE}",
)
_REASON = Text(
    name="reason", text="A note for the record.", read=read_note, has_lines=True, default="import"
)


class CatalogueFilesAdmin:
    def __init__(self, guard: Guard, *, imports: CatalogueImportStore) -> None:
        self._guard = guard
        self._imports = imports
        self._turns = asyncio.Semaphore(IMPORTS_MAX)

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/rooms/{room}"
        return [
            web.post(
                f"{room}/catalogue", as_role("operator", self.load, sellers=True, scope="stock")
            ),
            web.get(
                f"{room}/catalogue.csv",
                as_role("viewer", self.dump, sellers=True, scope=("figures", "stock")),
            ),
        ]

    @described(
        query=(_DRY_RUN, _REPORT, _ROWS, _DELIVERY, _REASON),
        body=bytes,
        accepts=(CSV,),
        answer=ImportReport,
        also=(Answer(body=str, content_type=CSV),),
        refusals=(NotCsv, UnreadableFile, ImportRefused, CatalogueMoved, RoomArchived),
    )
    async def load(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Import a file, or with `dry_run=1` report row by row the effect of an import.

        The report has every row, or with `rows` so many of each fate; `report=csv` makes it a file.
        """
        if request.content_type != "text/csv":
            raise NotCsv
        query = read_query(request)
        dry_run = _DRY_RUN.of(query)
        as_csv = _REPORT.of(query) == "csv"
        each_max = _ROWS.of(query) or None
        with _spool() as file, _spool() as fates:
            await receive(
                request,
                file,
                bytes_max=FILE_BYTES_MAX,
                wait_s=UPLOAD_WAIT_S,
                too_large=TooLarge(_TOO_LARGE),
            )
            source = Source(
                file=file,
                who=operator.name,
                delivery=_DELIVERY.of(query),
                reason=_REASON.of(query),
                seller=operator.scope,
            )
            if self._turns.locked():
                raise Busy("Another import is under way here; please try again in a minute.")
            async with self._turns:
                report = await self._imports.load(
                    request.match_info["room"],
                    source,
                    fates,
                    dry_run=dry_run == "1",
                    each_max=each_max,
                )
            # The answer goes out after the transaction, so a slow reader holds no locks.
            if as_csv:
                name, headers = f"{request.match_info['room']}-report.csv", _CSV
                return await send_file(request, _as_csv(fates), name=name, headers=headers)
            return await _answer(request, report, fates, dry_run=dry_run == "1")

    @described(answer=str, content_type=CSV)
    async def dump(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        """Return the catalogue of a room as a CSV file, which can be imported again."""
        room = request.match_info["room"]
        pieces = self._imports.dump(room, seller=operator.scope)
        # An unknown room is refused before the answer begins.
        first = await anext(pieces)
        encoded = _encoded(first, pieces)
        return await send_file(request, encoded, name=f"{room}.csv", headers=_CSV)


async def _encoded(first: str, pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    yield first.encode()
    async for piece in pieces:
        yield piece.encode()


def _spool() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES_MAX))


async def _answer(
    request: web.Request, report: Report, fates: BinaryIO, *, dry_run: bool
) -> web.StreamResponse:
    head = {"room": request.match_info["room"], "dry_run": dry_run, **asdict(report)}
    refused = not (dry_run or report.imported)
    if refused:
        detail = f"{report.refused} of {report.rows} rows were refused; nothing was imported."
        head = {**ImportRefused(detail).body(), **head}
    response = web.StreamResponse(
        status=ImportRefused.status if refused else 200, headers=PROBLEM if refused else PRIVATE
    )
    return await send_pieces(request, response, _with_fates(encode(head), fates), name="import")


async def _as_csv(fates: BinaryIO) -> AsyncIterator[bytes]:
    """Turn the fates, one JSON line each, into a file of sentences that a spreadsheet reads."""
    fates.seek(0)
    yield report_head()
    while lines := fates.readlines(PIECE_BYTES):
        yield report_rows(lines)


async def _with_fates(head: bytes, fates: BinaryIO) -> AsyncIterator[bytes]:
    """Combine the head of the answer and the fates, one JSON line each, into one JSON object."""
    yield head[:-1] + b',"fates":['
    fates.seek(0)
    first = True
    while lines := fates.readlines(PIECE_BYTES):
        joined = b",".join(line.rstrip(b"\n") for line in lines)
        yield joined if first else b"," + joined
        first = False
    yield b"]}"
