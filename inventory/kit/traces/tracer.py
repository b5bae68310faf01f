"""Spans of OpenTelemetry. Imported only where traces are on."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from inventory.kit.database import NAMES
from inventory.kit.http import route_of
from inventory.kit.traces.spans import Facts

# The share of traces that is kept unless OTEL_TRACES_SAMPLER says otherwise: a crowd would drown
# whatever collects them.
SHARE = 0.01
# Answered from memory by the thousand, or asked by machines.
UNTRACED = ("/static", "/healthz", "/readyz", "/metrics", "/rooms/{room}/state")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CARRIED = ("traceparent", "tracestate")
_TRACE_CONTEXT = TraceContextTextMapPropagator()


def otlp_tracer(environment: Mapping[str, str]) -> "OtelTracer":
    """Return a tracer that sends over OTLP and HTTP, as the OTEL_ variables say."""
    return OtelTracer(BatchSpanProcessor(OTLPSpanExporter()), environment)


def _sampler(environment: Mapping[str, str]) -> Sampler | None:
    """Return our own sampler; None leaves it to the variables.

    A `traceparent` comes from anyone, so one that says that it is sampled is sampled as we would.
    """
    if environment.get("OTEL_TRACES_SAMPLER"):
        return None
    share = TraceIdRatioBased(SHARE)
    return ParentBased(root=share, remote_parent_sampled=share)


class OtelTracer:
    """Makes spans of OpenTelemetry, and hands them to a processor when they end."""

    def __init__(self, processor: SpanProcessor, environment: Mapping[str, str]) -> None:
        named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        self._provider = TracerProvider(
            resource=Resource.create({} if named else {"service.name": "waitroom"}),
            sampler=_sampler(environment),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("waitroom")

    def span(self, name: str, facts: Facts) -> Any:
        return self._span(name, facts)

    def root(self, name: str, facts: Facts) -> Any:
        return self._span(name, facts, context=Context())

    @contextmanager
    def _span(
        self,
        name: str,
        facts: Facts,
        *,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Iterator[Span]:
        """Make a span that is the present one until the end; of an error it has the kind alone."""
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=facts,
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            try:
                yield made
            except web.HTTPException:
                raise
            except BaseException as error:
                _tell_error(made, error)
                raise

    async def watch(self, connection: Any) -> None:
        """Tell the statements of a connection within spans that are kept."""
        connection.add_query_logger(self._tell_statement)

    def _tell_statement(self, record: Any) -> None:
        # It is told a turn later, and the span that it is part of may have ended since.
        if not get_current_span().get_span_context().trace_flags.sampled:
            return
        ended_ns = time.time_ns()
        name = NAMES.get(record.query, "statement")
        made = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.operation.name": name},
            start_time=ended_ns - int(record.elapsed * 1e9),
        )
        if record.exception is not None:
            _tell_error(made, record.exception)
        made.end(ended_ns)

    def middleware(self) -> Middleware:
        """Return the middleware that gives each request its span."""

        @web.middleware
        async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = route_of(request.match_info)
            if route.startswith(UNTRACED):
                return await handler(request)
            method = request.method if request.method in METHODS else "_OTHER"
            carried = {n: request.headers[n] for n in _CARRIED if n in request.headers}
            # All requests of one connection share a task, and with it the context of the last one.
            context = _TRACE_CONTEXT.extract(carried, context=Context())
            facts = {"http.request.method": method, "http.route": route}
            with self._span(
                f"{method} {route}", facts, context=context, kind=SpanKind.SERVER
            ) as made:
                try:
                    response = await handler(request)
                except web.HTTPException as leads_on:
                    made.set_attribute("http.response.status_code", leads_on.status)
                    raise
                made.set_attribute("http.response.status_code", response.status)
                if response.status >= 500:
                    made.set_status(StatusCode.ERROR)
                return response

        return traced

    def close(self) -> None:
        """Send what is left, and end."""
        self._provider.shutdown()


def _tell_error(made: Span, error: BaseException) -> None:
    made.set_status(StatusCode.ERROR)
    made.set_attribute("error.type", type(error).__name__)
