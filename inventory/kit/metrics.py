"""Prometheus figures. One histogram of requests; its children are looked up once per route."""

from aiohttp.abc import AbstractMatchInfo
from prometheus_client import Counter, Histogram

SECONDS = Histogram(
    "waitroom_request_seconds",
    "Time from the request's head to the answer, by route and status.",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCHES = Counter("waitroom_batches_total", "Engine calls made by the batchers.", ["batcher"])
BATCHED = Counter("waitroom_batched_total", "Requests that went out in batches.", ["batcher"])

_children: dict[tuple[str, int], Histogram] = {}


def route_of(match: AbstractMatchInfo) -> str:
    """Return the name of the route that serves a request."""
    # A path that no route serves has no name of its own: strangers must not fill the table.
    resource = getattr(getattr(match, "route", None), "resource", None)
    return resource.canonical if resource is not None else "none"


def observe(route: str, status: int, seconds: float) -> None:
    """Count one request and its time under the route that served it."""
    child = _children.get((route, status))
    if child is None:
        child = _children[route, status] = SECONDS.labels(route, str(status))
    child.observe(seconds)
