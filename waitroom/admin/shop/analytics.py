"""The operators' API for the figures of a sale. Sellers see only their own SKUs."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.http import json_response, query_int
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.moments import query_moment
from waitroom.reports.analytics.analysis import (
    STEP_S_MAX,
    STEP_S_MIN,
    Analysis,
    Sales,
    Span,
    make_span,
)
from waitroom.reports.analytics.analytics_store import AnalyticsStore

SPAN_UNTIL_NOW = timedelta(days=1)


class AnalyticsAdmin:
    def __init__(self, guard: Guard, *, analytics: AnalyticsStore) -> None:
        self._guard = guard
        self._analytics = analytics

    def routes(self) -> list[web.RouteDef]:
        as_role = self._guard.as_role
        return [
            web.get(
                "/admin/rooms/{room}/analytics",
                as_role("viewer", self.analyse, sellers=True, scope="figures"),
            ),
        ]

    async def analyse(self, request: web.Request, operator: Operator) -> web.Response:
        """Answer with the figures from `from` to `to`, by default of the last day."""
        report = await self._analytics.analyse(
            request.match_info["room"],
            _span(request),
            top=query_int(request, "top", default=10, low=1, high=100),
            seller=operator.scope,
        )
        return json_response(_body(request.match_info["room"], report))


def _span(request: web.Request) -> Span:
    until = query_moment(request, "to") or datetime.now(UTC)
    since = query_moment(request, "from") or until - SPAN_UNTIL_NOW
    step_s = query_int(request, "step", default=0, low=STEP_S_MIN, high=STEP_S_MAX)
    return make_span(since, until, step_s or None)


def _body(room: str, report: Analysis) -> Json:
    span = report.span
    return {
        "room": room,
        "from": span.since,
        "to": span.until,
        "step_s": span.step_s,
        "currency": report.currency,
        "sales": [
            {"at": at, **_sales(sales)} for at, sales in zip(span.steps, report.steps, strict=True)
        ],
        "total": _sales(report.total),
        "skus": [{"sku": s.sku, "name": s.name, **_sales(s.sales)} for s in report.skus],
        "rest": {**_sales(report.rest.sales), "orders": None, "skus": report.rest.skus},
        "walk": report.walk and report.walk.steps(),
        "holds": report.outcomes,
        "time_to_pay": report.pay_times,
        "waits": report.waits,
    }


def _sales(sales: Sales) -> dict[str, int]:
    return {**asdict(sales), "net_minor": sales.net_minor}
