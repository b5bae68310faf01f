"""Traces: what a sale tells of itself when they are on, and that off nothing is there."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support import open_room, tick

from inventory.kit.traces.spans import TracesMissing, traced_by, traces_of, wants_traces
from inventory.kit.traces.tracer import OtelTracer
from waitroom.run.app import Service, make_app

ALWAYS = {"OTEL_TRACES_SAMPLER": "always_on"}
COLLECTED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
BEGINS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    for name, value in ALWAYS.items():
        monkeypatch.setenv(name, value)
    return InMemorySpanExporter()


@pytest.fixture
async def traced(
    spans: InMemorySpanExporter, services: Callable[..., Awaitable[Service]], postgres_url: str
) -> AsyncIterator[tuple[Service, TestClient[Any, Any]]]:
    """Open a service with connections of its own, since those of other tests are not watched."""
    with traced_by(OtelTracer(SimpleSpanProcessor(spans), ALWAYS)):
        service = await services(postgres_url=f"{postgres_url}&application_name=traced")
        await open_room(service)
        async with TestClient(TestServer(make_app(service))) as client:
            yield service, client


async def test_a_sale_tells_its_requests_batches_ticks_statements_and_payments(
    traced: tuple[Service, TestClient[Any, Any]], spans: InMemorySpanExporter
) -> None:
    service, client = traced
    joined = await client.post("/rooms/drop/tickets", headers=BEGINS)
    ticket = (await joined.json())["ticket"]
    await tick(service, 2)
    bearer = {"Authorization": f"Bearer {ticket}"}
    claimed = await client.post("/rooms/drop/claims", headers=bearer)
    session = (await claimed.json())["session"]
    bearer = {"Authorization": f"Bearer {session}", "Idempotency-Key": "a" * 32}
    basket = {"items": [{"sku": "mug", "quantity": 1}]}
    held = await client.post("/checkout/holds", headers=bearer, json=basket)
    hold = (await held.json())["hold_id"]
    bearer["Idempotency-Key"] = "b" * 32
    paid = await client.post(
        "/checkout/orders",
        headers=bearer,
        json={"hold_id": hold, "payment": {"token": "tok_approve"}},
    )
    told = spans.get_finished_spans()
    by_name = {one.name: one for one in told}
    words = " ".join(f"{one.name} {dict(one.attributes or {})}" for one in told)

    assert (joined.status, claimed.status, held.status, paid.status) == (201, 201, 201, 201)
    assert {
        "POST /rooms/{room}/tickets",
        "POST /rooms/{room}/claims",
        "POST /checkout/holds",
        "POST /checkout/orders",
        "tick",
        "gateway authorize",
        "place_hold",
    } <= set(by_name), sorted(by_name)
    assert any(name.startswith("batch ") for name in by_name)
    join = by_name["POST /rooms/{room}/tickets"]
    assert join.context is not None
    assert f"{join.context.trace_id:032x}" == TRACE
    assert dict(join.attributes or {})["http.response.status_code"] == 201
    # A batch is of many requests and of no one's trace; its statement is its child.
    place = by_name["place_hold"]
    batch = next(one for one in told if place.parent and one.context == place.parent)
    assert batch.name.startswith("batch ")
    assert batch.parent is None
    authorized = by_name["gateway authorize"]
    assert authorized.parent is not None
    for secret in (ticket, session, hold, "127.0.0.1", "tok_approve"):
        assert secret not in words


async def test_an_error_is_told_by_its_kind_alone(spans: InMemorySpanExporter) -> None:
    tracer = OtelTracer(SimpleSpanProcessor(spans), ALWAYS)

    with traced_by(tracer), pytest.raises(ValueError, match="4242"), tracer.span("work", {}):
        raise ValueError("card 4242424242424242")

    (told,) = spans.get_finished_spans()
    assert dict(told.attributes or {}) == {"error.type": "ValueError"}
    assert not told.events
    assert not told.status.description


def test_few_traces_are_kept_unless_the_environment_says_otherwise() -> None:
    kept = InMemorySpanExporter()
    with traced_by(tracer := OtelTracer(SimpleSpanProcessor(kept), {})):
        for _ in range(500):
            with tracer.root("work", {}):
                pass

    assert len(kept.get_finished_spans()) < 50


def test_the_standard_variables_switch_traces_on_and_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inventory.kit.traces.tracer", None)

    assert wants_traces(COLLECTED)
    assert not wants_traces({})
    assert not wants_traces({**COLLECTED, "OTEL_SDK_DISABLED": "true"})
    assert not wants_traces({**COLLECTED, "OTEL_TRACES_EXPORTER": "none"})
    with pytest.raises(TracesMissing, match=r"waitroom\[traces\]"), traces_of(COLLECTED):
        pass


async def test_off_they_load_nothing_of_ours_and_stand_in_no_way(
    services: Callable[..., Awaitable[Service]],
) -> None:
    tracer = "inventory.kit.traces.tracer"
    source = f"import sys, waitroom.run.serve; print({tracer!r} in sys.modules)"
    done = subprocess.run(  # noqa: ASYNC221 - it only imports
        [sys.executable, "-c", source], env=os.environ, capture_output=True, text=True, check=True
    )
    app = make_app(await services())

    assert done.stdout.strip() == "False"
    assert "traced" not in {middleware.__name__ for middleware in app.middlewares}
