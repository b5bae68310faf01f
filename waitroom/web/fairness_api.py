"""The fairness report over HTTP: always for operators, and for everybody if they made it public."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from aiohttp import web

from inventory.kit.doors.described import described
from inventory.kit.doors.query import Choice
from inventory.kit.http import json_response, read_query, wants_html
from inventory.kit.language.asked import ROOM_LANGUAGE, language_of
from inventory.kit.language.catalogues import english
from inventory.kit.pages import Pages
from inventory.kit.problem import AuditTooLong
from waitroom.desk.board import Board
from waitroom.refusals import FairnessNotPublic, TooMuchToCount
from waitroom.reports.fairness.fairness_report import FairnessReport
from waitroom.reports.fairness.fairness_store import FairnessStore
from waitroom.reports.fairness.report_body import FairnessBody, report_body
from waitroom.reports.fairness.verdict import CAUSES, verdict


class SignedIn(Protocol):
    """A signed-in operator, as far as a page shows them."""

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...


class Guard(Protocol):
    """Lets only operators with a role do an action. The operators' part of the service has one."""

    def as_role(
        self,
        role: str,
        action: Callable[[web.Request, SignedIn], Awaitable[web.StreamResponse]],
        *,
        scope: Literal["figures"] | tuple[()] = (),
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]: ...


_FORMAT = Choice(
    name="format",
    text="`json`, for a client whose `Accept` asks for a page.",
    words=("json", "html"),
)


class FairnessApi:
    """Serves the report as JSON and as a page."""

    def __init__(self, board: Board, guard: Guard, *, store: FairnessStore, pages: Pages) -> None:
        self._board = board
        self._guard = guard
        self._store = store
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/rooms/{room}/fairness", self.show),
            web.get(
                "/admin/rooms/{room}/fairness",
                self._guard.as_role("viewer", self.show_to_operators, scope="figures"),
            ),
        ]

    @described(
        query=(_FORMAT,),
        answer=FairnessBody,
        refusals=(FairnessNotPublic, TooMuchToCount, AuditTooLong),
    )
    async def show(self, request: web.Request) -> web.Response:
        """Return the fairness report of a room."""
        view = await self._board.find(request.match_info["room"])
        if not view.rules.fairness_public:
            raise FairnessNotPublic
        request[ROOM_LANGUAGE] = view.rules.language
        return self._answer(request, await self._store.report(view.room), operator=None)

    @described(query=(_FORMAT,), answer=FairnessBody, refusals=(TooMuchToCount, AuditTooLong))
    async def show_to_operators(self, request: web.Request, operator: SignedIn) -> web.Response:
        """Return the fairness report of a room, also where it is not public."""
        report = await self._store.report(request.match_info["room"])
        return self._answer(request, report, operator=operator)

    def _answer(
        self, request: web.Request, report: FairnessReport, *, operator: SignedIn | None
    ) -> web.Response:
        body = report_body(report)
        if _FORMAT.of(read_query(request)) == "json" or not wants_html(request):
            return json_response(body)
        view = self._board.rooms.get(report.room)
        name = view.rules.name if view else report.room
        context = {
            "report": body,
            "verdict": verdict(report, english() if operator else language_of(request)),
            "name": name,
            "causes": {str(cause): words for cause, words in CAUSES.items()},
            "operator": operator and {"name": operator.name, "role": operator.role},
            "public": bool(view and view.rules.fairness_public),
        }
        if operator is not None:
            return self._pages.render("admin/fairness.html", context, title="Fairness")
        return self._pages.render(
            "fairness.html", context, title=f"Fairness of {name}", request=request
        )
