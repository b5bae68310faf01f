"""The preview of the waiting page, for operators: any state and language, with sample figures.

It is the waiting page itself, rendered for a shopper who does not exist. Nothing on it acts: the
answer is sandboxed without scripts and forms, and it sets no cookie.
"""

from datetime import UTC, datetime

from aiohttp import web
from multidict import CIMultiDict

from inventory.kit.language.catalogues import SOURCE, tags
from inventory.kit.pages import CSP
from inventory.kit.problem import NotFound
from waitroom.desk.board import Board
from waitroom.desk.looks import look_for_pages
from waitroom.look.look_store import LookStore
from waitroom.look.sheet import sheet_of
from waitroom.look.states import BY_NAME
from waitroom.web.fairness_api import Guard, SignedIn
from waitroom.web.looks.sample import sample_standing, sample_view
from waitroom.web.looks.sheets_api import sheet_response
from waitroom.web.pages import WaitingPages

PREVIEW_CSP = (
    CSP.replace("script-src 'self'", "script-src 'none'").replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    )
    + "; sandbox allow-same-origin"
)


class PreviewApi:
    def __init__(
        self, guard: Guard, *, board: Board, store: LookStore, waiting: WaitingPages
    ) -> None:
        self._guard = guard
        self._board = board
        self._store = store
        self._waiting = waiting

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/rooms/{room}"
        return [
            web.get(f"{room}/preview", as_role("viewer", self.show)),
            web.get(f"{room}/look/{{hash:[0-9a-f]{{16}}}}.css", as_role("viewer", self.sheet)),
        ]

    async def show(self, request: web.Request, operator: SignedIn) -> web.Response:
        """Show the draft of a room's look in the state and the language of the address."""
        shown = BY_NAME.get(request.query.get("state", "waiting"))
        if shown is None:
            raise NotFound("There is no such state to preview.")
        view = await self._board.find(request.match_info["room"])
        draft = (await self._store.read(view.room)).draft
        sheet = sheet_of(draft)
        address = f"/admin/rooms/{view.room}/look/{sheet.hash}.css" if sheet.hash else ""
        now = datetime.now(UTC)
        sample = sample_view(view, shown, now)
        response = await self._waiting.page(
            _as_a_shopper(request),
            sample,
            looked=(shown.ticket, sample_standing(sample, shown, now), None),
            look=look_for_pages(draft, sheet=address),
        )
        response.headers["Content-Security-Policy"] = PREVIEW_CSP
        response.headers.popall("Set-Cookie", None)
        return response

    async def sheet(self, request: web.Request, operator: SignedIn) -> web.Response:
        """Serve the stylesheet of the draft, which only operators may see yet."""
        sheet = sheet_of((await self._store.read(request.match_info["room"])).draft)
        return sheet_response(sheet, kept=False)


def _as_a_shopper(request: web.Request) -> web.Request:
    """Return the request without the operator's cookies, in the language of its address."""
    tag = request.query.get("language", SOURCE)
    headers = CIMultiDict(request.headers)
    headers.popall("Cookie", None)
    headers["Accept-Language"] = tag if tag in tags() else SOURCE
    # The page says of itself that it does not reload.
    return request.clone(headers=headers, rel_url=request.rel_url.update_query(still="1"))
