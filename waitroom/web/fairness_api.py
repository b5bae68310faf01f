"""The fairness report over HTTP: always for operators, and for everybody if they made it public."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Literal, Protocol

from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.http import json_response, wants_html
from inventory.kit.language.asked import ROOM_LANGUAGE, language_of
from inventory.kit.language.catalogues import english
from inventory.kit.pages import Pages
from waitroom.desk.board import Board
from waitroom.refusals import FairnessNotPublic
from waitroom.reports.fairness.fairness_report import FairnessReport
from waitroom.reports.fairness.fairness_store import FairnessStore
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

    async def show(self, request: web.Request) -> web.Response:
        view = await self._board.find(request.match_info["room"])
        if not view.rules.fairness_public:
            raise FairnessNotPublic
        request[ROOM_LANGUAGE] = view.rules.language
        return self._answer(request, await self._store.report(view.room), operator=None)

    async def show_to_operators(self, request: web.Request, operator: SignedIn) -> web.Response:
        report = await self._store.report(request.match_info["room"])
        return self._answer(request, report, operator=operator)

    def _answer(
        self, request: web.Request, report: FairnessReport, *, operator: SignedIn | None
    ) -> web.Response:
        body = report_body(report)
        if not wants_html(request) or request.query.get("format") == "json":
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


def report_body(report: FairnessReport) -> Json:
    """Return the report as JSON and page have it."""
    waits = asdict(report.forecast.waits)
    judged = report.forecast.waits.judged
    return {
        "room": report.room,
        "as_of": report.as_of,
        "over": report.over,
        "log": {"seq": report.log_seq, "hash": report.log_hash},
        "exact_to_s": report.exact_to_s,
        "verdict": verdict(report),
        "people": {"joined": report.joined, "called": report.called, "waiting": report.waiting},
        "overtaken": {
            **asdict(report.overtaken.total),
            "causes": [
                {"cause": cause, **asdict(overtaken)}
                for cause, overtaken in report.overtaken.causes.items()
            ],
        },
        "waits": [asdict(part) for part in report.waits],
        "outcomes": {**asdict(report.counts), "found_nothing_share": report.found_nothing_share},
        "acts": [asdict(act) for act in report.acts],
        "forecast": {
            "every": report.forecasts_every,
            "waits": {**waits, "inside_share": waits["inside"] / judged if judged else None},
            "chances": [asdict(chances) for chances in report.forecast.chances],
        },
        "draws": [asdict(draw) for draw in report.draws],
    }
