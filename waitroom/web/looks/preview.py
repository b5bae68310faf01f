"""The preview of shoppers' pages, for operators: any state, language and colour scheme.

They are the pages themselves, rendered with sample figures for a shopper who does not exist.
Nothing on them acts: the answer is sandboxed without scripts and forms, and it sets no cookie.
"""

import re
from datetime import UTC, datetime

from aiohttp import web
from multidict import CIMultiDict

from checkout.shelf.shelf_pages import PRODUCTS_SHOWN_MAX, VARIANTS_SHOWN_MAX
from inventory.api import Catalogue
from inventory.kit.doors.query import Choice
from inventory.kit.http import read_query
from inventory.kit.language.asked import language_of
from inventory.kit.language.catalogues import SOURCE, tags
from inventory.kit.pages import CSP, Look, Pages
from inventory.kit.problem import NotFound
from waitroom.desk.board import Board, RoomView
from waitroom.desk.looks import look_for_pages
from waitroom.look.look_store import LookStore
from waitroom.look.sheet import Sheet, sheet_of
from waitroom.look.states import BY_NAME, ShownState
from waitroom.web.fairness_api import Guard, SignedIn
from waitroom.web.looks.sample import sample_standing, sample_view
from waitroom.web.looks.schemes import SCHEMES, STYLES, sheet_in, style_in
from waitroom.web.looks.sheets_api import sheet_response
from waitroom.web.looks.shop_samples import TEMPLATES, sample_body
from waitroom.web.pages import WaitingPages

PREVIEW_CSP = (
    CSP.replace("script-src 'self'", "script-src 'none'").replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    )
    + "; sandbox allow-same-origin"
)

_SCHEME = Choice(name="scheme", text="The colour scheme to show.", words=("", *SCHEMES))
_LANGUAGE = Choice(name="language", text="The language to show.", words=tags())
_SCRIPT = re.compile(rb'<script type="module" src="[^"]*"></script>')


class PreviewApi:
    def __init__(
        self,
        guard: Guard,
        *,
        board: Board,
        store: LookStore,
        waiting: WaitingPages,
        catalogue: Catalogue,
        pages: Pages,
    ) -> None:
        self._catalogue = catalogue
        self._pages = pages
        self._guard = guard
        self._board = board
        self._store = store
        self._waiting = waiting

    def routes(self) -> list[web.RouteDef]:
        as_role, room = self._guard.as_role, "/admin/rooms/{room}"
        return [
            web.get(f"{room}/preview", as_role("viewer", self.show)),
            web.get(f"{room}/look/{{hash:[0-9a-f]{{16}}}}.css", as_role("viewer", self.sheet)),
            web.get("/admin/preview/{scheme}/{style}.css", as_role("viewer", self.style)),
        ]

    async def show(self, request: web.Request, operator: SignedIn) -> web.Response:
        """Show the draft of a room's look in the state and the language of the address."""
        shown = BY_NAME.get(read_query(request).get("state", "waiting"))
        if shown is None:
            raise NotFound("There is no such state to preview.")
        view = await self._board.find(request.match_info["room"])
        scheme = _scheme_of(request)
        draft = (await self._store.read(view.room)).draft
        sheet = sheet_of(draft)
        address = f"/admin/rooms/{view.room}/look/{sheet.hash}.css" if sheet.hash else ""
        look = look_for_pages(draft, sheet=f"{address}?scheme={scheme}" if address else "")
        response = await self._page(_as_a_shopper(request), view, shown, look)
        response.headers["Content-Security-Policy"] = PREVIEW_CSP
        response.headers.popall("Set-Cookie", None)
        if isinstance(response.body, bytes):
            # They would be blocked, each with an error in the browser's console.
            body = _SCRIPT.sub(b"", response.body)
            response.body = _with_styles(body, scheme) if scheme else body
        return response

    async def _page(
        self, request: web.Request, view: RoomView, shown: ShownState, look: Look
    ) -> web.Response:
        now = datetime.now(UTC)
        sample = sample_view(view, shown, now)
        if shown.page == "waiting":
            looked = (shown.ticket, sample_standing(sample, shown, now), None)
            return await self._waiting.page(request, sample, looked=looked, look=look)
        products = await self._catalogue.products(
            room=view.room, limit=PRODUCTS_SHOWN_MAX, private=True, variants_max=VARIANTS_SHOWN_MAX
        )
        language = language_of(request)
        return self._pages.render(
            TEMPLATES[shown.page],
            sample_body(sample, shown, products.found, now=now, language=language),
            title=shown.title,
            request=request,
            look=look,
        )

    async def style(self, request: web.Request, operator: SignedIn) -> web.Response:
        """Serve one of our styles for one colour scheme."""
        scheme, style = request.match_info["scheme"], request.match_info["style"]
        if scheme not in SCHEMES or style not in STYLES:
            raise NotFound
        return sheet_response(Sheet(text=style_in(style, scheme), hash=""), kept=False)

    async def sheet(self, request: web.Request, operator: SignedIn) -> web.Response:
        """Serve the stylesheet of the draft, which only operators may see yet."""
        sheet = sheet_of((await self._store.read(request.match_info["room"])).draft)
        scheme = _scheme_of(request)
        return sheet_response(sheet_in(sheet, scheme) if scheme else sheet, kept=False)


def _scheme_of(request: web.Request) -> str:
    """Return the colour scheme that an address asks for, "" for the one of the device."""
    return _SCHEME.of(read_query(request)) or ""


def _with_styles(page: bytes, scheme: str) -> bytes:
    """Let a page load our styles for one colour scheme."""
    for style in STYLES:
        link = f'href="/static/css/{style}.css"'.encode()
        page = page.replace(link, f'href="/admin/preview/{scheme}/{style}.css"'.encode())
    return page


def _as_a_shopper(request: web.Request) -> web.Request:
    """Return the request without the operator's cookies, in the language of its address."""
    tag = _LANGUAGE.of(read_query(request)) or SOURCE
    headers = CIMultiDict(request.headers)
    headers.popall("Cookie", None)
    headers["Accept-Language"] = tag
    # The page says of itself that it does not reload.
    return request.clone(headers=headers, rel_url=request.rel_url.update_query(still="1"))
