"""The operators' API for the figures of a sale. Sellers see only their own SKUs."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from aiohttp import web

from inventory.kit.doors.decoding import Json
from inventory.kit.doors.described import described
from inventory.kit.doors.query import When, Whole
from inventory.kit.http import json_response, read_query
from inventory.kit.problem import AuditTooLong
from waitroom.admin.accounts.guard import Guard
from waitroom.admin.accounts.sign_in import Operator
from waitroom.admin.shop.answers import AnalysisBody, RestBody, SalesBody, SkuSalesBody, StepSales
from waitroom.refusals import TooMuchToCount
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


_FROM = When(name="from", text="The beginning of the span, by default a day before its end.")
_TO = When(name="to", text="The end of the span, by default now.")
_STEP = Whole(
    name="step",
    text="The length of a step in seconds, by default one that fits the span.",
    default=0,
    low=STEP_S_MIN,
    high=STEP_S_MAX,
)
_TOP = Whole(name="top", text="How many of the best-selling SKUs.", default=10, low=1, high=100)


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

    @described(
        query=(_FROM, _TO, _STEP, _TOP),
        answer=AnalysisBody,
        refusals=(TooMuchToCount, AuditTooLong),
    )
    async def analyse(self, request: web.Request, operator: Operator) -> web.Response:
        """Answer with the figures from `from` to `to`, by default of the last day."""
        report = await self._analytics.analyse(
            request.match_info["room"],
            _span(request),
            top=_TOP.of(read_query(request)),
            seller=operator.scope,
        )
        return json_response(_body(request.match_info["room"], report))


def _span(request: web.Request) -> Span:
    query = read_query(request)
    until = _TO.of(query) or datetime.now(UTC)
    since = _FROM.of(query) or until - SPAN_UNTIL_NOW
    step_s = _STEP.of(query)
    return make_span(since, until, step_s or None)


def _body(room: str, report: Analysis) -> AnalysisBody:
    span = report.span
    return AnalysisBody(
        room=room,
        since=span.since,
        until=span.until,
        step_s=span.step_s,
        currency=report.currency,
        sales=[
            StepSales(at=at, **_sales(sales))
            for at, sales in zip(span.steps, report.steps, strict=True)
        ],
        total=SalesBody(**_sales(report.total)),
        skus=[SkuSalesBody(sku=s.sku, name=s.name, **_sales(s.sales)) for s in report.skus],
        rest=RestBody(**{**_sales(report.rest.sales), "orders": None, "skus": report.rest.skus}),
        walk=None if report.walk is None else report.walk.steps(),
        holds=report.outcomes,
        time_to_pay=report.pay_times,
        waits=report.waits,
    )


def _sales(sales: Sales) -> Json:
    return {**asdict(sales), "net_minor": sales.net_minor}
