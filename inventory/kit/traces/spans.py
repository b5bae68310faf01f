"""The switch of traces, and what code calls that has something to tell."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any, Protocol

from aiohttp.typedefs import Middleware

# Where spans are sent; the extra reads them too, and all other OTEL_ variables.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_OFF = nullcontext()

# What a span tells: plain values about the work, and about no person.
Fact = str | int
Facts = Mapping[str, Fact]


class Tracer(Protocol):
    """Makes spans. `facts` are plain values about the work, and about no person."""

    def span(self, name: str, facts: Facts) -> AbstractContextManager[object]: ...

    def root(self, name: str, facts: Facts) -> AbstractContextManager[object]: ...

    async def watch(self, connection: Any) -> None: ...

    def middleware(self) -> Middleware: ...

    def close(self) -> None: ...


class _Switch:
    tracer: Tracer | None = None


class TracesMissing(Exception):
    """Traces are wanted, and the extra is not installed."""


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Say whether the standard variables of OpenTelemetry name a place for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "otlp":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


@contextmanager
def traces_of(environment: Mapping[str, str]) -> Iterator[None]:
    """Trace until the end, if the environment wants it; raises `TracesMissing`."""
    if not wants_traces(environment):
        yield
        return
    try:
        made = import_module("inventory.kit.traces.tracer").otlp_tracer(environment)
    except ImportError as error:
        raise TracesMissing(
            "the OTEL_ variables ask for traces: pip install 'waitroom[traces]', "
            "or set OTEL_SDK_DISABLED=true"
        ) from error
    with traced_by(made):
        yield


@contextmanager
def traced_by(tracer: Tracer) -> Iterator[None]:
    """Switch traces on, and off at the end."""
    _Switch.tracer = tracer
    try:
        yield
    finally:
        _Switch.tracer = None
        tracer.close()


def tracer() -> Tracer | None:
    """Return what traces at present; None while traces are off."""
    return _Switch.tracer


def span(name: str, **facts: Fact) -> AbstractContextManager[object]:
    """Return the span of a part of the present work."""
    found = _Switch.tracer
    return _OFF if found is None else found.span(name, facts)


def root_span(name: str, **facts: Fact) -> AbstractContextManager[object]:
    """Return the span of work that belongs to no single request, as a trace of its own."""
    found = _Switch.tracer
    return _OFF if found is None else found.root(name, facts)


def watch_of_connections() -> Callable[[Any], Awaitable[None]] | None:
    """Return what a pool calls with each new connection; None while traces are off."""
    found = _Switch.tracer
    return None if found is None else found.watch
